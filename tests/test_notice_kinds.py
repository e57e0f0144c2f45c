"""What the mails say of each thing a rule can take packets for, whole texts against those in tests/gold.

A gold text is read and judged by a person; `EDGEGUARD_GOLD=write` writes them anew after a change of words.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_address
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from samples import BACKGROUND, DECISION, TAP, VERDICT, VERIFIED, VM, T

from edgeguard import config
from edgeguard.clock import SECOND
from edgeguard.letters import Facts, Proof
from edgeguard.model import (
    Act,
    Alternative,
    Band,
    CameBack,
    Decision,
    Kind,
    Scope,
    Spread,
    Subject,
    TapKind,
    Target,
    Verdict,
)
from edgeguard.notice import lint
from edgeguard.notice.kinds import Kind as Notices
from edgeguard.notice.kinds import recipients
from edgeguard.notice.render import Rendered, render
from edgeguard.notice.values import background, compose, values
from edgeguard.reading import INTO, OUT

GOLD = Path(__file__).with_name("gold")
WRITTEN = T + 2 * SECOND
NOT_DONE = replace(DECISION, act=Act.NONE, until=None, enforced=False)
OBSERVED, WARNED = replace(NOT_DONE, scope=Scope.OBSERVE), replace(NOT_DONE, scope=Scope.WARN)
FULL, OWN_ONLY = replace(DECISION, scope=Scope.FULL), replace(DECISION, scope=Scope.OWN_ONLY, targets=())
READINGS = (
    Alternative("scan", False, "50,012 SYNs to about 1,203 targets, 41.6 each; a scan sends fewer than 8"),
    Alternative("flood", True, "203.0.113.5 got 47,010 of 50,012"),
)
PREFIX = Target(ip_address("203.0.113.0"), 17, None, 0.97, 48_500, length=24)
PREFIX6 = Target(ip_address("2001:db8:7::"), 6, 443, 0.97, 48_500, length=48)


def flood(rule: str = "syn", kind: Kind = Kind.FLOOD, **changes: Any) -> Verdict:
    """A hard verdict of a rule, read as a kind, with an estimate that no customer may see."""
    spread = Spread(1_203, 987, 17)
    return replace(VERDICT, rule=rule, kind=kind, spread=spread, alternatives=READINGS, **changes)


SCAN = flood(kind=Kind.SCAN, band=Band.ACT, targets=(), came_back=CameBack(9_000, 200, 8_800, 12))
FORGED = flood(kind=Kind.FORGED, forging=True, targets=(), foreign=49_000)
CARPET = flood("udp", Kind.CARPET, targets=(PREFIX,), came_back=CameBack(31))
REFLECTION = flood(
    "udp",
    Kind.REFLECTION,
    targets=(Target(ip_address("198.51.100.77"), 17, None, 0.99, 49_500),),
    bytes=52_512_600,
    came_back=CameBack(50_000),
)
CONNECTIONS = flood(kind=Kind.CONNECTIONS, came_back=CameBack(50_000, 50_000, 0, 49_900))
IN_BITS = flood(
    "udp",
    unit="bits",
    targets=(Target(ip_address("203.0.113.5"), 17, 443, 0.98, 201_000),),
    measured=2_400_000_000,
    at_least=2_390_000_000,
    limit=2_000_000_000,
    bytes=300_000_000,
    peak=205_000,
    came_back=CameBack(None),
    harm="uplink eth0 drops 1,200 frames a second",
)
RECEIVED = flood("udp-in", targets=(), foreign=None)
SUM = Subject(None, None, None, "Example Ltd")

CASES: dict[str, tuple[Notices, Decision, Verdict]] = {
    "warning-scan": (Notices.WARNING, WARNED, SCAN),
    "warning-busy-client": (Notices.WARNING, WARNED, flood(kind=Kind.BUSY, came_back=CameBack(9, 9, 0, 9))),
    "warning-heavy-traffic": (Notices.WARNING, WARNED, flood("total", Kind.BUSY)),
    "narrow-carpet": (Notices.NARROW, replace(DECISION, targets=(PREFIX,)), CARPET),
    "narrow-carpet-bridged": (
        Notices.NARROW,
        replace(DECISION, targets=(PREFIX6,), tap=replace(TAP, kind=TapKind.BRIDGED)),
        flood(kind=Kind.CARPET, targets=(PREFIX6,)),
    ),
    "narrow-reflection": (Notices.NARROW, replace(DECISION, targets=REFLECTION.targets), REFLECTION),
    "narrow-connection-flood": (Notices.NARROW, DECISION, CONNECTIONS),
    "narrow-in-bits": (Notices.NARROW, DECISION, IN_BITS),
    "narrow-icmp": (Notices.NARROW, DECISION, flood("icmp")),
    "narrow-fragments": (Notices.NARROW, DECISION, flood("fragments")),
    "narrow-tcp": (Notices.NARROW, DECISION, flood("tcp")),
    "own-only": (Notices.OWN_ONLY, OWN_ONLY, FORGED),
    "full-spray": (Notices.FULL, FULL, flood("udp", Kind.SPRAY)),
    "desk-inbound": (Notices.DESK_INBOUND, OBSERVED, RECEIVED),
    "desk-observe-scan": (Notices.DESK_OBSERVE, OBSERVED, SCAN),
    "desk-null-route-own-only": (Notices.DESK_NULL_ROUTE, OWN_ONLY, FORGED),
}


def told(kind: str, decision: Decision, verdict: Verdict, facts: Facts = VERIFIED) -> Rendered:
    made = values(decision, verdict, VM, BACKGROUND)
    assert lint.check(kind, made, facts, WRITTEN) == []
    return render(kind, made, facts, WRITTEN)


def facts_of(decision: Decision) -> Facts:
    return VERIFIED if decision.act is Act.NULL_ROUTE else Facts()


@pytest.mark.parametrize("name", CASES)
def test_gold(name: str) -> None:
    """Each text is word for word the one that was read and found true, calm and whole."""
    kind, decision, verdict = CASES[name]
    (slots,) = {json.dumps(n.values) for n in compose(decision, verdict, VM, BACKGROUND)} or {"{}"}
    shown = json.loads(slots) if not kind.startswith("desk") else values(decision, verdict, VM, BACKGROUND)
    assert lint.check(kind, shown, facts_of(decision), WRITTEN) == []
    rendered = render(kind, shown, facts_of(decision), WRITTEN)
    text = f"Subject: {rendered.subject}\n\n{rendered.text}"
    file = GOLD / f"{name}.txt"
    if os.environ.get("EDGEGUARD_GOLD") == "write":
        file.write_text(text, encoding="ascii")
    assert text == file.read_text(encoding="ascii")


def test_gold_has_no_more() -> None:
    """No text is kept that nothing renders."""
    assert {path.stem for path in GOLD.glob("*.txt")} == set(CASES)


def _grid() -> Iterator[Any]:
    """Every rule with every kind in one unit by default, in turns; in the other one with the long tests."""
    for (m, rule), (n, kind), (o, unit) in product(enumerate(OUT), enumerate(Kind), enumerate(("packets", "bits"))):
        marks = pytest.mark.long if (m + n + o) % 2 else ()
        yield pytest.param(rule, kind, unit, marks=marks, id=f"{unit}-{rule}-{kind}")


@pytest.mark.parametrize(("rule", "kind", "unit"), list(_grid()))
def test_every_rule_and_kind_keeps_the_rules(rule: str, kind: Kind, unit: str) -> None:
    """Whatever was found, in packets or bits, answered or unknown, forged or not: no finding in any mail."""
    for targets in ((), (PREFIX, PREFIX6), VERDICT.targets):
        for back in (CameBack(None), CameBack(5, 2, 3, 1, 7)):
            verdict = flood(rule, kind, unit=unit, targets=targets, came_back=back, forging=not targets, foreign=9)
            for name, decision in (
                (Notices.WARNING, WARNED),
                (Notices.NARROW, replace(DECISION, targets=targets or VERDICT.targets)),
                (Notices.OWN_ONLY, OWN_ONLY),
                (Notices.FULL, FULL),
                (Notices.FAILED, OWN_ONLY),
                (Notices.DESK_OBSERVE, OBSERVED),
                (Notices.DESK_NULL_ROUTE, OWN_ONLY),
            ):
                rendered = told(name, decision, verdict)
                assert rendered.fallback is None and not rendered.subject.endswith("...")


@pytest.mark.parametrize("rule", INTO)
def test_what_reaches_a_vm_is_told_to_the_desk_alone(rule: str) -> None:
    """An inbound verdict has one mail, for the desk, that keeps the rules and says nothing against the VM."""
    (notice,) = compose(OBSERVED, flood(rule, targets=()), VM, BACKGROUND)
    assert (notice.kind, notice.to) == (Notices.DESK_INBOUND, None)
    rendered = told(Notices.DESK_INBOUND, OBSERVED, flood(rule, targets=()))
    assert "says nothing against it" in " ".join(rendered.text.split())
    assert compose(replace(OBSERVED, silent=True), flood(rule), VM, BACKGROUND) == ()


def test_the_kind_of_a_null_route_is_its_scope() -> None:
    """Narrow, own-only and full have a mail each."""
    for scope, kind in ((Scope.NARROW, "narrow"), (Scope.OWN_ONLY, "own-only"), (Scope.FULL, "full")):
        assert recipients(replace(DECISION, scope=scope), "a@example.net")[0][0] == kind


def test_no_customer_is_shown_an_estimate() -> None:
    """Neither distinct counts nor the readings that name them reach a customer; the desk has both."""
    for decision, verdict in ((WARNED, SCAN), (DECISION, CARPET), (OWN_ONLY, FORGED), (FULL, CONNECTIONS)):
        for notice in compose(decision, verdict, VM, BACKGROUND):
            text = render(notice.kind, notice.values, VERIFIED, WRITTEN).text
            assert notice.to and "about" not in text.lower().replace("ask us about", "").replace("mail about", "")
            assert not re.search(r"1,203|\b987\b", text)
    desk = told(Notices.DESK_OBSERVE, OBSERVED, SCAN).text
    assert "1,203" in desk and "READINGS" in desk and "- scan: no; 50,012 SYNs" in desk


def test_own_only_says_what_still_works_and_what_not() -> None:
    """Everything from the server's own addresses works; only packets with other senders are dropped."""
    text = " ".join(told(Notices.OWN_ONLY, OWN_ONLY, FORGED).text.split())
    assert "only packets whose sender address is not one of its own, whatever their target" in text
    assert "everything that uses the server's own addresses" in text
    assert "192.0.2.10" in text and "98 % of these packets carried" in text
    refused = told(Notices.OWN_ONLY, OWN_ONLY, FORGED, Facts(Proof.FAILED, proved=T)).text
    assert "own-only: packets with forged senders" in " ".join(refused.split())


