"""Baselines: what is learned, from what, for whom, and that it is never more than care."""

from __future__ import annotations

import contextlib
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from edgeguard.baselines.baseline import DAYS, ENOUGH, RULES, Baseline
from edgeguard.baselines.histogram import BUCKETS, EDGES, LARGEST, TOPS, buckets, packed, quantile, unpacked
from edgeguard.baselines.learning import DAY, Learning, Owner, Seconds, Stored
from edgeguard.cases.baseline_file import BaselineFile, beside
from edgeguard.cases.database import connect
from edgeguard.errors import StoreError

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
T = 20_454 * DAY  # midnight
SYN, UDP = RULES.index("syn"), RULES.index("udp")
VM = Owner("vm-1", "c-1")
ERROR = 2 ** (1 / 8)  # of a bucket's width


def seconds(*rows: tuple[Owner, int], warn: int = 2_000, judged: bool = False, told: bool = False) -> Seconds:
    """A second in which each owner sent so many SYNs."""
    packets = np.zeros((len(rows), len(RULES)), np.int64)
    packets[:, SYN] = [syns for _, syns in rows]
    flags = np.zeros(packets.shape, bool)
    limits = np.full(packets.shape, warn)
    judging, telling = flags.copy(), flags.copy()
    judging[:, SYN], telling[:, SYN] = judged, told
    return Seconds([owner for owner, _ in rows], packets, judging, telling, limits)


def minutes(learning: Learning, begin: int, peaks: list[int], owner: Owner = VM, **more: bool) -> int:
    """One second a minute; the time when all of them are over."""
    for number, peak in enumerate(peaks):
        learning.second(begin + number * MINUTE, seconds((owner, peak), **more))
    end = begin + len(peaks) * MINUTE
    for tick in range(2):  # a sixtieth of the VMs each second: here one of at most two
        learning.second(end + tick * SECOND, seconds((owner, 0), **more))
    return end


def true_p95(peaks: list[int]) -> int:
    return int(np.percentile(peaks, 95, method="inverted_cdf"))


# ---- histograms ------------------------------------------------------------------------------------


def test_buckets_are_narrow_and_without_a_gap() -> None:
    """Every number has one bucket, whose largest number is at most 9.1 % above its smallest."""
    assert list(EDGES[1:]) == list(TOPS[:-1] + 1)
    assert TOPS[-1] == LARGEST
    assert (TOPS[1:] / EDGES[1:] <= ERROR).all()
    assert BUCKETS <= 256, "a bucket is stored in a byte"


@given(st.lists(st.integers(0, LARGEST), min_size=1, max_size=300), st.sampled_from([0.5, 0.95, 1.0]))
def test_a_quantile_is_never_below_the_truth_and_at_most_a_bucket_above(numbers: list[int], share: float) -> None:
    """Against numpy over the numbers themselves."""
    counts = np.bincount(buckets(np.array(numbers)), minlength=BUCKETS)
    true = int(np.percentile(numbers, 100 * share, method="inverted_cdf"))
    assert true <= int(quantile(counts, share)) <= true * ERROR


@given(st.dictionaries(st.integers(0, BUCKETS - 1), st.integers(1, 1_440)))
def test_what_is_packed_comes_back(filled: dict[int, int]) -> None:
    """A histogram survives the disk, and an empty one takes nothing there."""
    counts = np.zeros(BUCKETS, np.uint16)
    for bucket, number in filled.items():
        counts[bucket] = number
    assert (unpacked(packed(counts)) == counts).all()
    assert len(packed(counts)) == 3 * len(filled)


@given(st.binary(max_size=40))
def test_damaged_histograms_are_refused_or_harmless(data: bytes) -> None:
    """Whatever stands in the file, reading it gives a histogram or a ValueError."""
    with contextlib.suppress(ValueError):
        assert unpacked(data).shape == (BUCKETS,)


# ---- learning ----------------------------------------------------------------------------------------


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([1, 400, 3 * 1_440]))
def test_the_p95_is_that_of_the_minutes(seed: int, number: int) -> None:
    """Against numpy's percentile of the raw largest seconds: never below it, at most 9.1 % above."""
    chance = random.Random(seed)
    peaks = [int(chance.lognormvariate(4, 1)) % 999 for _ in range(number)]
    learning = Learning(now=T, most=2)
    minutes(learning, T, peaks)
    found = learning.baseline("vm-1", "syn")
    assert found is not None
    assert found.minutes == number
    assert true_p95(peaks) <= found.p95 <= max(1, true_p95(peaks)) * ERROR


