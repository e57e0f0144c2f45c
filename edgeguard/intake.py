"""What becomes of a mail that came in: a row, a line in its case's story, an acknowledgement, and word of it to whoever
is on duty. Nothing else, ever.

    intake = Intake(store, config.mail, config.roster)
    said = intake.take(read(raw, own(config.mail)), clock.now())

A reply never frees, exempts or lengthens anything: its mailbox may be the intruder's. Nothing here can record a
decision.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from email.utils import parseaddr
from typing import Any

from edgeguard import clock, roster
from edgeguard.cases import codec
from edgeguard.cases.case import Case
from edgeguard.cases.matter import head
from edgeguard.cases.protocol import CaseStore
from edgeguard.cases.received import Taken
from edgeguard.clock import HOUR
from edgeguard.config import Mail, Roster
from edgeguard.decision.binding import NOTHING
from edgeguard.errors import UsageError
from edgeguard.hooks.message import to_desk
from edgeguard.incoming import Keyword, Reply, Sort
from edgeguard.letters import Delivery, Notice
from edgeguard.model import identity
from edgeguard.notice.acknowledged import acknowledgement
from edgeguard.notice.contacts import again, next_contact
from edgeguard.notice.enclosure import SLOT
from edgeguard.notice.kinds import Kind
from edgeguard.replies.mail import Own, bounded
from edgeguard.states import VICTIM

AGAIN = HOUR  # of what is written to a case, and not read, people are told at most this often
_WRITTEN = (Sort.REPLY, Sort.UNREADABLE)  # what a person may have written
_SHOWN = 200  # characters of an answer's first line in the mail about it; `case show` has all of it
_NEVER_AGAIN = (Kind.ACKNOWLEDGED, Kind.DESK_UNDELIVERED)  # kinds whose loss is told to nobody


def own(mail: Mail) -> Own:
    """What of our own mails a reply is recognised by."""
    addresses = (parseaddr(one)[1] for one in (mail.sender, mail.desk, mail.desk_copy, mail.reply_to))
    return Own(mail.reply_to, tuple(address for address in addresses if address))


class Intake:
    """Takes replies. StoreError where the database does not: then nothing of the reply was written."""

    def __init__(self, store: CaseStore, mail: Mail, on_duty: Roster) -> None:
        self._store = store
        self._mail = mail
        self._roster = on_duty

    def take(self, reply: Reply, at: int) -> str:
        """Writes it down and says in one line what became of it."""
        if reply.sort is Sort.BOUNCE:
            return self._bounced(reply, at)
        named = self._store.replies.case_of(reply.names)
        case = self._store.case(named) if named is not None else None
        notice = self._acknowledgement(reply, case, at) if case is not None and reply.answerable else None
        promised = notice.values["read_by"] if notice is not None else None
        taken = Taken(reply, at, case.id if case else None, None, notice.id if notice else None, promised)
        told = self._telling(reply, case, at) if case is not None and reply.sort in _WRITTEN else ()
        written = self._store.replies.take(taken, [notice] if notice is not None else [], told)
        return _sentence(reply, written)

    def _telling(self, reply: Reply, case: Case, at: int) -> tuple[Delivery, ...]:
        """To who is on duty, else the desk, whatever the case's state: of the first answer that nobody has read at
        once, of those after it once an hour. Read by a person it is over, and the next one is a first one again."""
        if not (self._mail.server and self._mail.desk and self._mail.sender):
            return ()
        first = next(iter(self._store.replies.unread(case.id, 1)), None)
        since, began = (first.reply.id, first.at) if first else (reply.id, at)
        subject = f"[EdgeGuard] {case.id}: the answer {reply.keyword or 'to its mail'} came in"
        text = "\n".join(self._told(reply, case))
        return tuple(
            to_desk(
                identity("desk", head(case), since, str((at - began) // AGAIN), to), case.id, subject, text, at, to=to
            )
            for to in roster.addresses(self._roster, at)
        )

    def _told(self, reply: Reply, case: Case) -> Iterator[str]:
        sender = reply.sender or "somebody without an address"
        known = sender.lower() in self._store.replies.contacts(case.id)
        stranger = "" if known else " (unknown sender: none of its mails went there)"
        yield f"{sender} answered a mail of {case.id}{stranger}:"
        said = f"it cannot be read: {reply.defect}" if reply.defect else reply.text.partition("\n")[0][:_SHOWN]
        plain = "".join(sign for sign in said if sign.isprintable()).strip() or "nothing new"
        yield from ("", *(f"  {line}" for line in textwrap.wrap(plain, 70)), "")
        until = self._until(case)
        now = f"null-routed until {clock.utc(until)} at the latest" if until else "nothing of it is null-routed"
        yield f"The case is about {case.vm_name or case.vm or case.source or 'a customer'}; {case.state}, {now}."
        others = self._open_beside(case) if case.closed is not None else []
        if others:
            yield f"It is closed. Open is, of the same VM: {', '.join(f'{one.id} ({one.state})' for one in others)}."
        yield "A note, or a decision, says that it was read; until then one mail an hour tells of further answers."
        yield from ("", *(f"  edgeguard case show {one.id}" for one in (case, *others)))
        yield f'  edgeguard case note {case.id} --why "read: ..."'

    def _open_beside(self, case: Case) -> list[Case]:
        """What else is open of the same VM, while it is the same customer's: somebody answers an older thread."""
        found = self._store.find(case.vm) if case.vm else []
        same = [one for one in found if (one.vm, one.customer) == (case.vm, case.customer) and one.state != VICTIM]
        return [one for one in same if one.closed is None]

    def _acknowledgement(self, reply: Reply, case: Case, at: int) -> Notice | None:
        """None: nothing was ever decided in the case, so nobody was written to."""
        decision = self._store.replies.youngest_decision(case.id)
        if decision is None or reply.sender is None:
            return None
        known = reply.sender.lower() in self._store.replies.contacts(case.id)
        until = self._until(case)
        no_appeal = reply.keyword is Keyword.APPEAL and not (known and until and self._may_appeal(case))
        return acknowledgement(
            reply.id,
            case.id,
            decision,
            reply.sender,
            received=at,
            keyword=None if no_appeal else reply.keyword,
            name=(case.vm_name or case.vm) if known else None,
            until=until if known else None,
            read_by=roster.promised(self._roster, self._mail.read_within, at),
            answers=reply.message_id,
        )

    def _may_appeal(self, case: Case) -> bool:
        """As daemon/keeping.py takes an appeal: not of what was decided on one, before two people read it again."""
        said = NOTHING
        for word in self._store.words(case.id):
            said = said.after(word)
        return not (said.decided and said.upheld is not None)

    def _until(self, case: Case) -> int | None:
        """When the last null route of the case ends at the latest."""
        ends = [one.order.until for one in self._store.standing() if one.case.id == case.id]
        return max(ends, default=None)

    # ---- bounces -------------------------------------------------------------------------------

    def _bounced(self, reply: Reply, at: int) -> str:
        """A notice came back: the desk is told, and the owner's next contact gets the notice itself, without one the
        desk; once whatever comes back."""
        lost = self._store.replies.sent(reply.names)
        taken = Taken(reply, at, lost.case if lost else None, lost.id if lost else None)
        written = self._store.replies.take(taken, self._instead(lost, reply, at) if lost else ())
        if written is None:
            return _sentence(reply, None)
        if lost is None:
            return f"a mail came back undelivered ({reply.status}); it is none that this database sent"
        return f"{lost.case}: notice {lost.id} came back undelivered ({reply.status})"

    def _instead(self, notice: Notice, reply: Reply, at: int) -> tuple[Notice, ...]:
        """Of what the desk itself was sent there is nobody else to tell."""
        if notice.to is None or notice.kind in _NEVER_AGAIN:
            return ()
        further = next_contact(notice)
        known = {name: value for name, value in notice.values.items() if name != SLOT}
        told = {**known, **_returned(notice, reply, at), "next_contact": further}
        about = identity("notice", notice.id, Kind.DESK_UNDELIVERED)
        desk = Notice(about, notice.case, notice.decision, Kind.DESK_UNDELIVERED, None, told)
        return desk, again(notice, further)


