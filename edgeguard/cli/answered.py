"""What the owner of a case answered, as `next` and `why` show it: anybody may write to a case, and it is said who did.

for answer in answers(reader, [case.id]): print(answer.who, answer.says)
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgeguard.incoming import Sort
from edgeguard.notice.kinds import Kind

if TYPE_CHECKING:  # people wait for `next`: a protocol takes its time to load
    from edgeguard.cases.case import Letter
    from edgeguard.cases.protocol import Cases
    from edgeguard.cases.received import Taken

NAME = 40  # characters of a sender, so that what he says keeps a place in the line


@dataclass(frozen=True, slots=True)
class Answer:
    """One mail that a person wrote. known: the case had written to its sender."""

    at: int
    known: bool
    sender: str
    says: str  # the first new line

    @property
    def who(self) -> str:
        return self.sender if self.known else f"(unknown sender) {self.sender}"


def answers(reader: Cases, cases: Iterable[str]) -> list[Answer]:
    """The youngest by somebody the case was written to, so that no stranger hides it; and the youngest by any other."""
    found = [answer for case in cases for answer in _of_case(reader, case)]
    found.sort(key=lambda one: one.at)
    return [of[-1] for known in (True, False) if (of := [one for one in found if one.known is known])]


def told(letters: Iterable[Letter]) -> list[Letter]:
    """What a case was written of: without what only says that a mail came in, and goes to whoever wrote it."""
    return [letter for letter in letters if letter.kind != Kind.ACKNOWLEDGED]


def _of_case(reader: Cases, case: str) -> list[Answer]:
    written = [taken for taken in reader.replies.of_case(case) if taken.reply.sort is Sort.REPLY]
    contacts = {letter.to.lower() for letter in told(reader.letters(case)) if letter.to} if written else set()
    return [_answer(taken, contacts) for taken in written]


def _answer(taken: Taken, contacts: set[str]) -> Answer:
    reply = taken.reply
    says = reply.text.partition("\n")[0] or reply.keyword or "nothing new"
    sender = reply.sender or "without an address"
    known = sender.lower() in contacts
    return Answer(taken.at, known, sender if len(sender) <= NAME else f"{sender[: NAME - 3]}...", says)
