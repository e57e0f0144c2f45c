"""What a release must have brought about, looked at afterwards: what is missing is named, never passed over."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from edgeguard import control
from edgeguard.cases.case import Letter
from edgeguard.cases.reader import Reader
from edgeguard.cli.options import loaded
from edgeguard.errors import DaemonError
from edgeguard.request import LookAt
from edgeguard.states import CLOSED, PROBATION, TABLE
from edgeguard.units import count

SEEN_S = 3.0  # how long a VM has to send and to receive something
SENT_S = 5.0  # for the mail server to take the notice of it
PAUSE_S = 0.25
SETTLED = ("sent", "failed")  # a notice


def proved(
    config_path: Path, answer: Mapping[str, Any], stands: Mapping[str, str]
) -> tuple[dict[str, Any], dict[str, str]]:
    """What was found of the cases that the kernel has let go of, and by case what is missing: of those that still
    stand by their decisions, why; of the others their notice, or their probation. Then the traffic is looked at.
    """
    config, missing = loaded(config_path), {}
    with Reader(config.paths.database) as reader:
        cases = [case for id in answer.get("cases", ()) if (case := reader.case(id)) is not None]
        freed = [one for one in answer.get("decisions", ()) if one not in stands]
        if config.mail.server:  # without one nothing is ever sent, and `check` says so
            _leave(reader, [case.id for case in cases], freed)
        for case, decision in zip(cases, answer.get("decisions", ()), strict=False):
            if decision in stands:
                missing[case.id] = stands[decision]
            elif lacks := _missing(reader, case.id, answer.get("decisions", ()), bool(config.mail.server)):
                missing[case.id] = f"released, and the kernel holds nothing of it, but {'; '.join(lacks)}"
    seen = _seen(config.paths.socket, [case.vm for case in cases if case.vm and case.id not in missing])
    told = ["the kernel holds nothing of it any more", *(_told(vm, one) for vm, one in seen.items())]
    return {"seen": seen, "text": ("\n" if len(seen) > 1 else "; ").join(told)}, missing


def _leave(reader: Reader, cases: Sequence[str], decisions: Sequence[str]) -> None:
    """Return when the mail server has taken or refused every notice of these releases, or has had its time."""
    deadline = time.monotonic() + SENT_S
    while time.monotonic() < deadline and any(
        one.state not in SETTLED for id in cases for one in reader.letters(id) if one.decision in decisions
    ):
        time.sleep(PAUSE_S)


def _missing(reader: Reader, id: str, decisions: list[str], mails: bool) -> list[str]:
    """What of a case is not as a release leaves it. mails: whether there is a server that takes them."""
    case = reader.case(id)
    assert case is not None, "it was there a moment ago"
    found = []
    every = reader.letters(id)
    letters = [one for one in every if one.decision in decisions]
    if not letters:
        found.append(f"no notice of it was written to anybody: edgeguard case show {id}")
    for letter in letters:
        if letter.state == "failed":
            found.append(f"its notice to {letter.to or 'the desk'} was refused: {letter.last_error}")
        elif mails and letter.state not in SETTLED:
            found.append(
                f"its notice to {letter.to or 'the desk'} waits, and is tried until it leaves: {_why(letter, every)}"
            )
    still = any(one.case.id == id and one.decision.id not in decisions for one in reader.standing())
    if case.state not in (PROBATION, CLOSED) and not (still and TABLE.is_null_routed(case.state)):
        found.append(f"the case is {case.state!r} and not on probation: edgeguard case show {id}")
    return found


def _why(letter: Letter, every: Sequence[Letter]) -> str:
    """What keeps a notice waiting: a mail of its thread that goes before it may be what is refused."""
    before = [one for one in every if one.to == letter.to and one.state not in SETTLED and one.last_error]
    return before[0].last_error or "" if before else f"the mail server did not take it within {SENT_S:.0f} s"


Seen = dict[str, int] | None  # packets out of a VM and into it, in a second


def _seen(socket: str, vms: Sequence[str]) -> dict[str, Seen]:
    """The most that was seen of each direction in any second of a few; None: the daemon says nothing of that VM."""
    found: dict[str, Seen] = {vm: {"out": 0, "into": 0} for vm in vms}
    deadline = time.monotonic() + SEEN_S
    while left := [vm for vm, most in found.items() if most is not None and not all(most.values())]:
        for vm in left:
            found[vm] = _more(socket, vm, found[vm] or {})
        if time.monotonic() >= deadline:
            break
        if any(most is not None and not all(most.values()) for most in found.values()):
            time.sleep(PAUSE_S)
    return found


def _more(socket: str, vm: str, most: Mapping[str, int]) -> Seen:
    try:
        now = control.ask(socket, LookAt(vm))
    except DaemonError:
        return None
    return {way: max(most[way], int(now[way] or 0)) for way in most}


def _told(vm: str, seen: Seen) -> str:
    if seen is None:
        return f"{vm}: what it sends and receives could not be asked"
    ways = f"{count(seen['out'])} packets a second out of it, {count(seen['into'])} into it"
    if all(seen.values()):
        return f"{vm}: both directions are seen, {ways}"
    return f"{vm}: idle, or not reached: {ways} within {SEEN_S:.0f} s; ask its owner whether it works"
