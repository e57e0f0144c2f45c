"""`edgeguard case release` and `edgeguard nullroute release`: the same command under two names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgeguard.cli.options import config_option, duration, example, json_option, term_argument, why_option
from edgeguard.grace import Disposition

if TYPE_CHECKING:
    from edgeguard.request import ReleaseNullRoute

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
    def command(
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
        asking.tell(release(config_path, what), as_json)

    return command


def release(config_path: Path, what: ReleaseNullRoute) -> dict[str, Any]:
    """Ask for it, and prove it: the answer, with what was found; an error where anything of it is missing."""
    from edgeguard.cli import asking, freeing  # noqa: PLC0415 - not for --help

    answer = asking.ask(config_path, what)
    for decision in answer.get("decisions", ()):
        asking.await_end(config_path, decision)
    found = freeing.proved(config_path, answer)
    return {**answer, **found, "text": f"{answer.get('text', 'done')}; {found['text']}"}


of_case, of_nullroute = _command("case"), _command("nullroute")
