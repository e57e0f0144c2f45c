"""`edgeguard case release` and `edgeguard nullroute release`: the same command under two names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgeguard.cli.options import (
    config_option,
    duration,
    example,
    json_option,
    term_argument,
    together_option,
    why_option,
)
from edgeguard.grace import Disposition

if TYPE_CHECKING:
    from edgeguard.request import ReleaseNullRoute

PERIOD = "30m, 7d; 30d at most, for longer see `exempt extend`"


def _command(group: str) -> click.Command:
    @click.command(
        "release",
        epilog=example(
            f"edgeguard {group} release web1 --as fixed --why 'owner took the miner away, load is normal'",
            f"edgeguard {group} release web1 --together --as unverified --why 'the owner says it is his own queue'",
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
    @together_option
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
        together: bool,
        as_json: bool,
        config_path: Path,
    ) -> None:
        """End null routes, saying what was found and why; waits until the kernel holds nothing of them.

        TERM is a case, VM, address or tap (all of its null routes end) or one decision. With exempt the same
        traffic is left alone from now on, up to 1.5 times what was measured and for 30 days. With --together each
        case has its own release, and its own exemption as it was measured; what fails of one stops no other.
        """
        if disposition != Disposition.EXEMPT and (consent or ceiling or for_ns):
            raise click.UsageError("--consent, --ceiling and --for are of an exemption: --as exempt")
        from edgeguard.request import ReleaseNullRoute  # noqa: PLC0415 - not for --help

        release(
            config_path, ReleaseNullRoute(term, why, disposition, consent, ceiling or 0, for_ns or 0, together), as_json
        )

    return command


def release(config_path: Path, what: ReleaseNullRoute, as_json: bool) -> None:
    """Ask for it, prove it and tell it. An error where anything of it is missing, once all the rest is told."""
    from edgeguard.cli import asking, freeing, others  # noqa: PLC0415 - not for --help

    answer = asking.ask(config_path, what)
    stands = asking.await_ends(config_path, answer.get("decisions", ()))
    found, missing = freeing.proved(config_path, answer, stands)
    if not missing or len(missing) < len(answer.get("cases", ())):  # where it is true of none, nothing is claimed
        asking.tell({**answer, **found, "text": f"{answer.get('text', 'done')}; {found['text']}"}, as_json)
    others.tell(answer, what, config_path, as_json)
    others.fail(answer, missing)


of_case, of_nullroute = _command("case"), _command("nullroute")
