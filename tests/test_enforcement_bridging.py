"""Which ports of the host's bridges lead to the network, in layouts that a test host cannot have (bonds, VLANs)."""

from __future__ import annotations

from edgeguard.enforcement import bridging, uplinks
from edgeguard.enforcement.links import Link
from edgeguard.model import Tap, TapKind

TAP = Tap(1, "tap0", "02:00:00:00:00:01", TapKind.BRIDGED)


def links(*rows: tuple[str, str, str, str]) -> list[Link]:
    """(name, kind, master, peer) of each, numbered from 1 in their order."""
    index = {row[0]: number for number, row in enumerate(rows, 1)} | {"": 0}
    return [
        Link(index[name], name, index[master], kind, peer=index.get(peer, 99), elsewhere=peer == "away")
        for name, kind, master, peer in rows
    ]


def found(rows: list[Link]) -> list[str]:
    return [link.name for link in bridging.outward(bridging.joined(rows[0].master, rows), rows)]


def senders(rows: list[Link], names: tuple[str, ...]) -> list[set[str]]:
    """Who may send by each of these uplinks."""
    by_index = {link.index: link.name for link in rows}
    out = [link for link in rows if link.name in names]
    return [{by_index[index] for index, _ in way.senders} for way in uplinks.ways(out, TAP, rows)]


PROXMOX = links(
    ("tap0", "tun", "fwbr0", ""),
    ("fwbr0", "bridge", "", ""),
    ("fwln0", "veth", "fwbr0", "fwpr0"),
    ("fwpr0", "veth", "vmbr0", "fwln0"),
    ("vmbr0", "bridge", "", ""),
    ("bond0", "bond", "vmbr0", ""),
    ("eth0", "", "bond0", ""),
    ("eth1", "", "bond0", ""),
    ("tap1", "tun", "fwbr1", ""),
    ("fwbr1", "bridge", "", ""),
    ("fwln1", "veth", "fwbr1", "fwpr1"),
    ("fwpr1", "veth", "vmbr0", "fwln1"),
    ("ct2", "veth", "vmbr0", "away"),
)


def test_a_bond_behind_a_firewall_bridge_is_the_uplink() -> None:
    """The bond is looked at, not its ports and no other VM's pair; who may send by it is the taps and containers."""
    assert found(PROXMOX) == ["bond0"]
    assert senders(PROXMOX, ("bond0",)) == [{"tap1", "ct2"}]


def test_a_vlan_device_is_an_uplink_or_a_way_to_one() -> None:
    """Upon a device of its own it leads out; upon another bridge of this host the way goes on there."""
    rows = [("tap0", "tun", "vmbr5", ""), ("vmbr5", "bridge", "", ""), ("up.5", "vlan", "vmbr5", "up")]
    plain = links(*rows, ("up", "", "", ""))
    assert found(plain) == ["up.5"]
    assert senders(plain, ("up.5",)) == [set()]  # what comes in at the device itself comes from outside
    upon_a_bridge = links(*rows, ("up", "bridge", "", ""), ("eth0", "", "up", ""))
    assert found(upon_a_bridge) == ["eth0"]


def test_two_uplinks_may_bring_what_leaves_by_the_other() -> None:
    """A frame from one uplink to the other is counted once, at the uplink, not at what carries it again."""
    rows = links(
        ("tap0", "tun", "br0", ""),
        ("br0", "bridge", "", ""),
        ("bond0", "bond", "br0", ""),
        ("eth0", "", "bond0", ""),
        ("eth5", "", "br0", ""),
    )
    assert found(rows) == ["bond0", "eth5"]
    assert senders(rows, ("bond0", "eth5")) == [{"eth5"}, {"bond0"}]


def test_bridges_joined_in_a_ring_end() -> None:
    """Two veth pairs between the same bridges are walked once."""
    pairs = [(f"{side}{n}", "veth", f"br{side}", f"{other}{n}") for n in (1, 2) for side, other in ("ab", "ba")]
    rows = links(("tap0", "tun", "bra", ""), ("bra", "bridge", "", ""), ("brb", "bridge", "", ""), *pairs)
    assert found(rows) == []


def test_a_thousand_firewall_bridges_are_walked_at_once() -> None:
    """Each bridge is looked at once: 3,000 links take no time that a proof would feel."""
    rows = [("tap0", "tun", "fw0", ""), ("vmbr0", "bridge", "", ""), ("eth0", "", "vmbr0", "")]
    for n in range(1000):
        rows += [
            (f"fw{n}", "bridge", "", ""),
            (f"ln{n}", "veth", f"fw{n}", f"pr{n}"),
            (f"pr{n}", "veth", "vmbr0", f"ln{n}"),
        ]
    many = links(*rows)
    reads = 0

    class Counted(list[Link]):
        def __iter__(self):  # type: ignore[no-untyped-def]
            nonlocal reads
            reads += 1
            return super().__iter__()

    assert len(bridging.joined(many[0].master, Counted(many))) == 1001
    assert reads == 2
