"""Exemptions: no action up to the ceiling, and no shield for anything beside it."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_decision import ACT, HARD, WARN, answers, question, target
from test_dispositions import EXEMPTION

from edgeguard.clock import HOUR, SECOND
from edgeguard.decision.decide import decide
from edgeguard.errors import UsageError
from edgeguard.grace import LONGEST, Exemption, Rate
from edgeguard.model import Act, Scope
from edgeguard.signature import Signature, Wish, exemptions, rate

DAY = 24 * HOUR
ENFORCING: dict[str, Any] = {"enforce": ["all.act", "all.hard"]}
ONE = replace(target("203.0.113.5"), share=0.95)
EXEMPT = replace(EXEMPTION, since=HARD.at - DAY, until=HARD.at + DAY, ceiling=Rate(60_000, 30_000_000))


def decided(exempt: Exemption = EXEMPT, verdict: Any = HARD, **changes: Any) -> Any:
    return decide(question(ENFORCING, verdict=replace(verdict, targets=(ONE,), **changes), exemptions=(exempt,)))


@pytest.mark.parametrize("verdict", [WARN, ACT, HARD])
def test_what_is_exempted_is_left_alone_in_every_band(verdict: Any) -> None:
    """Nothing is null-routed, nobody is written to and nobody is woken; the decision says which exemption it was."""
    decision = decided(verdict=verdict)
    assert (decision.act, decision.scope, decision.silent, decision.page) == (Act.NONE, Scope.OBSERVE, True, None)
    assert "x-1 by alex" in decision.reason


@pytest.mark.parametrize(
    "other",
    [
        {"vm": "vm-7"},
        {"protocol": 17},
        {"port": 443},
        {"port": None},
        {"target": ip_network("203.0.113.6/32")},
        {"until": HARD.at},
        {"since": HARD.at + 1},
        {"ceiling": Rate(47_000, None)},
        {"ceiling": Rate(None, 10**12)},
    ],
)
def test_everything_of_it_must_match(other: dict[str, Any]) -> None:
    """Another VM, protocol, port or target, before or after its time, above its ceiling: judged as ever."""
    decision = decided(replace(EXEMPT, **other))
    assert (decision.act, decision.scope) == (Act.NULL_ROUTE, Scope.NARROW)


def test_nothing_hides_behind_an_exemption() -> None:
    """What goes elsewhere is null-routed when it is over the limit by itself, and the exempted target is left out."""
    other = replace(target("198.51.100.9"), share=0.5)
    both = replace(HARD, measured=110_000, targets=(replace(ONE, share=0.5), other))
    asked = question(ENFORCING, verdict=both, exemptions=(EXEMPT,))
    assert answers(asked)["exemption"] == "pass"
    assert [t.place for t in decide(asked).targets] == ["198.51.100.9"]
    small = replace(both, measured=90_000)
    assert decide(question(ENFORCING, verdict=small, exemptions=(EXEMPT,))).act is Act.NONE


@given(st.integers(50_000, 400_000), st.floats(0.1, 1.0), st.integers(0, 400_000), st.sampled_from(["packets", "bits"]))
def test_no_more_than_the_ceiling_and_the_limit_goes_free(measured: int, share: float, ceiling: int, unit: str) -> None:
    """Whatever an exemption says, a hard flood that is left alone is at most its ceiling and a limit beside it."""
    one = replace(EXEMPT, ceiling=Rate(ceiling, ceiling))
    verdict = replace(HARD, measured=measured, unit=unit, targets=(replace(ONE, share=share),))
    decision = decide(question(ENFORCING, verdict=verdict, exemptions=(one,)))
    if decision.silent:
        assert measured <= ceiling + verdict.limit + 1


# ---- from a signature ----------------------------------------------------------------------------

SIGNATURE = Signature("vm-100", "EG-1", (replace(ONE, share=0.8),), Rate(10_000, 5_000_000))
WISH = Wish("alex", "load test", HARD.at, consent="owner agreed, ticket 4711")


def test_it_is_filled_in_from_the_signature() -> None:
    """VM, protocol, target and port as measured; 1.5 times this target's part of the rate; 30 days."""
    (one,) = exemptions(SIGNATURE, WISH, ())
    assert (one.vm, one.protocol, one.target, one.port) == ("vm-100", 6, ip_network("203.0.113.5/32"), 80)
    assert (one.ceiling, one.until) == (Rate(12_000, 6_000_000), HARD.at + LONGEST)
    (less,) = exemptions(SIGNATURE, replace(WISH, ceiling=6_000, for_ns=DAY), ())
    assert (less.ceiling, less.until) == (Rate(6_000, 3_000_000), HARD.at + DAY)


@pytest.mark.parametrize(
    ("signature", "wish", "told"),
    [
        ({}, {"ceiling": 12_001}, "more than 1.5 times what was measured"),
        ({}, {"for_ns": LONGEST + SECOND}, "takes two"),
        ({}, {"consent": " "}, "is not the customer's own: --consent"),
        ({"targets": ()}, {}, "it names no target"),
        ({"rate": Rate(None, None)}, {}, "nothing was measured"),
        ({"targets": (target("203.0.113.5", None, 0),)}, {}, "every protocol is wider"),
    ],
)
def test_wider_than_measured_is_refused(signature: dict[str, Any], wish: dict[str, Any], told: str) -> None:
    """A higher ceiling, a later end, no consent, no target, no rate, any protocol: one line each."""
    with pytest.raises(UsageError, match=told):
        exemptions(replace(SIGNATURE, **signature), replace(WISH, **wish), ())


def test_the_customers_own_addresses_need_no_consent() -> None:
    """Where the target is the same customer's, nobody else has to agree."""
    (one,) = exemptions(SIGNATURE, replace(WISH, consent=""), (ip_network("203.0.113.0/24"),))
    assert one.consent is None


def test_the_rate_is_the_most_that_was_measured() -> None:
    """Of all verdicts, a second; by packets and by bits."""
    bits = replace(HARD, unit="bits", measured=80_000_000)
    slow = replace(HARD, measured=600_000, peak=600_000, window_s=60)
    assert rate([]) == Rate(None, None)
    assert rate([slow, bits]) == Rate(10_000, 80_000_000)
    assert rate([HARD]) == Rate(50_012, HARD.bytes * 8)
    assert rate([HARD], 100_024) == Rate(100_024, HARD.bytes * 16)
    assert rate([HARD], 9) == rate([HARD]) and rate([], 9) == Rate(None, None)
