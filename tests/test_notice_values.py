"""Slot values: what a notice says is worked out once, agrees with itself and is never absent."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from samples import BACKGROUND, DECISION, RELEASE, SUBJECT, TARGETS, VERDICT, VM, T, notices

from edgeguard.clock import SECOND
from edgeguard.model import Act, CameBack, Decision, Scope, Subject, Target
from edgeguard.notice.kinds import Kind, recipients
from edgeguard.notice.values import Background, compose, values

OBSERVED = replace(DECISION, act=Act.NONE, scope=Scope.OBSERVE, until=None, enforced=False)
WARNED = replace(OBSERVED, scope=Scope.WARN)
FULL = replace(DECISION, scope=Scope.FULL)
BY_HAND = replace(DECISION, by="on-call", verdict=None)
BY_HAND_RELEASE = replace(RELEASE, by="on-call")

MAIL = "ops@example.net"


@pytest.mark.parametrize(
    ("decision", "contact", "expected"),
    [
        (DECISION, MAIL, [("narrow", MAIL)]),
        (FULL, MAIL, [("full", MAIL)]),
        (DECISION, None, [("desk-null-route", None)]),
        (BY_HAND, MAIL, [("narrow", MAIL), ("desk-null-route", None)]),
        (BY_HAND, None, [("desk-null-route", None)]),
        (WARNED, MAIL, [("warning", MAIL)]),
        (WARNED, None, [("desk-observe", None)]),
        (OBSERVED, MAIL, [("desk-observe", None)]),
        (RELEASE, MAIL, [("released", MAIL)]),
        (BY_HAND_RELEASE, MAIL, [("released-by-person", MAIL)]),
        (RELEASE, None, [("desk-released", None)]),
    ],
)
def test_who_gets_which(decision: Decision, contact: str | None, expected: list[tuple[str, str | None]]) -> None:
    """Kind and recipient follow from the decision and whether the customer can be reached; nobody else gets one."""
    assert [(str(kind), to) for kind, to in recipients(decision, contact)] == expected


def test_every_decision_has_a_notice() -> None:
    """No decision, whatever its act and scope, is without a recipient."""
    for act in Act:
        for scope in Scope:
            for contact in (MAIL, None):
                assert recipients(replace(DECISION, act=act, scope=scope), contact)


def test_values_are_json() -> None:
    """The row of the outbox holds the values as JSON, and they come back the same."""
    (notice,) = notices()
    assert json.loads(json.dumps(notice.values)) == notice.values


def test_ids_derive_from_content() -> None:
    """The same decision has the same notices in every run; another decision, kind or recipient has others."""
    assert notices() == notices()
    ids = {n.id for d in (BY_HAND, replace(BY_HAND, id="decision-5")) for n in notices(d)}
    ids |= {n.id for n in notices(vm=replace(VM, contact="other@example.net"))}
    assert len(ids) == 5


def test_the_arithmetic() -> None:
    """Length, rates and bits are the verdict's: 2,000,480 bytes in 50,012 packets, 31,000 a second for 3 s."""
    flood = values(DECISION, VERDICT, VM, BACKGROUND)["flood"]
    assert flood["length"] == 40.0
    assert (flood["mean"], flood["mean_over"]) == (31_000, 3 * SECOND)
    assert flood["mean_bits"] == 31_000 * 40 * 8
    assert (flood["peak"], flood["peak_bits"]) == (50_012, 50_012 * 40 * 8)
    assert flood["duration"] == 3 * SECOND
    assert (flood["seen"], flood["crossed"]) == (T - 3 * SECOND, VERDICT.crossed)


def test_a_flood_younger_than_its_window() -> None:
    """62 ms after the first packet the mean is per second begun, not a rate nobody ever counted."""
    young = replace(VERDICT, since=T - 62_000_000, mean=806_000.0)
    flood = values(DECISION, young, VM, BACKGROUND)["flood"]
    assert (flood["mean"], flood["mean_over"]) == (50_012, SECOND)


