"""Own-only on hosts of every kind: the forged packets of one tap stop, its own and everybody else's go on."""

from __future__ import annotations

import contextlib
import shutil
import socket
import struct

from enforcement_host import (
    FORGED4,
    FORGED6,
    OTHER4,
    OTHER6,
    TARGET4,
    TARGET6,
    UDP_PORT,
    Host,
    answered,
    echo,
    neighbour_at,
    target,
    to,
    until,
)
from link_traffic import answers, is_advertisement, is_reply, solicitation, who_has
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Dot1Q, Ether
from scapy.packet import Raw

from edgeguard.model import Happened, Order, Outcome, Scope

TAKEN4, TAKEN6 = "203.0.113.200", "2001:db8:e::200"  # more forged sources, inside other people's prefixes


def own_only(host: Host, decision: str = "d-own", **changes: object) -> Order:
    """Ordered and acknowledged."""
    order = host.order(decision, scope=Scope.OWN_ONLY, targets=(), **changes)
    host.enforcer.order(order)
    host.until(decision, Happened.ACKNOWLEDGED)
    return order


def forged(host: Host) -> list[bytes]:
    """Foreign sources of both families, the neighbour's among them, at the targets and at the neighbour."""
    theirs4, theirs6 = host.neighbour4, host.neighbour6
    four = [host.frame(TARGET4, source) for source in (FORGED4, TAKEN4, theirs4, "127.0.0.9", "0.0.0.0", "169.254.9.9")]
    six = [host.frame(TARGET6, source) for source in (FORGED6, TAKEN6, theirs6, "::", "fe80::99")]
    return [*four, *six, host.frame(OTHER4, FORGED4), host.frame(OTHER6, FORGED6)]


def own(host: Host) -> list[bytes]:
    return [host.frame(address) for address in (TARGET4, OTHER4, TARGET6, OTHER6)]


def nothing_of_ours(host: Host) -> bool:
    with host.host.routes() as ip:
        rules = [rule for family in (2, 10) for rule in ip.get_rules(family=family)]
        routes = [route for family in (2, 10) for route in ip.get_routes(family=family)]
    left = [rule for rule in rules if rule.get_attr("FRA_PROTOCOL") == 78] + [r for r in routes if r["proto"] == 78]
    ruleset = host.host.run("nft", "list", "ruleset").stdout if shutil.which("nft") else ""
    return not left and "hook" not in ruleset and "elements" not in ruleset  # our empty table does nothing


def test_only_forged_packets_stop(host: Host) -> None:
    """Nothing with a foreign source leaves, whatever its target; the VM's own and the neighbour's all do."""
    stop, _ = echo(host.wan, TARGET4, UDP_PORT)
    with host.vm.inside():
        flow = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    flow.connect((TARGET4, UDP_PORT))
    assert answered(flow)
    before = host.arrived([host.frame(OTHER4, FORGED4), host.frame(OTHER6, FORGED6)], 20)
    assert (to(before, OTHER4), to(before, OTHER6)) == (20, 20)

    order = own_only(host)
    assert not host.arrived(forged(host), 50)
    during = host.arrived([*own(host), *forged(host)], 50)
    assert {pair: n for pair, n in during.items() if n} == {
        (source, where): 50
        for source, targets in ((host.vm4, (TARGET4, OTHER4)), (host.vm6, (TARGET6, OTHER6)))
        for where in targets
    }
    theirs = host.arrived([host.frame(TARGET4, who="neighbour"), host.frame(TARGET6, who="neighbour")], 50, "neighbour")
    assert theirs == {(host.neighbour4, TARGET4): 50, (host.neighbour6, TARGET6): 50}
    assert answered(flow)

    released = host.released(order)
    assert (released.dropped is None) == (host.kind == "routed")
    after = host.arrived([host.frame(OTHER4, FORGED4), host.frame(OTHER6, FORGED6)], 20)
    assert (to(after, OTHER4), to(after, OTHER6)) == (20, 20)
    assert nothing_of_ours(host)
    stop()


def test_its_drops_are_counted(bridged: Host) -> None:
    """The chain counts exactly the frames that it dropped."""
    order = own_only(bridged)
    bridged.arrived([*own(bridged), *forged(bridged)], 30)
    assert bridged.released(order).dropped == 30 * len(forged(bridged))


