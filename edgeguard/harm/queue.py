"""What the queue in front of a link has dropped: a link's own counters do not hold it.

Asked for one link at a time, at its root (RTM_GETQDISC with TC_H_ROOT), which needs no right; a queue
with many bands, as `mq`, adds them up itself. Drops are counted modulo 2^32 (struct gnet_stats_queue).
"""

from __future__ import annotations

import socket
import struct

NETLINK_ROUTE = 0
RTM_NEWQDISC, RTM_GETQDISC = 36, 38
NLM_F_REQUEST_ECHO = 0x9  # without the echo the kernel tells only those who follow its news (rtnetlink_send)
TC_H_ROOT = 0xFFFF_FFFF
TCA_STATS2, TCA_STATS_QUEUE = 7, 3  # linux/rtnetlink.h, linux/gen_stats.h
NESTED = 0x8000
ROUND = 2**32
PATIENCE_S = 0.2  # the kernel answers at once; a daemon must not hang if it does not

_HEADER = struct.Struct("=IHHII")  # struct nlmsghdr
_QDISC = struct.Struct("=BxHiIII")  # struct tcmsg
_ATTRIBUTE = struct.Struct("=HH")
_QUEUE = struct.Struct("=IIIII")  # struct gnet_stats_queue: length, backlog, drops, requeues, overlimits


class Queues:
    """Drops of the root queues of this namespace's links. The socket belongs to the namespace it was made in."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETLINK_ROUTE)
        self._socket.settimeout(PATIENCE_S)
        self._asked = 0

    def drops(self, ifindex: int) -> int | None:
        """Frames the link's queue has dropped, modulo 2^32; None where there is no queue, or no answer."""
        self._asked += 1
        body = _QDISC.pack(socket.AF_UNSPEC, 0, ifindex, 0, TC_H_ROOT, 0)
        header = _HEADER.pack(_HEADER.size + len(body), RTM_GETQDISC, NLM_F_REQUEST_ECHO, self._asked, 0)
        try:
            self._socket.send(header + body)
            while True:
                told = self._socket.recv(65_536)
                _, kind, _, number, _ = _HEADER.unpack_from(told)
                if number == self._asked:  # not the late answer to an earlier question
                    return _drops(told) if kind == RTM_NEWQDISC else None
        except OSError:
            return None

    def close(self) -> None:
        self._socket.close()


def _drops(message: bytes) -> int | None:
    length = _HEADER.unpack_from(message)[0]
    attributes = _attributes(message[_HEADER.size + _QDISC.size : length])
    queue = _attributes(attributes.get(TCA_STATS2, b"")).get(TCA_STATS_QUEUE, b"")
    return int(_QUEUE.unpack_from(queue)[2]) if len(queue) >= _QUEUE.size else None


def _attributes(data: bytes) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    while len(data) >= _ATTRIBUTE.size:
        length, kind = _ATTRIBUTE.unpack_from(data)
        if length < _ATTRIBUTE.size:
            break
        found[kind & ~NESTED] = data[_ATTRIBUTE.size : length]
        data = data[(length + 3) & ~3 :]
    return found