@given(
    since=st.integers(0, 3600 * SECOND),
    measured=st.integers(0, 2**31),
    peak=st.integers(0, 2**31),
    octets=st.integers(0, 2**45),
    mean=st.floats(0, 1e9),
    window=st.sampled_from([1, 5, 60]),
)
def test_numbers_agree(since: int, measured: int, peak: int, octets: int, mean: float, window: int) -> None:
    """Whatever was measured: the mean is not above the peak, and rate x length x 8 is the bits that are told."""
    verdict = replace(VERDICT, since=T - since, measured=measured, peak=peak, bytes=octets, mean=mean, window_s=window)
    flood = values(DECISION, verdict, VM, BACKGROUND)["flood"]
    assert 0 <= flood["mean"] <= flood["peak"]
    for rate in ("mean", "peak"):
        assert flood[f"{rate}_bits"] == round(flood[rate] * flood["length"] * 8)
    assert flood["mean_over"] % (window * SECOND) == 0 and flood["mean_over"] >= min(since, window * SECOND)


def test_targets_beyond_those_shown_are_counted() -> None:
    """Five targets are shown; the others are counted with their share, and what is in no list has its own share."""
    many = tuple(replace(TARGETS[0], share=0.1) for _ in range(8))
    flood = values(DECISION, replace(VERDICT, targets=many), VM, BACKGROUND)["flood"]
    assert (len(flood["targets"]), flood["others"]) == (5, 3)
    assert flood["others_share"] == pytest.approx(0.3)
    assert flood["unlisted_share"] == pytest.approx(0.2)


def test_unknown_is_none_and_never_absent() -> None:
    """Without VM, tap, return direction and addresses the same slots are there, and say None."""
    bare = replace(
        VERDICT, subject=Subject(None, None, "192.0.2.7"), came_back=CameBack(None), foreign=None, targets=()
    )
    decision = replace(OBSERVED, subject=bare.subject, tap=None)
    slots = values(decision, bare, None, Background("hv1"))
    full = values(DECISION, VERDICT, VM, BACKGROUND)
    assert slots.keys() == full.keys() and slots["flood"].keys() == full["flood"].keys()
    assert slots["server"]["name"] == "192.0.2.7" and slots["server"]["addresses"] == ["192.0.2.7"]
    assert (slots["flood"]["came_back"]["packets"], slots["flood"]["foreign_share"]) == (None, None)


def test_a_persons_null_route_has_no_measurement() -> None:
    """Where a person decided without a verdict, nothing measured is claimed."""
    slots = values(BY_HAND, None, VM, BACKGROUND)
    assert (slots["flood"], slots["quiet_below"], slots["by"]) == (None, None, "on-call")


def test_addresses_are_told_as_people_write_them() -> None:
    """A host is its address, a routed prefix stays a prefix."""
    assert values(DECISION, VERDICT, VM, BACKGROUND)["server"]["addresses"] == ["192.0.2.10", "2001:db8:1::/64"]


def test_a_release_knows_what_it_ends() -> None:
    """The release's values carry the null routes it ends, with their times and targets."""
    (notice,) = notices(RELEASE)
    (ended,) = notice.values["ended"]
    assert (ended["decided"], ended["scope"], ended["targets"][0]["address"]) == (T, "narrow", "203.0.113.5")


def test_the_desk_needs_no_customer() -> None:
    """A VM the inventory does not know, or one without a contact, is a matter for the desk."""
    stranger = replace(OBSERVED, subject=replace(SUBJECT, vm=None))
    (notice,) = compose(stranger, VERDICT, None, BACKGROUND)
    assert (notice.kind, notice.to, notice.values["server"]["name"]) == (Kind.DESK_OBSERVE, None, "tap100")
    assert all(n.to is None for n in notices(vm=replace(VM, contact=None)))


def test_targets_of_other_protocols() -> None:
    """A target without a port is any port of its protocol."""
    anywhere = (Target(TARGETS[0].address, 17, None, 1.0, 9),)
    (target,) = values(replace(DECISION, targets=anywhere), VERDICT, VM, BACKGROUND)["dropped_targets"]
    assert (target["protocol"], target["port"]) == ("udp", None)
