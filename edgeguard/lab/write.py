"""A scenario as a savefile: what a capture at the taps would hold, in invented time.

Deterministic to the byte: seeded frames, computed times. Nothing is sent and no right is needed.
Frames are written one by one, so that memory does not grow with the file.
"""

from __future__ import annotations

import heapq
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

from edgeguard.clock import MILLISECOND, SECOND
from edgeguard.errors import SavefileError
from edgeguard.lab import settings, traffic, volley
from edgeguard.lab.addresses import STATIONS
from edgeguard.lab.scenario import Flood, Scenario
from edgeguard.lab.traffic import Frames, Stream

START = 1_767_225_600 * SECOND  # 2026-01-01 00:00:00 UTC
FLOOD_RATE = 100_000
FLOOD_LASTS = 3 * SECOND
MOVES_EVERY = 2 * SECOND
BEFORE, AFTER = SECOND, 6 * SECOND  # ordinary traffic around the flood; after: quiet (3 s) and release
BENIGN_LASTS = 8 * SECOND  # longer than the 5 seconds that a sustained limit needs
ECHO_RATE, UPLOAD_RATE = 50, 2_000
ROUND_TRIP = MILLISECOND
TOLD_EVERY = 100_000  # frames
SNAP = 96  # bytes kept: headers, as 'tcpdump -s 96'
NANOSECOND_MAGIC, ETHERNET = 0xA1B23C4D, 1  # pcap(5): pcap-savefile

Stamped = Iterator[tuple[int, bytes]]
Span = tuple[int, int]  # from, until


def _paced(frames: Frames, rate: int, span: Span, shift: int = 0) -> Stamped:
    """The frames in turn, evenly spaced; `shift` keeps streams from sharing a time stamp."""
    start, end = span
    number = 0
    while (at := start + shift + number * SECOND // rate) < end:
        yield at, frames[number % len(frames)]
        number += 1


def _asked(out: Frames, into: Frames, rate: int, span: Span, shift: int) -> list[Stamped]:
    return [_paced(out, rate, span, shift), _paced(into, rate, span, shift + ROUND_TRIP)]


def _background(span: Span) -> list[Stamped]:
    found = []
    for number, station in enumerate(STATIONS):
        found += _asked(*traffic.echoes(station.address, station.mac), ECHO_RATE, span, 1_003 + 2_011 * number)
    return found


def _flood(flood: Flood) -> tuple[list[Stamped], int]:
    """The flood's streams and when the last of them ends."""
    lasts = MOVES_EVERY if len(flood.targets) > 1 else FLOOD_LASTS
    streams = []
    at = START + BEFORE
    for number in range(len(flood.aims)):
        frames = volley.frames(flood, number, traffic.SEGMENT if flood.super_frames else None)
        streams.append(_paced(frames, FLOOD_RATE, (at, at + lasts)))
        at += lasts
    return streams, at


def _benign() -> tuple[list[Stamped], int]:
    span = (START + BEFORE, START + BEFORE + BENIGN_LASTS)
    out, into = traffic.benign()
    streams = [_stream(out, span, 0), _stream(into, span, ROUND_TRIP + 307)]
    return streams + _asked(*traffic.upload(), UPLOAD_RATE, span, 5_003), span[1]


def _stream(stream: Stream, span: Span, shift: int) -> Stamped:
    return _paced(stream.frames, stream.rate, span, shift)


def frames(scenario: Scenario) -> Stamped:
    """Every frame of the scenario with its time (ns since 1970), in order."""
    streams, end = _flood(scenario.flood) if scenario.flood else _benign()
    return heapq.merge(*streams, *_background((START, end + AFTER)), key=lambda stamped: stamped[0])


def pcap(stamped: Stamped) -> Iterator[bytes]:
    """A nanosecond pcap file, piece by piece."""
    yield struct.pack("<IHHiIII", NANOSECOND_MAGIC, 2, 4, 0, 0, SNAP, ETHERNET)
    header = struct.Struct("<IIII").pack
    for at, frame in stamped:
        kept = frame[:SNAP]
        yield header(at // SECOND, at % SECOND, len(kept), len(frame)) + kept


def write(scenario: Scenario, path: Path, progress: Callable[[int], None] = lambda _: None) -> tuple[Path, int]:
    """Write the savefile and, beside it, the configuration to replay it with.

    The latter's path and the savefile's number of frames. `progress` is told that number now and then.
    SavefileError where a file cannot be written.
    """
    beside = path.with_suffix(".toml")
    if beside == path:
        raise SavefileError(f"{path}: the configuration beside it would have the same name; call the savefile *.pcap")
    count = -1  # the file header is no frame
    try:
        with path.open("wb", buffering=1 << 20) as file:
            for piece in pcap(frames(scenario)):
                file.write(piece)
                count += 1
                if count % TOLD_EVERY == 0:
                    progress(count)
        beside.write_text(_explained(scenario, path) + settings.replayed(), encoding="utf-8")
    except OSError as error:
        raise SavefileError(f"{error.filename or path}: cannot be written: {error.strerror}") from None
    return beside, count


def _explained(scenario: Scenario, path: Path) -> str:
    own = "".join(f"#   {line}\n" for line in settings.OWN)
    command = f"edgeguard replay {path.name} -c {path.with_suffix('.toml').name}"
    return f"# Scenario {scenario.name}: {scenario.sentence}.\n# Replay it with: {command}\n# The lab's own:\n{own}\n"
