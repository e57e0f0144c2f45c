"""Counting packets for a proof, exactly and without touching them.

`Tally` is a socket on one link that is read once at most: its buffer holds a frame or two and then
the kernel only counts (PACKET_STATISTICS counts what the filter accepted, dropped or not).

`Elsewhere` is a ring over every other link for the frames towards the targets. It keeps their
headers, because a frame may be a super-frame of many packets here and single packets on the
uplink; what is compared is wire packets (virtio_net_hdr.gso_size, as PACKET_VNET_HDR gives it).
TPACKET_V2 has slots of one size, so numpy counts a hundred thousand frames at once. Layout:
linux/if_packet.h, net/packet/af_packet.c tpacket_rcv().
"""

from __future__ import annotations

import ctypes
import mmap
import os
import socket
import struct
from collections import Counter
from collections.abc import Iterable
from ipaddress import ip_address
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeguard.enforcement import packet_filter
from edgeguard.enforcement.packet_filter import EVERYTHING, Heard, Match, Program
from edgeguard.record import Address

_ETH_P_ALL = 3
_SOL_PACKET = 263
_RX_RING, _STATISTICS, _VERSION, _VNET_HDR = 5, 6, 10, 15
_TPACKET_V2 = 1
_STATS = struct.Struct("=II")  # tpacket_stats: packets, drops
_SLOT = 256  # bytes: 32 header, 20 sockaddr_ll, 10 virtio_net_hdr, the frame's first bytes
_SNAP = 128
_BLOCK = 1 << 20
_BLOCKS = 8  # 32,768 slots: at 40 looks a second 1.3 Mpps
_LINK_HEADER = 14  # Ethernet; the kernel has taken off the tag
_SMALLEST = 1  # the kernel raises it to its own smallest buffer
_HEADER = np.dtype(
    {
        "names": ["status", "length", "mac", "net", "ifindex", "pkttype"],
        "formats": ["<u4", "<u4", "<u2", "<u2", "<i4", "u1"],
        "offsets": [0, 4, 12, 14, 36, 42],
        "itemsize": _SLOT,
    }
)
_USER = 1  # TP_STATUS_USER
_OUTGOING = 4
_TCP, _UDP = 6, 17

# By ctypes, which lets other threads run meanwhile: setting up a ring waits for the kernel's RCU.
_libc = ctypes.CDLL(None, use_errno=True)

Seen = tuple[int, bool, int]
Bytes = npt.NDArray[np.uint8]
Indexes = npt.NDArray[np.intp]


def _packet_socket() -> socket.socket:
    """An AF_PACKET socket that hears nothing until it is bound."""
    return socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)


def _checked(code: int) -> None:
    if code != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _bind_everywhere(sock: socket.socket) -> None:
    """Hear every link; Python 3.11 wants a name where the kernel takes ifindex 0."""
    everywhere = struct.pack("=HHiHBB8s", socket.AF_PACKET, socket.htons(_ETH_P_ALL), 0, 0, 0, 0, b"")
    _checked(_libc.bind(sock.fileno(), everywhere, len(everywhere)))


def _statistics(sock: socket.socket) -> tuple[int, int]:
    """(frames accepted, of them dropped) since the last call."""
    packets, drops = _STATS.unpack(sock.getsockopt(_SOL_PACKET, _STATISTICS, _STATS.size))
    return packets, drops


class Tally:
    """How many frames of one link a packet filter has accepted."""

    def __init__(self, name: str, program: Program) -> None:
        """OSError when the link is gone or CAP_NET_RAW is missing."""
        self._socket = _packet_socket()
        self._total = 0
        self._sampled = False
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SMALLEST)
            packet_filter.attach(self._socket, program)
            self._socket.bind((name, _ETH_P_ALL))
        except OSError:
            self._socket.close()
            raise

    def total(self) -> int:
        """Frames since the start."""
        self._total += _statistics(self._socket)[0]
        return self._total

    def sample(self) -> tuple[Address, Address] | None:
        """Source and target of the first frame; None when none has come, or when it was asked for before."""
        if self._sampled:
            return None
        try:
            ip = self._socket.recv(_SNAP, socket.MSG_DONTWAIT)[_LINK_HEADER:]
        except OSError:
            return None
        self._sampled = True
        length, at = (4, 12) if ip[:1] < b"\x60" else (16, 8)
        if len(ip) < at + 2 * length:
            return None
        return ip_address(ip[at : at + length]), ip_address(ip[at + length : at + 2 * length])

    def close(self) -> None:
        """May wait for the kernel's network code to let go of it, some 10 ms."""
        self._socket.close()


