"""The last frames of each attachment point, headers only (native/headers.c)."""

from __future__ import annotations

import mmap
import secrets
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeguard._native import ffi, lib
from edgeguard.native import Ring

KEPT = 512  # frames of each point
BYTES = 112  # of a frame, at most
OUT, TAGGED, RAW = 1, 2, 4  # out of the point; the kernel took a VLAN tag off; begins with its IP header

FRAME = np.dtype(
    [
        ("ts", "<i8"),  # ns since 1970
        ("wire", "<u4"),  # bytes of the frame
        ("tag", "<u2"),
        ("captured", "u1"),  # bytes of it that are here
        ("flags", "u1"),
        ("bytes", "u1", (BYTES,)),
    ]
)
_POINT = np.dtype([("due", "<i8"), ("kept", "<u8")])

Frames = npt.NDArray[Any]  # of FRAME

if (ffi.sizeof("struct eg_headers_frame"), ffi.sizeof("struct eg_headers_point")) != (FRAME.itemsize, _POINT.itemsize):
    raise SystemExit("edgeguard: the C extension was built from another version; run 'pip install .' again")


def end(frame: bytes, wire: int, link_type: int) -> int:
    """How many bytes of a frame are headers."""
    return int(lib.eg_headers_end(ffi.from_buffer(frame), len(frame), wire, link_type))


class Headers:
    """The frames of all points, shared by every ring. Only the pages that are written take memory: 64 KiB a point.

    Read, and forgotten, only while no ring is read.
    """

    def __init__(self, points: int) -> None:
        self._frames = _zeros(FRAME, (points, KEPT))
        self._points = _zeros(_POINT, (points,))
        self.c: Any = ffi.new("struct eg_headers *", {"points": points, "random": secrets.randbits(63) + 1})
        self.c.point = ffi.cast("struct eg_headers_point *", self._points.ctypes.data)
        self.c.frame = ffi.cast("struct eg_headers_frame *", self._frames.ctypes.data)

    def keep(self, ring: Ring) -> None:
        """From now on the frames that the ring reads are kept here; it must live as long as the ring."""
        ring.c.headers = self.c

    def offer(self, point: int, frame: bytes, ts: int, wire: int = 0, flags: int = OUT, link_type: int = 1) -> None:
        """One frame, as a ring offers each: for a capture that is no ring, and for tests."""
        captured = len(frame)
        lib.eg_headers_offer(self.c, point, flags, ffi.from_buffer(frame), captured, wire or captured, link_type, ts, 0)

    def kept(self, point: int) -> int:
        """Frames of a point that were kept so far; the last `KEPT` of them are here."""
        return int(self._points["kept"][point])

    def frames(self, point: int, since: int = 0) -> Frames:
        """A copy of a point's frames in the order in which they came, but for the first `since` that were ever kept."""
        kept = self.kept(point)
        found: Frames = self._frames[point][np.arange(max(since, kept - KEPT, 0), kept) % KEPT]
        return found

    def forget(self, point: int) -> None:
        """The point is another subject's now."""
        self._points[point] = (0, 0)


def _zeros(kind: np.dtype[Any], shape: tuple[int, ...]) -> npt.NDArray[Any]:
    """Whole pages, each of which is there when it is first written."""
    size = int(np.prod(shape)) * kind.itemsize
    return np.frombuffer(mmap.mmap(-1, size), kind, size // kind.itemsize).reshape(shape)
