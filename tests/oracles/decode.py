"""The decoder's rules once more, slow and plain: bytes are sliced, what is missing raises CutError.

Written from the rules of the issue and the RFCs, not from native/decode.c. A frame that is not
whole is read as far as it goes; `CutError` is raised by whoever needs the missing byte.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address

MAX_TAGS = 8
MAX_EXTENSIONS = 32

IPV4, IPV6, ARP, LLC = 0x0800, 0x86DD, 0x0806, -1
TAGS = (0x8100, 0x88A8)
NAMES = {ARP: "arp", 0x8847: "mpls", 0x8848: "mpls", 0x8863: "pppoe", 0x8864: "pppoe", 0x88E7: "pbb", LLC: "llc"}
FAMILIES = {2: IPV4, 10: IPV6, 24: IPV6, 28: IPV6, 30: IPV6}  # AF_INET; AF_INET6 of four systems
EXTENSIONS = {0, 43, 44, 51, 60, 135, 139, 140}
FRAGMENT, AH = 44, 51

COUNTED = ["frames", "ipv4", "ipv6", "non_ip", "malformed", "other_link"]
COUNTED += ["tcp_syn", "tcp_synack", "udp", "udp_bytes", "icmp", "fragments"]
COUNTED += ["arp", "mpls", "pppoe", "pbb", "too_many_tags", "llc", "other_type"]


class CutError(Exception):
    """A byte is needed that was not captured, or lies behind the packet's own end."""


class OtherLinkError(Exception):
    """A link type nobody decodes."""


class NonIpError(Exception):
    """A whole link header whose type is not IP; the name it is counted by."""


@dataclass
class Frame:
    """What one frame is. Class names are those of the record's kinds, in lower case."""

    kind: str = "other"
    family: int = 0
    src: IPv4Address | IPv6Address | None = None
    dst: IPv4Address | IPv6Address | None = None
    protocol: int = 255
    bytes: int = 0
    packets: int = 1
    ports: tuple[int, int] | None = None
    tcp_flags: int = 0
    icmp_type: int = 0
    vlan: int = 0
    name: str = ""  # of a frame that is not IP
    headers: int = field(default=0, compare=False)  # IP and upper header, repeated by segments
    tags: int = field(default=0, compare=False)


def take(data: bytes, at: int, n: int) -> bytes:
    if at + n > len(data):
        raise CutError
    return data[at : at + n]


def number(data: bytes, at: int, n: int) -> int:
    return int.from_bytes(take(data, at, n), "big")


def decode(frame: bytes, wire: int, link_type: int, gso_size: int = 0) -> Frame:
    """What the frame of `wire` bytes is, of which `frame` was captured."""
    result = Frame()
    try:
        version, at = link_layer(frame, link_type, result)
        packet = frame[at:]
        wire_length = max(wire, len(frame)) - at
        (ipv4 if version == IPV4 else ipv6)(packet, wire_length, result)
    except CutError:
        return Frame(kind="malformed", vlan=result.vlan)
    except OtherLinkError:
        return Frame(kind="other_link")
    except NonIpError as name:
        return Frame(kind="non_ip", name=str(name), vlan=result.vlan)
    if gso_size:
        segment(result, gso_size)
    return result


# ---- link layer ----


def link_layer(frame: bytes, link_type: int, result: Frame) -> tuple[int, int]:
    """(IPV4 or IPV6, where it begins)."""
    if link_type in (12, 14, 101):
        return {4: IPV4, 6: IPV6}.get(number(frame, 0, 1) >> 4) or cut(), 0
    if link_type in (228, 229):
        return {228: IPV4, 229: IPV6}[link_type], 0
    if link_type in (0, 108):
        raw = take(frame, 0, 4)
        orders = int.from_bytes(raw, "little"), int.from_bytes(raw, "big")
        found = [FAMILIES[order] for order in orders if order in FAMILIES]
        return ip_or_name(found[0] if found else 0), 4
    kind, at = first_type(frame, link_type)
    kind, at = tags(frame, kind, at, result)
    if kind == LLC:
        kind, at = tags(frame, *llc(frame, at), result)
    return ip_or_name(kind), at


def cut() -> int:
    raise CutError


def first_type(frame: bytes, link_type: int) -> tuple[int, int]:
    if link_type == 1:
        take(frame, 0, 14)
        return length_is_llc(number(frame, 12, 2)), 14
    size, field_at = {113: (16, 14), 276: (20, 0)}.get(link_type) or other_link()
    take(frame, 0, size)
    kind = number(frame, field_at, 2)
    if kind < 0x600:  # numbers of <linux/if_ether.h>: 4 is ETH_P_802_2
        kind = LLC if kind == 4 else 0
    return kind, size


def other_link() -> tuple[int, int]:
    raise OtherLinkError


def length_is_llc(kind: int) -> int:
    return LLC if kind < 0x600 else kind


def tags(frame: bytes, kind: int, at: int, result: Frame) -> tuple[int, int]:
    while kind in TAGS:
        if result.tags == MAX_TAGS:
            raise NonIpError("too_many_tags")
        control = number(frame, at, 2)
        kind = length_is_llc(number(frame, at + 2, 2))
        if not result.tags:
            result.vlan = control & 0xFFF
        result.tags, at = result.tags + 1, at + 4
    return kind, at