def test_the_largest_second_of_each_minute_counts() -> None:
    """One loud second of sixty is that minute's; the loudest tap of a VM speaks for it."""
    learning = Learning(now=T, most=2)
    for second in range(60):
        learning.second(T + second * SECOND, seconds((VM, 700 if second == 31 else 3), (VM, 5)))
    learning.second(T + MINUTE, seconds((VM, 0)))
    learning.second(T + MINUTE + SECOND, seconds((VM, 0)))
    found = learning.baseline("vm-1", "syn")
    assert found is not None
    assert 700 <= found.p95 <= 700 * ERROR
    assert found.minutes == 1


def test_nothing_is_learned_from_minutes_that_were_judged() -> None:
    """A minute with one judged second, or one at half of warn and above, teaches nothing; the others go on."""
    learning = Learning(now=T, most=2)
    now = minutes(learning, T, [100] * 20)
    learning.second(now + 5 * SECOND, seconds((VM, 900), judged=True))
    now = minutes(learning, now + MINUTE, [900] * 30, judged=True)
    learning.second(now + 5 * SECOND, seconds((VM, 1_000)))
    now = minutes(learning, now + MINUTE, [100] * 10)
    found = learning.baseline("vm-1", "syn")
    assert found is not None
    assert (found.minutes, 100 <= found.p95 <= 100 * ERROR) == (30, True)
    assert learning.baseline("vm-1", "udp").minutes == 30 + 32, "the other rules were not judged"  # type: ignore[union-attr]


def test_a_vm_that_is_not_here_learns_nothing() -> None:
    """Minutes without the VM are no minutes of silence."""
    learning = Learning(now=T, most=2)
    now = minutes(learning, T, [100] * 10)
    other = Owner("vm-2", "c-1")
    minutes(learning, now + MINUTE, [50] * 10, owner=other)
    assert learning.baseline("vm-1", "syn").minutes == 11  # type: ignore[union-attr] # and the one of its last look


def test_days_are_kept_for_a_week() -> None:
    """What was learned seven days ago and more is gone, to the minute of its day; the rest stays."""
    learning = Learning(now=T, most=2)
    by_day = [[10 * (day + 1)] * 30 for day in range(DAYS + 3)]
    for day, peaks in enumerate(by_day):
        minutes(learning, T + day * DAY, peaks)
        kept = [peak for peaks in by_day[max(0, day - DAYS + 1) : day + 1] for peak in peaks]
        found = learning.baseline("vm-1", "syn")
        assert found is not None
        assert found.days == min(day + 1, DAYS)
        assert true_p95(kept) <= found.p95 <= true_p95(kept) * ERROR


def test_a_vm_that_changed_hands_begins_anew() -> None:
    """Another customer's VM of the same id inherits nothing, neither in memory nor from the disk."""
    learning = Learning(now=T, most=2)
    now = minutes(learning, T, [500] * 400)
    assert len(learning.changed(2)) == len(RULES)
    minutes(learning, now, [1] * 5, owner=Owner("vm-1", "c-2"))
    found = learning.baseline("vm-1", "syn")
    assert found is not None
    assert (found.minutes, found.p95 <= 1) == (5, True)
    assert learning.replaced() == ["vm-1"]
    assert learning.replaced() == []
    assert {stored.customer for stored in learning.changed(2)} == {"c-2"}


