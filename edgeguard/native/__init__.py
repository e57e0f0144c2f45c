"""The only importer of the C extension: thin calls, negative codes turned into typed errors."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeguard.errors import CaptureError, RightsError, SavefileError
from edgeguard.record import RECORD, Records

try:
    from edgeguard._native import ffi, lib
except ImportError as error:  # no slow silent fallback: say what to do
    raise SystemExit(
        f"edgeguard: the C extension cannot be loaded ({error}); "
        "build it with 'pip install .' (needs a C compiler and Python's headers)"
    ) from None

if ffi.sizeof("struct eg_record") != RECORD.itemsize:
    raise SystemExit("edgeguard: the C extension was built from another version; run 'pip install .' again")


def message(code: int) -> str:
    """The sentence for a negative code."""
    text: Any = ffi.string(lib.eg_error(code))
    return str(text.decode())


def _is_denied(code: int) -> bool:
    return code in (-errno.EPERM, -errno.EACCES)


# ---- values both readers share ----------------------------------------------------------------


class Totals:
    """Running totals over every frame decoded (struct eg_totals)."""

    def __init__(self) -> None:
        self.c: Any = ffi.new("struct eg_totals *")

    def by_name(self) -> dict[str, int]:
        return {name: int(getattr(self.c, name)) for name, _ in ffi.typeof("struct eg_totals").fields}


class PointTable:
    """struct eg_points over two arrays of the same power of two, which it keeps alive."""

    def __init__(self, keys: npt.NDArray[np.uint64], values: npt.NDArray[np.uint16]) -> None:
        self._arrays = keys, values
        self.c: Any = ffi.new("struct eg_points *")
        self.c.mask = len(keys) - 1
        self.c.keys = ffi.cast("uint64_t *", keys.ctypes.data)
        self.c.values = ffi.cast("uint16_t *", values.ctypes.data)

    def find(self, key: int) -> int:
        """The value of a key, or EG_NOBODY, as the readers see it."""
        return int(lib.eg_points_find(self.c, key))


def _rows(out: Records) -> Any:
    return ffi.from_buffer("struct eg_record[]", out)


class Twins:
    """Frames that came twice (struct eg_twins): one reader's, one frame of EG_TWINS_EVERY is looked at."""

    def __init__(self) -> None:
        self.c: Any = ffi.new("struct eg_twins *")

    def totals(self) -> tuple[int, int]:
        """Running totals: frames looked at that no sender repeats by itself, and the copies among them."""
        return int(self.c.looked - self.c.repeated), int(self.c.twice)


# ---- decode and savefile ----------------------------------------------------------------------


def decode(frame: bytes, wire: int, link_type: int, gso_size: int, out: Records, totals: Totals) -> None:
    """Decode one frame of `wire` bytes into out[0]: for single frames, the readers decode blocks."""
    lib.eg_decode(ffi.from_buffer(frame), len(frame), wire, link_type, gso_size, _rows(out), totals.c)


@dataclass(frozen=True, slots=True)
class Stamps:
    """What a savefile's clock has shown so far; ns since 1970, None before the first stamp."""

    first: int | None
    last: int | None
    backwards: int  # steps back
    equal: int  # stamps equal to the one before
    whole_second: int
    bad_fraction: int  # a second or more beside the seconds
    none: int  # frames without a usable stamp: they carry that of the frame before


@dataclass(frozen=True, slots=True)
class Stop:
    """Where and why reading ended before the end of a savefile."""

    at: int  # offset of the record that could not be read
    why: str


