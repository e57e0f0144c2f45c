"""The thread that sends what is due, once, and never loses what it could not.

    outbox = Outbox(store.box(), config.mail)
    outbox.start()
    store.record(...); outbox.wake()
    outbox.stop()

A mail is marked sent right after the server's 250. A failure postpones it, doubling the pause from
[mail] retry to an hour; a refusal for good is recorded and the desk is told. Without a server the
rows stay where they are.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from email.message import EmailMessage
from typing import Protocol

from edgeguard import clock
from edgeguard.clock import HOUR, SECOND
from edgeguard.errors import StoreError
from edgeguard.letters import Mail, Notice, Queued
from edgeguard.logs import about
from edgeguard.model import identity
from edgeguard.notice.contacts import again, next_contact
from edgeguard.notice.enclosure import SLOT
from edgeguard.notice.kinds import Kind
from edgeguard.notice.message import copies, recipients, write
from edgeguard.notice.refusal import Refusal
from edgeguard.notice.settings import MailSettings
from edgeguard.notice.smtp import Connection

LONGEST_PAUSE = HOUR
LOOK = SECOND  # the outbox is looked at this often even when nobody wakes it
GRACE = 2.0  # seconds that stop() leaves to a mail on its way
DOUBLINGS = 30  # 2 ** this times any retry is far above the longest pause

log = logging.getLogger("edgeguard.notice")


class Box(Protocol):
    """Where notices wait. cases.box.Box is one; every method may raise StoreError."""

    def due(self, now: int, limit: int = 100) -> Sequence[Queued]: ...
    def next_due(self) -> int | None: ...
    def sent(self, id: str, at: int, mail: Mail, partly: str | None = None) -> None: ...
    def postponed(self, tries: Sequence[tuple[str, int]], error: str) -> None: ...
    def hasten(self, now: int) -> None: ...
    def refused(self, id: str, at: int, error: str, told: Sequence[Notice] = ()) -> None: ...
    def close(self) -> None: ...


Writer = Callable[[Queued, MailSettings, int], tuple[EmailMessage, Mail]]


class Outbox:
    """Sends notices until it is stopped. Nothing it meets ends the thread."""

    def __init__(
        self, box: Box, settings: MailSettings, write: Writer = write, now: Callable[[], int] = clock.now
    ) -> None:
        self._box = box
        self._settings = settings
        self._write = write
        self._now = now
        self._stopping = threading.Event()
        self._looking = threading.Event()
        self._thread = threading.Thread(target=self._run, name="outbox", daemon=True)
        self._connection: Connection | None = None
        self._taken: dict[str, tuple[int, Mail, str | None]] = {}  # by the server, not yet marked so
        self._server_failed = False
        self._anew = False  # the settings are others since the last look
        self.sent = 0  # mails handed over since the start
        self.last_error: str | None = None  # of the youngest failure; None after a success

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        """Look at the outbox now. Any thread may call it."""
        self._looking.set()

    def configure(self, settings: MailSettings) -> None:
        """Other settings, from the next connection on; what the former ones kept waiting is due at once."""
        if settings != self._settings:
            self._settings, self._anew = settings, True
            self.last_error = None
            self.wake()

    def write_with(self, write: Writer) -> None:
        """Other texts, from the next mail on. Any thread may call it."""
        self._write = write

    def stop(self) -> None:
        """Ends the thread: a mail on its way has GRACE seconds, then the connection is cut."""
        self._stopping.set()
        self._looking.set()
        if self._thread.ident is None:
            return
        self._thread.join(GRACE)
        connection = self._connection
        if self._thread.is_alive() and connection is not None:
            connection.abort()
            self._thread.join(GRACE)

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                self._looking.clear()
                self._look()
                self._looking.wait(self._pause())
        finally:
            self._box.close()

    def _look(self) -> None:
        """Sends all that is due. The thread outlives every failure; the next look tries again."""
        try:
            if self._anew:
                self._anew = False
                self._box.hasten(self._now())
            if self._settings.server:
                while not self._stopping.is_set() and self._send_due():
                    pass
        except StoreError as error:
            self._failed(str(error))
        except Exception:
            log.exception("the outbox met an error of its own; the mails stay in it")

    def _pause(self) -> float:
        """Seconds until the next look."""
        try:
            due = self._box.next_due() if self._settings.server else None
        except StoreError:
            due = None
        wait = LOOK if due is None else min(LOOK, due - self._now())
        # Never a busy loop, should the clocks or the database tell nonsense.
        return max(wait, SECOND // 100) / SECOND

    def _send_due(self) -> bool:
        """One connection's worth of mails. False: nothing was due."""
        self._mark()
        due = self._box.due(self._now())
        if not due:
            return False
        self._connection = Connection(self._settings)
        try:
            with self._connection as connection:
                self._deliver(connection, due)
        except Refusal as refusal:
            self._postpone(due, refusal)
        finally:
            self._connection = None
        return True

    def _deliver(self, connection: Connection, due: Sequence[Queued]) -> None:
        """Each mail is dealt with by itself: one that makes the server hang up does not hold the others."""
        for queued in due:
            if self._stopping.is_set():
                return
            try:
                self._deliver_one(connection, queued)
            except Refusal as refusal:
                self._put_aside(queued, refusal)
                if refusal.everyone:
                    return  # this connection is of no more use; the rest is due on the next one

    def _deliver_one(self, connection: Connection, queued: Queued) -> None:
        message, mail = self._written(queued)
        partly = connection.deliver(message, recipients(message), copies(message))
        self._taken[queued.notice.id] = (self._now(), mail, partly)
        self.sent += 1
        self.last_error = None
        self._mark()
        if mail.fallback:
            said = (queued.notice.id, mail.fallback)
            log.warning("notice %s went out as built-in text: %s", *said, extra=_whose(queued))
        if self._server_failed:
            self._server_failed = False
            self._box.hasten(self._now())

    def _written(self, queued: Queued) -> tuple[EmailMessage, Mail]:
        try:
            return self._write(queued, self._settings, self._now())
        except Refusal:
            raise
        except Exception as error:
            # A row of another version, say: it waits for a better program and the others go on.
            log.exception("notice %s cannot be written", queued.notice.id, extra=_whose(queued))
            raise Refusal(f"notice {queued.notice.id} cannot be written: {type(error).__name__}: {error}") from error

    def _mark(self) -> None:
        """While the database cannot take it that a mail left, nothing else is sent: never twice."""
        for id, (at, mail, partly) in list(self._taken.items()):
            self._box.sent(id, at, mail, partly)
            del self._taken[id]

    def _put_aside(self, queued: Queued, refusal: Refusal) -> None:
        if not refusal.permanent:
            self._postpone([queued], refusal)
            return
        self._failed(str(refusal))
        self._box.refused(queued.notice.id, self._now(), str(refusal), tuple(self._told(queued.notice, str(refusal))))

    def _postpone(self, rows: Sequence[Queued], refusal: Refusal) -> None:
        if self._stopping.is_set():
            return  # cut by ourselves: no fault of the server's, and due at once at the next start
        self._server_failed = self._server_failed or refusal.everyone
        self._failed(str(refusal))
        now = self._now()
        self._box.postponed([(q.notice.id, now + self._back_off(q.attempts)) for q in rows], str(refusal))

    def _back_off(self, attempts: int) -> int:
        return min(LONGEST_PAUSE, self._settings.retry << min(attempts, DOUBLINGS))

    def _told(self, lost: Notice, error: str) -> Iterator[Notice]:
        """To the desk that one to a customer was refused, and to his next contact the mail. None of the desk's own."""
        if lost.to is None:
            return
        further = next_contact(lost)
        values = {
            **{name: value for name, value in lost.values.items() if name != SLOT},
            "refused_at": self._now(),
            "notice": lost.id,
            "kind_refused": lost.kind,
            "contact_refused": lost.to,
            "next_contact": further,
            "error": error,
        }
        id = identity("notice", lost.id, Kind.DESK_UNDELIVERED)
        yield Notice(id, lost.case, lost.decision, Kind.DESK_UNDELIVERED, None, values)
        if further is not None:
            yield again(lost, further)

    def _failed(self, error: str) -> None:
        if error != self.last_error:  # the same failure again and again is one line
            log.warning("%s", error)
        self.last_error = error


def _whose(queued: Queued) -> dict[str, str]:
    return about(queued.notice.case, queued.notice.decision)
