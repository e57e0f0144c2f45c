"""The thread that hands deliveries over, each once, and never loses what it could not.

    courier = Courier(store.tray(), settings, runner, mail)
    courier.start()
    store.record(..., deliveries); courier.wake()
    courier.stop()

One delivery of a channel is under way at a time. It is marked sent right after its answer; a failure postpones it,
doubling the pause; one that is too old has failed, and the desk is told. While the runner is gone programs and
webhooks wait in the database, and pages go to the desk.
"""

from __future__ import annotations

import contextlib
import logging
import os
import select
import threading
from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from edgeguard import clock
from edgeguard.clock import HOUR, MINUTE, SECOND
from edgeguard.errors import StoreError
from edgeguard.hooks import wire
from edgeguard.hooks.client import Runner
from edgeguard.hooks.line import line
from edgeguard.hooks.mailing import Mailing
from edgeguard.hooks.message import hand, undelivered
from edgeguard.letters import Channel, Delivery, Undelivered

LONGEST_PAUSE = {Channel.PROGRAM: HOUR, Channel.WEBHOOK: HOUR, Channel.PAGE: 5 * MINUTE, Channel.DESK: HOUR}
LOOK = SECOND  # the deliveries are looked at this often even when nobody wakes it
GRACE = 2.0  # seconds that stop() leaves to the thread
DOUBLINGS = 30
SILENCE = MINUTE  # beyond its time: so long the runner may owe an answer

log = logging.getLogger("edgeguard.hooks")


class Tray(Protocol):
    """Where deliveries wait. cases.tray.Tray is one; every method may raise StoreError."""

    def due(self, channels: Collection[Channel], now: int, limit: int = 100) -> Sequence[Undelivered]: ...
    def next_try(self, channels: Collection[Channel]) -> int | None: ...
    def counts(self) -> dict[str, dict[str, int]]: ...
    def sent(self, id: str, at: int) -> None: ...
    def postponed(self, id: str, next_try: int, error: str, also: Sequence[Delivery] = ()) -> None: ...
    def failed(self, id: str, error: str, also: Sequence[Delivery] = ()) -> None: ...
    def close(self) -> None: ...


class Settings(Protocol):
    """What is asked of the configuration. Times are ns."""

    @property
    def program(self) -> tuple[str, ...]: ...
    @property
    def url(self) -> str: ...
    @property
    def timeout(self) -> int: ...
    @property
    def retry(self) -> int: ...
    @property
    def age(self) -> int: ...


@dataclass(frozen=True, slots=True)
class _UnderWay:
    """A delivery whose answer is awaited."""

    one: Undelivered
    by_runner: bool
    overdue: int


