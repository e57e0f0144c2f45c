"""The evaluation: the rival judges as its source says, scores are right, and a few scenarios run to their end."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))  # the benches are no part of the package

from bench.quality import packets as p
from bench.quality import page, times, totals
from bench.quality.catalogue import catalogue
from bench.quality.evaluation import SAVED
from bench.quality.frames import together
from bench.quality.machines import TARGET4, link, own4, vm
from bench.quality.packets import Packets, drawn, ends, ports
from bench.quality.rival import PACKETS, Rival
from bench.quality.run import Host, Run, parts, run
from bench.quality.scenario import START, Expected, Scenario, Sort, Stream
from bench.quality.score import Score, score
from edgeguard.clock import MILLISECOND, SECOND
from edgeguard.model import Act, Band, CameBack, Decision, Kind, Scope, Subject, Target, Verdict
from edgeguard.record import SYN

FLOODS = {name: one for name, one in catalogue().items() if one.sort is Sort.FLOOD}
A, B = vm(1), vm(2)


# ---- the rival --------------------------------------------------------------------------------------


def seconds_of(rate: int, seconds: int, **changed: Any) -> Rival:
    rival = Rival((A, B))
    host = Host((A, B))
    plain = Packets(link(A), own4(A), ends(TARGET4), p.TCP, ports(), 443)
    stream = Stream(times.steady(0.0, seconds, rate), replace(plain, **changed))
    for part in parts((stream,), float(seconds), 1):
        rival.see(host.decode(part))
    return rival


@pytest.mark.parametrize(("rate", "second"), [(60_000, 3), (30_000, 6), (19_000, None)])
def test_the_rival_averages_over_five_seconds(rate: int, second: int | None) -> None:
    """A steady rate r is banned after the first n with r (1 - e^(-n/5)) > 20,000."""
    at = [ban.at for ban in seconds_of(rate, 7).bans]
    assert at == ([START + second * SECOND] if second else [])
    assert second is None or rate * (1 - np.exp(-second / 5)) > PACKETS >= rate * (1 - np.exp(-(second - 1) / 5))


def test_the_rival_bans_by_address() -> None:
    """The neighbour whose address is forged is banned, the victim of a flood too, and a foreign source never."""
    forged = seconds_of(60_000, 3, source=own4(B)).bans
    assert [(ban.vm, ban.direction) for ban in forged] == [("vm-2", "out")]
    into = seconds_of(60_000, 3, link=link(A).back, source=ends(TARGET4), target=own4(A)).bans
    assert [(ban.vm, ban.direction) for ban in into] == [("vm-1", "in")]
    assert seconds_of(60_000, 3, source=drawn("198.18.0.0", 17)).bans == []


# ---- scores -----------------------------------------------------------------------------------------


def verdict(band: Band = Band.HARD, at: int = 835, **changed: Any) -> Verdict:
    """A SYN verdict about vm-1, `at` ms after START."""
    plain = Verdict(
        id="v-1",
        at=START + at * MILLISECOND,
        rule="syn",
        band=band,
        subject=Subject(A.id, "tap1", None),
        point=0,
        window_s=1,
        measured=60_000,
        at_least=60_000,
        limit=50_000,
        since=START,
        crossed=START,
        targets=(Target(ends_address(TARGET4), 6, 443),),
        target_error=0,
        came_back=CameBack(0),
        bytes=0,
        peak=60_000,
        mean=60_000.0,
        foreign=0,
        sustain="at once",
    )
    return replace(plain, **changed)


def ends_address(text: str) -> Any:
    return p.address(ends(text))


def decision(about: Verdict, scope: Scope = Scope.NARROW, **changed: Any) -> Decision:
    acts = scope in (Scope.NARROW, Scope.OWN_ONLY, Scope.FULL)
    plain = Decision(
        id="d-1",
        case="c-1",
        verdict=about.id,
        at=about.at,
        act=Act.NULL_ROUTE if acts else Act.NONE,
        scope=scope,
        subject=about.subject,
        tap=None,
        targets=about.targets,
        until=None,
        enforced=acts,
        safeties=(),
        reason="",
    )
    return replace(plain, **changed)


HARD = FLOODS["syn-direct-v4"]
ALIKE = replace(HARD, sort=Sort.LOOK_ALIKE, expected=Expected())


def outcome(*told: Verdict | Decision, scenario: Scenario = HARD, at: Any = None) -> Score:
    at = times.steady(0.0, 1.0, 60_000) if at is None else at
    return score(scenario, Run(told, at, np.ones(len(at), int), len(at), START + SECOND, None, ()))


def test_what_was_promised_has_no_fault() -> None:
    """The right verdict in time, acted on narrowly: nothing to say but how long it took."""
    right = verdict()
    found = outcome(right, decision(right))
    assert found.faults == ()
    assert (found.found, found.kind, found.scope, found.targets) == ("hard", "flood", "narrow", (TARGET4,))
    assert found.from_crossing == pytest.approx(835 - 833.32, abs=0.1)
    assert found.from_start == pytest.approx(835, abs=0.1)


STRANGER = Target(ends_address("198.51.100.9"), 6, 443)
FAULTS = {
    "missed, not acted": (),
    "missed": (verdict(Band.ACT), decision(verdict())),
    "not acted": (verdict(),),
    "late": (verdict(at=900), decision(verdict())),
    "wrong kind": (verdict(kind=Kind.SPRAY), decision(verdict())),
    "wrong vm": (verdict(), decision(verdict()), verdict(subject=Subject(B.id, "tap2", None))),
    "wrongly acted": (verdict(), decision(verdict()), decision(verdict(targets=(STRANGER,)))),
    "not acted, wrongly acted": (verdict(), decision(verdict(), Scope.FULL)),
}


@pytest.mark.parametrize("faults", FAULTS)
def test_every_fault_of_a_flood_is_told(faults: str) -> None:
    """What is missing, late, too wide or about somebody else is counted as what it is."""
    assert ", ".join(outcome(*FAULTS[faults]).faults) == faults


def test_another_rule_s_verdict_is_a_wrong_kind() -> None:
    """But the rule of all packets together may always speak, and what comes in is only observed."""
    right = verdict()
    assert outcome(right, decision(right), verdict(rule="udp")).faults == ("wrong kind",)
    assert outcome(right, decision(right), verdict(rule="total"), verdict(rule="syn-in")).faults == ()


def test_look_alikes_are_warned_or_cut_wrongly() -> None:
    """A verdict where none belongs is a warning, an action worse; of what comes in nothing is held against us."""
    wrong = verdict()
    assert outcome(scenario=ALIKE).faults == ()
    assert outcome(wrong, scenario=ALIKE).faults == ("wrongly warned",)
    assert outcome(wrong, decision(wrong), scenario=ALIKE).faults == ("wrongly acted",)
    assert outcome(verdict(rule="udp-in"), scenario=ALIKE).faults == ()


def test_a_scan_may_be_told_and_not_dropped() -> None:
    """Promised to be told: silence is no fault of the figures, an action is."""
    scan = replace(ALIKE, expected=Expected(Band.WARN, rule="syn", kinds=(Kind.SCAN,), vm=A.id))
    told = verdict(Band.WARN, kind=Kind.SCAN)
    assert outcome(told, decision(told, Scope.WARN), scenario=scan).faults == ()
    assert outcome(told, decision(told), scenario=scan).faults == ("wrongly acted",)
    assert outcome(verdict(Band.WARN), scenario=scan).faults == ("wrong kind",)


def test_totals_name_what_is_missed() -> None:
    """Each figure of the issue that does not hold is said; indistinguishable look-alikes are counted apart."""
    right, wrong = outcome(verdict(), decision(verdict())), outcome(verdict(), decision(verdict()), scenario=ALIKE)
    found = totals.totals([right, outcome(), wrong, replace(wrong, indistinguishable="why")])
    assert (found["floods"], found["look_alikes"], found["missed"], found["not_acted"]) == (2, 2, 1, 1)
    assert (found["wrongly_acted"], found["acted_on_distinguishable"]) == (2, 1)
    assert found["hard_after_crossing_ms"]["n"] == 1
    assert [told.split(":")[0] for told in totals.misses(found)] == ["missed", "not acted", "acted on distinguishable"]
    assert totals.misses(totals.totals([right])) == []
    warned = [outcome(verdict(), scenario=ALIKE)] * 3
    assert totals.misses(totals.totals(warned)) == ["look alikes warned: 3, at most 2 wanted"]


def test_false_positives_are_told_per_day_of_a_machine() -> None:
    """One healthy machine cut in 86.4 seconds of one machine is a thousand a day."""
    day = replace(outcome(verdict(), decision(verdict()), scenario=ALIKE), vm_seconds=86.4)
    assert totals.totals([day])["false_positives_per_vm_day"] == 1000


# ---- whole runs -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["syn-direct-v4", "syn-sustained-v6", "syn-forged-neighbour", "syn-just-below-act"])
def test_a_few_scenarios_hold(name: str) -> None:
    """From frames to a score: a hard flood, a sustained one, a forged neighbour, and one that stays below act."""
    found = score(FLOODS[name], run(FLOODS[name]))
    assert found.faults == ()
    assert found.rival == {"syn-direct-v4": "found", "syn-forged-neighbour": "wrong VM"}.get(
        name, "missed" if name == "syn-sustained-v6" else "nothing"
    )


def test_lost_frames_are_told_to_the_engine() -> None:
    """While frames are lost, the window says how many, and the tap's kernel counter has them all."""
    host = Host((A, B))
    frames = together(parts((Stream(times.steady(0.0, 1.0, 5000), Packets(link(A), own4(A), ends(TARGET4))),), 1.0, 1))
    records = host.decode(frames)
    lost = np.arange(len(frames)) % 4 == 0
    host.world.verdict(verdict(at=1000))
    host.world.pass_by(records, lost)
    window, counts = host.world.window(), host.world.kernel_count(0)
    assert window is not None and counts is not None
    assert (window.lost, window.received) == (1250, 3750)
    assert (counts.ours, counts.kernel) == (3750, 5000)
    assert set(records["kind"]) == {SYN}


# ---- the page ---------------------------------------------------------------------------------------


def test_the_page_is_what_the_results_say() -> None:
    """docs/quality.md must be written from the saved result, which must name its machine, commit and every scenario."""
    found = json.loads(SAVED.read_text(encoding="utf-8"))
    assert page.PAGE.read_text(encoding="utf-8") == page.page(found)
    assert found["machine"]["cpu"]
    assert found["commit"]
    assert found["floods"] + found["look_alikes"] == len(found["scenarios"])
