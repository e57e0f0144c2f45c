"""Attachment points: rows given and taken back, VMs looked up and looked up again."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.counting import SECOND, SLOT, Packet, rows

from edgeguard.counting.shards import Shards
from edgeguard.counting.state import POINTS
from edgeguard.counting.window import Counting
from edgeguard.daemon.attachments import FURTHER, ROWS, Attachments
from edgeguard.glance.lines import _overflow
from edgeguard.inventory import Index
from edgeguard.model import Tap, TapKind, Vm

T = 1_767_225_600 * SECOND
VM = Vm("vm-1", "web1", "Example Ltd", "ops@example.net", ("tap1",), (), (ip_network("192.0.2.10"),))
OTHER = Vm("vm-2", "web2", "Other Ltd", None, ("tap2", "tap3"))


class Changing:
    """An inventory whose VMs a test replaces."""

    def __init__(self, *vms: Vm) -> None:
        self.index = Index(vms)

    def __getattr__(self, name: str) -> object:
        return getattr(self.index, name)


@pytest.fixture(scope="module")
def counting() -> Counting:
    return Counting(0, by_source=False, points=ROWS)


def tap(n: int, **changes: object) -> Tap:
    return replace(Tap(100 + n, f"tap{n}", f"02:00:00:00:00:{n:02x}", TapKind.ROUTED), **changes)  # type: ignore[arg-type]


def seen(counting: Counting, point: int) -> int:
    """SYNs in the row's window."""
    return counting.reading(point, T + SLOT).packets["syn"]


def test_a_tap_has_a_row_of_its_own(counting: Counting) -> None:
    """Each tap gets one row, the same whenever it is asked for; it is its VM's by the tap's name."""
    points = Attachments(counting, Index([VM, OTHER]))
    given_ = [points.assign(tap(n)) for n in (1, 2, 3, 4)]
    assert len(set(given_)) == 4
    assert [points.assign(tap(n)) for n in (1, 2, 3, 4)] == given_
    assert [points.vm(point) for point in given_] == [VM, OTHER, OTHER, None]
    assert [points.tap(point) for point in given_] == [tap(n) for n in (1, 2, 3, 4)]
    assert [points.point_of(tap(n)) for n in (1, 2, 3, 4)] == given_
    assert points.of_vm("vm-2") == [(given_[1], tap(2)), (given_[2], tap(3))]
    assert points.unknown() == [tap(4)]
    assert points.taps() == list(zip(given_, [tap(n) for n in (1, 2, 3, 4)], strict=True))
    assert counting.subject(given_[0]).vm == "vm-1"
    assert (counting.subject(given_[3]).vm, counting.subject(given_[3]).tap) == (None, "tap4")


def test_a_tap_made_again_is_another(counting: Counting) -> None:
    """The same ifindex with another MAC is not the tap that was meant; nor is another ifindex."""
    points = Attachments(counting, Index([VM]))
    points.assign(tap(1))
    assert points.point_of(tap(1, mac="02:00:00:00:00:99")) is None
    assert points.point_of(tap(1, ifindex=7)) is None


def test_a_row_taken_back_is_given_again_empty(counting: Counting) -> None:
    """A tap that is gone leaves its row to the next, who finds nothing of it."""
    points = Attachments(counting, Index([VM, OTHER]))
    point = points.assign(tap(1))
    counting.add(rows([Packet(T, out_of=point, packets=7)]), 0)
    assert seen(counting, point) == 7
    assert points.gone(tap(1)) == point
    assert points.gone(tap(1)) is None
    assert (points.tap(point), points.vm(point), points.taps()) == (None, None, [])
    assert points.assign(tap(2)) == point
    assert seen(counting, point) == 0
    assert counting.subject(point).vm == "vm-2"


def test_a_tap_that_only_hangs_elsewhere_keeps_its_counts(counting: Counting) -> None:
    """Joining a bridge changes the kind of a tap, not whose it is: its windows go on; a new MAC begins anew."""
    points = Attachments(counting, Index([VM]))
    point = points.assign(tap(1))
    counting.add(rows([Packet(T, out_of=point, packets=7)]), 0)
    bridged = tap(1, kind=TapKind.BRIDGED, kind_detail="bridged br0")
    assert points.assign(bridged) == point
    assert points.tap(point) == bridged
    assert seen(counting, point) == 7
    assert points.assign(tap(1, mac="02:00:00:00:00:99")) == point
    assert seen(counting, point) == 0


def test_the_inventory_is_asked_again(counting: Counting) -> None:
    """After a change a row that stays its VM's keeps its counts and gets the new addresses; one that is another
    VM's begins anew, and is named."""
    inventory = Changing(VM)
    points = Attachments(counting, inventory)  # type: ignore[arg-type]
    known, unknown = points.assign(tap(1)), points.assign(tap(2))
    counting.add(rows([Packet(T, out_of=known), Packet(T, out_of=unknown)]), 0)
    assert points.look_up_again() == []
    moved = replace(VM, addresses=(ip_network("203.0.113.7"),))
    inventory.index = Index([moved, OTHER])
    assert points.look_up_again() == [unknown]
    assert (points.vm(known), points.vm(unknown)) == (moved, OTHER)
    assert (seen(counting, known), seen(counting, unknown)) == (1, 0)
    counting.add(rows([Packet(T, src="203.0.113.7", out_of=known)]), 0)
    foreign = counting.reading(known, T + SLOT).foreign
    assert (foreign or {})["syn"] == 1  # the one before the change
    inventory.index = Index([])
    assert points.look_up_again() == [known, unknown]
    assert points.unknown() == [tap(1), tap(2)]
    assert counting.reading(known, T + SLOT).foreign is None


