"""Floods into the VM, frame by frame: what their victim's kernel answers is the look-alike."""

from __future__ import annotations

import random
import socket
import struct
import time

from bench.quality.record.stage import GATEWAY_MAC, VM, VM_MAC

VARIETY = 20_000
_TCP, _UDP, _ICMP = 6, 17, 1


def raw(kind: str, port: str, sources: str, rate: str, seconds: str) -> None:
    """`kind`: syn, ack, udp or ping; random sources of `sources` hosts in 198.18.0.0/15."""
    rng = random.Random(11)
    hosts = [rng.randrange(1 << 17) for _ in range(int(sources))]
    frames = [_frame(kind, rng.choice(hosts), int(port), rng) for _ in range(VARIETY)]
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    s.bind(("eth0", 0))
    start, done = time.monotonic(), 0
    while (passed := time.monotonic() - start) < float(seconds):
        for _ in range(min(int(passed * float(rate)) - done, 500)):
            try:
                s.send(frames[done % VARIETY])
            except OSError:
                break
            done += 1


def _frame(kind: str, host: int, port: int, rng: random.Random) -> bytes:
    source = socket.inet_aton(f"198.{18 + (host >> 16)}.{host >> 8 & 255}.{host & 255}")
    to = socket.inet_aton(VM)
    own = rng.randrange(1024, 65536)
    if kind == "ping":
        body, protocol = _summed(struct.pack("!BBHHH", 8, 0, 0, own, 1) + bytes(56), 2, b""), _ICMP
    elif kind == "udp":
        body, protocol = struct.pack("!HHHH", own, port or rng.randrange(1, 65536), 8 + 200, 0) + bytes(200), _UDP
    else:
        flags = 0x02 if kind == "syn" else 0x10
        numbers = rng.randrange(1 << 32), 0 if kind == "syn" else rng.randrange(1 << 32)
        head = struct.pack("!HHIIBBHHH", own, port, *numbers, 0x60, flags, 64240, 0, 0) + b"\2\4\5\xb4"
        protocol = _TCP
        body = _summed(head, 16, source + to + struct.pack("!BBH", 0, protocol, len(head)))
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(body), rng.randrange(65536), 0, 57, protocol, 0) + source + to
    ethernet = bytes.fromhex((VM_MAC + GATEWAY_MAC).replace(":", "") + "0800")
    return ethernet + _summed(ip, 10, b"") + body


def _summed(header: bytes, at: int, also: bytes) -> bytes:
    """With its internet checksum (RFC 1071) at `at`."""
    words = struct.unpack(f"!{(len(header) + len(also)) // 2}H", also + header)
    total = sum(words)
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return header[:at] + struct.pack("!H", ~total & 0xFFFF) + header[at + 2 :]