class Savefile:
    """A pcap or pcapng file in memory; `data` must outlive it."""

    def __init__(self, data: Any) -> None:
        """`data`: bytes or a mapping. SavefileError with the bare reason where it is no savefile."""
        self.c: Any = ffi.new("struct eg_savefile *")
        self._closed = False
        self._data = ffi.from_buffer(data)
        code = lib.eg_savefile_open(self.c, ffi.cast("uint8_t *", self._data), len(data))
        if code < 0:
            self.close()
            raise SavefileError(message(code))

    def read(self, points: PointTable | None, out: Records, totals: Totals) -> int:
        """Decode the next frames into `out`; how many rows, 0 at the end."""
        if self._closed:
            return 0
        table = ffi.NULL if points is None else points.c
        return int(lib.eg_savefile_read(self.c, table, _rows(out), len(out), totals.c))

    def watch(self, twins: Twins) -> None:
        """Count Ethernet frames that came twice from now on."""
        self._twins, self.c.twins = twins, twins.c

    def at(self) -> int:
        """Offset of the next record."""
        return int(self.c.at)

    def stop(self) -> Stop | None:
        """Why reading stopped early at something that cannot be, if it did."""
        return Stop(int(self.c.error_at), message(-self.c.error)) if self.c.error else None

    def cut(self) -> Stop | None:
        """Where the file ends inside a record, if it does."""
        return Stop(int(self.c.error_at), "the file ends inside this record") if self.c.truncated else None

    def stamps(self) -> Stamps:
        c = self.c
        seen = c.first_ts <= c.last_ts
        first, last = (int(c.first_ts), int(c.last_ts)) if seen else (None, None)
        odd = c.stamps_backwards, c.stamps_equal, c.stamps_whole_second, c.stamps_bad_fraction, c.stamps_none
        return Stamps(first, last, *map(int, odd))

    def other_links(self) -> list[int | None]:
        """Link types of frames that are not decoded, as met; None: an interface never described."""
        met = self.c.other_links[0 : self.c.other_links_used]
        return [None if number == _UNDESCRIBED else int(number) for number in met]

    def close(self) -> None:
        """Let go of the data, so that a mapping can be closed; read() gives nothing any more."""
        self._closed = True
        ffi.release(self._data)


_UNDESCRIBED = 0xFFFF_FFFF


# ---- ring -------------------------------------------------------------------------------------


class Ring:
    """One AF_PACKET TPACKET_V3 socket over all interfaces; silent until exclude() was called."""

    def __init__(self, block_bytes: int, blocks: int, retire_ms: int) -> None:
        self.c: Any = ffi.new("struct eg_ring *")
        code = lib.eg_ring_open(self.c, block_bytes, blocks, retire_ms)
        if _is_denied(code):
            raise RightsError(
                "ring: an AF_PACKET socket was refused: the capability CAP_NET_RAW is missing; "
                "run as root, or give the service AmbientCapabilities=CAP_NET_RAW CAP_NET_ADMIN"
            )
        if code < 0:
            size = f"{blocks} blocks of {block_bytes} bytes"
            raise CaptureError(f"ring: {size} cannot be set up: {message(code)}; lower [capture] blocks or block_bytes")

    def fileno(self) -> int:
        return int(self.c.fd)

    def exclude(self, ifindexes: Sequence[int]) -> None:
        """Capture everything but these interfaces from now on."""
        code = lib.eg_ring_exclude(self.c, ffi.new("uint32_t[]", list(ifindexes)), len(ifindexes))
        if code < 0:
            raise CaptureError(f"ring: the filter over {len(ifindexes)} interfaces was refused: {message(code)}")

    def read(self, points: PointTable, out: Records, totals: Totals) -> int:
        """Decode what is ready of one block into `out`; how many rows, 0 when nothing is ready."""
        return int(lib.eg_ring_read(self.c, points.c, _rows(out), len(out), totals.c))

    def only(self, ifindexes: Sequence[int], tunnelled: bool) -> None:
        """Capture these interfaces alone, to whatever MAC their frames go; `tunnelled`: more of each frame."""
        code = lib.eg_ring_only(self.c, ffi.new("uint32_t[]", list(ifindexes)), len(ifindexes), int(tunnelled))
        for ifindex in ifindexes:
            code = min(code, lib.eg_ring_promiscuous(self.c, ifindex))
        if code < 0:
            raise CaptureError(f"ring: {len(ifindexes)} mirror ports cannot be listened to: {message(code)}")

    def read_mirror(self, mirror: Mirror, points: PointTable, twins: Twins, out: Records, totals: Totals) -> int:
        """As read(), by MAC and VLAN; ends early where mirror.stranger() needs a point."""
        rows = _rows(out), len(out)
        return int(lib.eg_ring_read_mirror(self.c, mirror.c, points.c, twins.c, *rows, totals.c))

    def statistics(self) -> tuple[int, int, int]:
        """Running totals: frames handed over, frames lost, times the ring was full."""
        code = lib.eg_ring_statistics(self.c)
        if code < 0:
            raise CaptureError(f"ring: its statistics cannot be read: {message(code)}")
        return int(self.c.received), int(self.c.lost), int(self.c.freezes)

    def unknown(self) -> int:
        """Frames passed over because their interface is no attachment point, running total."""
        return int(self.c.unknown)

    def close(self) -> None:
        lib.eg_ring_close(self.c)


