"""Datagrams: crowds of clients, servers that answer from the address that was asked, games, calls, NFS."""

from __future__ import annotations

import ipaddress
import random
import select
import socket
import struct
import time
from collections.abc import Callable
from contextlib import suppress

IP_PKTINFO = 8
_NTP = b"\x23" + bytes(47)  # version 4, client (RFC 5905)


def _hosts(first: str, number: int) -> list[str]:
    """Spread over a /16."""
    start = ipaddress.ip_address(first)
    return [str(start + i * min(257, 65_000 // number)) for i in range(number)]


def _sockets(first: str, number: int, port: int = 0) -> list[socket.socket]:
    """One a host, each at an address of its own."""
    made = []
    for host in _hosts(first, number):
        s = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        s.bind((host, port))
        s.setblocking(False)
        made.append(s)
    return made


def _question(rng: random.Random) -> bytes:
    """A DNS query of type A with EDNS (RFC 1035, RFC 6891) for one of 300 zones' names."""
    zone, host = rng.randrange(300), rng.randrange(1_000_000)
    name = b"".join(bytes([len(part)]) + part for part in (b"h%d" % host, b"z%d" % zone, b"example")) + b"\0"
    edns = b"\0\0\x29\x04\xd0\0\0\x80\0\0\0"  # 1232 bytes, DO
    return struct.pack("!HHHHHH", rng.randrange(65536), 0x0100, 1, 0, 0, 1) + name + b"\0\1\0\1" + edns


def _payload(kind: str) -> Callable[[random.Random], bytes]:
    if kind == "dns":
        return _question
    if kind == "ntp":
        return lambda _: _NTP
    low, high = map(int, kind.split("-"))
    return lambda rng: bytes(rng.randint(low, high))


def crowd(server: str, port: str, first: str, number: str, rate: str, kind: str, seconds: str) -> None:
    """`number` clients, `rate` datagrams a second in all, the busiest of them most (Zipf). `kind`: dns, ntp, or
    the least and most bytes of payload, '40-120'. Answers are left where they arrive."""
    rng, payload = random.Random(7), _payload(kind)
    clients = _sockets(first, int(number))
    weights = [1 / (i + 10) for i in range(len(clients))]
    order = rng.choices(clients, weights, k=50_000)
    ready = [payload(rng) for _ in range(2000)]
    start, done = time.monotonic(), 0
    while (passed := time.monotonic() - start) < float(seconds):
        for _ in range(min(int(passed * float(rate)) - done, 500)):
            done += 1
            with suppress(OSError):  # a full queue, or an ICMP error of before
                order[done % 50_000].sendto(ready[rng.randrange(2000)], (server, int(port)))
        time.sleep(0.0005)


def answer(port: str, size: str) -> None:
    """Answers every datagram with `size` bytes, from the address it was sent to."""
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 23)
    s.bind(("0.0.0.0", int(port)))
    reply = bytes(int(size))
    while True:
        _, control, _, client = s.recvmsg(65536, 128)
        for level, kind, data in control:
            if (level, kind) == (socket.IPPROTO_IP, IP_PKTINFO):
                asked = data[8:12]
                info = struct.pack("I4s4s", 0, asked, asked)
                s.sendmsg([reply], [(socket.IPPROTO_IP, IP_PKTINFO, info)], 0, client)


def hear(port: str) -> None:
    """A collector or a receiver: takes every datagram and says nothing."""
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("0.0.0.0", int(port)))
    while True:
        s.recv(65536)


def game(port: str, tick: str, low: str, high: str) -> None:
    """A games server: hears its players, and tells each of them `tick` times a second what happened."""
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 23)
    s.bind(("0.0.0.0", int(port)))
    s.setblocking(False)
    rng, players, at = random.Random(3), set(), time.monotonic()
    while True:
        at += 1 / float(tick)
        while (left := at - time.monotonic()) > 0:
            if select.select([s], [], [], left)[0]:
                for _ in range(400):
                    try:
                        players.add(s.recvfrom(2048)[1])
                    except BlockingIOError:
                        break
        for player in players:
            s.sendto(bytes(rng.randint(int(low), int(high))), player)


def _ends(first: str) -> list[str]:
    return _hosts(first, 40) if first.startswith("198.18.") else [first]


def calls(own: str, other: str, number: str, interval_ms: str, size: str, seconds: str) -> None:
    """RTP both ways (RFC 3550, G.711: 172 bytes every 20 ms): one end of `number` calls, with 40 hosts at the
    end that begins with 198.18; ports as in pairs."""
    ends, mine, hosts = [], _ends(own), _ends(other)
    for i in range(int(number)):
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.bind((mine[i % len(mine)], 16384 + 2 * i))
        s.setblocking(False)
        ends.append(s)
    rng = random.Random(5)
    step, start = int(interval_ms) / 1000, time.monotonic()
    due = sorted((start + rng.random() * step, i) for i in range(len(ends)))
    sequence = 0
    while time.monotonic() - start < float(seconds):
        for at, i in due:
            if (wait := at + sequence * step - time.monotonic()) > 0:
                time.sleep(wait)
            head = struct.pack("!BBHII", 0x80, 0, sequence & 0xFFFF, sequence * 160 & 0xFFFFFFFF, i)
            with suppress(OSError):
                ends[i].sendto(head + bytes(int(size) - 12), (hosts[i % len(hosts)], 16384 + 2 * i))
        sequence += 1


def writes(server: str, port: str, size: str, window: str, seconds: str) -> None:
    """NFS version 3 over UDP (RFC 1813): WRITE calls of `size` bytes, `window` of them without an answer yet.

    The kernel fragments them; one lost is sent again after 0.7 s, as NFS clients do.
    """
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 22)
    s.bind(("0.0.0.0", 783))
    call, until = bytes(int(size) + 120), time.monotonic() + float(seconds)
    for _ in range(int(window)):
        s.sendto(call, (server, int(port)))
    s.settimeout(0.7)
    while time.monotonic() < until:
        with suppress(TimeoutError):
            s.recv(65536)
        s.sendto(call, (server, int(port)))


def tell(server: str, port: str, low: str, high: str, rate: str, seconds: str) -> None:
    """One-way telling at an even rate: syslog (RFC 5426), statsd, an exporter of flows."""
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    rng, start, done = random.Random(2), time.monotonic(), 0
    while (passed := time.monotonic() - start) < float(seconds):
        for _ in range(int(passed * float(rate)) - done):
            done += 1
            s.sendto(bytes(rng.randint(int(low), int(high))), (server, int(port)))
        time.sleep(0.001)


def shout(own: str, targets: str, size: str, rate: str, seconds: str) -> None:
    """Datagrams from an address that is not the VM's own, to hosts in turn ('198.18.0.1:53+100': 100 hosts)."""
    place, number = targets.split("+")
    first, port = place.rsplit(":", 1)
    hosts = _hosts(first, int(number))
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind((own, 0))
    start, done = time.monotonic(), 0
    while (passed := time.monotonic() - start) < float(seconds):
        for _ in range(int(passed * float(rate)) - done):
            done += 1
            s.sendto(bytes(int(size)), (hosts[done % len(hosts)], int(port)))
        time.sleep(0.001)