def test_with_strict_source_checks(routed: Host) -> None:
    """Where the host checks the way back (rp_filter = 1) the rules keep no answer from the VM, and no neighbour."""
    for name in ("all", "tap0", "tap1", "wan0"):
        routed.host.sysctl(f"net/ipv4/conf/{name}/rp_filter", "1")
    own_only(routed)
    for namespace, address in ((routed.wan, TARGET4), (routed.neighbour, routed.neighbour4)):
        stop, _ = echo(namespace, address, UDP_PORT)
        with routed.vm.inside(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as flow:
            flow.connect((address, UDP_PORT))
            assert answered(flow), address
        stop()


# ---- what stays on the link -----------------------------------------------------------------------


def test_addresses_are_still_found(host: Host) -> None:
    """ARP and neighbour discovery, from ::, fe80:: and the VM's own, are answered under own-only."""
    own_only(host)
    link_local = "fe80::" + ":".join(f"{n:x}" for n in struct.unpack(">4H", bytes.fromhex("0200000000000099")))
    for source in ("::", link_local, host.vm6):
        assert answers(host, solicitation(host, source), is_advertisement(host)), source
    assert answers(host, who_has(host), is_reply)


def test_an_address_can_still_be_had(host: Host) -> None:
    """DHCP from 0.0.0.0 and DHCPv6 from fe80:: reach whoever serves them."""
    own_only(host)
    mac = host.vm.mac("eth0")
    four = Ether(src=mac, dst="ff:ff:ff:ff:ff:ff") / IP(src="0.0.0.0", dst="255.255.255.255") / UDP(sport=68, dport=67)
    six = Ether(src=mac, dst="33:33:00:01:00:02") / IPv6(src="fe80::99", dst="ff02::1:2") / UDP(sport=546, dport=547)
    server, name = {
        "routed": (host.host, "tap0"),
        "routed-bridge": (host.host, "br0"),
    }.get(host.kind, (host.wan, "eth0"))
    with server.inside():
        heard4 = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        heard4.bind(("0.0.0.0", 67))
        heard6 = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        heard6.bind(("::", 547))
        group = socket.inet_pton(socket.AF_INET6, "ff02::1:2") + struct.pack("=I", socket.if_nametoindex(name))
        heard6.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, group)
    for sock, question in ((heard4, four), (heard6, six)):
        with sock:
            sock.settimeout(20)
            host.send([bytes(question / Raw(b"discover"))], 1)
            assert sock.recv(100) == b"discover"


def test_tags_hide_no_forged_source(bridged: Host) -> None:
    """With one tag or two the forged frames are dropped, and the VM's own pass."""
    four, six = ({"dst": address} for address in (TARGET4, TARGET6))
    tags = (Dot1Q(vlan=7), Dot1Q(vlan=7) / Dot1Q(vlan=8))
    payload = UDP(dport=53) / Raw(b"y" * 40)
    bad = [tag / layer for tag in tags for layer in (IP(src=FORGED4, **four), IPv6(src=FORGED6, **six))]
    good = [tag / layer for tag in tags for layer in (IP(src=bridged.vm4, **four), IPv6(src=bridged.vm6, **six))]
    order = own_only(bridged)
    with bridged.wan.inside():
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        sock.bind(("eth0", 3))
    bridged.send([bridged.framed(packet / payload) for packet in (*bad, *good)], 3)
    arrived = 0
    with sock:
        sock.settimeout(0.2)
        with contextlib.suppress(TimeoutError):
            while True:
                raw, address = sock.recvfrom(2048)
                arrived += address[2] != socket.PACKET_OUTGOING and raw.endswith(b"y" * 40)
    assert arrived == 3 * len(good)
    assert bridged.released(order).dropped == 3 * len(bad)


# ---- proofs ---------------------------------------------------------------------------------------


def _verified(host: Host, decision: str) -> Outcome:
    """Verified; before it only a proof that lost on a slow machine what it should count."""
    while (outcome := host.wait(decision, Happened.VERIFIED, Happened.NOT_STOPPED)).happened != Happened.VERIFIED:
        assert "could not be counted" in " ".join(outcome.proofs), outcome
    return outcome