def test_a_clock_that_steps_back_teaches_nothing() -> None:
    """The minute of the step is left out, over midnight too, and what was known stays; days that are still to come, on
    the disk, are not believed."""
    learning = Learning(now=T + DAY, most=2)
    minutes(learning, T + DAY, [100] * 10)
    for tick in range(2):
        learning.second(T + DAY - 3_600 * SECOND + tick * SECOND, seconds((VM, 900)))
    assert learning.baseline("vm-1", "syn").minutes == 10  # type: ignore[union-attr]
    minutes(learning, T + DAY + MINUTE, [100] * 5)
    found = learning.baseline("vm-1", "syn")
    assert found is not None
    assert (found.minutes, found.days) == (10 + 1 + 5, 2), "a minute of the day before, and today went on"
    later = Stored("vm-1", "c-1", "syn", T // DAY + 5, packed(np.ones(BUCKETS, np.uint16)))
    assert Learning([later], now=T).baseline("vm-1", "syn") is None


def test_at_most_so_many_vms() -> None:
    """The memory is bounded: further VMs are not learned, until one has been gone for an hour."""
    learning = Learning(now=T, most=2)
    owners = [Owner(f"vm-{n}", None) for n in range(3)]
    learning.second(T, seconds(*((owner, 5) for owner in owners)))
    assert [learning.baseline(owner.vm, "syn") is None for owner in owners] == [False, False, True]
    learning.second(T + 3_601 * SECOND, seconds((owners[2], 5)))
    assert learning.baseline("vm-2", "syn") is not None


# ---- words and care ------------------------------------------------------------------------------------


def test_what_a_verdict_says() -> None:
    """The comparison names the P95 and over how long it was learned; with too little learned there is none."""
    known = Baseline("vm-1", "udp", 900, 6 * 1_440, 6)
    assert known.compared(27_900) == "31 times its P95 of 900 a second over 6 days"
    assert known.compared(1_350) == "1.5 times its P95 of 900 a second over 6 days"
    assert replace(known, minutes=ENOUGH, days=1).compared(9_000) == "10 times its P95 of 900 a second over 6 hours"
    assert replace(known, minutes=ENOUGH - 1).compared(9_000) is None
    assert replace(known, p95=0, minutes=1_440, days=1).compared(5) == (
        "it is used to none: its P95 of 0 a second over 1 day"
    )


def careful(usual: int, now: list[int], **more: bool) -> Learning:
    learning = Learning(now=T, most=2)
    begin = minutes(learning, T, [usual] * ENOUGH) + 2 * SECOND
    for second, packets in enumerate(now):
        learning.second(begin + second * SECOND, seconds((VM, packets), **more))
    return learning


def test_far_above_its_own_usual_deserves_care() -> None:
    """Five seconds of sixty above a quarter of warn and five times P95: found once, and gone a minute after."""
    learning = careful(20, [700] * 4)
    assert learning.findings() == []
    begin = T + (ENOUGH + 1) * MINUTE
    (found,) = learning.second(begin, seconds((VM, 800)))
    assert str(found) == (
        "VM vm-1: syn: 800 packets a second, 40 times its P95 of 20 a second over 6 hours; watched, nothing is done"
    )
    assert learning.second(begin + SECOND, seconds((VM, 900))) == []
    assert [(one.packets, one.above, one.care) for one in learning.findings()] == [(900, 6, 500)]
    for second in range(2, 62):
        learning.second(begin + second * SECOND, seconds((VM, 20)))
    assert learning.findings() == []


@pytest.mark.parametrize(
    ("usual", "packets", "more", "why"),
    [
        (20, 500, {}, "not above the static floor, a quarter of warn"),
        (150, 750, {}, "not above five times its P95"),
        (20, 2_000, {}, "at warn the rule itself speaks"),
        (20, 1_500, {"told": True, "judged": True}, "a verdict says more"),
    ],
)
def test_nothing_else_deserves_care(usual: int, packets: int, more: dict[str, bool], why: str) -> None:
    """The floor always holds, a busy VM is measured by itself, and verdicts are not doubled."""
    assert careful(usual, [packets] * 30, **more).findings() == [], why


def test_above_half_of_warn_care_goes_on() -> None:
    """Between half of warn and warn an episode runs, which is not learned; without a verdict, care says it."""
    assert len(careful(20, [1_500] * 5, judged=True).findings()) == 1


def test_a_new_vm_is_not_cared_about() -> None:
    """What nothing was learned of is not compared with anything."""
    learning = Learning(now=T, most=2)
    for second in range(30):
        assert learning.second(T + second * SECOND, seconds((VM, 900))) == []


# ---- the disk ------------------------------------------------------------------------------------------


def row(stored: Stored) -> tuple[str, str | None, str, int, bytes]:
    return stored.vm, stored.customer, stored.rule, stored.day, stored.minutes


class Restarts(RuleBasedStateMachine):
    """A daemon that learns, writes, dies at any moment and starts again, beside a list of all minutes."""

    @initialize()
    def begin(self) -> None:
        self.now = T
        self.learning = Learning(now=T, most=2)
        self.disk: dict[tuple[str, str, int], Stored] = {}
        self.raw: list[tuple[int, int]] = []  # day, largest second of each minute learned
        self.safe = 0  # of them on the disk

    @rule(peak=st.integers(0, 990), number=st.integers(1, 40))
    def learn(self, peak: int, number: int) -> None:
        for _ in range(number):
            self._minute(peak, judged=False)
            self.raw.append((self.now // DAY, peak))
            self.now += MINUTE
        self._settle()

    @rule(number=st.integers(1, 10))
    def be_judged(self, number: int) -> None:
        for _ in range(number):
            self._minute(950, judged=True)
            self.now += MINUTE
        self._settle()

    @rule(hours=st.integers(1, 60))
    def be_away(self, hours: int) -> None:
        self.now += hours * 60 * MINUTE
        self._settle()

    @rule()
    def write(self) -> None:
        for stored in self.learning.changed(2):
            self.disk[stored.vm, stored.rule, stored.day] = stored
        self.safe = len(self.raw)

    @rule()
    def restart(self) -> None:
        self.learning = Learning(self.disk.values(), now=self.now, most=2)
        del self.raw[self.safe :]

    def _minute(self, peak: int, judged: bool) -> None:
        self.learning.second(self.now, seconds((VM, peak), judged=judged))

    def _settle(self) -> None:
        """Minutes end, and every VM has its turn, without anybody here to learn of."""
        for tick in range(2):
            self.learning.second(self.now + tick * SECOND, seconds())

    @invariant()
    def as_the_minutes_say(self) -> None:
        today = self.now // DAY
        kept = [peak for day, peak in self.raw if today - DAYS < day <= today]
        found = self.learning.baseline("vm-1", "syn")
        if not kept:
            assert found is None or found.minutes == 0
            return
        assert found is not None
        assert found.minutes == len(kept)
        assert true_p95(kept) <= found.p95 <= max(1, true_p95(kept)) * ERROR


TestRestarts = Restarts.TestCase
TestRestarts.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)


def test_the_file_has_its_own_place_and_mode(tmp_path: Path) -> None:
    """Beside the case database, 0600, and never that database itself."""
    database = tmp_path / "edgeguard.sqlite"
    assert beside(database) == tmp_path / "edgeguard.baselines.sqlite"
    assert beside(tmp_path / "plain") == tmp_path / "plain.baselines.sqlite"
    with BaselineFile(beside(database)) as file:
        file.write([("vm-1", "c-1", "syn", 5, b"\x01\x02\x00")])
    assert beside(database).stat().st_mode & 0o777 == 0o600
    connect(database).close()
    with pytest.raises(StoreError, match="is another program's database"):
        BaselineFile(database)


def test_days_are_replaced_deleted_and_read_back(tmp_path: Path) -> None:
    """A day is one row however often it is written; old days and VMs that changed hands leave with it."""
    path = tmp_path / "b.sqlite"
    old, day = ("vm-1", "c-1", "syn", 5, b"old"), ("vm-1", "c-1", "syn", 12, b"one")
    with BaselineFile(path) as file:
        file.write([old, day, ("vm-2", None, "udp", 12, b"two")])
        file.write([(*day[:4], b"three")], oldest=6)
    with BaselineFile(path, reading=True) as file:
        assert file.rows() == [(*day[:4], b"three"), ("vm-2", None, "udp", 12, b"two")]
        assert file.rows("vm-2") == [("vm-2", None, "udp", 12, b"two")]
        with pytest.raises(StoreError, match="record baselines"):
            file.write([day])
    with BaselineFile(path) as file:
        file.write([("vm-1", "c-2", "syn", 12, b"new")], replaced=["vm-1"])
        assert file.rows("vm-1") == [("vm-1", "c-2", "syn", 12, b"new")]


def test_what_is_no_baseline_file_is_said_in_one_line(tmp_path: Path) -> None:
    """Missing, empty, foreign and damaged files are refused with what to do."""
    with pytest.raises(StoreError, match="has the daemon run"):
        BaselineFile(tmp_path / "none.sqlite", reading=True)
    (tmp_path / "empty.sqlite").touch()
    with pytest.raises(StoreError, match="is empty"):
        BaselineFile(tmp_path / "empty.sqlite", reading=True)
    (tmp_path / "text.sqlite").write_text("no database at all, but long enough to be read as one\n" * 50)
    for reading in (True, False):
        with pytest.raises(StoreError, match="no SQLite database"):
            BaselineFile(tmp_path / "text.sqlite", reading=reading)


def test_a_learned_week_survives_the_file(tmp_path: Path) -> None:
    """Written, closed, opened and taken up again, what is known is the same."""
    learning = Learning(now=T, most=2)
    for day in range(3):
        minutes(learning, T + day * DAY, [30 * (day + 1)] * 200)
    with BaselineFile(tmp_path / "b.sqlite") as file:
        for _ in range(2):
            file.write(map(row, learning.changed(2)), learning.replaced(), learning.oldest())
    with BaselineFile(tmp_path / "b.sqlite", reading=True) as file:
        again = Learning((Stored(*found) for found in file.rows()), now=T + 2 * DAY, most=2)
    assert again.baseline("vm-1", "syn") == learning.baseline("vm-1", "syn")
