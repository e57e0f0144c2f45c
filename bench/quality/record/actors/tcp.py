"""Connections: opened at a rate whatever becomes of them, and servers that are slow to take them."""

from __future__ import annotations

import errno
import heapq
import random
import select
import socket
import time
from pathlib import Path

_PENDING = {0, errno.EINPROGRESS}
_DIE_AT_ONCE = b"\1\0\0\0\0\0\0\0"  # struct linger: close with a reset, so that no port waits


class _Pace:
    """How many are due by now."""

    def __init__(self, rate: float) -> None:
        self.rate, self.start, self.done = rate, time.monotonic(), 0

    def due(self) -> int:
        return int((time.monotonic() - self.start) * self.rate) - self.done


def connect(rate: str, timeout_s: str, hold_s: str, seconds: str, targets: str) -> None:
    """`rate` connections a second to random lines "ADDRESS PORT" of the file `targets`; each is given up after
    `timeout_s`, or says a line and is closed `hold_s` after it was made."""
    choices = [(a, int(p)) for a, p in (line.split() for line in Path(targets).read_text().splitlines())]
    rng, pace, poll = random.Random(4), _Pace(float(rate)), select.epoll()
    live: dict[int, socket.socket] = {}
    ends: list[tuple[float, int, int]] = []
    number = 0
    while time.monotonic() - pace.start < float(seconds):
        for _ in range(min(pace.due(), 200)):
            pace.done += 1
            number += 1
            s = socket.socket()
            s.setblocking(False)
            if s.connect_ex(rng.choice(choices)) not in _PENDING:
                s.close()
                continue
            live[s.fileno()] = s
            poll.register(s, select.EPOLLOUT | select.EPOLLERR | select.EPOLLONESHOT)
            heapq.heappush(ends, (time.monotonic() + float(timeout_s), number, s.fileno()))
        for fd, events in poll.poll(0.001):
            if events & (select.EPOLLERR | select.EPOLLHUP):
                if fd in live:
                    live.pop(fd).close()
            elif fd in live:
                live[fd].send(b'{"id":1,"method":"hello"}\n')
                number += 1
                heapq.heappush(ends, (time.monotonic() + float(hold_s), number, fd))
        while ends and ends[0][0] <= time.monotonic():
            _, _, fd = heapq.heappop(ends)
            if fd in live:
                live.pop(fd).close()


def pools(port: str, *addresses: str) -> None:
    """Listens at some addresses only, takes every connection, and hears it to its end."""
    poll = select.epoll()
    listeners: dict[int, socket.socket] = {}
    taken: dict[int, socket.socket] = {}
    for address in addresses:
        s = socket.create_server((address, int(port)), backlog=1000)
        s.setblocking(False)
        listeners[s.fileno()] = s
        poll.register(s, select.EPOLLIN)
    while True:
        for fd, _ in poll.poll():
            if fd in listeners:
                c, _ = listeners[fd].accept()
                taken[c.fileno()] = c
                poll.register(c, select.EPOLLIN)
            else:
                try:
                    heard = taken[fd].recv(4096)
                except OSError:
                    heard = b""
                if heard:
                    taken[fd].send(b'{"id":1,"result":true}\n')
                else:
                    poll.unregister(fd)
                    taken.pop(fd).close()


def slow(port: str, backlog: str, accepts: str, answer_s: str) -> None:
    """An HTTP server out of breath: a short queue, `accepts` taken a second, each answered after `answer_s`."""
    s = socket.create_server(("0.0.0.0", int(port)), backlog=int(backlog))
    pace, waiting = _Pace(float(accepts)), []
    while True:
        s.settimeout(0.005)
        if pace.due() > 0:
            pace.done += 1
            try:
                c, _ = s.accept()
                waiting.append((time.monotonic() + float(answer_s), c))
            except TimeoutError:
                pass
        else:
            time.sleep(0.002)
        while waiting and waiting[0][0] <= time.monotonic():
            _, c = waiting.pop(0)
            try:
                c.recv(4096)
                c.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
            except OSError:
                pass
            c.close()