def test_verified_beside_a_busy_neighbour(host: Host) -> None:
    """It is proved that no foreign source leaves while the VM's own do and the neighbour sends at rate."""
    theirs = [host.frame(address, who="neighbour") for address in (TARGET4, OTHER4, TARGET6, OTHER6)]
    with neighbour_at(host, theirs, 20_000), host.sending([*own(host), *forged(host)]):
        order = host.order("d-proof", scope=Scope.OWN_ONLY, targets=())
        host.enforcer.order(order)
        host.wait("d-proof", Happened.ACKNOWLEDGED)
        outcome = _verified(host, "d-proof")
    text = " | ".join(outcome.proofs)
    assert "with sources that are not the VM's" in text
    assert ("EINVAL; from " if host.kind == "routed" else "the chain on tap0 dropped") in text


def test_own_packets_are_no_attempts(host: Host) -> None:
    """The VM's own packets prove nothing; it is verified once foreign sources are tried."""
    with host.sending(own(host)):
        own_only(host, "d-quiet")
        assert host.wait("d-quiet", Happened.NO_ATTEMPTS).detail == "the tap sent nothing from a foreign source"
    with host.sending([host.frame(TARGET4, FORGED4)]):
        _verified(host, "d-quiet")


def test_a_leak_is_not_called_verified(routed: Host) -> None:
    """A rule of the operator that lets forged sources by is seen at the uplink, though look-ups are stopped."""
    with routed.host.routes() as ip:
        ip.rule("add", family=socket.AF_INET, src=TAKEN4, src_len=32, table=254, priority=100)
    frames = [routed.frame(TARGET4, TAKEN4), *[routed.frame(TARGET4, FORGED4)] * 3]
    with routed.sending([frames[1]]):
        own_only(routed, "d-first")  # the first frame that is seen is one that is stopped
    with routed.sending(frames):
        outcome = routed.until("d-first", Happened.NOT_STOPPED)
    assert "the uplinks" in outcome.detail


def test_traffic_between_neighbours_hides_no_leak(routed: Host) -> None:
    """A few forged packets that leave are seen beside many that a neighbour sends to this very VM."""
    with routed.host.routes() as ip:
        ip.rule("add", family=socket.AF_INET, src=TAKEN4, src_len=32, table=254, priority=100)
    busy = [routed.frame(routed.vm4, who="neighbour")]
    frames = [routed.frame(TARGET4, FORGED4)] * 9 + [routed.frame(TARGET4, TAKEN4)]
    with neighbour_at(routed, busy, 20_000), routed.sending(frames):
        own_only(routed, "d-busy")
        outcome = routed.until("d-busy", Happened.NOT_STOPPED)
    assert "the uplinks" in outcome.detail


# ---- beside others --------------------------------------------------------------------------------


def test_beside_narrow_and_full(host: Host) -> None:
    """Narrow, own-only and full of one tap, and own-only of another: each stops its part, and ends alone."""
    narrow = host.order("d-narrow", targets=(target(TARGET4), target(TARGET6)))
    host.enforcer.order(narrow)
    host.wait("d-narrow", Happened.ACKNOWLEDGED)
    mine = own_only(host)
    four, six = (host.neighbour4, host.neighbour6)
    theirs = own_only(host, "d-theirs", tap=host.tap("tap1"), vm="vm-2", prefixes=host.prefixes(four, six))
    frames = [*own(host), *forged(host)]
    assert host.arrived(frames, 20) == {(host.vm4, OTHER4): 20, (host.vm6, OTHER6): 20}
    neighbours = [host.frame(TARGET4, FORGED4, who="neighbour"), host.frame(TARGET4, who="neighbour")]
    assert host.arrived(neighbours, 20, "neighbour") == {(four, TARGET4): 20}

    wide = host.order("d-wide", scope=Scope.FULL)
    host.enforcer.order(wide)
    host.until("d-wide", Happened.ACKNOWLEDGED)
    assert not host.arrived(frames, 20)
    host.released(wide)
    assert host.arrived(frames, 20) == {(host.vm4, OTHER4): 20, (host.vm6, OTHER6): 20}
    host.released(narrow)
    assert to(host.arrived(frames, 20), TARGET4) == 20
    host.released(mine)
    assert to(host.arrived(frames, 20), TARGET4) > 20
    assert host.arrived(neighbours, 20, "neighbour") == {(four, TARGET4): 20}
    host.released(theirs)
    assert nothing_of_ours(host)


