"""What a provider says, read: good or unknown, and what is not believed; arbitrary documents."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import T

from edgeguard.clock import HOUR, MINUTE, SECOND
from edgeguard.context import FACTS, Fact, Told
from edgeguard.exchange import NoAnswerError
from edgeguard.standing import wire
from edgeguard.standing.answer import read

DAY = 24 * HOUR
AS_OF = "2026-01-01T00:00:00Z"  # four minutes before T
AT = 1_767_225_600 * SECOND
UNKNOWN = "the provider does not know this customer"


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"standing": "good", "as_of": AS_OF}, Told(True, "", (), AT)),
        ({"standing": "good", "as_of": 1_767_225_600}, Told(True, "", (), AT)),
        ({"standing": "good", "as_of": 1_767_225_600.5}, Told(True, "", (), AT + SECOND // 2)),
        ({"standing": "good", "as_of": "2026-01-01T01:00:00+01:00"}, Told(True, "", (), AT)),
        ({"standing": "good", "as_of": datetime(2026, 1, 1, tzinfo=UTC)}, Told(True, "", (), AT)),
        ({"standing": "good", "as_of": date(2026, 1, 1)}, Told(True, "", (), AT)),
        ({"standing": "good", "as_of": AS_OF, "valid_until": "2026-01-02T00:00:00Z"}, Told(True, "", (), AT, AT + DAY)),
        ({"standing": "good", "as_of": AS_OF, "facts": {}}, Told(True, "", (), AT)),
        (
            {
                "standing": "good",
                "as_of": AS_OF,
                "facts": {"on_call": True, "agreed": {"holds": False, "as_of": 86_400}},
            },
            Told(True, "", (Fact("on_call", True, AT), Fact("agreed", False, DAY)), AT),
        ),
        ({"standing": "unknown"}, Told(False, "the provider says so")),
        (None, Told(False, UNKNOWN)),
    ],
)
def test_what_is_understood(said: object, expected: Told) -> None:
    """Times as text, dates or seconds; facts with the answer's age or their own."""
    assert read(said, T) == expected


LIES = [
    ({"standing": "bad", "as_of": AS_OF}, "standing is 'bad', which is neither 'good' nor 'unknown'"),
    ({"standing": "blocked", "as_of": AS_OF}, "neither 'good' nor 'unknown'"),
    ({"standing": True, "as_of": AS_OF}, "standing is True"),
    ({"standing": ["good"], "as_of": AS_OF}, "standing is list"),
    ({"as_of": AS_OF}, "standing is None"),
    ({"standing": "good"}, "does not say as of when"),
    ({"standing": "good", "as_of": "2026-01-01T00:10:00Z"}, "which is in the future"),
    ({"standing": "good", "as_of": 10**30}, "which is no time since 1970"),
    ({"standing": "good", "as_of": -1}, "which is no time since 1970"),
    ({"standing": "good", "as_of": float("nan")}, "which is no time since 1970"),
    ({"standing": "good", "as_of": float("inf")}, "which is no time since 1970"),
    ({"standing": "good", "as_of": True}, "which is no time"),
    ({"standing": "good", "as_of": "yesterday"}, "write it like"),
    ({"standing": "good", "as_of": "2026-01-01T00:00:00"}, "without a time zone"),
    ({"standing": "good", "as_of": datetime(2026, 1, 1)}, "without a time zone"),
    ({"standing": "good", "as_of": AS_OF, "valid_until": AS_OF}, "which is before"),
    ({"standing": "good", "as_of": AS_OF, "facts": ["on_call"]}, "facts is list, which is no table"),
    ({"standing": "good", "as_of": AS_OF, "facts": {"on_call": 1}}, "fact 'on_call' is 1: neither true nor false"),
    ({"standing": "good", "as_of": AS_OF, "facts": {"on_call": "yes"}}, "neither true nor false"),
    ({"standing": "good", "as_of": AS_OF, "facts": {"on_call": {"holds": True, "why": "x"}}}, "has other parts"),
    ({"standing": "good", "as_of": AS_OF, "facts": {"on_call": {"holds": True, "as_of": 2e9}}}, "in the future"),
    ({"standing": "unknown", "facts": {"on_call": True}}, "does not say as of when"),
    ({"standing": "good", "as_of": AS_OF, "paid": True}, "'paid' is no part of an answer"),
    ("good", "the answer is 'good', which is no table"),
    ([], "the answer is list"),
]


