"""`edgeguard why`: what to say to whoever calls about a server, also when it is not us."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgeguard.cli.options import config_option, example, json_option, loaded, term_argument

if TYPE_CHECKING:
    from edgeguard.cases.case import Case, Letter, Standing
    from edgeguard.cases.protocol import Cases
    from edgeguard.config import Config
    from edgeguard.model import Vm

EARLIER = 3  # cases that are over, shown
SHOWN = 3  # VMs that go with it, by name; null routes that ended lately


@click.command(epilog=example("edgeguard why 192.0.2.10", "edgeguard why web1 --json"))
@term_argument
@json_option
@config_option
def why(term: str, as_json: bool, config_path: Path) -> None:
    """Say what is done to a server and why, until when, who was told; or that it is not us, and what it sends now.

    TERM is an address, VM, tap or case. Reads the database and the inventory; asks the daemon what is seen now.
    """
    from edgeguard.cli import output  # noqa: PLC0415 - not for --help
    from edgeguard.errors import EdgeGuardError  # noqa: PLC0415

    config = loaded(config_path)
    with _reader(config) as reader:
        cases, vm = reader.find(term) if reader else [], _vm(config, term)
        if vm is None and not cases:
            raise EdgeGuardError(
                f"{term!r}: nobody of that name, address or tap is in this host's inventory, and no case is about it;"
                " it may be on another host"
            )
        now = _now(config, vm.id if vm else cases[0].vm or term)
        if as_json:
            output.print_json(_document(vm, cases, now, reader, config))
            return
        for line in _lines(vm, cases, now, reader, config):
            click.echo(output.told(line))


def _reader(config: Config) -> Any:
    """The database, where there is one yet: on the phone its absence is no error."""
    import contextlib  # noqa: PLC0415

    from edgeguard.cases.reader import Reader  # noqa: PLC0415

    path = Path(config.paths.database)
    return Reader(path) if path.exists() else contextlib.nullcontext()


def _vm(config: Config, term: str) -> Vm | None:
    from edgeguard.inventory import configured  # noqa: PLC0415

    return configured(config.inventory).by_term(term)


def _now(config: Config, term: str) -> dict[str, Any] | None:
    """What the daemon sees of it; None: none runs, or it does not know it."""
    from edgeguard import control  # noqa: PLC0415
    from edgeguard.errors import DaemonError  # noqa: PLC0415
    from edgeguard.request import LookAt  # noqa: PLC0415

    try:
        return control.ask(config.paths.socket, LookAt(term))
    except DaemonError:
        return None


def _standing(reader: Cases | None, vm: Vm | None, cases: Sequence[Case]) -> list[Standing]:
    """What is null-routed of the VM, or of the cases where it is not known any more."""
    return [one for one in _of(reader, vm, cases) if one.releasing is None]


def _of(reader: Cases | None, vm: Vm | None, cases: Sequence[Case]) -> list[Standing]:
    """The same, and what is being released."""
    ids = {case.id for case in cases}
    found = reader.standing() if reader else []
    return [one for one in found if one.case.id in ids or (vm and one.order.vm == vm.id)]


def _beside(reader: Cases | None, cases: Sequence[Case], standing: Sequence[Standing]) -> list[Standing]:
    """What is null-routed of the cases that go with the first of these: who calls may name it by their leader's id."""
    if reader is None or not cases:
        return []
    ids, shown = set(reader.beside(cases[0].id)), {one.decision.id for one in standing}
    return [one for one in reader.standing() if one.case.id in ids and one.decision.id not in shown]


def _goes_with(beside: Sequence[Standing]) -> str:
    from edgeguard.cases.matter import head  # noqa: PLC0415
    from edgeguard.cli import reading  # noqa: PLC0415

    who = list(dict.fromkeys(reading.who(one.case) for one in beside))
    more = f" and {len(who) - SHOWN} more" if len(who) > SHOWN else ""
    leader = head(beside[0].case)
    return f"Null-routed of the same customer, with it: {', '.join(who[:SHOWN])}{more}: edgeguard case show {leader}"


def _document(
    vm: Vm | None, cases: Sequence[Case], now: Mapping[str, Any] | None, reader: Cases | None, config: Config
) -> dict[str, Any]:
    from edgeguard import clock  # noqa: PLC0415
    from edgeguard.cli import output  # noqa: PLC0415
    from edgeguard.cli.lately import lately  # noqa: PLC0415

    standing = _standing(reader, vm, cases)
    ended = lately(reader, cases, clock.now()) if reader else []
    return {
        "vm": output.plain(vm) if vm else None,
        "null_routed": bool(standing),
        "null_routes": [output.plain(one.decision) for one in standing],
        "cases": [output.plain(case) for case in cases],
        "ended": [{"decision": one.decision.id, "at": one.at, "how": one.how} for one in ended],
        "with": [one.case.id for one in _beside(reader, cases, standing)],
        "now": None if now is None else {name: now[name] for name in ("out", "into")},
        "text": list(_lines(vm, cases, now, reader, config)),
    }