class Elsewhere:
    """Packets towards the targets on every link but the tap, by (ifindex, leaving the link, lot).

    The lot is 0, or drawn by the source address out of `lots`: where sources tell what is a leak, what
    neighbours bring from theirs must not make up for what leaves from others.
    """

    def __init__(self, matches: Iterable[Match], ifindex: int, heard: Heard = EVERYTHING, lots: int = 1) -> None:
        """Takes some 15 ms. OSError when there is no memory for it or CAP_NET_RAW is missing."""
        self._socket = _packet_socket()
        self._lots = lots
        self.packets: Counter[Seen] = Counter()
        self.lost = 0
        try:
            self._open(packet_filter.elsewhere(matches, ifindex, _SNAP, heard))
        except OSError:
            self._socket.close()
            raise

    def _open(self, program: Program) -> None:
        packet_filter.attach(self._socket, program)
        self._socket.setsockopt(_SOL_PACKET, _VERSION, _TPACKET_V2)
        self._socket.setsockopt(_SOL_PACKET, _VNET_HDR, 1)
        size = _BLOCK * _BLOCKS
        ring = struct.pack("=IIII", _BLOCK, _BLOCKS, _SLOT, size // _SLOT)
        _checked(_libc.setsockopt(self._socket.fileno(), _SOL_PACKET, _RX_RING, ring, len(ring)))
        self._map = mmap.mmap(self._socket.fileno(), size)
        self._bytes: Bytes = np.frombuffer(self._map, np.uint8)
        self._slots: npt.NDArray[Any] = self._bytes.view(_HEADER)
        _bind_everywhere(self._socket)

    def count(self) -> None:
        """Count what has come and give the slots back to the kernel."""
        ready = np.flatnonzero(self._slots["status"] & _USER)
        if ready.size:
            headers = self._slots[ready]
            key = headers["ifindex"].astype(np.int64) * 2 + (headers["pkttype"] == _OUTGOING)
            key = key * self._lots + (_lots(self._bytes, ready, headers, self._lots) if self._lots > 1 else 0)
            packets = _wire_packets(self._bytes, ready, headers)
            self._slots["status"][ready] = 0
            for one, total in zip(*_sums(key, packets), strict=True):
                link, lot = divmod(int(one), self._lots)
                self.packets[link // 2, bool(link & 1), lot] += int(total)
        self.lost += _statistics(self._socket)[1]

    def close(self) -> None:
        """May wait some 20 ms."""
        del self._slots, self._bytes
        self._map.close()
        self._socket.close()


def _sums(key: npt.NDArray[np.int64], packets: npt.NDArray[np.int64]) -> tuple[Any, Any]:
    """(each key, its packets)."""
    keys, places = np.unique(key, return_inverse=True)
    return keys, np.bincount(places, weights=packets)


def _lots(raw: Bytes, slots: Indexes, headers: npt.NDArray[Any], lots: int) -> npt.NDArray[np.int64]:
    """A number below `lots` for each frame, by its source: the whole IPv4 address, of IPv6 two of its words."""
    ip = slots * _SLOT + headers["net"]
    is4 = raw[ip] >> 4 == 4
    drawn = np.zeros(slots.size, np.int64)
    for at in (12, 13, 14, 15):  # IPv6: bytes 4 to 7 of the source
        drawn = drawn * 31 + raw[ip + at]
    for at in (20, 21, 22, 23):  # and its last four
        drawn = drawn * 31 + np.where(is4, 0, raw[ip + at])
    return drawn % lots


def _wire_packets(raw: Bytes, slots: Indexes, headers: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """How many packets each frame is, or becomes, on the wire: ceil(payload / gso_size)."""
    vnet = slots * _SLOT + headers["mac"] - 10
    gso_size = raw[vnet + 4].astype(np.int64) | raw[vnet + 5].astype(np.int64) << 8
    packets = np.ones(slots.size, np.int64)
    super_frames = np.flatnonzero((raw[vnet + 1] != 0) & (gso_size > 0))
    for at in super_frames:
        header = headers[at]
        payload = int(header["length"]) - _header_length(raw, int(slots[at]) * _SLOT, header)
        packets[at] = max(1, -(-payload // int(gso_size[at])))
    return packets


def _header_length(raw: Bytes, slot: int, header: Any) -> int:
    """Bytes from the start of the frame to the payload behind TCP or UDP."""
    ip = slot + int(header["net"])
    if raw[ip] >> 4 == 4:
        length, protocol = int(raw[ip] & 15) * 4, int(raw[ip + 9])
    else:
        length, protocol = 40, int(raw[ip + 6])
    upper = 8 if protocol == _UDP else int(raw[ip + length + 12] >> 4) * 4
    return int(header["net"]) - int(header["mac"]) + length + upper
