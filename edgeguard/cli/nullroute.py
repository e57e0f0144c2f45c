"""`edgeguard nullroute`: what is null-routed now, and a person's own null routes and releases."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from edgeguard.cli import release
from edgeguard.cli.group import Commands
from edgeguard.cli.options import config_option, duration, example, json_option, term_argument, why_option

SCOPES = ("narrow", "own-only", "full")
COLUMNS = ("decision", "case", "vm", "tap", "scope", "targets", "since", "until", "proof", "by")


def _targets(ctx: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    from edgeguard.target import target  # noqa: PLC0415 - not for --help

    for value in values:
        try:
            target(value)
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
@click.option(
    "--for", "for_ns", required=True, metavar="DURATION", callback=duration, help="How long: 30m, 4h; 12h at most."
)
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
    from edgeguard.cli import asking  # noqa: PLC0415 - not for --help
    from edgeguard.request import AddNullRoute  # noqa: PLC0415

    ask = AddNullRoute(term, why, for_ns, targets, full=wide == "full", own_only=wide == "own-only")
    answer = asking.ask(config_path, ask)
    asking.tell(answer, as_json)
    for decision in answer.get("decisions", ()):
        asking.await_kernel(config_path, decision)


nullroute.add_command(release.of_nullroute)


def _fields(one: Any) -> dict[str, Any]:
    from edgeguard.cli import output  # noqa: PLC0415

    kept = ("decision", "facts", "releasing")
    return {**{name: output.plain(getattr(one, name)) for name in kept}, "until": one.order.until}


def _row(one: Any) -> tuple[object, ...]:
    from edgeguard.cli import output  # noqa: PLC0415
    from edgeguard.target import dropped, target_text  # noqa: PLC0415

    everything = "forged packets" if one.decision.scope == "own-only" else "everything"
    targets = ", ".join(target_text(target) for target in dropped(one.order)) or everything
    since, until = output.when(one.decision.at), output.when(one.order.until)
    proof = "being released" if one.releasing else one.facts.proof
    case, decision = one.case, one.decision
    return decision.id, case.id, case.vm, case.tap, decision.scope, targets, since, until, proof, decision.by