class Mirror:
    """What a ring over mirror ports is told of them, and what it found (struct eg_mirror)."""

    def __init__(self, vxlan_port: int, overflow: int) -> None:
        """`vxlan_port` 0: they carry no VXLAN. `overflow`: the point of senders that get none of their own."""
        self.c: Any = ffi.new("struct eg_mirror *", {"vxlan_port": vxlan_port, "overflow": overflow})

    def listen(self, ports: Sequence[int]) -> None:
        """The ifindexes of the ports from now on."""
        self.c.used = len(ports)
        self.c.ports[0 : len(ports)] = list(ports)

    def stranger(self) -> int:
        """The key (MAC | VLAN << 48) of the sender that reading stopped at; 0: it did not."""
        return int(self.c.stranger)

    def fill(self) -> None:
        """No sender gets a point of its own any more."""
        self.c.full = 1

    def totals(self) -> tuple[int, int]:
        """Running totals: frames taken out of VXLAN, frames counted at the overflow point."""
        return int(self.c.opened), int(self.c.overflowed)


# ---- links ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LinkCounter:
    """The kernel's counters of one link; received on a tap is what came out of the VM."""

    rx_frames: int
    tx_frames: int
    rx_bytes: int
    tx_bytes: int
    rx_dropped: int
    tx_dropped: int


def link_counters() -> dict[int, LinkCounter]:
    """The kernel's counters of every link of this namespace, by ifindex."""
    room = 256
    while True:
        out = ffi.new("struct eg_link_counter[]", room)
        n = lib.eg_link_counters(out, room)
        if n == -errno.ENOSPC:
            room *= 4
            continue
        if n < 0:
            raise CaptureError(f"links: the kernel's counters cannot be read (RTM_GETSTATS): {message(n)}")
        return {int(row.ifindex): _link_counter(row) for row in out[0:n]}


def _link_counter(row: Any) -> LinkCounter:
    return LinkCounter(row.rx_frames, row.tx_frames, row.rx_bytes, row.tx_bytes, row.rx_dropped, row.tx_dropped)


# ---- rights -----------------------------------------------------------------------------------


def rights_keep(*capabilities: int) -> None:
    """Keep only these capabilities (numbers of linux/capability.h), in every thread, for good."""
    code = lib.eg_rights_keep(sum(1 << number for number in set(capabilities)))
    if code < 0:
        raise RightsError(
            f"rights: capabilities cannot be given up: {message(code)}; not running with more than needed"
        )


# ---- sender -----------------------------------------------------------------------------------

_SLICE_NS = 250_000_000  # Python sees a signal at least this often


class Sender:
    """The lab's traffic: whole frames through one interface, paced."""

    def __init__(self, ifindex: int, offload: bool = False) -> None:
        """With `offload` each frame starts with the 10 bytes of a virtio_net_hdr."""
        self.c: Any = ffi.new("struct eg_sender *")
        self._stop: Any = ffi.new("int32_t *")
        code = lib.eg_sender_open(self.c, ifindex, int(offload))
        if _is_denied(code):
            raise RightsError("sender: an AF_PACKET socket was refused: the capability CAP_NET_RAW is missing")
        if code < 0:
            raise CaptureError(f"sender: interface {ifindex} cannot be opened: {message(code)}")

    def run(self, frames: Sequence[bytes], count: int, rate: int, seconds: float) -> int:
        """Send `count` frames, cycling through `frames`, `rate` a second (0: top speed), for at most
        `seconds`; the number sent. Another thread may stop() it."""
        data = b"".join(frames)
        ends = np.cumsum([0, *map(len, frames)], dtype=np.uint32)
        offsets = ffi.from_buffer("uint32_t[]", ends)
        deadline = time.monotonic_ns() + int(seconds * 1e9)
        sent = 0
        while sent < count and not self._stop[0] and (now := time.monotonic_ns()) < deadline:
            until = min(deadline, now + _SLICE_NS)
            n = lib.eg_sender_run(self.c, data, offsets, len(frames), count - sent, rate, until, self._stop)
            if n < 0:
                raise CaptureError(f"sender: frame {sent} of {count} was refused: {os.strerror(-n)}")
            sent += n
        return sent

    def stop(self) -> None:
        """End run(), from any thread."""
        self._stop[0] = 1

    def close(self) -> None:
        lib.eg_sender_close(self.c)