def test_both_are_verified_beside_each_other(host: Host) -> None:
    """Narrow and own-only of one tap are proved, whichever of them drops a frame that both would."""
    with host.sending([host.frame(TARGET4, FORGED4), host.frame(TARGET4), host.frame(OTHER4, FORGED4)]):
        host.enforcer.order(host.order("d-narrow", targets=(target(TARGET4),)))
        host.enforcer.order(host.order("d-own", scope=Scope.OWN_ONLY, targets=()))
        for decision in ("d-narrow", "d-own"):
            host.wait(decision, Happened.ACKNOWLEDGED)
            _verified(host, decision)


def test_a_family_without_an_address_sends_nothing(host: Host) -> None:
    """A VM that has no IPv6 address of its own sends no IPv6 but what stays on the link."""
    own_only(host, prefixes=host.prefixes(host.vm4))
    assert host.arrived(own(host), 10) == {(host.vm4, TARGET4): 10, (host.vm4, OTHER4): 10}


def test_unknown_addresses_are_refused(host: Host) -> None:
    """Without addresses of the VM nothing is known to be forged: one line says so, and nothing changes."""
    host.enforcer.order(host.order("d-who", scope=Scope.OWN_ONLY, targets=(), prefixes=()))
    assert "the addresses of this VM are not known" in host.wait("d-who", Happened.FAILED).detail
    assert nothing_of_ours(host)


# ---- restarts -------------------------------------------------------------------------------------


def _killed(host: Host) -> None:
    host.enforcer._process.kill()
    host.enforcer._process.wait()
    host.enforcer.close()


def test_reconcile_leaves_no_gap(host: Host) -> None:
    """While a new child takes over, no forged frame slips through and none of the VM's own is lost."""
    keep = own_only(host)
    with host.counting() as counts, host.sending([host.frame(TARGET4), *[host.frame(OTHER4, FORGED4)] * 4]):
        _killed(host)
        host.start()
        host.enforcer.reconcile([keep])
        host.wait("d-own", Happened.RECONCILED)
        _verified(host, "d-own")
    assert to(counts, OTHER4) == 0 and counts[host.vm4, TARGET4] > 0
    assert "stood" in host.wait("", Happened.RECONCILED).detail
    host.released(keep)
    assert nothing_of_ours(host)


def test_nobody_wants_it_any_more(host: Host) -> None:
    """What a dead child left and no decision wants is taken away at the next start."""
    own_only(host)
    _killed(host)
    host.start()
    host.enforcer.reconcile([])
    host.until("", Happened.RECONCILED)
    assert nothing_of_ours(host)


def test_the_next_customer_inherits_nothing(host: Host) -> None:
    """A tap made anew under the old name while no child ran is free after the next start."""
    keep = own_only(host)
    _killed(host)
    host.host.remove("tap0")
    host.host.veth("tap0", host.vm, "eth0")
    if host.bridge:
        host.host.master("tap0", host.bridge)
    host.start()
    host.enforcer.reconcile([keep])
    host.until("d-own", Happened.LINK_GONE)
    until(lambda: nothing_of_ours(host), "nothing is left")


def test_it_follows_a_renamed_tap(routed: Host) -> None:
    """The rules bind to the name that the tap has now, and end under it."""
    order = own_only(routed)
    with routed.host.routes() as ip:
        index = socket.if_nametoindex("tap0")
        for change in ({"state": "down"}, {"ifname": "tap9"}, {"state": "up"}):
            ip.link("set", index=index, **change)

    def rules() -> list[str]:
        with routed.host.routes() as ip:
            listed = [rule for family in (2, 10) for rule in ip.get_rules(family=family)]
        return [rule.get_attr("FRA_IIFNAME") for rule in listed if rule.get_attr("FRA_PROTOCOL") == 78]

    until(lambda: rules() == ["tap9"] * 4, "the rules are those of tap9")
    routed.released(order)
    assert nothing_of_ours(routed)
