"""The benches of the counting promise: their traffic, their truth and their rivals are what they say."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))  # the benches are no part of the package

from bench import admission_storm, no_false_negative
from bench.parts import storm, swarm, watchers

CONTRACT = {"bench", "value", "unit", "ratios", "spread", "machine", "commit"}


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    return no_false_negative.bench(12, 4, (0, 200_000), 20_000, lambda _: None)


# ---- no_false_negative ---------------------------------------------------------------------------


def test_nothing_is_missed_where_others_miss(found: dict[str, Any]) -> None:
    """The flow memory misses no position; the obvious rule of leaving, forgetting, and every rival miss some."""
    missed = dict(found["missed"])
    assert missed.pop("edgeguard") == found["value"] == 0
    missed.pop("patient")  # a few, and only in the whole bench
    assert all(missed.values()), missed
    assert found["positions"] > 80_000
    assert all((row["refused"], row["highest_limit"]) == (0, 1000) for row in found["levels"])


def test_the_obvious_rule_loses_pulsed_sources() -> None:
    """The eviction trap: pulses of three slots on and ten off are lost when the window alone decides."""
    rng = np.random.default_rng(1)
    stamps = [swarm.shape("pulsed", 1000, 4, rng) for _ in range(40)]
    at, who = np.concatenate(stamps), np.repeat(np.arange(40, dtype=np.int32), [len(one) for one in stamps])
    order = np.argsort(at, kind="stable")
    row = no_false_negative.run(swarm.Planned(at[order], who[order], 40, 4), 0, 0, 1000)
    assert row["sources"] == 40
    assert row["never_found"]["edgeguard"] == row["missed"]["edgeguard"] == 0
    assert row["missed"]["obvious"] > row["positions"] // 2
    assert row["missed"]["patient"] > 0


def test_the_truth_is_a_window_of_one_second() -> None:
    """A position is a packet with which the last second, both ends included, holds the limit."""
    rng = np.random.default_rng(2)
    stamps = np.sort(rng.integers(0, 5 * swarm.SECOND, 400)) + swarm.EPOCH
    above, met = np.zeros(400, bool), np.zeros(4, np.int64)
    sources = np.zeros(1, watchers.SOURCE)
    watchers.look(stamps, np.zeros(400, np.int32), 80, sources, above, met)
    plain = [int((stamps[: n + 1] >= at - swarm.SECOND).sum()) >= 80 for n, at in enumerate(stamps.tolist())]
    assert above.tolist() == plain
    assert 0 < met[0] == sum(plain) < 400


def test_chunks_hold_everything_in_order() -> None:
    """Planned, random and Zipf sources each at their rate, sorted by time, planned ones under their own address."""
    planned = swarm.plan(100, 3, 4)
    last, whose_all, noise = 0, Counter(), 0
    for batch, whose in swarm.chunks(planned, 100_000, 20_000):
        assert last <= batch["ts"][0]
        assert (np.diff(batch["ts"]) >= 0).all()
        last = int(batch["ts"][-1])
        assert (batch["src_lo"][whose >= 0] == whose[whose >= 0] + swarm.PLANNED).all()
        noise += int((batch["src_lo"] >= swarm.RANDOM).sum())
        whose_all.update(whose.tolist())
    assert noise == 400_000
    assert whose_all.pop(-1) == 480_000
    assert whose_all == Counter(planned.who.tolist())


def test_every_kind_of_source_is_above_the_limit() -> None:
    """Burst, straddling, pulsed and simmering sources reach the limit in a second; a simmering one ends with it."""
    rng = np.random.default_rng(3)
    for kind in swarm.KINDS[1:]:
        stamps = swarm.shape(kind, 1000, 4, rng)
        held = np.arange(1, len(stamps) + 1) - np.searchsorted(stamps, stamps - swarm.SECOND)
        assert 1000 <= held.max() <= 2000, kind
    assert held[-1] >= 1000


# ---- admission_storm -----------------------------------------------------------------------------


def test_the_keepers_never_say_too_little() -> None:
    """Each keeper's bound is at least the count of a dict, and count-min is what a plain one says."""
    keys = storm.stream(20_000, 1, 100, 50)
    truth = Counter(keys.tolist())
    asked = np.unique(keys)
    assert len(asked) == 20_100
    for name, keep in storm.KEEPERS.items():
        said = keep(keys, asked)
        assert all(bound >= truth[key] for key, bound in zip(asked.tolist(), said.tolist(), strict=True)), name


def test_misra_gries_errs_by_what_it_says() -> None:
    """Its bound is too high by at most packets / (counters + 1), as the theorem has it."""
    keys = storm.stream(60_000, 1, 100, 50)
    asked = np.unique(keys)
    error = storm.misra_gries(keys, asked) - np.where(asked < 100, 50, 1)
    assert 0 < error.max() <= len(keys) // (storm.COUNTERS + 1)


def test_the_storm_table_is_whole() -> None:
    """One object by the contract, with every level and keeper; at 0.2 million nobody is admitted by the product."""
    told = admission_storm.bench((200_000,), 200_000, lambda _: None, (300_000,))
    assert set(told) >= CONTRACT
    (row,) = told["levels"]
    assert set(row["keepers"]) == set(admission_storm.TITLES)
    assert row["admitted"] == told["value"] == 0
    assert 0 < row["fullness"] < told["between"]["300,000"]["fullness"] < 0.2
    admission_storm.show(told)


def test_the_result_is_by_the_contract(found: dict[str, Any]) -> None:
    """The object of no_false_negative has what bench.table reads, and prints."""
    assert set(found) >= CONTRACT | {"positions", "missed"}
    no_false_negative.show(found)
