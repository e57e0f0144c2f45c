"""The judge: what counts as a leak, as working, as ok; checked against plain loops."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edgeguard.clock import SECOND
from edgeguard.lab import addresses as plan
from edgeguard.lab import observer, result
from edgeguard.lab.account import Account
from edgeguard.lab.addresses import NEIGHBOUR, VM
from edgeguard.lab.exchange import Exchange, Question
from edgeguard.lab.result import Measured
from edgeguard.lab.scenario import MOVING, SCENARIOS
from edgeguard.lab.wan import Mail
from edgeguard.model import (
    Act,
    Band,
    CameBack,
    Decision,
    Happened,
    Outcome,
    Scope,
    Subject,
    Tap,
    TapKind,
    Target,
    Verdict,
)

TAP = Tap(7, VM.tap, plan.GATEWAY_MAC, TapKind.ROUTED)
SUBJECT = Subject(VM.id, VM.tap, None)
RAW = (
    b"From: abuse@example.net\r\nTo: owner@example.net\r\nReply-To: abuse+c@example.net\r\n"
    b"Subject: [c] null-routed\r\nContent-Type: text/plain\r\n\r\nYour server ...\r\n"
)


def _seen(rows: list[tuple[int, str]]) -> observer.Seen:
    seen = np.zeros(len(rows), observer.SEEN)
    for row, (at, target) in zip(seen, rows, strict=True):
        address = ip_address(target)
        row["at"], row["version"], row["bytes"] = at, address.version, 44
        row["target"] = observer.key(address)
    return seen


def _target(address: str) -> Target:
    return Target(ip_address(address), 6, plan.SYN_PORT, 0.9, 50_000)


def _verdict(band: Band = Band.HARD, at: int = 500) -> Verdict:
    return Verdict(
        id=f"v-{at}-{band}",
        at=at,
        rule="syn",
        band=band,
        subject=SUBJECT,
        point=0,
        window_s=1,
        measured=50_000,
        at_least=50_000,
        limit=50_000,
        since=0,
        crossed=at - 5,
        targets=(_target(MOVING[0]),),
        target_error=0,
        came_back=CameBack(0),
        bytes=1,
        peak=1,
        mean=1.0,
        foreign=0,
        sustain="at once",
    )


def _decision(id: str, scope: Scope, target: str, enforced: bool = True) -> Decision:
    return Decision(
        id=id,
        case="c",
        verdict="v-500-hard",
        at=500,
        act=Act.NULL_ROUTE,
        scope=scope,
        subject=SUBJECT,
        tap=TAP,
        targets=(_target(target),),
        until=10**15,
        enforced=enforced,
        safeties=(),
        reason="",
    )


def _outcomes(id: str, acknowledged: int, verified: int, ended: int) -> tuple[Outcome, ...]:
    times = ((acknowledged, Happened.ACKNOWLEDGED), (verified, Happened.VERIFIED), (ended, Happened.RELEASED))
    return tuple(Outcome(id, at, happened, "") for at, happened in times)


ONE = Account((_verdict(),), (_decision("d1", Scope.NARROW, MOVING[0]),), {"d1": _outcomes("d1", 1000, 2000, 9000)})


def _exchanges(answered: bool = True, count: int = 20) -> tuple[Exchange, ...]:
    return tuple(Exchange(at, Question("udp", plan.SERVICE), answered, 1) for at in range(count))


def _measured(**changes: Any) -> Measured:
    good = Measured(
        scenario=SCENARIOS["syn-flood"],
        host="routed",
        offered_pps=120_000,
        flood_started=1,
        account=ONE,
        seen=_seen([(n, MOVING[0]) for n in (10, 600, 1000)]),
        unseen=0,
        mails=(Mail(2500, (VM.contact,), RAW),),
        vm=_exchanges(),
        neighbour=_exchanges(),
        reaches_again=True,
    )
    return replace(good, **changes)


def test_a_good_run_is_ok_and_says_everything() -> None:
    """The contract's keys are all there, and none of them is a surprise."""
    found = result.judge(_measured())
    assert found.ok, found.wrong
    keys = (
        "scenario host ok offered_pps flood_started_ns crossed_ns routed_ns verified_ns notice_ns packets_before_route"
        " packets_leaked_after_route packets_leaked_after_verified other_traffic_ok neighbour_ok released mail"
        " expected got"
    )
    assert list(found.values) == keys.split()
    assert found.values["expected"] == found.values["got"]
    assert list(found.values["got"]) == ["rule", "band", "scopes", "targets", "tap", "actions"]
    assert (found.values["crossed_ns"], found.values["routed_ns"], found.values["verified_ns"]) == (495, 1000, 2000)
    assert found.values["mail"]["headers"]["Reply-To"] == "abuse+c@example.net"
    assert found.values["mail"]["text"].startswith("Your server")
    assert (found.values["packets_before_route"], found.values["packets_leaked_after_route"]) == (3, 0)


def test_a_warning_before_it_is_not_the_mail_of_the_null_route() -> None:
    """A machine too slow to be above the hard limit at once gets a warning first: time and text are the other's."""
    warning = Mail(3, (VM.contact,), RAW.replace(b"null-routed", b"web1 sent a flood; nothing dropped"))
    good = _measured()
    found = result.judge(_measured(mails=(warning, *good.mails)))
    assert found.ok, found.wrong
    assert found.values["notice_ns"] == 2500
    assert not result.judge(_measured(mails=(warning,))).ok


