"""Where a flood would leave the host, and who else may send there: what the second proof compares."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Any

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from edgeguard.enforcement import bridging
from edgeguard.enforcement.links import Link
from edgeguard.enforcement.packet_filter import EVERYTHING, Heard
from edgeguard.model import Network, Tap, TapKind
from edgeguard.record import Address

# Frames that these receive were received by a link below them before.
_ABOVE_OTHERS = frozenset(("bridge", "bond", "team", "vlan", "vrf", "macvlan", "ipvlan", "ipvtap", "ifb", "dummy"))
# RFC 5737 and RFC 3849: nobody's addresses, so a look-up of them follows the default route.
_NOBODYS = tuple(
    ip_address(prefix + host)
    for prefix, hosts in (
        ("192.0.2.", ("1", "254")),
        ("198.51.100.", ("1", "254")),
        ("203.0.113.", ("1", "254")),
        ("2001:db8:", (":1", "ffff::1", "fffe::1")),
    )
    for host in hosts
)
_MANY = 256  # links that a packet filter tells apart
AF = {4: socket.AF_INET, 6: socket.AF_INET6}


@dataclass(frozen=True, slots=True)
class Way:
    """One way out, and the links (ifindex, leaving) whose frames may rightly leave by it."""

    uplink: Link
    senders: frozenset[tuple[int, bool]]


def local(address: Address) -> bool:
    """Whether the host itself takes packets to this address: the local table comes before any rule.

    Only an address of the host (or a broadcast or multicast one) can be bound to.
    """
    with socket.socket(AF[address.version], socket.SOCK_DGRAM) as sock:
        try:
            sock.bind((str(address), 0))
        except OSError:
            return False
    return True


def nobodys(version: int, but: Iterable[Network] = ()) -> Address:
    """An address that follows the default route here, and is in none of these prefixes where that can be."""
    mine = list(but)
    strangers = [address for address in _NOBODYS if address.version == version]
    strangers = [address for address in strangers if not any(address in prefix for prefix in mine)] or strangers
    return next((address for address in strangers if not local(address)), strangers[0])


def look_up(ip: IPRoute, target: Address) -> Any:
    """The route the host itself would take; None where there is none."""
    with contextlib.suppress(NetlinkError):
        return ip.route("get", dst=str(target), family=AF[target.version])[0]
    return None


def own_source(ip: IPRoute, target: Address) -> Address | None:
    """The address the host's own packets to a target carry."""
    route = look_up(ip, target)
    text = route.get_attr("RTA_PREFSRC") if route else None
    return ip_address(text) if text else None


def host_addresses(ip: IPRoute) -> tuple[Network, ...]:
    """The host's own addresses, each once, but those that stay on their link."""
    found = {listed.get_attr("IFA_LOCAL") or listed.get_attr("IFA_ADDRESS") for listed in ip.get_addr()}
    addresses = (ip_address(text) for text in sorted(found - {None}))
    return tuple(ip_network(address) for address in addresses if not (address.is_link_local or address.is_loopback))


def _default_devices(ip: IPRoute) -> set[int]:
    routes = [look_up(ip, nobodys(version)) for version in (4, 6)]
    return {route.get_attr("RTA_OIF") for route in routes if route} - {None}


def uplinks(names: Sequence[str], tap: Tap, links: Sequence[Link], ip: IPRoute) -> list[Link]:
    """The configured ones; else the ports that lead to the network of the bridges that the tap's frames
    reach; else the devices of the default routes. A bridge that the tap's frames reach is none itself."""
    if names:
        return [link for link in links if link.name in names]
    master = next((link.master for link in links if link.index == tap.ifindex), 0)
    bridges: frozenset[int] = frozenset()
    if tap.kind == TapKind.BRIDGED and master:
        bridges = bridging.joined(master, links)
        if ports := bridging.outward(bridges, links):
            return ports
    wanted = _default_devices(ip) - bridges - {tap.ifindex}
    return [link for link in links if link.index in wanted and not link.loopback]


def ways(found: Iterable[Link], tap: Tap, links: Sequence[Link]) -> list[Way]:
    """For each uplink, who may send there: every other attachment point, and another uplink that this host
    forwards for.

    Each frame is counted once, where it comes into the host: not again at a bridge that it is routed
    through, at a veth pair between two bridges, or at what lies below an uplink. What comes in by the
    tap itself would else look like its neighbours' and hide its own leak.
    """
    out = list(found)
    left_out = bridging.below(links, out) | {tap.ifindex}
    by_index = {link.index: link for link in links}
    others = {
        (link.index, link.kind == "macvtap")
        for link in links
        if link.index not in left_out and _sends(link) and bridging.other_end(link, by_index) is None
    }
    return [Way(link, frozenset(others | {(o.index, False) for o in out if o != link})) for link in out]


def heard(found: Sequence[Way]) -> Heard:
    """What a comparison of these ways counts: on a busy host most frames are none of it."""
    leaving = {way.uplink.index for way in found}
    alone = tuple(leaving) if len(leaving) == 1 else ()
    leaving |= {index for way in found for index, leaves in way.senders if leaves}
    return Heard(tuple(sorted(leaving)), alone) if len(leaving) <= _MANY else EVERYTHING


def _sends(link: Link) -> bool:
    return not link.loopback and link.kind not in _ABOVE_OTHERS


def sample_source(version: int, prefixes: Iterable[Network]) -> Address:
    """A source of the VM for a look-up; a stranger's where its addresses are not known."""
    for prefix in prefixes:
        if prefix.version == version:
            return prefix[0] if prefix.num_addresses == 1 else prefix[1]
    return nobodys(version)
