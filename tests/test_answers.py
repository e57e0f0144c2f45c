"""What the daemon answers to."""

from __future__ import annotations

from types import SimpleNamespace

from edgeguard.daemon.answers import Answers
from edgeguard.request import VERBS


def test_every_verb_has_an_answer() -> None:
    """A request that can be made can be answered: none ends the daemon by being unknown to it."""
    nobody = SimpleNamespace()
    answers = Answers(nobody, nobody, nobody)  # type: ignore[arg-type] # nothing is asked
    assert set(answers._answers) == set(VERBS.values())
