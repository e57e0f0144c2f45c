"""Evidence from the moment of a decision on: what is in memory is copied at once, written by a thread of its own.

    frozen = recorder.freeze(point, now)       # some microseconds, before anything is done
    ... the decision is recorded, its orders are given ...
    recorder.keep(frozen, facts)               # the thread writes; nothing waits for it
    recorder.look(now)                         # every second: frames of the seconds after the decision

A disk that is full or may not be written stops nothing: the case says that its evidence is missing.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from edgeguard.evidence.contents import Facts
from edgeguard.evidence.pcap import LONGEST
from edgeguard.evidence.writer import First, Later, Writer
from edgeguard.model import Act, Band, Decision, Verdict
from edgeguard.native.headers import Frames, Headers
from edgeguard.reading import OUT


@dataclass(frozen=True, slots=True)
class Frozen:
    """The frames of a point at one moment."""

    point: int
    at: int
    frames: Frames
    kept: int  # frames of the point so far: what comes later is counted on from here


@dataclass(slots=True)
class _Open:
    """A bundle to which frames are added still."""

    point: int
    decision: str
    until: int
    kept: int
    frames: list[Frames] = field(default_factory=list)

    @property
    def bytes(self) -> int:
        return LONGEST * sum(map(len, self.frames))


def rests_on_frames(verdict: Verdict | None, decision: Decision) -> bool:
    """A null route; or a flood out of a VM that would be null-routed if it were not for a safety or `enforce`."""
    if decision.act is not Act.NONE or verdict is None:
        return decision.act is Act.NULL_ROUTE
    of_a_vm = verdict.rule in OUT and verdict.subject.customer is None
    return of_a_vm and verdict.band is not Band.WARN and not decision.silent


class Recorder:
    """All but the writing is done by the engine's thread, while no ring is read."""

    def __init__(self, headers: Headers, writer: Writer, during: int) -> None:
        """`during`: ns after a decision for which frames are added."""
        self._headers, self._writer, self._during = headers, writer, during
        self._open: list[_Open] = []

    def freeze(self, point: int, now: int) -> Frozen:
        """The last frames of a point, as they are now."""
        return Frozen(point, now, self._headers.frames(point), self._headers.kept(point))

    def keep(self, frozen: Frozen, facts: Facts) -> None:
        """Have them written, and begin to gather what comes after."""
        self._writer.put(First(facts, frozen.frames, frozen.at))
        self._open.append(_Open(frozen.point, facts.decision.id, frozen.at + self._during, frozen.kept))

    def look(self, now: int) -> None:
        """Gather; what is complete is written."""
        for one in self._open:
            self._gather(one)
        for one in [one for one in self._open if one.until <= now]:
            self._close(one)

    def forget(self, point: int) -> None:
        """The point is another subject's from now on."""
        for one in [one for one in self._open if one.point == point]:
            self._gather(one)
            self._close(one)
        self._headers.forget(point)

    def close(self) -> None:
        """What was gathered so far is written, then the thread ends."""
        self.look(2**62)
        self._writer.close()

    def _gather(self, one: _Open) -> None:
        frames = self._headers.frames(one.point, one.kept)
        one.kept = self._headers.kept(one.point)
        if len(frames) and one.bytes < self._writer.most_later:
            one.frames.append(frames)

    def _close(self, one: _Open) -> None:
        self._open.remove(one)
        if one.frames:
            self._writer.put(Later(one.decision, np.concatenate(one.frames)))
        else:
            self._writer.put(Later(one.decision, None))
