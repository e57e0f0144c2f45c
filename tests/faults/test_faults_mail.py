"""The mail server is down, slow, refusing or lying while a flood is null-routed: every notice is sent once."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from agreement import agree
from postoffice import MOODS
from stage import Stage

from edgeguard.lab.addresses import VM

Make = Callable[..., Stage]
REFUSED = {"never"}
HELD = {"later", "full", "closing", "hangs", "gone in the mail", "gone before 250"}  # nothing is sent meanwhile


def null_routed_by(stage: Stage, act: Callable[[], Any]) -> None:
    """The mail server's mood must not keep a flood from being stopped, nor the kernel from agreeing."""
    with stage.flood():
        stage.until_null_routed()
        act()
        agree(stage, mails=False)


def bad_mood(make: Make, mood: str) -> None:
    stage = make("routed")
    stage.office.mood = mood
    stage.start()
    null_routed_by(stage, lambda: None)
    stage.until(lambda: stage.office.offered or _tried(stage), "the server is asked")
    if mood in HELD:
        stage.until(lambda: _tried(stage) >= 2, "it is tried again")
        assert {row["state"] for row in stage.ledger().notices} <= {"waiting", "ready"}
    stage.office.mood = "well"
    if mood == "gone before 250":  # it kept what it did not say it kept: nobody can know, and the copies are one mail
        stage.twice |= {row["id"]: 2 for row in stage.ledger().notices}
        stage.until(lambda: not stage.ledger().unmarked(), "sent at last")
        _every_copy_is_the_same_mail(stage)
        return
    if mood == "lies":
        _is_believed(stage)
        return
    agree(stage, refused=mood in REFUSED)
    if mood in REFUSED:
        kinds = {row["kind"]: row["state"] for row in stage.ledger().notices}
        assert kinds["narrow"] == "failed" and kinds["desk-undelivered"] == "sent", "the desk knows of it"


def _tried(stage: Stage) -> int:
    return max((row["attempts"] for row in stage.ledger().notices), default=0)


def _every_copy_is_the_same_mail(stage: Stage) -> None:
    ids = {row["message_id"] for row in stage.ledger().notices}
    assert set(stage.office.copies()) == ids


def _is_believed(stage: Stage) -> None:
    """250 is a server's promise (RFC 5321 4.2.5): the mail is marked, never offered again, and lost by who promised."""
    stage.until(lambda: not stage.ledger().unmarked(), "marked as sent")
    time.sleep(1)
    assert {*Counter(stage.office.said).values()} == {1}
    proved = {row["message_id"] for row in stage.ledger().notices if row["kind"] == "proved"}
    assert {*stage.office.copies()} <= proved, "of a null route that was proved late there is a second mail"


@pytest.mark.parametrize("mood", [mood for mood in MOODS if mood != "well"])
def test_a_mail_server(mood: str, beside: Any, request: pytest.FixtureRequest) -> None:
    """In whatever mood it is a flood is stopped as ever; once it is well each notice has arrived once."""
    beside.run(request, bad_mood)


def down(make: Make, restarted: bool) -> None:
    stage = make("bridged")
    stage.building.shut()
    stage.start()
    null_routed_by(stage, lambda: stage.until(lambda: _tried(stage) >= 3, "the server is tried"))
    stage.add(full=True)
    stage.release()
    if restarted:
        stage.kill()
        stage.restart()
    stage.building.open()
    agree(stage)
    kinds = [row["kind"] for row in stage.ledger().notices if row["recipient"] == VM.contact]
    order = [taken.message_id for taken in stage.office.taken]
    sent = [row["message_id"] for row in stage.ledger().notices if row["recipient"] == VM.contact]
    assert [one for one in order if one in sent] == sent, f"the thread is in order: {kinds}"


@pytest.mark.parametrize("restarted", [False, True], ids=["", "and the daemon is killed meanwhile"])
def test_no_mail_server(restarted: bool, beside: Any, request: pytest.FixtureRequest) -> None:
    """What could not be sent waits, also through a death, and arrives once and in order when a server is there."""
    beside.run(request, down)
