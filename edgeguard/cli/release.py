"""`edgeguard case release` and `edgeguard nullroute release`: the same command under two names."""

from __future__ import annotations

from pathlib import Path

import click

from edgeguard.cli.options import config_option, duration, example, json_option, term_argument, why_option
from edgeguard.grace import Disposition

PERIOD = "30m, 7d; 30d at most, for longer see `exempt extend`"


def _command(group: str) -> click.Command:
    @click.command(
        "release",
        epilog=example(
            f"edgeguard {group} release web1 --as fixed --why 'owner took the miner away, load is normal'",
            f"edgeguard {group} release web1 --as exempt --consent 'target owner, ticket 4711' --why 'load test'",
        ),
    )
    @term_argument
    @click.option(
        "--as",
        "disposition",
        required=True,
        type=click.Choice([one.value for one in Disposition]),
        help="What was found: it is meant to be, fixed, rebuilt, nobody looked, or we were wrong.",
    )
    @why_option
    @click.option("--consent", default="", metavar="TEXT", help="With exempt: how the target's owner agreed.")
    @click.option("--ceiling", type=click.IntRange(1), help="With exempt: packets a second, less than as measured.")
    @click.option("--for", "for_ns", callback=duration, metavar="DURATION", help=f"With exempt: {PERIOD}.")
    @json_option
    @config_option
    def release(
        *,
        term: str,
        disposition: str,
        why: str,
        consent: str,
        ceiling: int | None,
        for_ns: int | None,
        as_json: bool,
        config_path: Path,
    ) -> None:
        """End null routes, saying what was found and why; waits until the kernel holds nothing of them.

        TERM is a case, VM, address or tap (all of its null routes end) or one decision. With exempt the same
        traffic is left alone from now on, up to 1.5 times what was measured and for 30 days.
        """
        if disposition != Disposition.EXEMPT and (consent or ceiling or for_ns):
            raise click.UsageError("--consent, --ceiling and --for are of an exemption: --as exempt")
        from edgeguard.cli import asking  # noqa: PLC0415 - not for --help
        from edgeguard.request import ReleaseNullRoute  # noqa: PLC0415

        what = ReleaseNullRoute(term, why, disposition, consent, ceiling or 0, for_ns or 0)
        answer = asking.ask(config_path, what)
        for decision in answer.get("decisions", ()):
            asking.await_end(config_path, decision)
        text = f"{answer.get('text', 'done')}; the kernel holds nothing of it any more"
        asking.tell({**answer, "text": text}, as_json)

    return release


of_case, of_nullroute = _command("case"), _command("nullroute")
