"""What goes into a bundle: the files of its first part, and of the one added later."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from edgeguard.evidence.pcap import FILE_HEADER, LONGEST, directions, of_one_link, savefile
from edgeguard.model import Decision, Tap, Verdict, Vm
from edgeguard.native.headers import OUT, RAW, Frames
from edgeguard.xarf import Reporter, report

BEFORE, DURING, RECORD, XARF = "before.pcap", "during.pcap", "record.json", "xarf.json"
BEFORE_SHARE, DURING_SHARE = 4, 2  # of a bundle's bytes one in so many is for frames: XARF holds the first once more
_ETHERTYPE, _BEHIND = 12, 14
_PLACES = {0x0800: 9, 0x86DD: 6}  # of the protocol in the IP header, by EtherType

Dumps = Callable[[Any], str]  # a value of model.py as JSON


@dataclass(frozen=True, slots=True)
class Facts:
    """All that is known when a null route is decided."""

    case: str
    decision: Decision
    verdict: Verdict | None  # None: a person's
    vm: Vm | None
    tap: Tap | None


def before(
    facts: Facts, frames: Frames, frozen: int, reporter: Reporter, dumps: Dumps, most: int
) -> tuple[dict[str, bytes], int]:
    """The files of the first part, and how many frames are in it. `most`: bytes of the bundle."""
    chosen = youngest(of_one_link(frames), most // BEFORE_SHARE)
    pcap = savefile(chosen)
    files = {BEFORE: pcap, RECORD: _lines(_record(facts, chosen, frozen, reporter.org, dumps))}
    told = report(reporter, facts.decision, facts.verdict, facts.vm, _busiest(chosen), pcap)
    if told is not None:
        files[XARF] = _lines(told)
    return files, len(chosen)


def youngest(frames: Frames, most: int) -> Frames:
    """The last frames that fit into so many bytes of a savefile."""
    room = (most - FILE_HEADER) // LONGEST
    return frames[-room:] if room < len(frames) else frames


def _record(facts: Facts, frames: Frames, frozen: int, host: str, dumps: Dumps) -> dict[str, Any]:
    stamps = frames["ts"].tolist()
    parts = {"decision": facts.decision, "verdict": facts.verdict, "vm": facts.vm, "tap": facts.tap}
    return {
        "format": 1,
        "host": host,
        "case": facts.case,
        "frozen": frozen,
        **{name: json.loads(dumps(value)) for name, value in parts.items()},
        "frames": {
            "file": BEFORE,
            "number": len(stamps),
            "first": stamps[0] if stamps else None,
            "last": stamps[-1] if stamps else None,
            "directions": directions(frames),
        },
    }


def _busiest(frames: Frames) -> int | None:
    """The protocol of most frames out of the VM, where any has one."""
    out = frames[frames["flags"] & OUT != 0]
    found = Counter(filter(None, (_protocol(frame["bytes"].tobytes(), frame["flags"] & RAW) for frame in out)))
    return found.most_common(1)[0][0] if found else None


def _protocol(frame: bytes, raw: int) -> int | None:
    at = 0 if raw else _BEHIND
    kind = {4: 0x0800, 6: 0x86DD}.get(frame[0] >> 4) if raw else int.from_bytes(frame[_ETHERTYPE:_BEHIND], "big")
    place = _PLACES.get(kind or 0)
    return frame[at + place] if place is not None else None


def _lines(document: dict[str, Any]) -> bytes:
    return json.dumps(document, indent=1).encode() + b"\n"
