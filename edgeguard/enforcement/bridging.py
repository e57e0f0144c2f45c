"""How the bridges of this host hang together, and which ports lead to the network.

Proxmox puts a tap into a firewall bridge of its own, tap - fwbr - veth pair - vmbr - uplink, so what
leaves a tap's bridge may go on in others: through veth pairs, and through VLAN devices upon a bridge.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from edgeguard.enforcement.links import Link

_OUTWARD = frozenset(("", "bond", "team", "vlan"))  # kinds of ports that lead to the network


def other_end(link: Link, by_index: Mapping[int, Link]) -> Link | None:
    """The other end of a veth pair of which both ends are on this host."""
    peer = by_index.get(link.peer) if link.kind == "veth" and not link.elsewhere else None
    return peer if peer and peer.kind == "veth" and peer.peer == link.index and not peer.elsewhere else None


def _next_bridge(port: Link, by_index: Mapping[int, Link]) -> Link | None:
    """The bridge that a port leads into; None where it leads out of the host's bridges."""
    behind = other_end(port, by_index)
    if behind is not None:
        above = by_index.get(behind.master)
    else:
        above = by_index.get(port.peer) if port.kind == "vlan" and not port.elsewhere else None
    return above if above and above.kind == "bridge" else None


def joined(bridge: int, links: Sequence[Link]) -> frozenset[int]:
    """The bridges that frames of this one may reach, itself among them."""
    by_index, ports = {link.index: link for link in links}, defaultdict(list)
    for link in links:
        ports[link.master].append(link)
    found, waiting = {bridge}, [bridge]
    while waiting:
        for port in ports[waiting.pop()]:
            above = _next_bridge(port, by_index)
            if above and above.index not in found:
                found.add(above.index)
                waiting.append(above.index)
    return frozenset(found)


def outward(bridges: frozenset[int], links: Sequence[Link]) -> list[Link]:
    """The ports of these bridges that lead to the network: no taps, and nothing that leads into another bridge."""
    by_index = {link.index: link for link in links}
    ports = [link for link in links if link.master in bridges and link.kind in _OUTWARD]
    return [port for port in ports if _next_bridge(port, by_index) is None]


def below(links: Sequence[Link], uplinks: Sequence[Link]) -> frozenset[int]:
    """What carries the frames of these uplinks: a VLAN's device, the ports of a bond. One frame is seen at each."""
    found = {link.index for link in uplinks}
    waiting = list(uplinks)
    while waiting:
        at = waiting.pop()
        lower = [link for link in links if link.master == at.index and at.kind in ("bond", "team")]
        lower += [link for link in links if at.kind == "vlan" and not at.elsewhere and link.index == at.peer]
        waiting += [link for link in lower if link.index not in found]
        found |= {link.index for link in lower}
    return frozenset(found)
