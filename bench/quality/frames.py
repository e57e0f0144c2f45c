"""Frames on their way into the decoder: arrays of headers, and the pcap bytes they make.

Only headers are kept, as a capture with a snap length keeps them; what was cut off counts as zeros,
also in the checksums. A frame's rows belong together: at[i], head[i, :captured[i]], length[i], ...
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

ROOM = 96  # bytes kept of a frame
ETHERNET = 1  # LINKTYPE_
FILE_HEADER = np.array([(0xA1B2_3C4D, 2, 4, 0, 0, ROOM, ETHERNET)], "<u4, <u2, <u2, <u4, <u4, <u4, <u4")  # ns
_RECORD_HEADER = np.dtype([("sec", "<u4"), ("nsec", "<u4"), ("captured", "<u4"), ("length", "<u4")])
_SECOND = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Frames:
    """Some frames, in any order. `gso` above 0: a super-frame that leaves in segments of so many bytes of
    payload. `of_flood`: the truth about each frame, which is nowhere on the wire."""

    at: Array  # i8, ns since 1970
    head: Array  # u1 [n, ROOM], Ethernet
    captured: Array  # u2, bytes of `head` that are the frame's
    length: Array  # u4, bytes on the wire
    gso: Array  # u2
    of_flood: Array  # bool

    def __len__(self) -> int:
        return len(self.at)

    def __getitem__(self, which: Any) -> Frames:
        """Some of them: a slice, a mask or positions."""
        return Frames(*(column[which] for column in self.columns))

    @property
    def columns(self) -> tuple[Array, ...]:
        return self.at, self.head, self.captured, self.length, self.gso, self.of_flood

    def moved(self, by: int) -> Frames:
        """The same, `by` ns later."""
        return replace(self, at=self.at + by)

    def in_order(self) -> Frames:
        """By time; frames of the same time stay as they are."""
        back = len(self) > 1 and bool((np.diff(self.at) < 0).any())
        return self[np.argsort(self.at, kind="stable")] if back else self


def plain(at: Array, head: Array, captured: Array, length: Array, of_flood: bool = False) -> Frames:
    """Frames that leave as they are."""
    n = len(at)
    return Frames(at, head, captured, length, np.zeros(n, np.uint16), np.full(n, of_flood))


def together(parts: Iterable[Frames]) -> Frames:
    """All of them, in order of time."""
    listed = [part for part in parts if len(part)]
    if not listed:
        empty = np.zeros(0, np.int64)
        return plain(empty, np.zeros((0, ROOM), np.uint8), empty.astype(np.uint16), empty.astype(np.uint32))
    if len(listed) == 1:
        return listed[0].in_order()
    return Frames(*map(np.concatenate, zip(*(part.columns for part in listed), strict=True))).in_order()


def pcap(frames: Frames) -> bytes:
    """A savefile of the frames as they stand."""
    first, widest = _RECORD_HEADER.itemsize, int(frames.captured.max(initial=0))
    rows = np.zeros((len(frames), first + widest), np.uint8)
    rows[:, :first] = _record_headers(frames).view(np.uint8).reshape(-1, first)
    rows[:, first:] = frames.head[:, :widest]
    if int(frames.captured.min(initial=widest)) != widest:
        rows = rows[np.arange(first + widest) < first + frames.captured[:, None]]
    return FILE_HEADER.tobytes() + rows.tobytes()


def _record_headers(frames: Frames) -> Array:
    head = np.zeros(len(frames), _RECORD_HEADER)
    head["sec"], head["nsec"] = np.divmod(frames.at, _SECOND)
    head["captured"], head["length"] = frames.captured, frames.length
    return head
