"""The second mail: what the first could not say of a null route is told once it is proved, in the same thread, once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from email.message import EmailMessage
from pathlib import Path

import pytest
from samples import CASE, DECISION, ORDER, VERDICT, VM, T

from edgeguard.cases.store import Store
from edgeguard.clock import SECOND
from edgeguard.config import build
from edgeguard.letters import Mail
from edgeguard.model import Happened, Outcome
from edgeguard.notice.message import write
from edgeguard.notice.values import background, compose

CONFIG = build({"mail": {"from": "abuse@example.net", "desk": "desk@example.net"}})
BACKGROUND = background(CONFIG, "hv1.example.net")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """With one null route, of which its owner is to be told."""
    with Store(tmp_path / "cases.sqlite") as store:
        store.record(CASE, VERDICT, DECISION, compose(DECISION, VERDICT, VM, BACKGROUND), ORDER)
        store.outcome(Outcome(DECISION.id, T, Happened.ACKNOWLEDGED, "it is so"))
        yield store


def happens(store: Store, at: int, happened: Happened, leaving: int | None = None) -> None:
    store.outcome(Outcome(DECISION.id, T + at * SECOND, happened, "it is so", leaving=leaving))


def sends(store: Store, at: int) -> list[EmailMessage]:
    """What is due then is written and leaves."""
    box, left = store.box(), []
    for queued in box.due(T + at * SECOND):
        message, mail = write(queued, CONFIG.mail, T + at * SECOND)
        assert mail.fallback is None
        box.sent(queued.notice.id, T + at * SECOND, mail)
        left.append(message)
    box.close()
    return left


def kinds(store: Store) -> list[str]:
    return [letter.kind for letter in store.letters(CASE.id)]


@pytest.mark.parametrize("first", [None, Happened.NO_ATTEMPTS, Happened.NOT_STOPPED])
def test_a_second_mail_tells_that_it_is_proved(store: Store, first: Happened | None) -> None:
    """Whatever the first mail left open; to the same reader, in the same thread, and without the report again."""
    if first:
        happens(store, 2, first)
    (told,) = sends(store, 6)
    assert "Verified:       yes" not in str(told.get_body(("plain",)))
    happens(store, 7, Happened.VERIFIED)
    (second,) = sends(store, 8)
    assert kinds(store) == ["narrow", "proved"]
    assert (second["To"], second["In-Reply-To"], second["References"]) == (told["To"], *2 * (told["Message-ID"],))
    assert CASE.id in second["Subject"] and "the null route is proved" in second["Subject"]
    said = " ".join(second.get_body(("plain",)).get_content().split())  # type: ignore[union-attr]
    assert "Verified: yes, at 2026-01-01 00:04:12 UTC" in said and "everything to 203.0.113.5" in said
    assert second.get_body(("html",)) and list(second.iter_attachments()) == []


def test_it_is_told_once(store: Store) -> None:
    """However often the proof is lost and found again."""
    sends(store, 6)
    for at in (7, 9, 11):
        happens(store, at, Happened.VERIFIED)
        sends(store, at)
        happens(store, at + 1, Happened.NOT_STOPPED, leaving=3)
    assert kinds(store) == ["narrow", "proved"]


def test_a_mail_that_said_it_has_no_second_one(store: Store) -> None:
    """Proved before it left: all is told."""
    happens(store, 1, Happened.VERIFIED)
    sends(store, 6)
    happens(store, 7, Happened.VERIFIED)
    assert kinds(store) == ["narrow"] and sends(store, 8) == []


def test_the_proof_comes_while_the_mail_is_on_its_way(store: Store) -> None:
    """Written before, marked as sent after: the second mail is not lost between the two."""
    box = store.box()
    (queued,) = box.due(T + 6 * SECOND)
    _, mail = write(queued, CONFIG.mail, T + 6 * SECOND)
    happens(store, 7, Happened.VERIFIED)
    assert kinds(store) == ["narrow"]
    box.sent(queued.notice.id, T + 8 * SECOND, mail)
    box.close()
    assert kinds(store) == ["narrow", "proved"] and len(sends(store, 9)) == 1


def test_of_what_has_ended_nothing_more_is_proved(store: Store) -> None:
    """The mail of its end is on its way."""
    sends(store, 6)
    happens(store, 7, Happened.RELEASED)
    happens(store, 8, Happened.VERIFIED)
    assert kinds(store) == ["narrow"]


def test_what_an_earlier_version_sent_is_left_alone(store: Store) -> None:
    """Its row does not say what the mail told of the proof."""
    box = store.box()
    (queued,) = box.due(T + 6 * SECOND)
    _, mail = write(queued, CONFIG.mail, T + 6 * SECOND)
    box.sent(queued.notice.id, T + 6 * SECOND, replace(mail, proof=""))
    box.close()
    happens(store, 7, Happened.VERIFIED)
    assert kinds(store) == ["narrow"] and Mail("s", "t").proof == ""
