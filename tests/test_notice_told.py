"""Which mail follows which decision: what moved, what goes on, what is a repeat, and what people found and ruled."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from samples import BACKGROUND, BY_PERSON, CASE, DECISION, ORDER, RELEASE, TARGETS, VERDICT, VERIFIED, VM, T, another

from edgeguard.cases.store import Store
from edgeguard.clock import HOUR, MINUTE, SECOND
from edgeguard.config import build
from edgeguard.earlier import Earlier
from edgeguard.grace import Disposition, Exemption, Grace, Rate
from edgeguard.letters import Notice, Queued
from edgeguard.model import Act, Decision, Happened, Outcome, Scope
from edgeguard.notice import lint
from edgeguard.notice.adopted import used_by
from edgeguard.notice.kept import kept
from edgeguard.notice.kinds import DESK_PARTS, Kind, may_reach
from edgeguard.notice.message import write
from edgeguard.notice.refusal import Refusal
from edgeguard.notice.render import render
from edgeguard.notice.ruling import Ruling, ruled
from edgeguard.notice.values import background, compose
from edgeguard.notice.wording import SHIPPED, shipped
from edgeguard.word import Said, Word

DAY = 24 * HOUR
CONFIGURED = background(build({"mail": {"from": "abuse@example.net", "desk": "desk@example.net"}}), "hv1.example.net")
WRITTEN = T + 2 * SECOND
OTHER = replace(DECISION, id="decision-0", at=T - HOUR, targets=TARGETS[1:])
RULING = Ruling(T, ("alex", "kim"), "the program still runs", T + 14 * DAY, ("the program is named",), 24 * HOUR)


def told(decision: Decision = DECISION, *before: Decision) -> Notice:
    return compose(decision, VERDICT, VM, CONFIGURED, before=before)[0]


def text(notice: Notice) -> str:
    """With one blank between words; the mail has no finding."""
    assert lint.check(notice.kind, notice.values, VERIFIED, WRITTEN) == []
    rendered = render(notice.kind, notice.values, VERIFIED, WRITTEN)
    assert rendered.fallback is None
    return " ".join(f"{rendered.subject}\n{rendered.text}".split())


# ---- one case ------------------------------------------------------------------------------------


def test_it_moved() -> None:
    """A further null route of a case to other targets, or a wider one, says that it moved, and what was before."""
    notice = told(DECISION, OTHER)
    assert notice.kind == Kind.MOVED
    assert "the traffic moved: the server sent a SYN flood to 203.0.113.5:80 (tcp)" in text(notice)
    assert "Null-routed: from 2025-12-31 23:04:05 UTC, narrow: everything to 2001:db8::99" in text(notice)
    wide = told(replace(DECISION, scope=Scope.FULL), OTHER)
    assert wide.kind == Kind.MOVED and "all traffic of this one server, in and out" in text(wide)
    assert "everything that goes over its network port" in text(wide)


def test_it_goes_on() -> None:
    """The same, null-routed once more in the same case, says that it goes on."""
    assert told(DECISION, OTHER, replace(DECISION, at=T - HOUR)).kind == Kind.GOES_ON
    assert "it goes on: the server sent" in text(told(DECISION, replace(DECISION, at=T - HOUR)))
    full = replace(DECISION, scope=Scope.FULL)
    assert told(full, replace(full, at=T - HOUR)).kind == Kind.GOES_ON
    assert told(full, replace(DECISION, at=T - HOUR)).kind == Kind.MOVED


def test_what_is_before() -> None:
    """Null routes of the same case that were enforced and told, whether they stand or not, until it is closed."""
    earlier = Earlier()
    for one in (OTHER, replace(OTHER, id="x", silent=True), replace(OTHER, id="y", enforced=False)):
        earlier.add(one)
    earlier.add(replace(OTHER, id="z", case="EG-other"))
    assert earlier.before(DECISION) == [OTHER] and earlier.before(RELEASE) == []
    ended = replace(RELEASE, releases=(OTHER.id,))
    assert earlier.ended_by(ended) == [OTHER]
    earlier.add(ended)
    assert earlier.ended_by(ended) == [] and earlier.before(DECISION) == [OTHER]
    earlier.forget(DECISION.case)
    assert earlier.before(DECISION) == []


@pytest.mark.parametrize("scope", [Scope.NARROW, Scope.OWN_ONLY, Scope.FULL])
def test_a_person_is_told_by_the_scope(scope: Scope) -> None:
    """What a person null-routes is neither a repeat nor a move of automation's."""
    by_hand = replace(DECISION, by="alex", scope=scope, repeat=2)
    assert compose(by_hand, None, VM, CONFIGURED, before=(OTHER,))[0].kind == str(scope)


