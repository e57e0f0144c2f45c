"""What owners answer moves their cases: a reply to review, APPEAL to a third person. It never makes an end later.

`edgeguard reply` only writes a mail down, maybe in a process of its own; the daemon looks here every few seconds.
"""

from __future__ import annotations

from dataclasses import replace

from edgeguard import clock
from edgeguard.cases.case import Case
from edgeguard.cases.received import Heard
from edgeguard.daemon.keeping import contested
from edgeguard.daemon.together import Office
from edgeguard.enforcement.boottime import boot, boottime
from edgeguard.errors import StoreError, UsageError
from edgeguard.incoming import Keyword
from edgeguard.states import AUTOMATION, CUSTOMER, TABLE
from edgeguard.word import OWNER, Said, Word

LOOK = 2 * clock.SECOND
LENGTH = 200  # characters of a reply in a word; `case show` has all of it


class Hearing:
    """One per daemon; a chore."""

    def __init__(self, live: Office) -> None:
        self._live = live
        self._next = 0

    def look(self, at: int) -> None:
        """A database that takes nothing is told elsewhere; what was not heard still is to be."""
        if 0 <= self._next - at <= LOOK:
            return
        self._next = at + LOOK
        try:
            for heard in self._live.store.replies.unheard():
                self._hear(heard, at)
        except StoreError:
            return

    def _hear(self, heard: Heard, at: int) -> None:
        case = self._live.engine.docket.of(heard.case) or self._live.store.case(heard.case)
        assert case is not None, "a foreign key holds it"
        if heard.reply.keyword is not Keyword.APPEAL or not self._appeals(case, heard, at):
            self._replied(case, heard)

    def _appeals(self, case: Case, heard: Heard, at: int) -> bool:
        """Only of somebody who got the case's mails: whoever else writes it may be anybody."""
        try:
            if not heard.known:
                raise UsageError("its sender got none of this case's mails; a person enters it with 'case appeal'")
            contested(self._live, case, OWNER, _first_line(heard), heard.at, heard.seq)
        except UsageError as refused:
            self._live.store.note(case.id, at, AUTOMATION, f"APPEAL in a reply is no appeal: {refused}")
            return False
        return True

    def _replied(self, case: Case, heard: Heard) -> None:
        moved = replace(case, state=TABLE.after(case.state, Said.REPLY, CUSTOMER) or case.state)
        word = Word(case.id, Said.REPLY, heard.at, OWNER, _first_line(heard), reply=heard.seq)
        self._live.store.say(moved, replace(word, since=boottime(), boot=boot()))
        if self._live.engine.docket.of(case.id) is not None:
            self._live.engine.said(moved, word)


def _first_line(heard: Heard) -> str:
    line = heard.reply.text.partition("\n")[0][:LENGTH]
    return "".join(sign for sign in line if sign.isprintable()) or "no text"
