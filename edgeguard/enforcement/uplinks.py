"""Where a flood would leave the host, and who else may send there: what the second proof compares."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from edgeguard.enforcement.links import Link
from edgeguard.model import Network, Tap, TapKind
from edgeguard.record import Address

# Frames that these receive were received by a link below them before.
_ABOVE_OTHERS = frozenset(("bridge", "bond", "team", "vlan", "vrf", "macvlan", "ipvlan", "ipvtap", "ifb", "dummy"))
_UPLINK_KINDS = frozenset(("", "bond", "team", "vlan"))  # of a bridge's port that leads to the network
# RFC 5737 and RFC 3849: nobody's addresses, so a look-up of them follows the default route.
_NOBODYS = tuple(map(ip_address, ("192.0.2.1", "198.51.100.1", "203.0.113.1", "2001:db8::1", "2001:db8:ffff::1")))
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


def nobodys(version: int) -> Address:
    """An address that follows the default route here."""
    strangers = [address for address in _NOBODYS if address.version == version]
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


def _default_devices(ip: IPRoute) -> set[int]:
    routes = [look_up(ip, nobodys(version)) for version in (4, 6)]
    return {route.get_attr("RTA_OIF") for route in routes if route} - {None}


def uplinks(names: Sequence[str], tap: Tap, links: Sequence[Link], ip: IPRoute) -> list[Link]:
    """The configured ones; else the other ports of the tap's bridge that are no taps; else the
    devices of the default routes. The tap's own bridge is none."""
    if names:
        return [link for link in links if link.name in names]
    master = next((link.master for link in links if link.index == tap.ifindex), 0)
    if tap.kind == TapKind.BRIDGED and master:
        ports = [link for link in links if link.master == master and link.kind in _UPLINK_KINDS]
        if ports:
            return ports
    wanted = _default_devices(ip) - {master, tap.ifindex}
    return [link for link in links if link.index in wanted and not link.loopback]


def ways(found: Iterable[Link], tap: Tap, links: Sequence[Link]) -> list[Way]:
    """For each uplink, who may send there: every other attachment point, another uplink that this
    host forwards for, and the host itself through the bridge that the uplink is a port of."""
    out = list(found)
    indexes = {link.index for link in out} | {tap.ifindex}
    others = {(link.index, link.kind == "macvtap") for link in links if _sends(link) and link.index not in indexes}
    return [Way(link, frozenset(others | {(o.index, False) for o in out if o != link} | _bridge(link))) for link in out]


def _sends(link: Link) -> bool:
    return not link.loopback and link.kind not in _ABOVE_OTHERS


def _bridge(uplink: Link) -> set[tuple[int, bool]]:
    return {(uplink.master, True)} if uplink.master else set()


def sample_source(version: int, prefixes: Iterable[Network]) -> Address:
    """A source of the VM for a look-up; a stranger's where its addresses are not known."""
    for prefix in prefixes:
        if prefix.version == version:
            return prefix[0] if prefix.num_addresses == 1 else prefix[1]
    return nobodys(version)