# ---- a repeat ------------------------------------------------------------------------------------


def recorded(store: Store, number: int, at: int, grace: Grace | None = None) -> str:
    """An earlier case of the same VM, null-routed and released, by a person where grace is given."""
    case, verdict, decision, order = another(number)
    case = replace(case, vm="vm-100", vm_name="web1", opened=at)
    decision, verdict = replace(decision, at=at), replace(verdict, at=at, measured=60_000 + number)
    store.record(case, verdict, decision, compose(decision, verdict, VM, CONFIGURED), order)
    store.outcome(Outcome(decision.id, at + 1, Happened.ACKNOWLEDGED, "it is so"))
    release = replace(RELEASE, id=f"release-{number}", case=case.id, at=at + MINUTE, releases=(decision.id,))
    release = replace(release, by="alex" if grace else "automation", grace=grace)
    store.record(
        case,
        None,
        release,
        compose(release, None, VM, CONFIGURED),
        replace(ORDER, decision=decision.id, act=Act.RELEASE),
    )
    store.outcome(Outcome(decision.id, at + MINUTE, Happened.RELEASED, "it is so"))
    return case.id


def test_a_repeat_lays_the_history_beside(tmp_path: Path) -> None:
    """The mail of a repeat has the earlier cases of its VM within 30 days, how each ended, and what is enough."""
    fixed = Grace(Disposition.FIXED, Rate(60_002, None), ("syn",))
    with Store(tmp_path / "cases.sqlite") as store:
        recorded(store, 1, T - 40 * DAY)  # too long ago
        second = recorded(store, 2, T - 16 * DAY, fixed)
        third = recorded(store, 3, T - 2 * DAY)
        recorded(store, 4, T - DAY, Grace(Disposition.OUR_FAULT, Rate(60_004, None), ("syn",)))  # weighs nothing
        other, verdict, decision, order = another(5)
        store.record(other, verdict, decision, compose(decision, verdict, VM, CONFIGURED), order)  # of another VM
        again = replace(DECISION, repeat=3)
        store.record(CASE, VERDICT, again, compose(again, VERDICT, VM, CONFIGURED), ORDER)
        store.outcome(Outcome(again.id, T + SECOND, Happened.VERIFIED, "it is so"))
        (queued,) = [one for one in store.box().due(T + HOUR) if one.notice.case == CASE.id]
    assert queued.notice.kind == Kind.REPEAT
    assert [past.case for past in queued.facts.history] == [third, second]
    mail = build({"mail": {"from": "abuse@example.net", "desk": "desk@example.net"}}).mail
    message, kept = write(queued, mail, WRITTEN)
    said = " ".join(kept.text.split())
    assert kept.fallback is None and "null-routed again" in str(message["Subject"])
    assert f"Before: 2025-12-30 00:04:05 UTC, {third}: SYN flood to 203.0.113.5:80 (tcp), 60,003 packets in 1 s" in said
    assert "ended 2025-12-16 00:05:05 UTC by a person, as 'fixed'" in said and "by itself" in said
    assert "Now: 2026-01-01 00:04:05 UTC, this case: SYN flood to 203.0.113.5:80 (tcp), 50,012 packets in 1 s" in said
    assert "Any one of these is enough" in said
    assert "Without a decision within 4 h it ends by itself, once it was quiet for 1 h" in said


def test_the_second_time_quiet_ends_it() -> None:
    """Of the second time the mail says the longer quiet, and asks for no decision."""
    said = text(told(replace(DECISION, repeat=2)))
    assert "when it has been quiet: for 1 h no window" in said and "Without a decision" not in said
    assert told(replace(DECISION, repeat=1)).kind == Kind.NARROW


