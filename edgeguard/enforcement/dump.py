"""A dump of rtnetlink: one question, and the kernel's list as an answer. Formats: linux/rtnetlink.h (RFC 3549)."""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Collection, Iterator

from edgeguard.enforcement.netlink import (
    NLM_F_DUMP,
    NLM_F_REQUEST,
    NLMSG_DONE,
    NLMSG_ERROR,
    RECEIVE,
    error_number,
    frame,
    parts,
)
from edgeguard.errors import EnforcementError

_SOL_NETLINK, _GET_STRICT_CHECK = 270, 12
_PATIENCE = struct.pack("@ll", 2, 0)  # two seconds, a timeval


def dumped(ask: int, answer: int, body: bytes, what: str, none: Collection[int] = ()) -> Iterator[bytes]:
    """The bodies of the answers. EnforcementError when the kernel refuses; an errno in `none` means none."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE) as sock:
        sock.setsockopt(_SOL_NETLINK, _GET_STRICT_CHECK, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _PATIENCE)
        sock.sendto(frame(ask, NLM_F_REQUEST | NLM_F_DUMP, 1, body), (0, 0))
        while True:
            for kind, _, part in parts(sock.recv(RECEIVE)):
                if kind in (NLMSG_DONE, NLMSG_ERROR):
                    number = error_number(part) if len(part) >= 4 else 0
                    if number and number not in none:
                        raise EnforcementError(f"cannot list {what}: {errno.errorcode.get(number, number)}")
                    return
                if kind == answer:
                    yield part
