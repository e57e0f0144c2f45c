"""Rings that share the frames of a namespace (native/ring_fanout.c)."""

from __future__ import annotations

from edgeguard._native import lib
from edgeguard.errors import CaptureError
from edgeguard.native import Ring, message


def share(ring: Ring, odd: int) -> int:
    """Share the ring's frames with those that join; the number of the group. `odd`: 32 bits that nobody knows."""
    return _checked(lib.eg_ring_share(ring.c, odd))


def join(ring: Ring, group: int) -> None:
    """Take a share of the frames of a group."""
    _checked(lib.eg_ring_join(ring.c, group))


def _checked(code: int) -> int:
    if code < 0:
        raise CaptureError(f"ring: frames cannot be shared among threads: {message(code)}; set [capture] threads to 1")
    return code
