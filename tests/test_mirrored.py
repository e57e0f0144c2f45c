"""Attachment points of a mirror port: rows by MAC, the tap that each leads to, and what a reload changes."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.counting import SECOND, SLOT, Packet, rows

from edgeguard.capture.points import HOST, REVERSED
from edgeguard.counting.state import POINTS
from edgeguard.counting.window import Counting
from edgeguard.daemon.mirrored import OTHERS, STRANGERS, Mirrored
from edgeguard.inventory import Index
from edgeguard.model import Tap, TapKind, Vm
from edgeguard.record import NOBODY, point_key

T = 1_767_225_600 * SECOND
ONE = Vm("vm-1", "web1", "Example Ltd", None, ("tap1",), ("02:00:00:00:00:01",), (ip_network("192.0.2.10"),))
TWO = Vm("vm-2", "web2", "Other Ltd", None, ("tap2", "tap3"), ("02:00:00:00:00:02", "02:00:00:00:00:03"))


class Changing:
    """An inventory whose VMs a test replaces."""

    def __init__(self, *vms: Vm) -> None:
        self.index = Index(vms)

    def __getattr__(self, name: str) -> object:
        return getattr(self.index, name)


@pytest.fixture(scope="module")
def counting() -> Counting:
    return Counting(16, by_source=False)


def tap(n: int, **changes: object) -> Tap:
    return replace(Tap(100 + n, f"tap{n}", f"fe:00:00:00:00:{n:02x}", TapKind.ROUTED), **changes)  # type: ignore[arg-type]


def row(machines: Mirrored, mac: str, vlan: int | None = None) -> int:
    """The row as the C code finds it, without the mark of a stranger."""
    found = machines.points.find(point_key(mac, vlan))
    return found if found == NOBODY else found & ~REVERSED


def seen(counting: Counting, point: int) -> int:
    return counting.reading(point, T + SLOT).packets["syn"]


def test_the_nth_mac_is_at_the_nth_tap(counting: Counting) -> None:
    """With as many taps as MACs they pair up; with one tap all are there; else no tap is known."""
    one_tap = replace(TWO, id="vm-3", taps=("tap4",), macs=("02:00:00:00:00:04", "02:00:00:00:00:05"))
    unclear = replace(TWO, id="vm-4", taps=("tap5", "tap6"), macs=("02:00:00:00:00:06",))
    taps = [tap(n) for n in range(1, 7)]
    machines = Mirrored(counting, Index([ONE, TWO, one_tap, unclear]), taps)
    at = [machines.tap(row(machines, f"02:00:00:00:00:{n:02x}")) for n in range(1, 7)]
    assert at == [taps[0], taps[1], taps[2], taps[3], taps[3], None]
    assert [found for _, found in machines.of_vm("vm-3")] == [taps[3]]
    assert machines.point_of(tap(2)) == row(machines, TWO.macs[0])
    assert machines.point_of(tap(2, mac="fe:00:00:00:00:99")) is None


def test_a_tap_is_found_by_its_name_today(counting: Counting) -> None:
    """A tap that is renamed, made anew or gone is no longer where the row leads."""
    machines = Mirrored(counting, Index([ONE]), [tap(1)])
    point = row(machines, ONE.macs[0])
    assert machines.assign(tap(1, name="other")) == NOBODY
    assert machines.tap(point) is None
    anew = tap(1, ifindex=500)
    machines.assign(anew)
    assert machines.tap(point) == anew
    assert (machines.gone(anew), machines.tap(point), machines.vm(point)) == (point, None, ONE)


def test_a_reload_keeps_the_counts_of_who_stays(counting: Counting) -> None:
    """The same VM at the same tap keeps its counts; a MAC of another VM, or of none, begins anew and is told."""
    inventory = Changing(ONE, TWO)
    machines = Mirrored(counting, inventory, [tap(1)])  # type: ignore[arg-type]
    first, second = row(machines, ONE.macs[0]), row(machines, TWO.macs[0])
    counting.add(rows([Packet(T, "syn", out_of=point) for point in (first, second)]), 0)
    inventory.index = Index(
        [replace(ONE, addresses=(ip_network("192.0.2.0/28"),)), replace(ONE, id="vm-9", macs=TWO.macs[:1])]
    )
    others = machines.look_up_again()
    assert second in others and first not in others
    again = row(machines, TWO.macs[0])
    assert (machines.vm(first).id, machines.vm(again).id) == ("vm-1", "vm-9")  # type: ignore[union-attr]
    assert (seen(counting, first), seen(counting, again)) == (1, 0)
    assert row(machines, TWO.macs[1]) == NOBODY


def test_a_stranger_that_the_inventory_learns_of_is_its_vm(counting: Counting) -> None:
    """After a reload it is judged as the VM it is; the others stay strangers with their counts."""
    inventory = Changing(ONE)
    machines = Mirrored(counting, inventory, [])  # type: ignore[arg-type]
    for mac in ("02:00:00:00:00:02", "02:00:00:00:00:99"):
        assert machines.meet(point_key(mac, None))
    assert machines.points.find(point_key("02:00:00:00:00:99", None)) & REVERSED
    inventory.index = Index([ONE, TWO])
    machines.look_up_again()
    assert machines.vm(row(machines, "02:00:00:00:00:02")) == TWO
    assert not machines.points.find(point_key("02:00:00:00:00:02", None)) & REVERSED
    assert [one.name for one in machines.unknown()] == ["02:00:00:00:00:99"]


def test_vms_of_this_host_get_a_row_first(counting: Counting) -> None:
    """An inventory of a whole cluster leaves room for strangers, and refuses those from elsewhere."""
    cluster = [
        Vm(f"vm-{n}", f"vm-{n}", None, None, (f"tap{n}",), (f"02:00:00:01:{n >> 8:02x}:{n & 255:02x}",))
        for n in range(2000)
    ]
    machines = Mirrored(counting, Index(cluster), [tap(1999)])
    assert machines.refused == 2000 - (POINTS - 1 - STRANGERS)
    assert machines.tap(row(machines, cluster[1999].macs[0])) == tap(1999)
    assert counting.subject(machines.overflow).tap == OTHERS
    met = [machines.meet(n + 1) for n in range(STRANGERS + 5)]
    assert met == [True] * (STRANGERS - 1) + [False] * 6
    assert len(machines.unknown()) == STRANGERS


def test_the_host_s_own_macs_come_and_go(counting: Counting) -> None:
    """A link's MAC is the host's as long as the link is there; a VM's MAC stays the VM's."""
    machines = Mirrored(counting, Index([ONE]), [])
    bridge = "02:00:00:00:00:77"
    machines.host([bridge, ONE.macs[0], "00:00:00:00:00:00"])
    assert machines.points.find(point_key(bridge, None)) == HOST
    assert machines.vm(row(machines, ONE.macs[0])) == ONE
    machines.host([])
    assert machines.points.find(point_key(bridge, None)) == NOBODY
    assert machines.vm(row(machines, ONE.macs[0])) == ONE


KEYS = st.integers(1, 12)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("meet"), KEYS),
        st.tuples(st.just("reload"), st.sets(KEYS, max_size=6)),
        st.tuples(st.just("host"), st.sets(KEYS, max_size=4)),
    ),
    max_size=30,
)


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_every_mac_has_one_row_whatever_happens(counting: Counting, steps: list[tuple[str, object]]) -> None:
    """After any order of strangers, reloads and links: a VM's MAC leads to it, others to a stranger or nobody,
    and no row has two MACs."""
    inventory = Changing()
    machines = Mirrored(counting, inventory, [])  # type: ignore[arg-type]
    known: set[int] = set()
    strangers: set[int] = set()
    for what, value in steps:
        if what == "meet" and value not in known | strangers and machines.points.find(value) != HOST:  # type: ignore[arg-type,operator]
            machines.meet(value)  # type: ignore[arg-type]
            strangers.add(value)  # type: ignore[arg-type]
        elif what == "reload":
            known = set(value)  # type: ignore[call-overload]
            inventory.index = Index([Vm(f"vm-{k}", "x", None, None, (), (f"00:00:00:00:00:{k:02x}",)) for k in known])
            machines.look_up_again()
            strangers -= known
        elif what == "host":
            machines.host([f"00:00:00:00:00:{k:02x}" for k in value])  # type: ignore[attr-defined]
    found = {key: machines.points.find(key) for key in range(1, 13)}
    assert {key for key, value in found.items() if value < HOST} == known
    assert {key for key, value in found.items() if value not in (NOBODY, HOST) and value & REVERSED} == strangers
    points = [value & ~REVERSED for value in found.values() if value not in (NOBODY, HOST)]
    assert len(points) == len(set(points)) == len(known | strangers)


def test_a_customers_cards_are_added_up(counting: Counting) -> None:
    """Every MAC of a customer's VMs is a point of its sum, and follows the inventory."""
    inventory = Changing(ONE, replace(TWO, customer="Example Ltd"))
    machines = Mirrored(counting, inventory, [tap(1)])  # type: ignore[arg-type]
    assert len(counting.customers.sum("Example Ltd", T).points) == 3
    inventory.index = Index([replace(ONE, customer="Other Ltd"), replace(TWO, customer="Example Ltd")])
    machines.look_up_again()
    assert counting.customers.sum("Other Ltd", T).points.tolist() == [row(machines, ONE.macs[0])]
    inventory.index = Index([ONE])
    machines.look_up_again()
    assert counting.customers.sum("Example Ltd", T).points.tolist() == [row(machines, ONE.macs[0])]
