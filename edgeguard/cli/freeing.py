"""What a release must have brought about, looked at afterwards: what is missing is an error, never passed over."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgeguard import control
from edgeguard.cases.reader import Reader
from edgeguard.cli.options import loaded
from edgeguard.errors import DaemonError, EdgeGuardError
from edgeguard.request import LookAt
from edgeguard.states import CLOSED, PROBATION, TABLE
from edgeguard.units import count

SEEN_S = 3.0  # how long a VM has to send and to receive something
PAUSE_S = 0.25


def proved(config_path: Path, answer: Mapping[str, Any]) -> dict[str, Any]:
    """The kernel has let go of it already: now the notice, the probation, and the traffic. EdgeGuardError otherwise."""
    config = loaded(config_path)
    with Reader(config.paths.database) as reader:
        cases = [case for id in answer.get("cases", ()) if (case := reader.case(id)) is not None]
        missing = [one for case in cases for one in _missing(reader, case.id, answer.get("decisions", ()))]
    if missing:
        raise EdgeGuardError(f"released, and the kernel holds nothing of it, but {'; '.join(missing)}")
    seen = {case.vm: _seen(config.paths.socket, case.vm) for case in cases if case.vm}
    told = "; ".join(["the kernel holds nothing of it any more", *(_told(vm, one) for vm, one in seen.items())])
    return {"seen": seen, "text": told}


def _missing(reader: Reader, id: str, decisions: list[str]) -> list[str]:
    """What of a case is not as a release leaves it."""
    case = reader.case(id)
    assert case is not None, "it was there a moment ago"
    found = []
    letters = [one for one in reader.letters(id) if one.decision in decisions]
    if not letters:
        found.append(f"no notice of it was written to anybody: edgeguard case show {id}")
    for letter in letters:
        if letter.state == "failed":
            found.append(f"its notice to {letter.to or 'the desk'} was refused: {letter.last_error}")
    still = any(one.case.id == id and one.decision.id not in decisions for one in reader.standing())
    if case.state not in (PROBATION, CLOSED) and not (still and TABLE.is_null_routed(case.state)):
        found.append(f"the case is {case.state!r} and not on probation: edgeguard case show {id}")
    return found


def _seen(socket: str, vm: str) -> dict[str, int] | None:
    """The most that was seen of each direction in any second of a few; None: the daemon says nothing of it."""
    most, deadline = {"out": 0, "into": 0}, time.monotonic() + SEEN_S
    while True:
        try:
            now = control.ask(socket, LookAt(vm))
        except DaemonError:
            return None
        most = {way: max(most[way], int(now[way] or 0)) for way in most}
        if all(most.values()) or time.monotonic() >= deadline:
            return most
        time.sleep(PAUSE_S)


def _told(vm: str, seen: Mapping[str, int] | None) -> str:
    if seen is None:
        return f"{vm}: what it sends and receives could not be asked"
    ways = f"{count(seen['out'])} packets a second out of it, {count(seen['into'])} into it"
    if all(seen.values()):
        return f"{vm}: both directions are seen, {ways}"
    return f"{vm}: idle, or not reached: {ways} within {SEEN_S:.0f} s; ask its owner whether it works"
