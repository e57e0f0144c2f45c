"""What a VM asks on its link, and whether it is answered."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable
from ipaddress import IPv6Address

from enforcement_host import Host
from scapy.layers.inet6 import ICMPv6ND_NS, ICMPv6NDOptSrcLLAddr, IPv6
from scapy.layers.l2 import ARP, Ether


def answers(host: Host, question: bytes, is_answer: Callable[[bytes], bool], seconds: float = 20) -> bool:
    """Whether the VM gets a certain frame after it has sent one; asked again until a bound."""
    with host.vm.inside():
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        sock.bind(("eth0", 3))
    with sock:
        sock.settimeout(0.2)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            sock.send(question)
            with contextlib.suppress(TimeoutError):
                while True:
                    raw, address = sock.recvfrom(2048)
                    if address[2] != socket.PACKET_OUTGOING and is_answer(raw):
                        return True
    return False


def solicitation(host: Host, source: str) -> bytes:
    """A neighbour solicitation for the gateway; from :: it is duplicate address detection."""
    group = f"ff02::1:ff{int(IPv6Address(host.gateway6)) & 0xFFFFFF:06x}"
    group = f"ff02::1:ff{group[-6:-4]}:{group[-4:]}"
    mac = host.vm.mac("eth0")
    about = ICMPv6ND_NS(tgt=host.gateway6)
    option = ICMPv6NDOptSrcLLAddr(lladdr=mac) if source != "::" else b""
    packet = IPv6(src=source, dst=group, hlim=255) / about
    return bytes(
        Ether(src=mac, dst=f"33:33:ff:{group[-7:-5]}:{group[-4:-2]}:{group[-2:]}")
        / (packet / option if option else packet)
    )


def is_advertisement(host: Host) -> Callable[[bytes], bool]:
    """Of the gateway."""
    wanted = IPv6Address(host.gateway6).packed
    return lambda raw: raw[12:14] == b"\x86\xdd" and raw[20] == 58 and raw[54] == 136 and raw[62:78] == wanted


def who_has(host: Host) -> bytes:
    """An ARP question for the gateway."""
    mac = host.vm.mac("eth0")
    return bytes(Ether(src=mac, dst="ff:ff:ff:ff:ff:ff") / ARP(psrc=host.vm4, hwsrc=mac, pdst=host.gateway4))


def is_reply(raw: bytes) -> bool:
    """Of ARP."""
    return raw[12:14] == b"\x08\x06" and raw[20:22] == b"\x00\x02"