def test_a_reflector_is_told_what_to_close() -> None:
    """A reflection is no break-in: the mail says that it answers forged requests and which services to close."""
    text = " ".join(told(*CASES["narrow-reflection"]).text.split())
    for said in ("answered forged requests", "DNS resolver", "'monlist'", "memcached", "'ss -ulnp'"):
        assert said in text
    assert "stolen key" not in text


def test_unknown_is_told_as_unknown() -> None:
    """What came back is unknown where it is, never zero."""
    text = " ".join(told(Notices.NARROW, DECISION, IN_BITS).text.split())
    assert "Came back: not known" in text and "0 packets from" not in text
    assert "2 Gbit/s in a window of 1 s" in text and "2.4 Gbit/s in that window" in text
    assert "uplink eth0 drops 1,200 frames a second" in text


def test_a_row_of_an_earlier_version_is_rendered() -> None:
    """A notice that waited over an upgrade has none of the newer values, and is rendered all the same."""
    made = values(DECISION, VERDICT, VM, BACKGROUND)
    for name in ("readings", "baseline", "quiet_bits"):
        del made[name]
    for name in ("kind", "unit", "forging", "harm", "bytes", "bits"):
        del made["flood"][name]
    del made["flood"]["came_back"]["third_acks"]
    for target in (*made["flood"]["targets"], *made["dropped_targets"]):
        del target["prefix"]
    rendered = render("narrow", made, VERIFIED, WRITTEN)
    assert rendered.fallback is None
    assert rendered == render("narrow", values(DECISION, VERDICT, VM, BACKGROUND), VERIFIED, WRITTEN)


def test_quiet_is_of_the_vms_own_limits() -> None:
    """The mail names half of the warn limits that hold for this VM, in packets and in bits."""
    bits = {"warn": 800_000_000, "act": 0, "hard": 0}
    made = config.build(
        {"vm": {"vm-100": {"limits": {"udp": {"warn": 30_000, "act": 50_000, "hard": 99_000, "bits": bits}}}}}
    )
    slots = values(DECISION, flood("udp"), VM, background(made, "hv1"))
    assert (slots["quiet_below"], slots["quiet_bits"]) == (15_000, 400_000_000)
    assert "15,000 such packets or 400 Mbit/s" in " ".join(render("full", slots, VERIFIED, WRITTEN).text.split())
    other = values(DECISION, flood("icmp"), None, background(made, "hv1"))
    assert (other["quiet_below"], other["quiet_bits"]) == (made.limits.icmp.warn // 2, None)
