"""nfnetlink, as much of it as the chains need: messages, one atomic transaction, one dump.

A transaction goes to the kernel in one datagram, applies whole or not at all, and costs one system
call and some 50 microseconds. Formats: linux/netfilter/nfnetlink.h and nf_tables.h; numbers
inside nf_tables are in network order.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import struct
from dataclasses import dataclass
from types import TracebackType

from edgeguard.enforcement.netlink import (
    NLM_F_ACK,
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

NETLINK_NETFILTER = 12
NFNL_SUBSYS_NFTABLES = 10
NFPROTO_NETDEV = 5
BATCH_BEGIN, BATCH_END = 16, 17

_GENERIC = struct.Struct(">BBH")  # nfgenmsg: family, version, resource
_PATIENCE_S = 2
_TRIES = 4  # an order is tried again after ENOBUFS, EAGAIN (a module loads), EINTR


class RefusedError(EnforcementError):
    """The kernel's answer to a transaction or a dump; `number` is its errno."""

    def __init__(self, number: int) -> None:
        super().__init__(f"nf_tables: {os.strerror(number)} ({errno.errorcode.get(number, number)})")
        self.number = number


@dataclass(frozen=True, slots=True)
class Message:
    """One request of a transaction: NFT_MSG_ number, flags, attributes."""

    kind: int
    flags: int
    attributes: bytes
    family: int = NFPROTO_NETDEV


def _edge(kind: int, sequence: int) -> bytes:
    """Begin or end of a transaction; the resource is the subsystem."""
    return frame(kind, NLM_F_REQUEST, sequence, _GENERIC.pack(0, 0, NFNL_SUBSYS_NFTABLES))


def _request(message: Message, flags: int, sequence: int) -> bytes:
    kind = NFNL_SUBSYS_NFTABLES << 8 | message.kind
    body = _GENERIC.pack(message.family, 0, 0) + message.attributes
    return frame(kind, NLM_F_REQUEST | message.flags | flags, sequence, body)


def _open() -> socket.socket:
    sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETLINK_NETFILTER)
    sock.bind((0, 0))
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("@ll", _PATIENCE_S, 0))
    return sock


class Netfilter:
    """A kept nfnetlink socket. Needs CAP_NET_ADMIN in the namespace it was opened in."""

    def __init__(self) -> None:
        """Opened at the first use: a host of routed taps alone may have no nf_tables."""
        self._opened: socket.socket | None = None
        self._sequence = 0

    @property
    def _socket(self) -> socket.socket:
        if self._opened is None:
            try:
                self._opened = _open()
            except OSError as error:
                raise RefusedError(error.errno or errno.EIO) from None
        return self._opened

    def __enter__(self) -> Netfilter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        if self._opened:
            self._opened.close()

    def commit(self, messages: list[Message]) -> None:
        """Apply all messages as one transaction. RefusedError with the first errno: nothing changed."""
        if not messages:
            return
        for attempt in range(_TRIES):
            try:
                self._commit(messages)
                return
            except RefusedError as refused:
                passing = refused.number in (errno.ENOBUFS, errno.EAGAIN, errno.EINTR)
                if not passing or attempt == _TRIES - 1:
                    raise

    def _commit(self, messages: list[Message]) -> None:
        self._drain()
        begin = self._sequence + 1
        last = begin + len(messages)
        self._sequence = last + 1
        raw = [_edge(BATCH_BEGIN, begin)]
        for sequence, message in enumerate(messages, begin + 1):
            raw.append(_request(message, NLM_F_ACK if sequence == last else 0, sequence))
        raw.append(_edge(BATCH_END, last + 1))
        self._send(b"".join(raw))
        self._await(last, begin)

    def _await(self, last: int, begin: int) -> None:
        """Read answers until that of the last message; the first errno decides.

        One about the frame of the transaction (`begin`) means that nothing was looked at.
        """
        refused = 0
        while True:
            for kind, sequence, body in parts(self._receive()):
                number = error_number(body) if kind == NLMSG_ERROR else 0
                refused = refused or number
                if kind == NLMSG_ERROR and (sequence >= last or (sequence == begin and number)):
                    if refused:
                        raise RefusedError(refused)
                    return

    def dump(self, message: Message) -> list[bytes]:
        """The attributes of every object a GET request lists. RefusedError, as ENOENT."""
        self._drain()
        self._sequence += 1
        self._send(_request(message, NLM_F_DUMP, self._sequence))
        found: list[bytes] = []
        while True:
            for kind, sequence, body in parts(self._receive()):
                if sequence != self._sequence:
                    continue
                if kind == NLMSG_ERROR and error_number(body):
                    raise RefusedError(error_number(body))
                if kind in (NLMSG_DONE, NLMSG_ERROR):
                    return found
                found.append(body[_GENERIC.size :])

    def _send(self, raw: bytes) -> None:
        try:
            self._socket.sendto(raw, (0, 0))
        except OSError as error:
            raise RefusedError(error.errno or errno.EIO) from None

    def _receive(self) -> bytes:
        try:
            return self._socket.recv(RECEIVE)
        except BlockingIOError:
            raise RefusedError(errno.ETIMEDOUT) from None
        except OSError as error:
            raise RefusedError(error.errno or errno.EIO) from None

    def _drain(self) -> None:
        """Forget answers that an earlier, broken-off exchange left behind."""
        sock = self._socket
        with contextlib.suppress(OSError):
            while True:
                sock.recv(RECEIVE, socket.MSG_DONTWAIT)
