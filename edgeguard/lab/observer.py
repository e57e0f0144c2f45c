"""What really leaves the host: every marked frame on the uplink, with the kernel's time stamp.

Independent of the product's own capture on purpose: a TPACKET_V2 ring (packet(7), the kernel's
Documentation/networking/packet_mmap.rst) of equal slots, read with numpy. A filter in the kernel
lets only outgoing frames with the flood's mark through. 262,144 slots hold two seconds of the
fastest flood; what does not fit is counted.
"""

from __future__ import annotations

import ctypes
import ipaddress
import mmap
import select
import socket
import struct
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeguard.clock import SECOND
from edgeguard.lab import addresses as plan
from edgeguard.record import Address

# linux/if_packet.h
SOL_PACKET = 263
PACKET_RX_RING, PACKET_STATISTICS, PACKET_VERSION = 5, 6, 10
TPACKET_V2 = 1
PACKET_OUTGOING = 4
TP_STATUS_USER = 1
ETH_P_ALL, ETH_P_IP, ETH_P_IPV6 = 3, 0x0800, 0x86DD
SO_ATTACH_FILTER = 26

SLOT = 128
SLOTS = 1 << 18
BLOCK = 1 << 20
IP_AT = 80  # tpacket_rcv(): TPACKET_ALIGN(52 + 16) for a link header of 14 bytes
SNAP = 14 + SLOT - IP_AT  # the link header and what fits of the IP header
PERIOD_MS = 20

_SLOT = np.dtype(
    {
        "names": ["status", "sec", "nsec", "type", "length4", "target4", "length6", "target6"],
        "formats": ["<u4", "<u4", "<u4", "u1", ">u2", ">u4", ">u2", "V16"],
        "offsets": [0, 16, 20, IP_AT, IP_AT + 2, IP_AT + 16, IP_AT + 4, IP_AT + 24],
        "itemsize": SLOT,
    }
)

SEEN = np.dtype([("at", "<i8"), ("version", "u1"), ("target", "V16"), ("bytes", "<u4")])
Seen = npt.NDArray[Any]  # of SEEN: `bytes` is the IP length


def _filter(mark: int) -> list[tuple[int, int, int, int]]:
    """cBPF (linux/filter.h): outgoing, IPv4 with this TOS or IPv6 with this traffic class."""
    load_word, load_half, load_byte = 0x20, 0x28, 0x30
    equal, ret, and_k = 0x15, 0x06, 0x54
    packet_type = 0xFFFFF000 + 4  # SKF_AD_OFF + SKF_AD_PKTTYPE
    return [
        (load_word, 0, 0, packet_type),
        (equal, 0, 9, PACKET_OUTGOING),
        (load_half, 0, 0, 12),
        (equal, 0, 2, ETH_P_IP),
        (load_byte, 0, 0, 15),
        (equal, 4, 5, mark),
        (equal, 0, 4, ETH_P_IPV6),
        (load_half, 0, 0, 14),
        (and_k, 0, 0, 0x0FF0),
        (equal, 0, 1, mark << 4),
        (ret, 0, 0, SNAP),
        (ret, 0, 0, 0),
    ]


class Observer:
    """A ring on one interface of the calling thread's namespace."""

    def __init__(self, interface: str, mark: int = plan.MARK) -> None:
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)  # 0: nothing arrives before bind
        self._attach(_filter(mark))
        self._socket.setsockopt(SOL_PACKET, PACKET_VERSION, TPACKET_V2)
        ring = struct.pack("IIII", BLOCK, SLOTS * SLOT // BLOCK, SLOT, SLOTS)
        self._socket.setsockopt(SOL_PACKET, PACKET_RX_RING, ring)
        self._map = mmap.mmap(self._socket.fileno(), SLOTS * SLOT)
        self._slots: npt.NDArray[Any] = np.frombuffer(self._map, dtype=_SLOT)
        self._next = 0
        self.lost = 0
        self._socket.bind((interface, ETH_P_ALL))

    def _attach(self, program: list[tuple[int, int, int, int]]) -> None:
        code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in program))
        described = struct.pack("HL", len(program), ctypes.addressof(code))
        self._socket.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, described)

    def wait(self, timeout_ms: int) -> None:
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        poll.poll(timeout_ms)

    def read(self) -> Seen:
        """Every frame that has come since the last call, copied."""
        parts = []
        while len(part := self._ready()):
            parts.append(part)
        return np.concatenate(parts) if parts else np.empty(0, SEEN)

    def _ready(self) -> Seen:
        """The frames ready from the next slot up to the end of the ring."""
        slots = self._slots[self._next :]
        waiting = slots["status"] & TP_STATUS_USER == 0
        count = int(waiting.argmax()) if waiting.any() else len(slots)
        seen = _seen(slots[:count])
        slots["status"][:count] = 0  # back to the kernel, after the copy
        self._next = (self._next + count) % SLOTS
        return seen

    def losses(self) -> int:
        """Frames that found no free slot, since the start; reading resets the kernel's count."""
        _, lost = struct.unpack("II", self._socket.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))
        self.lost += lost
        return self.lost

    def close(self) -> None:
        self._socket.close()


def _seen(slots: npt.NDArray[Any]) -> Seen:
    seen = np.zeros(len(slots), SEEN)
    seen["at"] = slots["sec"].astype(np.int64) * SECOND + slots["nsec"]
    seen["version"] = slots["type"] >> 4
    is4 = seen["version"] == 4
    seen["target"] = slots["target6"]
    seen["bytes"] = np.where(is4, slots["length4"], 40 + slots["length6"].astype(np.uint32))
    low = np.zeros((len(slots), 4), ">u4")
    low[:, 3] = slots["target4"]
    seen["target"][is4] = low[is4].view("V16").ravel()
    return seen


def key(address: Address) -> np.void:
    """An address as SEEN's target holds it."""
    return np.void(int(address).to_bytes(16, "big"))


def is_to(seen: Seen, target: str) -> npt.NDArray[np.bool_]:
    """Which frames go to one address, or into a prefix."""
    network = ipaddress.ip_network(target)
    found: npt.NDArray[np.bool_] = seen["version"] == network.version
    low = 128 - network.max_prefixlen  # an IPv4 address is the last four of the sixteen bytes
    raw = np.ascontiguousarray(seen["target"]).view(np.uint8).reshape(-1, 16)
    mask = np.frombuffer(((1 << network.prefixlen) - 1 << 128 - low - network.prefixlen).to_bytes(16, "big"), np.uint8)
    wanted = np.frombuffer(int(network.network_address).to_bytes(16, "big"), np.uint8)
    found &= ((raw & mask) == wanted).all(axis=1)
    return found


def packets(seen: Seen, segment: int = 0) -> int:
    """Packets on the wire: a UDP super-frame is ceil(payload / `segment`) of them; 0: no super-frames."""
    if not segment:
        return len(seen)
    headers = np.where(seen["version"] == 4, 28, 48)
    return int((-(-(seen["bytes"].astype(np.int64) - headers) // segment)).sum())


def observe(sends: Connection, stop: Any, interface: str) -> None:
    """The body of the observer's worker: sends "ready", then arrays of SEEN, then the number lost."""
    observer = Observer(interface)
    sends.send("ready")
    last = False
    while not last:
        last = stop.is_set()  # and once more, for what came before it was set
        observer.wait(PERIOD_MS)
        seen = observer.read()
        if len(seen):
            sends.send(seen)
    sends.send(observer.losses())
    observer.close()
