"""What one attachment point has sent and got so far, as a sample taken once a second."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sender:
    """Running totals of one row. `tap_frames`, `tap_bytes`: out of its tap as the kernel counts them; None: no tap."""

    point: int
    vm: str | None  # None: not in the inventory
    customer: str | None
    syns: int  # out
    third_acks: int  # out: handshakes that the VM completed
    out: int  # frames
    into: int
    tap_frames: int | None = None
    tap_bytes: int | None = None
