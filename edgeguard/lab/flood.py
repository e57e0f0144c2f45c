"""The senders: frames by C from a prepared cycle, super-frames and the upload by the kernel."""

from __future__ import annotations

import contextlib
import socket
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from edgeguard import clock, native
from edgeguard.errors import EdgeGuardError
from edgeguard.lab import addresses as plan
from edgeguard.lab.traffic import SEGMENT, Frames

SLICE_S = 0.05  # between two looks at what is wanted
MOST_S = 600  # no sender runs longer, whatever happens to the lab
SOL_UDP, UDP_SEGMENT = 17, 103  # linux/udp.h
SEGMENTS = 64  # of one super-frame: UDP_MAX_SEGMENTS of the first kernels that had them
SUPER_SOCKETS = 8  # source ports of the super-frame flood
UPLOAD_BYTES_S = 25_000_000


@dataclass(frozen=True, slots=True)
class Began:
    """The sender is about to send its first frame."""

    at: int


@dataclass(frozen=True, slots=True)
class Sent:
    """What a sender offered in all: wire packets, and for how long."""

    packets: int
    seconds: float
    error: str | None = None

    @property
    def pps(self) -> int:
        return round(self.packets / self.seconds) if self.seconds > 0 else 0


class _Spell:
    """The time a sender works: until it is told to stop, or MOST_S."""

    def __init__(self, sends: Connection, stop: Any) -> None:
        self._stop = stop
        self._start = time.monotonic()
        sends.send(Began(clock.now()))

    def goes_on(self) -> bool:
        return not self._stop.is_set() and self.lasted() < MOST_S

    def lasted(self) -> float:
        return time.monotonic() - self._start


def send(sends: Connection, stop: Any, cycles: tuple[Frames, ...], current: Any, rate: int) -> None:
    """The body of a sender: the frames of cycles[current.value] out of eth0, `rate` a second."""
    sent, error = 0, None
    spell = _Spell(sends, stop)
    try:
        with contextlib.closing(native.Sender(socket.if_nametoindex("eth0"))) as sender:
            while spell.goes_on():
                sent += sender.run(cycles[current.value], round(rate * SLICE_S), rate, seconds=1)
    except EdgeGuardError as refused:
        error = str(refused)
    sends.send(Sent(sent, spell.lasted(), error))


def _segmenting(target: str) -> socket.socket:
    """A UDP socket whose every send() is one super-frame of SEGMENT-sized packets (udp(7))."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(SOL_UDP, UDP_SEGMENT, SEGMENT)
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, plan.MARK)
    sock.connect((target, plan.UDP_PORT))
    return sock


def send_super_frames(sends: Connection, stop: Any, target: str, rate: int) -> None:
    """The body of the super-frame flood: `rate` wire packets a second, SEGMENTS to a frame."""
    payload = bytes(SEGMENT * SEGMENTS)
    frames, error = 0, None
    spell = _Spell(sends, stop)
    try:
        sockets = [_segmenting(target) for _ in range(SUPER_SOCKETS)]
        while spell.goes_on():
            while frames * SEGMENTS < spell.lasted() * rate:
                with contextlib.suppress(ConnectionError, BlockingIOError):
                    sockets[frames % SUPER_SOCKETS].send(payload)
                frames += 1
            time.sleep(0.001)
    except OSError as refused:
        error = f"the kernel sends no super-frames (UDP_SEGMENT): {refused.strerror}"
    sends.send(Sent(frames * SEGMENTS, spell.lasted(), error))


def upload(sends: Connection, stop: Any) -> None:
    """The body of the upload: one TCP connection to the service, at UPLOAD_BYTES_S."""
    chunk = bytes(1 << 16)
    done, error = 0, None
    spell = _Spell(sends, stop)
    try:
        with socket.create_connection((plan.SERVICE, plan.DISCARD_PORT), timeout=30) as sock:
            while spell.goes_on():
                while done < spell.lasted() * UPLOAD_BYTES_S:
                    sock.sendall(chunk)
                    done += len(chunk)
                time.sleep(0.002)
    except OSError as refused:
        error = f"the upload broke off: {refused}"
    sends.send(Sent(-(-done // 1448), spell.lasted(), error))