def test_each_thing_that_is_wrong_is_said() -> None:
    """Every fact that must hold turns the run to not ok when it does not."""
    leak = _seen([(2001, MOVING[0])])
    for changes in (
        {"seen": leak},
        {"mails": ()},
        {"mails": (Mail(1, (VM.contact, NEIGHBOUR.contact), RAW),)},
        {"mails": (Mail(1, (VM.contact,), RAW.replace(b"Reply-To", b"X-Nothing")),)},
        {"unseen": 1},
        {"vm": _exchanges(answered=False)},
        {"neighbour": _exchanges(answered=False)},
        {"neighbour": _exchanges(count=3)},
        {"reaches_again": False},
        {"troubles": ("the sender failed",)},
        {"account": Account()},
        {"account": replace(ONE, outcomes={"d1": ONE.outcomes["d1"][:1]})},
    ):
        found = result.judge(_measured(**changes))
        assert not found.ok, changes
        assert found.values["ok"] is False


def test_benign_mix_is_ok_only_when_nothing_happened() -> None:
    """Times, mail and released are null; a warning is nothing, a verdict above it or a mail is not."""
    calm = _measured(
        scenario=SCENARIOS["benign-mix"], account=Account((_verdict(Band.WARN),)), mails=(), flood_started=None
    )
    found = result.judge(calm)
    assert found.ok, found.wrong
    for name in ("flood_started_ns", "crossed_ns", "routed_ns", "verified_ns", "notice_ns", "mail", "released"):
        assert found.values[name] is None
    assert found.values["packets_leaked_after_verified"] == 0
    assert not result.judge(replace(calm, account=Account((_verdict(Band.ACT),)))).ok
    assert not result.judge(replace(calm, account=ONE)).ok
    assert not result.judge(replace(calm, mails=_measured().mails)).ok


TIMES = st.integers(0, 100)
ROUTES = st.lists(st.tuples(st.sampled_from(MOVING), st.booleans(), TIMES, TIMES, TIMES), max_size=4)


@given(st.lists(st.tuples(TIMES, st.sampled_from(MOVING)), max_size=60), ROUTES, st.sampled_from([1, 2]))
def test_leaks_are_counted_as_a_plain_loop_counts_them(
    frames: list[tuple[int, str]], routes: list[tuple[str, bool, int, int, int]], which: int
) -> None:
    """A frame leaks when any null route stands against it at that moment."""
    rows = [(target, full, *sorted(times)) for target, full, *times in routes]
    decisions = tuple(
        _decision(f"d{n}", Scope.FULL if full else Scope.NARROW, target) for n, (target, full, *_) in enumerate(rows)
    )
    outcomes = {f"d{n}": _outcomes(f"d{n}", *times) for n, (_, _, *times) in enumerate(rows)}
    measured = _measured(seen=_seen(frames), account=Account((), decisions, outcomes))
    plain = 0
    for at, to in frames:
        against = [row for row in rows if (row[1] or row[0] == to) and row[1 + which] < at < row[4]]
        plain += 1 if against else 0
    found = result.leaked(measured, {1: "acknowledged", 2: "verified"}[which])
    assert found == (plain if rows else None)


def test_every_frame_of_a_forged_flood_leaks_under_own_only() -> None:
    """Own-only names no target: whatever of the flood leaves while it stands is a leak."""
    own_only = replace(_decision("d1", Scope.OWN_ONLY, MOVING[0]), targets=())
    account = replace(ONE, decisions=(own_only,))
    rows = [(at, MOVING[at % 3]) for at in (500, 1001, 1500, 2500, 8999, 9001)]
    measured = _measured(seen=_seen(rows), account=account)
    assert (result.leaked(measured, "acknowledged"), result.leaked(measured, "verified")) == (4, 2)
    assert account.finding().targets == ()


@given(st.lists(st.ip_addresses(), max_size=30), st.ip_addresses(), st.integers(0, 32))
def test_frames_into_a_prefix(targets: list[IPv4Address | IPv6Address], about: Any, length: int) -> None:
    """A frame counts for a prefix when ipaddress says that its target lies in it."""
    network = ip_network((about, length), strict=False)
    seen = _seen([(0, str(target)) for target in [*targets, network.network_address]])
    plain = [target in network for target in [*targets, network.network_address]]
    assert list(observer.is_to(seen, str(network))) == plain


def test_a_full_null_route_excuses_the_vms_silence_while_it_stands() -> None:
    """Exchanges that fall into it prove nothing; before and after it they must be answered."""
    full = Account((), (_decision("d", Scope.FULL, MOVING[0]),), {"d": _outcomes("d", 10 * SECOND, 0, 20 * SECOND)})
    excused = [
        result.whole_vm_null_routed(Exchange(at * SECOND, Question("tcp", plan.SERVICE), False, 1), full)
        for at in (8, 9, 15, 20, 21)
    ]
    assert excused == [False, True, True, True, False]


def test_what_was_not_enforced_is_no_action() -> None:
    """A decision that only observes null-routes nothing and counts as nothing done."""
    observed = Account((_verdict(),), (_decision("d", Scope.NARROW, MOVING[0], enforced=False),))
    found = observed.finding()
    assert (found.rule, found.band, found.actions, found.scopes, found.tap) == ("syn", "hard", 0, (), None)
    assert found.targets == ()
