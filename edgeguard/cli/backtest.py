"""`edgeguard backtest`: what other limits would have done to recorded traffic."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgeguard.cli.options import DEFAULT_CONFIG, example, json_option
from edgeguard.cli.output import aligned, print_json, told

if TYPE_CHECKING:
    from edgeguard.backtest import Margin, Outcome, Run, Tested
    from edgeguard.config import Config
    from edgeguard.inventory import Inventory
    from edgeguard.model import Subject

SHOWN = 10  # margins of a file, for people


@click.command(
    epilog=example(
        "edgeguard backtest monday.pcap tuesday.pcap -c new.toml", "edgeguard backtest flood.pcap -c new.toml --json"
    )
)
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "-c",
    "--config",
    "new_path",
    required=True,
    type=click.Path(path_type=Path),
    help="NEW: a configuration, or a file of rules alone (enforce, limits, group, vm), laid on OLD.",
)
@click.option(
    "--against",
    "old_path",
    type=click.Path(path_type=Path),
    default=None,
    help=f"OLD: the configuration to compare with. [default: $EDGEGUARD_CONFIG, {DEFAULT_CONFIG} or the defaults]",
)
@json_option
def backtest(files: tuple[Path, ...], new_path: Path, old_path: Path | None, as_json: bool) -> None:
    """Replay each FILE under OLD and under NEW, and print what differs: verdicts, decisions, whom, when.

    Beside that how near each VM's highest one-second window came to each limit of NEW. Each FILE is judged for
    itself. Enforces nothing, needs no rights.
    """
    from edgeguard.backtest import backtest as tested_by  # noqa: PLC0415 - numba: not for --help
    from edgeguard.config.trial import trial  # noqa: PLC0415

    old, new = trial(new_path, old_path or _running())
    inventory = _inventory(old, new)
    tested = []
    for file in files:
        with _progress(file) as progress:
            one = tested_by(file, old, new, inventory, progress)
        tested.append(one)
        (_lines if as_json else _story)(one)
        for fault in one.faults or ([] if one.frames else ["holds no frames: nothing was captured into it"]):
            click.echo(f"edgeguard: {file}: {told(fault)}", err=True)
    summary = _summary(tested)
    if as_json:
        print_json(summary)
    else:
        _sum(summary)
    if not all(one.frames for one in tested):
        sys.exit(1)


def _running() -> Path | None:
    """The configuration that commands read without -c; None where there is none."""
    path = Path(os.environ.get("EDGEGUARD_CONFIG") or DEFAULT_CONFIG)
    return path if path != DEFAULT_CONFIG or path.exists() else None


def _inventory(old: Config, new: Config) -> Inventory:
    """One for both, or VMs would be compared with addresses: NEW's, where it names one."""
    from edgeguard.inventory import configured  # noqa: PLC0415

    section = new.inventory if new.inventory.file or new.inventory.vm else old.inventory
    return configured(section)


@contextmanager
def _progress(file: Path) -> Iterator[Callable[[float], None] | None]:
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console  # noqa: PLC0415 - only a terminal pays for it
    from rich.progress import Progress  # noqa: PLC0415

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(file.name, total=1.0)
        yield lambda share: progress.update(task, completed=share)


# ---- JSON ------------------------------------------------------------------------------------------


def _lines(tested: Tested) -> None:
    """A difference or a margin a line, then the file."""
    for (subject, rule), old, new in tested.differences():
        print_json(
            {
                "type": "difference",
                "file": str(tested.path),
                "subject": _subject(subject),
                "rule": rule,
                "old": _outcome(old),
                "new": _outcome(new),
            }
        )
    for margin in tested.margins:
        print_json({"type": "margin", "file": str(tested.path), **_margin(margin)})
    print_json(
        {
            "type": "file",
            "file": str(tested.path),
            "frames": tested.frames,
            "first_ts": None if tested.first is None else str(tested.first),
            "last_ts": None if tested.last is None else str(tested.last),
            "differences": len(list(tested.differences())),
            "old": _run(tested.old),
            "new": _run(tested.new),
        }
    )


def _subject(subject: Subject) -> dict[str, Any]:
    return {"vm": subject.vm, "tap": subject.tap, "source": subject.source, "customer": subject.customer}


def _outcome(outcome: Outcome | None) -> dict[str, Any] | None:
    if outcome is None:
        return None
    widest = outcome.widest
    return {
        "bands": [
            {
                "band": str(band),
                "at": str(v.at),
                "kind": str(v.kind),
                "measured": v.measured,
                "limit": v.limit,
                "unit": v.unit,
            }
            for band, v in outcome.bands.items()
        ],
        "scope": None if widest is None else str(widest.scope),
        "decisions": [
            {"scope": str(scope), "act": str(one.act), "at": str(one.at), "reason": one.reason}
            for scope, one in outcome.done.items()
        ],
    }


