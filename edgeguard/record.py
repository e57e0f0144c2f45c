"""The record: one decoded frame as a fixed-size row, and the words for its fields.

`RECORD` is the numpy view of `struct eg_record` in native/abi.h; `native/` refuses to load when
the two differ in size. A batch of records is a one-dimensional array of this type.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeguard.model import Address as Address  # noqa: PLC0414 - most take it from here; that file loads no numpy

RECORD = np.dtype(
    [
        ("ts", "<i8"),  # ns since 1970
        ("src_hi", "<u8"),
        ("src_lo", "<u8"),
        ("dst_hi", "<u8"),
        ("dst_lo", "<u8"),
        ("bytes", "<u4"),
        ("packets", "<u4"),
        ("src_port", "<u2"),
        ("dst_port", "<u2"),
        ("out_of", "<u2"),
        ("into", "<u2"),
        ("family", "u1"),
        ("protocol", "u1"),
        ("kind", "u1"),
        ("flags", "u1"),
        ("tcp_flags", "u1"),
        ("icmp_type", "u1"),
        ("vlan", "<u2"),
    ]
)

Records = npt.NDArray[Any]  # of RECORD
_CACHE_LINE = 64  # bytes

SYN, SYNACK, RST, TCP, UDP, ICMP, FRAGMENT, OTHER = range(8)
CLASSES = 8
NON_IP, MALFORMED, OTHER_LINK = 8, 9, 10
NOBODY = 0xFFFF

PROTOCOL_TCP = 6
PROTOCOL_UDP = 17

# UDP services whose answers are many times their requests; Rossow, Amplification Hell (NDSS 2014), and what
# was found since: chargen, DNS, TFTP, portmapper, NTP, NetBIOS, SNMP, CLDAP, SSDP, ARD, WS-Discovery, memcached.
REFLECTORS = (17, 19, 53, 69, 111, 123, 137, 161, 389, 1900, 3283, 3702, 5353, 11211)


def aligned(shape: int | tuple[int, ...], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """Zeros that begin at a cache line: numpy's own begin 16 bytes behind one, and every row lies on two."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    room = np.zeros(size + _CACHE_LINE, np.uint8)
    first = -room.ctypes.data % _CACHE_LINE
    return room[first : first + size].view(dtype).reshape(shape)


def address(family: int, hi: int, lo: int) -> Address:
    """The address held in two 64-bit halves; IPv4 lives in `lo` alone."""
    if family == 4:
        return IPv4Address(int(lo))
    return IPv6Address(int(hi) << 64 | int(lo))


def halves(a: Address) -> tuple[int, int]:
    """(hi, lo) of an address, as records hold it."""
    value = int(a)
    return value >> 64, value & 0xFFFF_FFFF_FFFF_FFFF


def mac_number(mac: str) -> int:
    """A MAC address as the 48-bit number that keys attachment points in savefiles."""
    return int(mac.replace(":", "").replace("-", ""), 16)


def point_key(mac: str, vlan: int | None) -> int:
    """The key of an attachment point by MAC and VLAN (native/abi.h); None: by its MAC alone."""
    return mac_number(mac) | (vlan or 0) << 48
