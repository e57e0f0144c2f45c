"""When quiet ends a null route: soon, later, or when people decide; in packet time."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from persons import live
from samples import BY_PERSON, DECISION, VERDICT, VM
from test_engine import T, World, calm, engine, feed, flood

from edgeguard import config
from edgeguard.allowances import Allowances
from edgeguard.clock import HOUR, MINUTE, SECOND
from edgeguard.decision.ending import by_quiet, needed
from edgeguard.decision.repeats import Repeats
from edgeguard.grace import Disposition, Grace
from edgeguard.model import Act, Decision
from edgeguard.notice.values import Background, values

DAY = 24 * HOUR
CLOCKS = config.build({}).clocks
REPEATING = {"clocks": {"quiet": "3s", "quiet_again": "12s", "undecided": "40s", "lifetime": "10m", "moves": "10s"}}


@pytest.mark.parametrize(
    ("repeat", "quiet", "lasted", "told"),
    [
        (1, 15 * MINUTE - 1, HOUR, None),
        (1, 15 * MINUTE, HOUR, "quiet: no second reached"),
        (2, HOUR - 1, 2 * HOUR, None),
        (2, HOUR, 2 * HOUR, "1 h long, as it was the second time"),
        (3, 3 * HOUR, 4 * HOUR - 1, None),
        (3, HOUR - 1, 5 * HOUR, None),
        (3, HOUR, 4 * HOUR, "no person decided within 4 h"),
        (9, HOUR, 4 * HOUR, "our delay is not the owner's downtime"),
    ],
)
def test_quiet_ends_by_how_often_it_was(repeat: int, quiet: int, lasted: int, told: str | None) -> None:
    """15 minutes, 60, and from the third on 4 hours without a person and 60 quiet minutes; to the nanosecond."""
    found = by_quiet(repeat, quiet, lasted, CLOCKS)
    assert found is None if told is None else told in str(found)


@given(st.integers(1, 9), st.integers(0, 9 * HOUR), st.integers(0, 9 * HOUR), st.integers(0, HOUR))
def test_more_quiet_never_keeps_it(repeat: int, quiet: int, lasted: int, more: int) -> None:
    """What has ended by quiet would have ended with more quiet, a longer time, or fewer repeats, too."""
    if by_quiet(repeat, quiet, lasted, CLOCKS):
        assert by_quiet(repeat, quiet + more, lasted + more, CLOCKS)
        assert by_quiet(max(1, repeat - 1), quiet, lasted, CLOCKS)


def test_only_what_automation_did_and_nobody_overturned_counts() -> None:
    """Each case once, of this VM, within the time; not a person's, not what is only written down, not overturned."""
    nth = [replace(DECISION, id=f"d-{n}", case=f"EG-{n}", at=DECISION.at + n * DAY) for n in range(3)]
    seen = Repeats()
    for decision in (*nth, replace(nth[0], id="d-again"), replace(nth[0], case="EG-9", by="alex")):
        seen = seen.after(decision)
    seen = seen.after(replace(nth[0], case="EG-8", enforced=False)).after(replace(nth[0], case="EG-7", act=Act.NONE))
    at, vm = DECISION.at + 3 * DAY, DECISION.subject.vm
    assert seen.number(vm, "EG-new", at, 30 * DAY) == 4
    assert seen.number(vm, "EG-2", at, 30 * DAY) == 3
    assert seen.number(vm, "EG-new", at, 2 * DAY) == 2
    assert seen.number("vm-7", "EG-new", at, 30 * DAY) == 1
    for disposition, left in ((Disposition.FIXED, 4), (Disposition.OUR_FAULT, 3), (Disposition.EXEMPT, 3)):
        release = replace(BY_PERSON, case="EG-1", grace=Grace(disposition))
        assert seen.after(release).number(vm, "EG-new", at, 30 * DAY) == left
    assert seen.stepped(DAY).number(vm, "EG-new", at, 2 * DAY) == 3


def ends(world: World) -> list[tuple[int, Decision]]:
    """Each release with the seconds since the end of the flood before it, rounded down."""
    floods = [d for d in world.decisions if d.act is Act.NULL_ROUTE]
    found = []
    for release in (d for d in world.decisions if d.act is Act.RELEASE):
        begun = max(d.at for d in floods if d.id in release.releases)
        found.append(((release.at - begun) // SECOND, release))
    return found


def test_the_engine_waits_longer_each_time() -> None:
    """Three floods, each a case: quiet ends the first after 3 s, the second after 12, the third after 40 undecided."""
    world = World()
    made = engine(world, REPEATING)
    for n in range(3):
        begin = T + n * 5 * MINUTE
        made.look(begin)
        feed(made, flood(begin, SECOND))
        feed(made, calm(begin + SECOND, 60 * SECOND))
    assert [d.repeat for d in world.decisions if d.act is Act.NULL_ROUTE] == [1, 2, 3]
    assert [seconds for seconds, _ in ends(world)] == [pytest.approx(one, abs=2) for one in (4, 13, 40)]
    assert ["second time" in r.reason for _, r in ends(world)] == [False, True, False]
    assert "no person decided" in ends(world)[2][1].reason


def test_a_flood_that_goes_on_behind_it_is_not_quiet() -> None:
    """The second time, attempts within the longer time begin it anew: their episode is not forgotten before."""
    world = World()
    made = engine(world, REPEATING)
    feed(made, flood(T, SECOND))
    feed(made, calm(T + SECOND, 10 * SECOND))
    begin = T + 5 * MINUTE
    made.look(begin)
    feed(made, flood(begin, SECOND))
    feed(made, calm(begin + SECOND, 9 * SECOND))
    feed(made, flood(begin + 10 * SECOND, SECOND))
    feed(made, calm(begin + 11 * SECOND, 30 * SECOND))
    assert ends(world)[-1][1].at - begin == pytest.approx(23 * SECOND, abs=2 * SECOND)


def test_a_restart_counts_on(tmp_path: Path) -> None:
    """From the database come the same repeats as were in memory."""
    made, world = live(tmp_path, REPEATING)
    for n in range(2):
        begin = T + n * 5 * MINUTE
        made.engine.look(begin)
        feed(made.engine, flood(begin, SECOND))
        feed(made.engine, calm(begin + SECOND, 60 * SECOND))
    after = Allowances()
    after.load(world.store.releases(0), ())
    args: Any = ("vm-0", "EG-new", T + HOUR, 30 * DAY)
    assert after.repeats.number(*args) == made.engine.allowances.repeats.number(*args) == 3
    world.store.close()


def test_the_mail_says_what_ends_it() -> None:
    """The first and the second time the quiet that ends it; from the third on no promise of quiet."""
    background = Background("hv1", quiet=15 * MINUTE, quiet_again=HOUR, warn={"syn": 2_000})
    told = [values(replace(DECISION, repeat=n), VERDICT, VM, background) for n in (1, 2, 3)]
    assert [one["quiet"] for one in told[:2]] == [15 * MINUTE, HOUR]
    assert [one["quiet_below"] for one in told] == [1_000, 1_000, None]
    assert [needed(n, CLOCKS) for n in (1, 2, 3)] == [15 * MINUTE, HOUR, None]