# ---- people --------------------------------------------------------------------------------------


def test_our_fault_is_an_apology() -> None:
    """A release as our fault says so on its own, is sorry, and names the cause that the person gave."""
    wrong = replace(BY_PERSON, at=T, reason="the mirror port counted twice", grace=Grace(Disposition.OUR_FAULT))
    notice = compose(wrong, None, VM, CONFIGURED, (DECISION,))[0]
    assert notice.kind == Kind.OUR_FAULT
    said = text(notice)
    assert "our mistake, it has ended" in said and "It was our mistake; we are sorry" in said
    (other,) = compose(replace(BY_PERSON, at=T), None, VM, CONFIGURED, (DECISION,))
    assert "We apologise" in said and "mistake" not in text(other)
    assert "Cause: the mirror port counted twice" in said


def test_what_was_measured_is_said_to_be() -> None:
    """The release of a measured flood by a person does not say that nobody measured it; of one by hand it does."""
    by_hand = replace(DECISION, by="alex", verdict=None)
    for ended, who in (
        (DECISION, "ourselves, before the null route"),
        (by_hand, "nobody: this rests on no measurement"),
    ):
        free = replace(BY_PERSON, at=T, verdict=ended.verdict)
        assert f"Measured by: {who}" in text(compose(free, None, VM, CONFIGURED, (ended,))[0])


def test_an_exemption_is_told_with_its_bounds() -> None:
    """What is left alone, up to how much, until when: as the exemption has it."""
    alone = Exemption(
        *("exemption-1", "vm-100", 6, TARGETS[0].network, 80, Rate(75_018, 24_000_000)), T, T + 30 * DAY, "alex", "test"
    )
    free = replace(BY_PERSON, at=T, grace=Grace(Disposition.EXEMPT, exempts=(alone,)))
    notice = compose(free, None, VM, CONFIGURED, (DECISION,))[0]
    assert notice.kind == Kind.EXEMPTED
    said = text(notice)
    assert "Left alone: tcp to 203.0.113.5, port 80" in said
    assert "Ceiling: 75,018 packets a second, 24 Mbit/s" in said and "Until: 2026-01-31 00:04:05 UTC" in said


def test_upheld() -> None:
    """Two people's names, their reason, each condition, the quiet and the latest end stand in the mail."""
    second = replace(DECISION, id="decision-2", targets=TARGETS[1:])
    (notice,) = ruled(RULING, (DECISION, second), VERDICT, VM, CONFIGURED)
    assert (notice.kind, notice.to, notice.decision) == (Kind.UPHELD, "ops@example.net", DECISION.id)
    said = text(notice)
    for part in (
        "Decided: by 2 people here (alex and kim)",
        "Reason: the program still runs",
        "- the program is named",
        "quiet for 1 d",
        "at the latest at 2026-01-15 00:04:05 UTC",
        "everything to 203.0.113.5 and everything to 2001:db8::99",
        "If you disagree, say so: answer with the word APPEAL",
    ):
        assert part in said
    assert "two people" not in text(told())


def hold(*decisions: Decision) -> Notice:
    word = Word(DECISION.case, Said.HOLD, T + SECOND, "alex", "the owner restores a snapshot", T + 12 * HOUR)
    (notice,) = kept(word, decisions, VERDICT, VM, CONFIGURED)
    return notice


@pytest.mark.parametrize("order", [1, -1])
def test_a_hold_tells_the_widest(order: int) -> None:
    """Where a narrow and a full null route stand, the mail says that all is dropped, whichever came first."""
    wide = replace(DECISION, id="decision-2", scope=Scope.FULL, at=T + SECOND)
    notice = hold(*(DECISION, wide)[::order])
    assert (notice.kind, notice.decision) == (Kind.HELD, wide.id)
    said = text(notice)
    assert "Still dropped at our edge: all traffic of this one server, in and out" in said
    assert "Not affected: its disks and data; it runs on" in said and "all its other traffic" not in said
    (upheld,) = ruled(RULING, (DECISION, wide)[::order], VERDICT, VM, CONFIGURED)
    assert upheld.decision == wide.id


