"""The WAN host: what the VMs work with, the flood's silent targets, and the mail server."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import socket
import struct
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session

from edgeguard import clock
from edgeguard.lab import addresses as plan

BPF_RET_NOTHING = (0x06, 0, 0, 0)  # linux/filter.h: BPF_RET | BPF_K, keep 0 bytes


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail as the server took it."""

    at: int
    recipients: tuple[str, ...]
    raw: bytes


class _Echo(asyncio.DatagramProtocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.transport.sendto(data, addr)


class _Sink:
    """An aiosmtpd handler: every mail is accepted and handed to the lab."""

    def __init__(self, sends: Connection) -> None:
        self.sends = sends

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        raw = envelope.content or b""
        self.sends.send(Mail(clock.now(), tuple(envelope.rcpt_tos), raw if isinstance(raw, bytes) else raw.encode()))
        return "250 taken"


async def _echo_lines(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        writer.write(await reader.read(1024))
        await writer.drain()
        writer.close()


async def _discard(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while await reader.read(1 << 20):
            pass
        writer.close()


def silent(kind: socket.SocketKind, address: str, port: int) -> socket.socket:
    """A bound port whose socket filter takes nothing in: packets to it are answered by nothing."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sock = socket.socket(family, kind)
    code = ctypes.create_string_buffer(struct.pack("HBBI", *BPF_RET_NOTHING))
    program = struct.pack("HL", 1, ctypes.addressof(code))
    sock.setsockopt(socket.SOL_SOCKET, 26, program)  # SO_ATTACH_FILTER; the kernel copies it
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((address, port))
    if kind is socket.SOCK_STREAM:
        sock.listen(1)
    return sock


async def _serve(sends: Connection, stop: Any) -> None:
    loop = asyncio.get_running_loop()
    every = (plan.SERVICE, plan.SERVICE6, *plan.TARGETS, plan.TARGET6, plan.CARPET_HOST)
    for address in every:
        await loop.create_datagram_endpoint(_Echo, local_addr=(address, plan.ECHO_PORT))
        await asyncio.start_server(_echo_lines, address, plan.ECHO_PORT, backlog=128)
    kept = [silent(socket.SOCK_STREAM, address, plan.SYN_PORT) for address in every]
    kept += [silent(socket.SOCK_DGRAM, address, plan.UDP_PORT) for address in every]
    await asyncio.start_server(_discard, plan.SERVICE, plan.DISCARD_PORT)
    sink = _Sink(sends)
    await loop.create_server(lambda: SMTP(sink, hostname="mx.example.net", loop=loop), plan.MAIL, plan.MAIL_PORT)
    sends.send("ready")
    while not stop.is_set():
        await asyncio.sleep(0.05)
    for sock in kept:
        sock.close()


def serve(sends: Connection, stop: Any) -> None:
    """The body of the WAN's worker: sends "ready", then every Mail."""
    asyncio.run(_serve(sends, stop))
