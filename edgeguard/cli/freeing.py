"""What a release must have brought about, looked at afterwards: what is missing is named, never passed over."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from edgeguard import control
from edgeguard.cases.reader import Reader
from edgeguard.cli.options import loaded
from edgeguard.errors import DaemonError
from edgeguard.request import LookAt
from edgeguard.states import CLOSED, PROBATION, TABLE
from edgeguard.units import count

SEEN_S = 3.0  # how long a VM has to send and to receive something
PAUSE_S = 0.25


def proved(
    config_path: Path, answer: Mapping[str, Any], stands: Mapping[str, str]
) -> tuple[dict[str, Any], dict[str, str]]:
    """What was found of the cases that the kernel has let go of, and by case what is missing: of those that still
    stand by their decisions, why; of the others their notice, or their probation. Then the traffic is looked at.
    """
    config, missing = loaded(config_path), {}
    with Reader(config.paths.database) as reader:
        cases = [case for id in answer.get("cases", ()) if (case := reader.case(id)) is not None]
        for case, decision in zip(cases, answer.get("decisions", ()), strict=False):
            if decision in stands:
                missing[case.id] = stands[decision]
            elif lacks := _missing(reader, case.id, answer.get("decisions", ())):
                missing[case.id] = f"released, and the kernel holds nothing of it, but {'; '.join(lacks)}"
    seen = _seen(config.paths.socket, [case.vm for case in cases if case.vm and case.id not in missing])
    told = ["the kernel holds nothing of it any more", *(_told(vm, one) for vm, one in seen.items())]
    return {"seen": seen, "text": ("\n" if len(seen) > 1 else "; ").join(told)}, missing


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
