"""HTTP/3 by aioquic: one large request, or one large answer."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from aioquic.asyncio import QuicConnectionProtocol, connect, serve
from aioquic.h3.connection import H3_ALPN, H3Connection
from aioquic.h3.events import HeadersReceived
from aioquic.quic.configuration import QuicConfiguration

PORT = 443
_BODY = bytes(60_000_000)


class _Speaker(QuicConnectionProtocol):
    """Both ends of it."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.http: H3Connection | None = None

    def quic_event_received(self, event: Any) -> None:
        if self.http is None:
            self.http = H3Connection(self._quic)
        for heard in self.http.handle_event(event):
            if isinstance(heard, HeadersReceived) and not self._quic._is_client:
                path = dict(heard.headers).get(b":path")
                self.http.send_headers(heard.stream_id, [(b":status", b"200")])
                if path == b"/down":
                    self.http.send_data(heard.stream_id, _BODY, True)
        self.transmit()


def quic_server(address: str) -> None:
    async def main() -> None:
        settings = QuicConfiguration(is_client=False, alpn_protocols=H3_ALPN, max_data=1 << 26, max_stream_data=1 << 26)
        settings.load_cert_chain(Path("cert.pem"), Path("key.pem"))
        await serve(address, PORT, configuration=settings, create_protocol=_Speaker)
        await asyncio.sleep(60)

    asyncio.run(main())


def quic_client(address: str, direction: str) -> None:
    async def main() -> None:
        settings = QuicConfiguration(
            is_client=True, alpn_protocols=H3_ALPN, verify_mode=0, max_data=1 << 26, max_stream_data=1 << 26,
            server_name="h3.example.net",
        )  # fmt: skip
        async with connect(address, PORT, configuration=settings, create_protocol=_Speaker) as client:
            client.http = client.http or H3Connection(client._quic)
            stream = client._quic.get_next_available_stream_id()
            method = b"POST" if direction == "up" else b"GET"
            head = [(b":method", method), (b":scheme", b"https"), (b":authority", b"h3.example.net")]
            client.http.send_headers(stream, [*head, (b":path", b"/" + direction.encode())], direction != "up")
            if direction == "up":
                client.http.send_data(stream, _BODY, True)
            client.transmit()
            await asyncio.sleep(40)

    asyncio.run(main())