def test_more_taps_than_rows_share_the_overflow_row(counting: Counting) -> None:
    """1,024 taps have a row each; the 1,025th is counted, not judged, and is the first to get a row that is free."""
    points = Attachments(counting, Index([]))
    given_ = {points.assign(tap(0, ifindex=n)) for n in range(1, POINTS + 1)}
    assert given_ == set(range(POINTS))
    late = tap(0, ifindex=POINTS + 1)
    assert points.assign(late) == POINTS
    assert (points.refused, points.due()) == (1, [])
    freed = points.gone(tap(0, ifindex=5))
    assert points.due() == [late]
    assert points.assign(late) == freed
    assert (points.refused, points.due()) == (0, [])


@pytest.mark.parametrize("threads", [1, 2])
def test_taps_at_the_overflow_row(threads: int, caplog: pytest.LogCaptureFixture) -> None:
    """They are counted there together and never judged, each is said once, and a tap that is gone waits no more."""
    made: Counting | Shards = Counting(0, by_source=False, points=3)
    if threads > 1:
        made = Shards(threads, points=3)
    made.limits({"syn": 1, "udp": 1}, {"syn": 2, "udp": 2})
    points = Attachments(made, Index([VM, OTHER]), points=2)
    assert [points.assign(tap(n)) for n in (1, 2, 3, 4, 5)] == [0, 1, 2, 2, 2]
    assert points.assign(tap(3, kind=TapKind.BRIDGED)) == 2  # changed, and still waiting
    said = [record.message for record in caplog.records]
    assert [line.split(":")[0] for line in said] == ["tap tap3", "tap tap4", "tap tap5"]
    assert "all 2 rows are taken" in said[0]
    made.tick(T)
    packets = [Packet(T, out_of=2, packets=50), Packet(T, into=2), Packet(T, out_of=1, packets=50)]
    assert made.add(rows(packets), 0) == len(packets)
    assert made.hot() == [1]
    assert points.overflowed() == (1, 1)
    assert (made.subject(2).vm, made.subject(2).tap) == (None, FURTHER)
    assert (points.vm(2), points.tap(2), points.of_vm("vm-2")) == (None, None, [(1, tap(2))])
    assert points.gone(tap(4)) is None
    assert [waiting.name for waiting in points.waiting()] == ["tap3", "tap5"]
    points.gone(tap(1))
    assert [points.assign(due) for due in points.due()] == [0]
    assert (points.vm(0), points.refused) == (OTHER, 1)
    assert points.overflowed() == (1, 1)


def test_status_says_who_shares_the_overflow_row() -> None:
    assert _overflow(None) == []
    assert _overflow({"taps": ["tap9"], "out": 1_200, "into": 3}) == [
        "1 tap is at the overflow row, not judged and never acted upon: tap9; 1,200 frames out and 3 in there so far"
    ]
    (line,) = _overflow({"taps": [f"tap{n}" for n in range(7)], "out": 0, "into": 0})
    assert line.startswith("7 taps share the overflow row, not judged and never acted upon: tap0, ")
    assert "tap4, ...; " in line


@settings(max_examples=50, deadline=None)
@given(steps=st.lists(st.tuples(st.booleans(), st.integers(0, 6)), max_size=40))
def test_no_row_is_ever_shared(counting: Counting, steps: list[tuple[bool, int]]) -> None:
    """Whatever taps come and go, each that is there has a row, and no two the same."""
    points, there = Attachments(counting, Index([VM, OTHER])), set()
    for comes, n in steps:
        if comes:
            points.assign(tap(n))
            there.add(n)
        else:
            assert (points.gone(tap(n)) is None) == (n not in there)
            there.discard(n)
        assert {t for _, t in points.taps()} == {tap(n) for n in there}
        assert len({point for point, _ in points.taps()}) == len(there)


def test_a_customers_points_follow_taps_and_inventory() -> None:
    """Taps that come, go, and are sold with their VM are added to and taken from their customer's points at once."""
    counting = Counting(0, by_source=False)  # no other test's taps in its sums
    inventory = Changing(VM, replace(OTHER, customer="Example Ltd"))
    points = Attachments(counting, inventory)  # type: ignore[arg-type]
    given_ = {n: points.assign(tap(n)) for n in (1, 2, 3, 4)}

    def owned(customer: str) -> list[int]:
        return sorted(counting.customers.sum(customer, T).points.tolist())

    assert owned("Example Ltd") == sorted(given_[n] for n in (1, 2, 3))
    points.gone(tap(2))
    assert owned("Example Ltd") == sorted(given_[n] for n in (1, 3))
    inventory.index = Index([replace(VM, customer="Other Ltd"), replace(OTHER, customer="Example Ltd")])
    assert points.look_up_again() == []  # the same VM, with its counts
    assert (owned("Example Ltd"), owned("Other Ltd")) == ([given_[3]], [given_[1]])
    inventory.index = Index([])
    points.look_up_again()
    assert counting.customers.names() == ()