def _lines(
    vm: Vm | None, cases: Sequence[Case], now: Mapping[str, Any] | None, reader: Cases | None, config: Config
) -> Iterator[str]:
    standing = _standing(reader, vm, cases)
    beside = _beside(reader, cases, standing)
    yield _whose(vm, cases)
    if reader is None or not standing:
        yield from _free(reader, vm, cases, beside, _traffic(now))
    else:
        yield from _null_routed(standing, reader, config)
        said = _traffic(now)
        yield f"It {said}." if said.startswith("sends") else f"{said[:1].upper()}{said[1:]}."
    if beside:
        yield _goes_with(beside)
    if reader is not None:
        yield from _told(reader, cases[0] if cases else None, vm)
        yield from _earlier(cases)


def _free(
    reader: Cases | None, vm: Vm | None, cases: Sequence[Case], beside: Sequence[Standing], traffic: str
) -> Iterator[str]:
    """Nothing stands. It is us all the same while it is being released, and for a day afterwards."""
    from edgeguard import clock  # noqa: PLC0415
    from edgeguard.cli.lately import lately  # noqa: PLC0415

    leaving = [one for one in _of(reader, vm, cases) if one.releasing is not None]
    ended = lately(reader, cases, clock.now()) if reader else []
    if leaving:
        yield f"Being released: that its null route is gone is not proved yet; {traffic}."
    elif ended:
        yield f"Not any more: nothing is null-routed here now; {traffic}."
    else:
        yield f"{'Not this one' if beside else 'Not us'}: nothing is null-routed here; {traffic}."
    for one in ended[:SHOWN]:
        yield f"It was null-routed {one.told()}."


def _whose(vm: Vm | None, cases: Sequence[Case]) -> str:
    from edgeguard.cli import reading  # noqa: PLC0415

    if vm is None:
        gone = "; not in the inventory now" if cases[0].vm else ""
        return f"{reading.who(cases[0])}, customer {cases[0].customer or 'not known'}{gone}"
    addresses = ", ".join(str(one[0] if one.num_addresses == 1 else one) for one in vm.addresses[:4]) or "no address"
    return f"{vm.name} ({vm.id}), {addresses}, customer {vm.customer or 'not known'}, tap {', '.join(vm.taps) or '-'}"


def _traffic(now: Mapping[str, Any] | None) -> str:
    from edgeguard.units import count  # noqa: PLC0415

    if now is None:
        return "what it sends now is not known, as no daemon answers for it"
    if now["out"] is None:
        return "what it sends now is not known, as none of its taps is on this host"
    return f"it sends {count(now['out'])} packets a second now, and gets {count(now['into'])}"


def _null_routed(standing: Sequence[Standing], reader: Cases, config: Config) -> Iterator[str]:
    from edgeguard import clock  # noqa: PLC0415
    from edgeguard.cases.sentence import sentence  # noqa: PLC0415
    from edgeguard.model import Scope  # noqa: PLC0415
    from edgeguard.target import drops  # noqa: PLC0415
    from edgeguard.urgent import ends  # noqa: PLC0415

    for one, end in zip(standing, ends(standing, reader, config, clock.now()), strict=True):
        what = drops(one.order)
        rest = "it runs on" if one.order.scope == Scope.FULL else "everything else works"
        since = f"Null-routed since {clock.utc(one.decision.at)} by {one.decision.by}"
        yield f"{since}: dropped is {what}; {rest} (proof: {one.facts.proof})."
        yield f"Why: {sentence(one.verdict) if one.verdict else one.decision.reason}."
        yield f"Until when: it ends by itself {end.how}."
    case = standing[0].case
    yield f"A person frees it: edgeguard case release {case.id} --as DISPOSITION --why '...'"


def _told(reader: Cases, case: Case | None, vm: Vm | None) -> Iterator[str]:
    """Whom the case was written to, and what came back."""
    from edgeguard import clock  # noqa: PLC0415
    from edgeguard.cli.answered import answers, told  # noqa: PLC0415

    if case is None:
        yield "There is no case about it."
        return
    yield f"Case {case.id}, {case.state}, opened {clock.utc(case.opened)}: edgeguard case show {case.id}"
    letters = told(reader.letters(case.id))
    outside = [letter for letter in letters if letter.to]
    for letter in outside[-2:]:
        back = ", and came back undelivered" if letter.undelivered else ""
        yield f"Told: {letter.to} ({_left(letter)}{back})."
    if not outside:
        nobody = "nobody, as the inventory has no contact of it" if vm and not vm.contact else "nobody outside"
        yield f"Told: {nobody}{f'; the desk was ({_left(letters[-1])})' if letters else ''}."
    for answer in answers(reader, [case.id]):
        yield f"Answered {clock.utc(answer.at)}: {answer.who}: {answer.says}"


def _left(letter: Letter) -> str:
    from edgeguard import clock  # noqa: PLC0415

    return f"{letter.kind}, {f'sent {clock.utc(letter.sent_at)}' if letter.sent_at else letter.state}"


def _earlier(cases: Sequence[Case]) -> Iterator[str]:
    from edgeguard import clock  # noqa: PLC0415

    over = [case for case in cases[1:] if case.closed is not None]
    for case in over[:EARLIER]:
        yield f"Before: {case.id} of {clock.utc(case.opened)}, {case.outcome}"