@pytest.mark.parametrize(("said", "why"), LIES)
def test_what_is_not_believed(said: object, why: str) -> None:
    """Wrong words, types and times are no answer, each with its reason in one short line."""
    with pytest.raises(NoAnswerError) as caught:
        read(said, T)
    assert why in str(caught.value)
    assert str(caught.value).isprintable() and len(str(caught.value)) < 300


@pytest.mark.parametrize(
    "name", ["payment_overdue", "credit", "account_age", "shared_ssh_key", "linked_to", "x" * 9_999]
)
@pytest.mark.parametrize("standing", ["good", "unknown"])
def test_payment_and_links_are_refused(name: str, standing: str) -> None:
    """An answer that names them is no answer at all, with one clear line that says what may be named."""
    with pytest.raises(NoAnswerError, match="may not be a ground; facts") as caught:
        read({"standing": standing, "as_of": AS_OF, "facts": {"on_call": True, name: True}}, T)
    assert len(str(caught.value)) <= 300
    assert "facts of a standing are contact_verified, responds" in str(caught.value)


def test_an_answer_grows_old() -> None:
    """Good until its end, and for as long as its age allows; after that unknown, with the reason."""
    told = read({"standing": "good", "as_of": AS_OF, "valid_until": "2026-01-02T00:00:00Z"}, T)
    assert told.at(AT + DAY - 1, 7 * DAY).good
    assert told.at(AT + DAY, 7 * DAY) == Told(False, "the provider's answer was valid until 2026-01-02 00:00:00 UTC")
    assert told.at(AT + HOUR - 1, HOUR).good
    assert told.at(AT + HOUR, HOUR) == Told(
        False, "the provider's answer is of 2026-01-01 00:00:00 UTC, older than 1 h"
    )
    assert Told(False, "why").at(AT + DAY, HOUR) == Told(False, "why")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
NEAR = st.fixed_dictionaries(
    {},
    optional={
        "standing": st.sampled_from(["good", "unknown", "bad"]) | JSON,
        "as_of": st.just(AS_OF) | st.integers(0, 2**62) | JSON,
        "valid_until": st.just("2026-02-01T00:00:00Z") | JSON,
        "facts": st.dictionaries(st.sampled_from([*FACTS, "paid"]), st.booleans() | JSON) | JSON,
        "more": JSON,
    },
)


@settings(max_examples=400, deadline=None)
@given(JSON | NEAR)
def test_any_document_is_good_unknown_or_no_answer(said: Any) -> None:
    """Nothing raises anything else, nothing is worse than unknown, and what is good has a time that has passed."""
    try:
        told = read(json.loads(json.dumps(said)), T)
    except NoAnswerError as error:
        assert str(error) and str(error).isprintable()
        return
    assert isinstance(told, Told)
    assert all(fact.name in FACTS and fact.as_of <= T + 5 * MINUTE for fact in told.facts)
    if told.good:
        assert said["standing"] == "good"
        assert told.as_of is not None and told.as_of <= T + 5 * MINUTE
        assert told.words(T).isprintable()
    else:
        assert told.why
    assert wire.decode(wire.Reply, wire.encode(wire.Reply(1, told))) == wire.Reply(1, told)


@given(st.binary(max_size=80) | JSON.map(lambda found: json.dumps(found).encode()))
def test_what_is_no_message_is_refused(raw: bytes) -> None:
    """Garbage on the socketpair, and a fact that may not be, are an error and never a value."""
    for kind in (wire.Reply, wire.Ask, wire.Whom):
        with pytest.raises(wire.WireError):
            wire.decode(kind, raw)


def test_no_message_carries_another_fact() -> None:
    """Even a process that asks and lies cannot hand over what may not be a ground."""
    raw = wire.encode(wire.Reply(1, Told(True, "", (Fact("on_call", True, T),), T))).replace(b"on_call", b"unpaid!")
    with pytest.raises(wire.WireError, match="may not be a ground"):
        wire.decode(wire.Reply, raw)
