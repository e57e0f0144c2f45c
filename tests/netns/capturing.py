"""What the capture tests share: a ring inside a namespace, frames to send, and reading until enough came."""

from __future__ import annotations

import contextlib
import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from namespaces import Namespace
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Dot1Q, Ether

from edgeguard.capture.points import Points
from edgeguard.capture.taps import Taps
from edgeguard.capture.tpacket import RingCapture
from edgeguard.config import CaptureSettings, build
from edgeguard.model import Tap
from edgeguard.native import Sender
from edgeguard.record import Records

VM, WAN = "192.0.2.2", "203.0.113.9"
VM6, WAN6 = "2001:db8::2", "2001:db8:1::9"
ANY_MAC, TO_MAC = "02:00:00:00:00:02", "02:00:00:00:00:01"


def settings(**changes: Any) -> CaptureSettings:
    """The default capture settings with a smaller ring: 16 MiB, and a second until all blocks are closed."""
    return build({"capture": {"blocks": 256, "block_bytes": 65_536, **changes}}).capture


@dataclass
class Live:
    """A running capture and the index it gave each tap."""

    capture: RingCapture
    taps: Taps
    indexes: dict[str, int]  # tap name -> point index

    def collect(self, enough: Callable[[Records], bool], seconds: float = 60.0) -> Records:
        """All records until they are enough, or until the time is over."""
        got = [self.capture.read(0).copy()]
        end = time.monotonic() + seconds
        while time.monotonic() < end and not enough(np.concatenate(got)):
            got.append(self.capture.read(0.05).copy())
        return np.concatenate(got)

    def rows(self, count: int, seconds: float = 60.0) -> Records:
        """All records until there are `count`, and whatever else follows at once."""
        first = self.collect(lambda rows: len(rows) >= count, seconds)
        return np.concatenate([first, self.collect(lambda _: False, 0.1)])


@contextlib.contextmanager
def live(
    host: Namespace, uplinks: tuple[str, ...] = (), exclude: tuple[str, ...] = (), **changes: Any
) -> Iterator[Live]:
    """A capture over all taps of a namespace, run from this thread."""
    indexes: dict[str, int] = {}

    def assign(tap: Tap) -> int:
        return indexes.setdefault(tap.name, len(indexes))

    with host.inside():
        taps = Taps(exclude, uplinks)
        capture = RingCapture(settings(**changes), taps, Points(1024), assign)
    try:
        yield Live(capture, taps, indexes)
    finally:
        capture.close()
        taps.close()


def send(where: Namespace, name: str, frames: list[bytes], count: int, rate: int = 0, offload: bool = False) -> int:
    """Send `count` frames through a link; how many the kernel took."""
    with where.inside():
        sender = Sender(where.index(name), offload)
    try:
        return sender.run(frames, count, rate, 120.0)
    finally:
        sender.close()


def _frame(packet: Any, vlans: tuple[int, ...]) -> bytes:
    frame: Any = Ether(src=ANY_MAC, dst=TO_MAC)
    for vlan in vlans:
        frame = frame / Dot1Q(vlan=vlan)
    return bytes(frame / packet)


def udp(payload: int = 18, source: str = VM, target: str = WAN, vlans: tuple[int, ...] = ()) -> bytes:
    """An Ethernet frame of UDP over IPv4."""
    return _frame(IP(src=source, dst=target) / UDP(sport=1111, dport=53) / bytes(payload), vlans)


def udp6(payload: int = 18, extension: bytes = b"") -> bytes:
    """An Ethernet frame of UDP over IPv6, a destination options header before it if given."""
    inner = bytes(UDP(sport=1111, dport=53, chksum=1) / bytes(payload))
    inner = inner[:4] + struct.pack("!H", 8 + payload) + inner[6:]
    return _frame(IPv6(src=VM6, dst=WAN6, nh=60 if extension else 17) / (extension + inner), ())


def syn(source: str = VM, target: str = WAN, port: int = 80) -> bytes:
    """An Ethernet frame of a TCP SYN over IPv4."""
    return _frame(IP(src=source, dst=target) / TCP(sport=40000, dport=port, flags="S"), ())
