"""`edgeguard nullroute`: what is null-routed now, and a person's own null routes and releases."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from edgeguard.cli.group import Commands
from edgeguard.cli.options import config_option, example, json_option, loaded, term_argument, why_option

SCOPES = ("narrow", "own-only", "full")
COLUMNS = ("decision", "case", "vm", "tap", "scope", "targets", "since", "until", "proof", "by")


def _duration(ctx: click.Context, parameter: click.Parameter, value: str) -> int:
    from edgeguard import units  # noqa: PLC0415 - not for --help

    try:
        ns = units.duration(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
    if ns <= 0:
        raise click.BadParameter(f"{value!r} is no time at all")
    return ns


def _targets(ctx: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    from edgeguard import request  # noqa: PLC0415 - not for --help

    for value in values:
        try:
            request.target(value)
        except ValueError as error:
            raise click.BadParameter(str(error)) from None
    return values


def _scope(scope: str | None, full: bool, targets: tuple[str, ...]) -> str:
    """One width: by its name, by --full, or by targets alone."""
    if full and scope not in (None, "full"):
        raise click.UsageError(f"--full and --scope {scope}: one of the two")
    wide = scope or ("full" if full else "narrow")
    if (wide == "narrow") != bool(targets):
        raise click.UsageError("name --target (one or more), --scope own-only or --full, one of the three")
    return wide


KERNEL_S = 2.0  # for the acknowledgement


@click.group(cls=Commands, epilog=example("edgeguard nullroute list"))
def nullroute() -> None:
    """List, add and release null routes."""


@nullroute.command("list", epilog=example("edgeguard nullroute list --json"))
@json_option
@config_option
def list_null_routes(as_json: bool, config_path: Path) -> None:
    """List what is null-routed now: whom, how wide, until when. Reads the database; needs no daemon."""
    from edgeguard.cli import output, reading  # noqa: PLC0415 - not for --help

    with reading.reader(config_path) as reader:
        standing = reader.standing()
    if as_json:
        for one in standing:
            output.print_json({"case": one.case.id, **_fields(one)})
        return
    output.print_table(COLUMNS, [_row(one) for one in standing], "nothing is null-routed")


@nullroute.command(
    epilog=example(
        "edgeguard nullroute add web1 --target 198.51.100.7:80/tcp --for 30m --why 'reported by the target'",
        "edgeguard nullroute add vm-101 --scope own-only --for 2h --why 'forged senders, reported'",
        "edgeguard nullroute add vm-101 --full --for 2h --why 'intruder on it, owner asked'",
    )
)
@term_argument
@click.option(
    "--target",
    "targets",
    multiple=True,
    metavar="ADDR[:PORT/PROTO]",
    callback=_targets,
    help="Drop what the VM sends there; may be given again.",
)
@click.option(
    "--scope",
    type=click.Choice(SCOPES),
    help="How wide: narrow (the targets), own-only (what carries forged senders), full (everything).",
)
@click.option("--full", is_flag=True, help="Drop everything from and to the VM: short for --scope full.")
@click.option("--for", "for_ns", required=True, metavar="DURATION", callback=_duration, help="Until when: 30m, 4h.")
@why_option
@json_option
@config_option
def add(
    *,
    term: str,
    targets: tuple[str, ...],
    scope: str | None,
    full: bool,
    for_ns: int,
    why: str,
    as_json: bool,
    config_path: Path,
) -> None:
    """Null-route a VM by hand, with an end and a reason; makes a case and goes through the daemon."""
    wide = _scope(scope, full, targets)
    from edgeguard.request import AddNullRoute  # noqa: PLC0415 - not for --help

    ask = AddNullRoute(term, why, for_ns, targets, full=wide == "full", own_only=wide == "own-only")
    answer = _act(config_path, ask, as_json)
    for decision in answer.get("decisions", ()):
        _await_kernel(config_path, decision)


@nullroute.command(epilog=example("edgeguard nullroute release web1 --why 'owner cleaned it'"))
@term_argument
@why_option
@json_option
@config_option
def release(term: str, why: str, as_json: bool, config_path: Path) -> None:
    """End null routes, with a reason, through the daemon.

    TERM is a case, VM, address or tap (all of its null routes end) or one decision.
    """
    from edgeguard.request import ReleaseNullRoute  # noqa: PLC0415 - not for --help

    _act(config_path, ReleaseNullRoute(term, why), as_json)


def _await_kernel(config_path: Path, decision: str) -> None:
    """Return when the kernel has taken a null route; an error when it refused, or says nothing in time."""
    import time  # noqa: PLC0415

    from edgeguard.cases.reader import Reader  # noqa: PLC0415
    from edgeguard.errors import EnforcementError  # noqa: PLC0415
    from edgeguard.model import Happened  # noqa: PLC0415

    deadline = time.monotonic() + KERNEL_S
    with Reader(loaded(config_path).paths.database) as reader:
        while time.monotonic() < deadline:
            for outcome in reader.outcomes(decision):
                if outcome.happened is Happened.FAILED:
                    raise EnforcementError(f"{decision}: not null-routed: {outcome.detail}")
                return
            time.sleep(0.05)
    raise EnforcementError(f"{decision}: ordered, not acknowledged in {KERNEL_S} s; see 'edgeguard nullroute list'")


def _act(config_path: Path, what: Any, as_json: bool) -> dict[str, Any]:
    """Ask the daemon and print its answer: its sentence `text`, or all of it as JSON."""
    from edgeguard import control  # noqa: PLC0415 - not for --help
    from edgeguard.cli import output  # noqa: PLC0415

    answer = control.ask(loaded(config_path).paths.socket, what)
    if as_json:
        output.print_json(answer)
    else:
        click.echo(output.told(answer.get("text", "done")))
    return answer


def _fields(one: Any) -> dict[str, Any]:
    from edgeguard.cli import output  # noqa: PLC0415

    kept = ("decision", "facts", "releasing")
    return {name: output.plain(getattr(one, name)) for name in kept}


def _row(one: Any) -> tuple[object, ...]:
    from edgeguard.cli import output  # noqa: PLC0415

    everything = "forged packets" if one.decision.scope == "own-only" else "everything"
    targets = ", ".join(output.target_text(target) for target in one.decision.targets) or everything
    since, until = output.when(one.decision.at), output.when(one.decision.until)
    proof = "being released" if one.releasing else one.facts.proof
    case, decision = one.case, one.decision
    return decision.id, case.id, case.vm, case.tap, decision.scope, targets, since, until, proof, decision.by
