"""The connection table: read from /proc, its arithmetic, and who fills it."""

from __future__ import annotations

from collections import deque
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeguard.check.finding import Grade
from edgeguard.check.table import table as checked
from edgeguard.harm.conntrack import Filling, Table, read
from edgeguard.harm.sender import Sender

SECOND = 1_000_000_000
T = 1_767_225_600 * SECOND
HEADER = "entries  clashres found new invalid ignore delete chainlength insert insert_failed drop early_drop icmp_error"


def tree(root: Path, count: int, most: int, timeout: int | None = 120, bridged: str | None = None) -> Path:
    """A /proc with a connection table in it."""
    folder = root / "sys/net/netfilter"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "nf_conntrack_count").write_text(f"{count}\n")
    (folder / "nf_conntrack_max").write_text(f"{most}\n")
    if timeout is not None:
        (folder / "nf_conntrack_tcp_timeout_syn_sent").write_text(f"{timeout}\n")
    if bridged is not None:
        (root / "sys/net/bridge").mkdir(parents=True, exist_ok=True)
        (root / "sys/net/bridge/bridge-nf-call-iptables").write_text(f"{bridged}\n")
    return root


def entries_after(seconds: float, rate: int, free: int, timeout: int) -> int:
    """Naive: SYNs one by one, each with the end of its entry; how many entries stand."""
    ends: deque[float] = deque()
    for number in range(int(seconds * rate)):
        at = number / rate
        while ends and ends[0] <= at:
            ends.popleft()
        if len(ends) < free:
            ends.append(at + timeout)
    return len(ends)


# ---- /proc ---------------------------------------------------------------------------------------


def test_a_kernel_without_a_table_has_none(tmp_path: Path) -> None:
    """Where nf_conntrack is not loaded there is nothing to fill, and `check` says so without a warning."""
    assert read(tmp_path) is None
    (found,) = checked(tmp_path)
    assert found.grade is Grade.OK
    assert "not in use" in found.text


def test_the_table_is_read_with_its_timeout_and_what_it_turned_away(tmp_path: Path) -> None:
    """Count, room, timeout and the drops of all CPUs (hexadecimal, found by their column's name) are as /proc has
    them; without the files of the last two the kernel's default and zero stand."""
    proc = tree(tmp_path, 183_501, 262_144, timeout=60, bridged="1")
    assert read(proc) == Table(183_501, 262_144, 60, 0, bridged=True)
    (proc / "net/stat").mkdir(parents=True)
    row = "00000010 0 0 0 0 0 0 0 0 0 0000000a {:08x} 0"
    (proc / "net/stat/nf_conntrack").write_text("\n".join([HEADER, row.format(1), row.format(0x20)]) + "\n")
    assert read(proc) == Table(183_501, 262_144, 60, 10 + 1 + 10 + 0x20, bridged=True)
    assert read(tree(tmp_path / "other", 1, 2, timeout=None)) == Table(1, 2, 120)


# ---- the arithmetic ------------------------------------------------------------------------------


@given(free=st.integers(1, 3_000), timeout=st.integers(1, 30), rate=st.integers(1, 400), part=st.floats(0.05, 0.95))
def test_when_it_fills_is_what_a_table_of_entries_does(free: int, timeout: int, rate: int, part: float) -> None:
    """Against a table simulated entry by entry: it is full after the time said, not before, and a rate for which
    None is said never fills it."""
    table = Table(0, free, timeout)
    seconds = table.seconds_to_fill(rate)
    if seconds is None:
        assert entries_after(3 * timeout, rate, free, timeout) < free or rate * timeout == free
        assert rate < table.filling_rate()
    else:
        assert rate >= table.filling_rate()
        assert entries_after(seconds + 2 / rate, rate, free, timeout) >= free - 1
        assert entries_after(seconds * part, rate, free, timeout) <= free * part + 1


def test_check_prints_the_rates_of_decision_md(tmp_path: Path) -> None:
    """An empty table of 262,144 fills from 2,185 SYN/s on, and at 5,000 in 52 s: with the division beside each."""
    (found,) = checked(tree(tmp_path, 0, 262_144))
    assert "from 2,185 a second on (262,144 free / 120 s)" in found.text
    assert "5,000 a second do it in 52 s (262,144 / 5,000)" in found.text
    assert "not in use now: 0 entries" in found.text
    assert "pass it by" in found.text


def test_check_says_when_a_table_is_too_large_to_be_filled(tmp_path: Path) -> None:
    """2 million entries are never filled by 5,000 SYN/s, which hold 600,000."""
    (found,) = checked(tree(tmp_path, 10, 2_000_000, bridged="1"))
    assert "5,000 a second never do: they hold 600,000 (5,000 x 120 s)" in found.text
    assert found.grade is Grade.OK
    assert "tracked as well" in found.text


