"""The bench of distinct counts: its rivals are what they say, its sources are as many as it says."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from datasketches import hll_sketch, tgt_hll_type

sys.path.insert(0, str(Path(__file__).parents[1]))  # the benches are no part of the package

from bench import distinct
from bench.parts.hyperloglog import SECOND, SLOT, Lists, Ring, ertl
from bench.table import __main__ as table

CONTRACT = {"bench", "value", "unit", "ratios", "spread", "machine", "commit"}


class Heard:
    """A keeper that keeps everything."""

    memory = 0

    def __init__(self) -> None:
        self.rows = np.zeros(0, distinct.RECORD)

    def add(self, records: distinct.Records) -> None:
        self.rows = np.concatenate([self.rows, records])

    def estimate(self, at: int, seconds: int) -> float:
        within = (self.rows["ts"] < at) & (self.rows["ts"] >= at - seconds * SECOND)
        return float(len(np.unique(self.rows["src_lo"][within])))


def test_every_source_comes_once_and_in_its_window() -> None:
    """Ten thousand sources in five seconds are as many addresses, and none of those before is among them."""
    heard, rows = Heard(), distinct.blank()
    distinct.feed([heard], rows, 10_000, distinct.START - 5 * SECOND, 5, 1 << 39)
    distinct.feed([heard], rows, 10_000, distinct.START, 5, 0)
    assert heard.estimate(distinct.START + 5 * SECOND, 5) == 10_000
    assert heard.estimate(distinct.START + 5 * SECOND, 10) == 20_000
    assert (np.diff(heard.rows["ts"]) >= 0).all()


def test_the_estimator_is_that_of_a_hyperloglog() -> None:
    """A sketch of 4,096 registers is right within four standard errors, as DataSketches' own is."""
    rows = distinct.blank()
    for number in (100, 5_000, 200_000):
        ring = Ring(2, 4096, 8, SECOND, number)
        distinct.feed([ring], rows, number, distinct.START, 1, 0)
        assert abs(ring.estimate(distinct.START + SECOND, 1) / number - 1) < 4 * 1.04 / 64
        theirs = hll_sketch(12, tgt_hll_type.HLL_8)
        for n in range(number):
            theirs.update(n)
        assert abs(theirs.get_estimate() / number - 1) < 4 * 1.04 / 64
    assert ertl(np.zeros(64, np.int64), 41) == 0


@pytest.mark.parametrize("seconds", [1, 5, 20])
def test_rivals_slide(seconds: int) -> None:
    """Lists say of any window what one HyperLogLog of the same registers says that has seen just that window;
    so does a ring of slots, and one of whole seconds where a window is of whole seconds."""
    rows, end = distinct.blank(), distinct.START + seconds * SECOND
    lists = Lists(64, 5), Lists(64, 5)
    rings = Ring(201, 64, 6, SLOT, 5), Ring(201, 64, 6, SLOT, 5)
    coarse = Ring(21, 64, 6, SECOND, 5), Ring(21, 64, 6, SECOND, 5)
    slid = [keeper for keeper, _ in (lists, rings, coarse)]
    fresh = [keeper for _, keeper in (lists, rings, coarse)]
    distinct.feed(slid, rows, 30_000, distinct.START - seconds * SECOND, seconds, 1 << 39)
    distinct.feed([*slid, *fresh], rows, 3_000, distinct.START, seconds, 0)
    told = {keeper.estimate(end, seconds) for keeper in (*slid, *fresh)}
    assert len(told) == 1
    assert abs(told.pop() / 3_000 - 1) < 5 * 1.04 / 8


def test_the_table_is_whole() -> None:
    """One object by the contract, every number and window with every keeper; the product is within 8 %."""
    found = distinct.bench({10: 60, 2_000: 60}, (1, 5), lambda _: None)
    assert set(found) >= CONTRACT
    assert set(found["rmse"]) == {"10 in 1 s", "10 in 5 s", "2,000 in 1 s", "2,000 in 5 s"}
    assert all(set(row) == set(distinct.KEEPERS) for row in found["rmse"].values())
    assert found["value"] < 0.09
    assert all(name <= 2048 for name in found["bytes_a_count"].values())
    assert "| rmse |" in table.section(found)
    distinct.show(found)