class Courier:
    """Hands over until it is stopped. Nothing it meets ends the thread."""

    def __init__(
        self,
        tray: Tray,
        settings: Settings,
        runner: Runner | None,
        paging: bool,
        mail: Mailing | None,
        now: Callable[[], int] = clock.now,
        on_duty: Callable[[int], tuple[str, ...]] = lambda at: (),
    ) -> None:
        """runner: None where no program and no URL is configured. paging: a page's program is. mail: to the desk.
        on_duty: whom a page wakes."""
        self._tray = tray
        self._settings = settings
        self._runner = runner
        self._paging = paging and runner is not None
        self._mail, self._on_duty = mail, on_duty
        self._now = now
        self._stopping = threading.Event()
        self._woken = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._thread = threading.Thread(target=self._run, name="hooks", daemon=True)
        self._under_way: dict[Channel, _UnderWay] = {}
        self._unrecorded: deque[Delivery] = deque()  # pages that the database refused
        self._told: dict[str, int] = {}  # of those, which were taken, and when: not told again once they are recorded
        self._unwritten: deque[Callable[[], None]] = deque()  # what the database must take before anything else
        self._told_trouble = False
        self.delivered = 0  # since the start
        self.failures = 0  # attempts that failed since the start
        self.waiting: dict[str, dict[str, int]] = {}  # as the database has them
        self.last_error: str | None = None  # of the youngest failure; None after a success

    def start(self) -> None:
        self._thread.start()

    def serve(self, mail: Mailing | None, on_duty: Callable[[int], tuple[str, ...]]) -> None:
        """Other settings of the mail to the desk, and another roster; its people's programs are those of the start."""
        self._mail, self._on_duty = mail, on_duty

    def wake(self) -> None:
        """Look at the deliveries now. Any thread may call it."""
        os.eventfd_write(self._woken, 1)

    def at_once(self, page: Delivery) -> None:
        """A page that the database cannot take: handed over without it, tried once. Any thread may call it."""
        self._unrecorded.append(page)
        self.wake()

    def stop(self) -> None:
        """Ends the thread and the runner. What is under way is handed over again at the next start."""
        self._stopping.set()
        self.wake()
        if self._thread.ident is not None:
            self._thread.join(GRACE)
        if self._runner is not None:
            self._runner.close()

    @property
    def trouble(self) -> str:
        """Why nothing is handed to programs and webhooks any more; empty while it is."""
        ended = self._runner.ended if self._runner is not None else ""
        return f"{ended}: hooks wait in the database until the daemon is restarted" if ended else ""

    def told(self) -> dict[str, Any]:
        """For status."""
        return {
            "delivered": self.delivered,
            "failures": self.failures,
            "waiting": {name: found["waiting"] for name, found in self.waiting.items() if found.get("waiting")},
            "failed": {name: found["failed"] for name, found in self.waiting.items() if found.get("failed")},
            "trouble": self.trouble,
            "last_error": self.last_error,
        }

    # ---- the thread --------------------------------------------------------------------------

    def _run(self) -> None:
        poll = select.poll()
        poll.register(self._woken, select.POLLIN)
        if self._runner is not None:
            poll.register(self._runner.fileno(), select.POLLIN)
        try:
            while not self._stopping.is_set():
                self._look()
                if self._gone():
                    poll = select.poll()
                    poll.register(self._woken, select.POLLIN)
                poll.poll(self._pause_ms())
                self._calm()
        finally:
            self._tray.close()

    def _calm(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self._woken)

    def _look(self) -> None:
        """The thread outlives every failure; the next look tries again."""
        try:
            self._hear()
            if self._unrecorded and Channel.PAGE not in self._under_way:
                page = self._unrecorded.popleft()
                self._told.setdefault(page.id, 0)
                self._begin_one(Undelivered(page, 0))
            self._write()
            self._give_up_silent()
            while self._begin():
                self._write()
            self.waiting = self._tray.counts()
        except StoreError as error:
            self._failed(str(error))
        except Exception:
            log.exception("the courier met an error of its own; the deliveries stay in the database")

    def _pause_ms(self) -> int:
        free = self._free()
        try:
            due = self._tray.next_try(free) if free and not self._unwritten else None
        except StoreError:
            due = None
        wait = LOOK if due is None else min(LOOK, due - self._now())
        # Never a busy loop, should the clocks or the database tell nonsense.
        return max(wait, SECOND // 100) // 1_000_000

    def _free(self) -> list[Channel]:
        """Channels without a delivery under way."""
        return [channel for channel in Channel if channel not in self._under_way]

    # ---- beginning ---------------------------------------------------------------------------

    def _begin(self) -> bool:
        """Begin what is due, one of each channel. False: nothing began, and nothing was dealt with."""
        moved = False
        for channel in self._free():
            if self._stopping.is_set():
                return False
            found = self._tray.due([channel], self._now(), 1)
            moved = bool(found and self._begin_one(found[0])) or moved
        return moved

    def _begin_one(self, one: Undelivered) -> bool:
        """True: it is dealt with already, and the next of its channel may be due."""
        channel = one.delivery.channel
        if at := self._told.get(one.delivery.id):
            self._unwritten.append(lambda: self._tray.sent(one.delivery.id, at))
            return True
        if channel is Channel.DESK or (channel is Channel.PAGE and not self._runs_pages()):
            return self._send(one)
        if channel is not Channel.PAGE and not self._is_configured(channel):
            self._give_up(one, f"[hooks] {'program' if channel is Channel.PROGRAM else 'url'} is empty now")
            return True
        return self._give(one)

    def _runs_pages(self) -> bool:
        """Whether pages go to their program: without the runner they go to the desk, if there is one."""
        return self._paging and not (self._gone() and self._mail is not None)

    def _is_configured(self, channel: Channel) -> bool:
        settings = self._settings
        wanted = settings.program if channel is Channel.PROGRAM else settings.url
        return self._runner is not None and bool(wanted)

    def _gone(self) -> bool:
        return self._runner is not None and bool(self._runner.ended)

    def _give(self, one: Undelivered) -> bool:
        """To the runner; while it is gone everything waits for the next start."""
        assert self._runner is not None
        if self._gone():
            return False
        try:
            message = hand(one, self._on_duty(self._now()))
            wire.encode(message)
        except (ValueError, KeyError, TypeError, wire.WireError) as error:
            self._give_up(one, f"the document cannot be handed over: {error}")
            return True
        if self._runner.hand(message):
            self._awaited(one, by_runner=True)
        return False

    def _send(self, one: Undelivered) -> bool:
        """To the desk's mail; where there is none the log is all that is left."""
        if self._mail is None:
            self._give_up(one, "nobody can be told: neither [page] program nor [mail] server and desk are set")
            return True
        self._awaited(one, by_runner=False)
        self._mail.send(one, self.wake)
        return False

    def _awaited(self, one: Undelivered, by_runner: bool) -> None:
        overdue = self._now() + wire.MAX_NS + SILENCE
        self._under_way[one.delivery.channel] = _UnderWay(one, by_runner, overdue)

    # ---- ending ------------------------------------------------------------------------------

    def _hear(self) -> None:
        """Answers of the runner and of the mail server."""
        answers = self._runner.poll() if self._runner is not None else []
        if self._mail is not None:
            answers += self._mail.answers()
        for answer in answers:
            self._answered(answer)
        if self.trouble and not self._told_trouble:
            self._told_trouble = True
            log.error("%s", self.trouble)
            # What it was doing is still to be done; a page finds another way.
            self._under_way = {channel: way for channel, way in self._under_way.items() if not way.by_runner}

    def _answered(self, answer: wire.Answer) -> None:
        way = next((way for way in self._under_way.values() if way.one.delivery.id == answer.id), None)
        if way is None:
            return
        channel = way.one.delivery.channel
        del self._under_way[channel]
        if not answer.taken:
            self._postpone(way, answer.detail)
            return
        log.info("%s %s: %s", channel, answer.id, answer.detail)
        self.delivered += 1
        self.last_error = None
        at = self._now()
        if answer.id in self._told:
            self._told[answer.id] = at
        self._unwritten.append(lambda: self._tray.sent(answer.id, at))

    def _give_up_silent(self) -> None:
        for channel, way in list(self._under_way.items()):
            if self._now() >= way.overdue:
                del self._under_way[channel]
                self._postpone(way, "no answer came in all this time")

    def _postpone(self, way: _UnderWay, error: str) -> None:
        """Again later, unless it is too old. The desk is mailed a page that its program did not take, once."""
        delivery, now = way.one.delivery, self._now()
        if now - delivery.created >= self._settings.age:
            self._give_up(way.one, error)
            return
        self._failed(f"{delivery.channel} {delivery.id}: {error}")
        pause = min(LONGEST_PAUSE[delivery.channel], self._settings.retry << min(way.one.attempts, DOUBLINGS))
        paged = delivery.channel is Channel.PAGE and way.by_runner
        also = self._for_the_desk(way.one, error) if paged else ()
        self._unwritten.append(lambda: self._tray.postponed(delivery.id, now + pause, line(error.encode()), also))

    def _give_up(self, one: Undelivered, error: str) -> None:
        self._failed(f"{one.delivery.channel} {one.delivery.id}: given up: {error}", level=logging.ERROR)
        also = self._for_the_desk(one, error)
        self._unwritten.append(lambda: self._tray.failed(one.delivery.id, line(error.encode()), also))

    def _for_the_desk(self, one: Undelivered, error: str) -> tuple[Delivery, ...]:
        """The desk's mail about it; none about the desk's own."""
        if self._mail is None or one.delivery.channel is Channel.DESK:
            return ()
        return (undelivered(one, line(error.encode()), self._now()),)

    def _write(self) -> None:
        """While the database cannot take what became of one, nothing else is handed over: never twice."""
        while self._unwritten:
            self._unwritten[0]()
            self._unwritten.popleft()

    def _failed(self, error: str, level: int = logging.WARNING) -> None:
        self.failures += 1
        if error != self.last_error:  # the same failure again and again is one line
            log.log(level, "%s", error)
        self.last_error = error