def test_a_hold_is_no_new_null_route() -> None:
    """Its own subject, who holds it and why, beside why it was put in place; the longest end of what is kept."""
    said = text(hold(DECISION, replace(DECISION, id="decision-2", until=T + 20 * HOUR)))
    for part in (
        "web1: the null route is held",
        "nothing new was done",
        "Decided: by a person here (alex)",
        "Reason: the owner restores a snapshot",
        "At first: 2026-01-01 00:04:05 UTC, automatically",
        f"Its reason: {DECISION.reason}",
        "ends at the latest at 2026-01-01 20:04:05 UTC",
    ):
        assert part in said
    assert "it was quiet" not in said and "when it has been quiet" not in said


def test_narrow_beside_own_only_is_kept_too() -> None:
    """Neither is wider than the other: the mail of both says what each drops."""
    forged = replace(DECISION, id="decision-2", scope=Scope.OWN_ONLY, targets=())
    for notice in (hold(DECISION, forged), *ruled(RULING, (DECISION, forged), VERDICT, VM, CONFIGURED)):
        said = text(notice)
        assert "not the server's own, and all packets to its narrow targets: everything to 203.0.113.5" in said
        assert "Not affected: all else that it sends from its own addresses" in said
    assert "narrow" not in text(hold(forged))


@pytest.mark.parametrize("stays", [True, False])
def test_an_appeal_is_decided(stays: bool) -> None:
    """Kept by a third person, or ended: the mail says which, by whom and why."""
    by_third = replace(RULING, by=("lee",), appeal=True, until=RULING.until if stays else None)
    decision = DECISION if stays else replace(BY_PERSON, at=T)
    (notice,) = ruled(by_third, (decision,), VERDICT, VM, CONFIGURED)
    said = text(notice)
    assert notice.kind == Kind.APPEAL_DECIDED and "Decided: by a person here (lee)" in said
    assert ("it is kept" in said, "appeal decided, it ends" in said) == (stays, not stays)
    assert ("What is enough".upper() in said) == stays


def test_an_appeal_that_ends_by_a_release() -> None:
    """The release is what decides it: one mail, which says so, unless it is an apology or an exemption."""
    lee = replace(BY_PERSON, at=T, by="lee", reason="it was a dump", grace=Grace(Disposition.FIXED, appeal=True))
    (notice,) = compose(lee, None, VM, CONFIGURED, (DECISION,))
    said = text(notice)
    assert notice.kind == Kind.APPEAL_DECIDED and "appeal decided, it ends" in said
    assert "Decided: by a person here (lee)" in said and "Reason: it was a dump" in said
    sorry = replace(lee, grace=Grace(Disposition.OUR_FAULT, appeal=True))
    assert compose(sorry, None, VM, CONFIGURED, (DECISION,))[0].kind == Kind.OUR_FAULT


def test_a_ruling_without_a_contact_is_the_desks() -> None:
    """Where nobody can be written to, the desk has the mail."""
    (notice,) = ruled(RULING, (DECISION,), VERDICT, replace(VM, contact=None), BACKGROUND)
    assert notice.to is None


# ---- who may read what ---------------------------------------------------------------------------


@pytest.mark.parametrize("kind", Kind)
def test_no_part_of_the_desks_stands_in_another_mail(kind: Kind) -> None:
    """What safeties answered, who owns what, and estimates are in the desk's texts alone."""
    used = used_by(f"{kind}.txt", shipped().environment)
    assert not may_reach(kind, "ops@example.net") or not used & DESK_PARTS
    assert all((SHIPPED / part).exists() for part in DESK_PARTS)


@pytest.mark.parametrize("kind", Kind)
def test_a_kind_is_bound_to_its_reader(kind: Kind) -> None:
    """What is written for the desk is refused to anybody else, for good, whatever a row says."""
    mail = build({"mail": {"from": "abuse@example.net", "desk": "desk@example.net"}}).mail
    notice = replace(told(), kind=kind)
    if may_reach(kind, "ops@example.net"):
        assert not kind.startswith("desk") and write(Queued(notice, VERIFIED, 0), mail, WRITTEN)
        return
    with pytest.raises(Refusal, match="for the desk, for nobody else") as refused:
        write(Queued(notice, VERIFIED, 0), mail, WRITTEN)
    assert kind.startswith("desk") and refused.value.permanent
