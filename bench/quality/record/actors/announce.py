"""Services that announce themselves: mDNS by zeroconf (RFC 6762), SSDP by hand (UPnP device architecture)."""

from __future__ import annotations

import socket
import time

from zeroconf import ServiceInfo, Zeroconf

_SSDP = ("239.255.255.250", 1900)


def services(own: str, number: str) -> None:
    """`number` web services of one machine, announced, renewed and withdrawn for 15 seconds."""
    zeroconf = Zeroconf(interfaces=[own])
    kind = "_http._tcp.local."
    infos = [
        ServiceInfo(
            kind, f"service {i} of {own}.{kind}", addresses=[socket.inet_aton(own)], port=8000 + i, server="h.local."
        )
        for i in range(int(number))
    ]
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(own))
    until = time.monotonic() + 15
    while time.monotonic() < until:
        for i, info in enumerate(infos):
            zeroconf.register_service(info, cooperating_responders=True, strict=False)
            head = f"NOTIFY * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nNTS: ssdp:alive\r\nNT: uuid:{i}\r\n\r\n"
            for _ in range(3):
                s.sendto(head.encode(), _SSDP)
        zeroconf.unregister_all_services()