def take_body(store: CaseStore, mail: Mail, on_duty: Roster, body: str) -> dict[str, str]:
    """The daemon's answer to a reply that was read elsewhere. UsageError where it is none."""
    try:
        reply = codec.loads(Reply, body)
    except (ValueError, TypeError, AttributeError, RecursionError):
        raise UsageError("the reply is not one that 'edgeguard reply' of this version wrote") from None
    return {"text": Intake(store, mail, on_duty).take(bounded(reply), clock.now())}


def _returned(notice: Notice, reply: Reply, at: int) -> dict[str, Any]:
    return {
        "refused_at": at,
        "bounced": True,
        "notice": notice.id,
        "kind_refused": notice.kind,
        "contact_refused": notice.to,
        "error": f"it came back undelivered: {reply.status}",
    }


def _sentence(reply: Reply, written: Taken | None) -> str:
    who = reply.sender or "nobody known"
    if written is None:
        return f"{reply.sort} from {who}: known already, nothing was written"
    kind = reply.keyword or reply.sort
    defect = f"; it cannot be read: {reply.defect}" if reply.defect else ""
    if written.case is None:
        return f"no case: {kind} from {who} is number {written.seq} of 'edgeguard reply --unmatched'{defect}"
    told = ", acknowledged" if written.acknowledged else ""
    return f"{written.case}: {kind} from {who} recorded{told}{defect}"
