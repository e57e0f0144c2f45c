"""`edgeguard evidence`: the frames and the arithmetic that null routes rest on. Every look is noted."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgeguard.cli.group import Commands
from edgeguard.cli.options import config_option, example, json_option, term_argument

if TYPE_CHECKING:
    from edgeguard.config import Config
    from edgeguard.evidence.bundle import Bundle
    from edgeguard.evidence.place import Place

COLUMNS = ("case", "bundle", "frozen", "vm", "name", "tap", "rule", "scope", "frames", "bytes")
SUMS = "SHA256SUMS"


@click.group(cls=Commands, epilog=example("edgeguard evidence list"))
def evidence() -> None:
    """Look at evidence, take it along, remove it. Reads the disk; needs no daemon.

    TERM is a case, decision, VM (id or name), tap or bundle.
    """


@evidence.command("list", epilog=example("edgeguard evidence list", "edgeguard evidence list web1 --json"))
@click.argument("term", metavar="[TERM]", required=False)
@json_option
@config_option
def list_bundles(term: str | None, as_json: bool, config_path: Path) -> None:
    """List the bundles there are, the oldest first: all, or those of a TERM."""
    from edgeguard.cli import output  # noqa: PLC0415 - not for --help
    from edgeguard.evidence.bundle import Bundle  # noqa: PLC0415

    place = _place(_loaded(config_path))
    found = place.find(term) if term else list(place.bundles())
    whole = [one for one in found if isinstance(one, Bundle)]
    if as_json:
        for one in whole:
            output.print_json(_document(one))
    else:
        output.print_table(COLUMNS, [_row(one) for one in whole], "no evidence")
    for error in found:
        if not isinstance(error, Bundle):
            click.echo(f"edgeguard: {error}", err=True)


@evidence.command(epilog=example("edgeguard evidence show EG-20260131-0123456789ab"))
@term_argument
@json_option
@config_option
def show(term: str, as_json: bool, config_path: Path) -> None:
    """Show the bundles of a TERM: their files, and whether each is still what was written."""
    from edgeguard.cli import output  # noqa: PLC0415

    place = _place(_loaded(config_path))
    damaged = False
    for one in _found(place, term):
        _note(place, "show", one)
        findings = one.findings()
        damaged |= bool(findings)
        if as_json:
            output.print_json({**_document(one), "findings": findings})
            continue
        m = one.manifest
        who = m.vm_name or m.vm or m.tap or "an unknown VM"
        click.echo(
            output.told(f"{one.name} of case {m.case}: {m.scope} of {who} at {m.tap or '-'}, by {m.rule or 'hand'}")
        )
        click.echo(f"  frozen {output.when(m.frozen)}, in {one.path}")
        rows = [[name, f"{s.bytes:,} bytes", _frames(one, name), s.sha256] for name, s in m.files.items()]
        click.echo(output.aligned(rows, "  "))
        for finding in findings or ["every file is what was written"]:
            click.echo(f"  {output.told(finding)}")
    if damaged:
        raise _refusal("some of it is not what was written")


@evidence.command(epilog=example("edgeguard evidence export EG-20260131-0123456789ab /tmp/web1"))
@term_argument
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
@json_option
@config_option
def export(term: str, directory: Path, as_json: bool, config_path: Path) -> None:
    """Copy the bundles of a TERM to DIR, which is made: pcap for Wireshark, JSON, and SHA256SUMS over all.

    Hashes are checked first: of a bundle with a file that does not fit nothing is copied.
    """
    from edgeguard.cli import output  # noqa: PLC0415
    from edgeguard.errors import EvidenceError  # noqa: PLC0415

    place = _place(_loaded(config_path))
    refused = []
    for one in _found(place, term):
        to = directory / one.manifest.case / one.name
        try:
            files = {name: one.read(name) for name in one.manifest.files}
        except EvidenceError as error:
            refused.append(str(error))
            _note(place, "export refused", one, to=str(to.absolute()), why=str(error))
            continue
        _note(place, "export", one, to=str(to.absolute()))
        _copy(to, {**files, "manifest.json": one.manifest.text()})
        if as_json:
            output.print_json({**_document(one), "path": str(to)})
        else:
            click.echo(output.told(f"{to}: {len(files)} files, {sum(one.manifest.frames.values())} frames"))
    if refused:
        raise _refusal("; ".join(refused))


@evidence.command(
    epilog=example("edgeguard evidence purge", "edgeguard evidence purge --case EG-20260131-0123456789ab")
)
@click.option("--case", "case", metavar="CASE", help="Remove every bundle of this case, whatever its age.")
@click.option("--older", metavar="DURATION", help="Remove every bundle older than this, like 7d.")
@json_option
@config_option
def purge(case: str | None, older: str | None, as_json: bool, config_path: Path) -> None:
    """Remove evidence: what is beyond the limits of [evidence], or what the options name. What went is noted."""
    from edgeguard.cli import output  # noqa: PLC0415

    config = _loaded(config_path)
    place = _place(config)
    removed = list(_chosen(place, config, case, older))
    for path, why in removed:
        place.remove(path)  # first: a full disk takes the line only then
        _note_path(place, "removed", path, why=why)
        if as_json:
            output.print_json({"case": path.parent.name, "bundle": path.name, "why": why})
    if not as_json:
        click.echo(f"removed {len(removed)} bundle{'' if len(removed) == 1 else 's'}")


def _chosen(place: Place, config: Config, case: str | None, older: str | None) -> list[tuple[Path, str]]:
    from edgeguard import clock, units  # noqa: PLC0415
    from edgeguard.errors import UsageError  # noqa: PLC0415

    try:
        age = units.duration(older) if older else None
    except ValueError as error:
        raise UsageError(f"--older: {error}") from None
    kept = place.survey()
    if case is not None:
        kept = [one for one in kept if one.path.parent.name == case]
        if not kept:
            raise _refusal(f"no evidence of a case {case!r}; see 'edgeguard evidence list'")
    if age is not None:
        kept = [one for one in kept if clock.now() - one.frozen >= age]
    if case is None and age is None:
        return [(one.path, why) for one, why in place.beyond(config.evidence, clock.now())]
    return [(one.path, "purged by hand") for one in kept]


# ---- what the commands share ----------------------------------------------------------------------


def _loaded(config_path: Path) -> Config:
    from edgeguard.cli.options import loaded  # noqa: PLC0415

    return loaded(config_path)


def _place(config: Config) -> Place:
    from edgeguard.evidence.place import Place  # noqa: PLC0415

    return Place(config.paths.bundles)


def _refusal(why: str) -> Exception:
    from edgeguard.errors import EvidenceError  # noqa: PLC0415

    return EvidenceError(why)


def _found(place: Place, term: str) -> list[Bundle]:
    found = place.find(term)
    if not found:
        raise _refusal(f"no evidence for {term!r} in {place.root}; 'edgeguard evidence list' shows what there is")
    return found


def _note(place: Place, did: str, one: Bundle, **more: str) -> None:
    _note_path(place, did, one.path, **more)


def _note_path(place: Place, did: str, path: Path, **more: str) -> None:
    from edgeguard.control import principal  # noqa: PLC0415
    from edgeguard.evidence import access  # noqa: PLC0415

    here, there = socket.socketpair()
    with here, there:  # the kernel says who this is, as it does to the daemon
        access.note(place.root, principal(here), did, path.parent.name, path.name, **more)


def _document(one: Bundle) -> dict[str, object]:
    import json  # noqa: PLC0415

    document: dict[str, object] = json.loads(one.manifest.text())
    return {"bundle": one.name, **document}


def _row(one: Bundle) -> tuple[object, ...]:
    from edgeguard.cli import output  # noqa: PLC0415

    m = one.manifest
    frames = sum(m.frames.values())
    return (
        m.case,
        one.name,
        output.when(m.frozen),
        m.vm,
        m.vm_name,
        m.tap,
        m.rule or "by hand",
        m.scope,
        frames,
        m.bytes,
    )


def _frames(one: Bundle, name: str) -> str:
    number = one.manifest.frames.get(name)
    return "" if number is None else f"{number} frames"


def _copy(to: Path, files: dict[str, bytes]) -> None:
    """New files for the caller alone; what stands there already is never replaced."""
    import hashlib  # noqa: PLC0415

    lines = [f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in files.items()]
    try:
        to.mkdir(mode=0o700, parents=True)
        for name, content in {**files, SUMS: "".join(lines).encode()}.items():
            file = os.open(to / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
            with os.fdopen(file, "wb") as out:
                out.write(content)
    except FileExistsError:
        raise _refusal(f"{to}: is there already; name another directory") from None
    except OSError as error:
        raise _refusal(f"{to}: cannot be written: {error.strerror}; what was copied so far is not complete") from None