def _margin(margin: Margin) -> dict[str, Any]:
    from edgeguard.model import Band  # noqa: PLC0415

    limits, highest = margin.limits, margin.highest
    return {
        "subject": _subject(margin.subject),
        "rule": margin.rule,
        "highest": highest.packets,
        "highest_below_hard": highest.below_hard,
        "highest_bits": highest.bits,
        "at": str(highest.at),
        "limits": None if limits is None else {band.value: limits.of(band) for band in Band},
        "shares": None if limits is None else {band.value: round(margin.share(band) or 0, 4) for band in Band},
        "bits": None if limits is None or limits.bits is None else limits.bits.model_dump(),
    }


def _run(run: Run) -> dict[str, Any]:
    from edgeguard.backtest import NULL_ROUTES  # noqa: PLC0415
    from edgeguard.model import Scope  # noqa: PLC0415

    return {
        "verdicts": run.verdicts,
        "observed": run.subjects(Scope.OBSERVE),
        "warned": run.subjects(Scope.WARN),
        "null_routed": run.subjects(*NULL_ROUTES),
    }


def _summary(tested: list[Tested]) -> dict[str, Any]:
    """All files together."""
    runs = {side: [_run(getattr(one, side)) for one in tested] for side in ("old", "new")}
    return {
        "type": "summary",
        "files": len(tested),
        "frames": sum(one.frames for one in tested),
        "differences": sum(len(list(one.differences())) for one in tested),
        **{side: _joined(of) for side, of in runs.items()},
    }


def _joined(runs: list[dict[str, Any]]) -> dict[str, Any]:
    names = ("observed", "warned", "null_routed")
    return {
        "verdicts": sum(run["verdicts"] for run in runs),
        **{name: sorted({subject for run in runs for subject in run[name]}) for name in names},
    }


# ---- for people ------------------------------------------------------------------------------------


def _story(tested: Tested) -> None:
    from edgeguard import clock, units  # noqa: PLC0415
    from edgeguard.backtest import name_of  # noqa: PLC0415

    seconds = (tested.last - tested.first) / clock.SECOND if tested.first is not None and tested.last else 0
    click.echo(f"{told(tested.path)}: {units.count(tested.frames)} frames in {seconds:,.1f} s")
    changed = False
    for (subject, rule), old, new in tested.differences():
        changed = True
        click.echo(f"  {told(name_of(subject))}, {rule}")
        for side, outcome in (("old", old), ("new", new)):
            for number, line in enumerate(_words(outcome)):
                click.echo(f"    {side if not number else '':5}{told(line)}")
    if not changed:
        click.echo("  nothing differs: the same verdicts and the same decisions at the same times")
    _nearest(tested)


def _words(outcome: Outcome | None) -> Iterator[str]:
    from edgeguard import clock, units  # noqa: PLC0415

    if outcome is None:
        yield "nothing"
        return
    for band, v in outcome.bands.items():
        measured = f"{units.count(v.measured)} {v.unit} a second, limit {units.count(v.limit)}"
        yield f"{band} at {clock.utc_millis(v.at)}: {v.kind}, {measured}"
    for scope, decision in outcome.done.items():
        yield f"{_done(scope)} at {clock.utc_millis(decision.at)}: {decision.reason}"


def _done(scope: str) -> str:
    return {"observe": "only observed", "warn": "warned"}.get(scope, f"null-routed ({scope})")


def _nearest(tested: Tested) -> None:
    """The highest windows, the nearest to a limit first."""
    from edgeguard import units  # noqa: PLC0415
    from edgeguard.backtest import name_of  # noqa: PLC0415
    from edgeguard.model import Band  # noqa: PLC0415

    if not tested.margins:
        click.echo("  no second came near a limit: none reached a twentieth of the lowest warn of its rule")
        return
    rows: list[tuple[str, ...]] = [("highest second", "rule", "packets", "of warn", "of act", "of hard")]
    for margin in tested.margins[:SHOWN]:
        shares = [_percent(margin.share(band)) for band in Band]
        rows.append((told(name_of(margin.subject)), margin.rule, f"{margin.highest.packets:,}", *shares))
        if margin.limits and margin.limits.bits:
            bits = [_percent(margin.share_of_bits(band), "no limit") for band in Band]
            rows.append(("", "", units.bits_per_second(margin.highest.bits), *bits))
    click.echo(aligned(rows, "  "))
    if len(tested.margins) > SHOWN:
        click.echo(f"  {len(tested.margins) - SHOWN:,} more are in --json")


def _percent(share: float | None, none: str = "not judged") -> str:
    return none if share is None else f"{100 * share:,.0f} %"


def _sum(summary: dict[str, Any]) -> None:
    frames = f"{summary['frames']:,} frames in {summary['files']} file{'' if summary['files'] == 1 else 's'}"
    click.echo(f"together: {frames}, {summary['differences']:,} difference{'' if summary['differences'] == 1 else 's'}")
    for side in ("old", "new"):
        run = summary[side]
        parts = [f"{run['verdicts']:,} verdict{'' if run['verdicts'] == 1 else 's'}"]
        for name in ("warned", "null_routed", "observed"):
            some = ", ".join(map(told, run[name][:SHOWN])) + (", ..." if len(run[name]) > SHOWN else "")
            parts.append(f"{name.replace('_', '-')}: {some or 'none'}")
        click.echo(f"  {side}: {'; '.join(parts)}")