def llc(frame: bytes, at: int) -> tuple[int, int]:
    if take(frame, at, 3) != b"\xaa\xaa\x03":
        raise NonIpError("llc")
    take(frame, at, 8)
    if frame[at + 3 : at + 6] != b"\0\0\0":
        raise NonIpError("llc")
    kind = number(frame, at + 6, 2)
    if kind < 0x600:
        raise NonIpError("other_type")
    return kind, at + 8


def ip_or_name(kind: int) -> int:
    if kind in (IPV4, IPV6):
        return kind
    raise NonIpError(NAMES.get(kind, "other_type"))


# ---- IP ----


def ipv4(packet: bytes, wire: int, result: Frame) -> None:
    take(packet, 0, 20)
    header = (packet[0] & 15) * 4
    if packet[0] >> 4 != 4 or header < 20:
        raise CutError
    length = number(packet, 2, 2) or wire
    result.family, result.bytes = 4, length
    result.src, result.dst = IPv4Address(packet[12:16]), IPv4Address(packet[16:20])
    result.headers = header
    if length < header:
        return
    later = number(packet, 6, 2) & 0x1FFF != 0
    upper(packet[9], packet[:length], header, later, result)


def ipv6(packet: bytes, wire: int, result: Frame) -> None:
    take(packet, 0, 40)
    if packet[0] >> 4 != 6:
        raise CutError
    payload = number(packet, 4, 2)
    result.family, result.bytes = 6, 40 + payload if payload else wire
    result.src, result.dst = IPv6Address(packet[8:24]), IPv6Address(packet[24:40])
    inside = packet[: result.bytes]
    try:
        protocol, at, later = extensions(inside, packet[6], result)
    except CutError:
        return
    upper(protocol, inside, at, later, result)


def extensions(inside: bytes, protocol: int, result: Frame) -> tuple[int, int, bool]:
    """(upper protocol, where it begins, whether this is a later fragment)."""
    at, walked = 40, 0
    while protocol in EXTENSIONS:
        result.headers = at
        if walked == MAX_EXTENSIONS:
            raise CutError
        walked += 1
        here, following = protocol, number(inside, at, 1)
        if here == FRAGMENT:
            offset = number(inside, at + 2, 2) >> 3
            at += 8
            if offset:
                return following, at, True
        else:
            size = number(inside, at + 1, 1)
            at += (size + 2) * 4 if here == AH else (size + 1) * 8
        protocol = following
    return protocol, at, False


# ---- above IP ----


def upper(protocol: int, inside: bytes, at: int, later: bool, result: Frame) -> None:
    """`inside`: the captured bytes that lie inside the packet's own length."""
    result.protocol, result.headers = protocol, at
    if later:
        result.kind = "fragment"
        return
    result.kind = {6: "tcp", 17: "udp", 1: "icmp", 58: "icmp"}.get(protocol, "other")
    header = inside[at:]
    if protocol in (6, 17) and len(header) >= 4:
        result.ports = number(header, 0, 2), number(header, 2, 2)
    if protocol in (1, 58) and header:
        result.icmp_type = header[0]
    if protocol == 6:
        tcp(header, result)
    if protocol == 17:
        result.headers += 8


def tcp(header: bytes, result: Frame) -> None:
    if len(header) < 14:
        result.headers += 20
        return
    words, flags = header[12] >> 4, header[13]
    result.tcp_flags = flags
    if words < 5:
        result.headers += 20
        return
    result.headers += words * 4
    syn, reset, ack = flags & 2, flags & 4, flags & 16
    if syn:
        result.kind = "synack" if ack else "syn"
    elif reset:
        result.kind = "rst"


def segment(result: Frame, gso_size: int) -> None:
    """What a segmentation-offload frame becomes on the wire."""
    if result.family == 0 or result.kind == "fragment":
        return
    payload = max(0, result.bytes - result.headers)
    sizes = [min(gso_size, payload - at) for at in range(0, payload, gso_size)]
    if len(sizes) > 1:
        result.packets = len(sizes)
        result.bytes = sum(result.headers + size for size in sizes)


# ---- totals ----


def totals(frames: list[Frame]) -> dict[str, int]:
    """eg_totals by name."""
    counted = dict.fromkeys(COUNTED, 0)
    for frame in frames:
        for name, amount in counts(frame).items():
            counted[name] += amount
    return counted


def counts(frame: Frame) -> dict[str, int]:
    if frame.kind in ("malformed", "other_link"):
        return {"frames": 1, frame.kind: 1}
    if frame.kind == "non_ip":
        return {"frames": 1, "non_ip": 1, frame.name: 1}
    said = {"frames": 1, f"ipv{frame.family}": 1}
    if frame.kind in ("syn", "synack"):
        said[f"tcp_{frame.kind}"] = frame.packets
    if frame.kind == "fragment":
        said["fragments"] = frame.packets
    if frame.protocol == 17:
        said |= {"udp": frame.packets, "udp_bytes": frame.bytes}
    if frame.protocol in (1, 58):
        said["icmp"] = frame.packets
    return said