@pytest.mark.parametrize(("count", "grade"), [(183_000, Grade.OK), (183_501, Grade.WARNING)])
def test_check_warns_of_a_table_above_70_percent(tmp_path: Path, count: int, grade: Grade) -> None:
    """70 % is where harm begins to be looked for."""
    (found,) = checked(tree(tmp_path, count, 262_144))
    assert found.grade is grade


# ---- who fills it --------------------------------------------------------------------------------


def filled(
    rates: dict[int, int], begin: int, growth: int, *, seconds: int = 4, udp: dict[int, int] | None = None, **more: int
) -> Filling:
    """Some seconds in which rows send so many SYNs a second and the table grows by so much."""
    filling = Filling(lambda point: (udp or {}).get(point, 0))
    for second in range(seconds + 1):
        senders = [Sender(p, f"vm-{p}", f"c-{p}", second * rate, 0, 0, 0) for p, rate in rates.items()]
        turned = second * more.get("turned", 0)
        now = Table(min(262_144, begin + second * growth), 262_144, 120, turned)
        filling.take(T + second * SECOND, now, senders)
    return filling


def test_the_vm_whose_syns_fill_the_table_is_named() -> None:
    """Above 70 % and growing by its SYNs: harm, with the numbers; nobody else is named."""
    filling = filled({1: 5_000, 2: 300}, begin=190_000, growth=5_200)
    assert filling.filler(1) == (
        "the host's connection table is 80 % full (210,800 of 262,144) and grows by 5,200 a second; "
        "5,000 of 5,300 new flows a second are this VM's"
    )
    assert filling.filler(2) is None


@pytest.mark.parametrize(
    ("rates", "begin", "growth", "why"),
    [
        ({1: 5_000}, 100_000, 5_000, "far from full"),
        ({1: 5_000}, 190_000, 0, "not growing"),
        ({1: 5_000}, 190_000, -50, "shrinking"),
        ({1: 1_000}, 190_000, 1_000, "even for ever it would hold less than half of the table"),
        ({1: 2_500, 2: 2_600, 3: 2_500}, 190_000, 7_600, "nobody has half of the new flows"),
        ({1: 20_000, 2: 100}, 190_000, 2_000, "its SYNs make no entries: a tenth at most shows"),
        ({1: 2_500}, 190_000, 9_000, "something else fills it"),
    ],
)
def test_nobody_is_named_when_it_is_not_one_vms_doing(rates: dict[int, int], begin: int, growth: int, why: str) -> None:
    """Each condition alone keeps a VM from being called harmful."""
    filling = filled(rates, begin, growth)
    assert [filling.filler(point) for point in rates] == [None] * len(rates), why


def test_a_full_table_need_not_grow() -> None:
    """At its end it cannot grow; and flows that are turned away say that it is full wherever its end is."""
    assert "cannot grow any more" in str(filled({1: 9_000}, begin=262_144, growth=0).filler(1))
    told = str(filled({1: 9_000}, begin=240_000, growth=0, turned=3_000).filler(1))
    assert "12,000 flows turned away in 5 s" in told


def test_udp_targets_are_flows_too() -> None:
    """A spray over thousands of UDP targets fills the table without one SYN; a stream to one target does not."""
    assert filled({1: 0}, 190_000, 4_000, udp={1: 4_000}).filler(1) is not None
    assert filled({1: 0}, 190_000, 4_000, udp={1: 1}).filler(1) is None


def test_a_pause_or_a_table_that_went_begins_anew() -> None:
    """Samples far apart, or a module that was unloaded between, are never taken for growth."""
    filling = filled({1: 5_000}, begin=190_000, growth=5_200)
    senders = [Sender(1, "vm-1", "c-1", 10**9, 0, 0, 0)]
    filling.take(T + 60 * SECOND, Table(262_000, 262_144), senders)
    assert (filling.filler(1), filling.growth) == (None, 0.0)
    filling.take(T + 61 * SECOND, None, senders)
    assert (filling.filler(1), filling.told()) == (None, None)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 300_000), st.integers(0, 50_000)), max_size=20))
def test_at_most_one_vm_is_ever_named(steps: list[tuple[int, int, int]]) -> None:
    """Whatever the table and two VMs do, at most one fills it, and only a table above 70 %."""
    filling = Filling(lambda point: 0)
    at, syns = T, [0, 0]
    for seconds, count, more in steps:
        at += seconds * SECOND
        syns[count % 2] += more
        senders = [Sender(point, f"vm-{point}", None, n, 0, 0, 0) for point, n in enumerate(syns)]
        filling.take(at, Table(min(count, 262_144), 262_144), senders)
        named = [point for point in (0, 1) if filling.filler(point)]
        assert len(named) <= 1
        assert not named or count >= 0.7 * 262_144
