"""The way back: do the host's VMs still complete connections as they did minutes ago?

Where they do not, nothing comes back to anybody, and a busy client looks like a flood. What is in doubt
supports nothing, so an attacker would like it to be in doubt: who is judged is therefore never asked.
The witnesses are the *other customers*, each with one vote; a witness must have completed most of its
connections before, must still try, and must not suddenly try far more (a flood by several accounts would
vouch for itself). At least three must testify, and four of five must say the same.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from edgeguard.clock import HOUR, MINUTE, SECOND
from edgeguard.harm.sender import Sender
from edgeguard.units import percent

NOW = 5 * SECOND  # what 'now' means: a cut shows within half of it
KEPT = 5  # minutes of healthy time remembered of a VM
WITNESSES = 3  # other customers, at least
AGREED = 0.8  # of them
COMPLETED = 20  # handshakes that a VM must have completed before, and at least half of what it tried
TRIED = 5  # SYNs now: fewer prove nothing
SURGE = 4  # times the SYN rate of before: whoever tries more is no witness
HELD = HOUR  # how long a VM that fails is compared with its last good minutes; then the new is the usual
FRAMES = 1_000  # out of the others now: as many without a single one into them is one direction
PAUSE = 15 * SECOND  # between two samples: beyond this nobody watched


@dataclass(frozen=True, slots=True)
class Vote:
    """One customer's testimony."""

    customer: str | None
    tried: int
    completed: int
    usual: float  # share completed before
    failing: bool


@dataclass(slots=True)
class Past:
    """What is remembered of one row while it is the same VM's."""

    vm: str
    customer: str | None
    recent: deque[tuple[int, Sender]] = field(default_factory=lambda: deque(maxlen=64))
    minutes: deque[tuple[int, int, int]] = field(default_factory=lambda: deque(maxlen=KEPT))  # ns, SYNs, completed
    running: tuple[int, int, int] = (0, 0, 0)
    known: tuple[int, int, int] = (0, 0, 0)  # all of `minutes`
    failing_since: int = 0
    heard: bool = False  # it testified in this sample

    def take(self, now: int, sender: Sender) -> None:
        self.recent.append((now, sender))
        while now - self.recent[0][0] > NOW:
            at, first = self.recent.popleft()
            then, next_ = self.recent[0]
            self._learn(now, then - at, next_.syns - first.syns, next_.third_acks - first.third_acks)

    def _learn(self, now: int, span: int, syns: int, completed: int) -> None:
        """Healthy seconds only, and only when they are past: what a VM is compared with must not become what is
        wrong with it."""
        if self.failing_since and now - self.failing_since < HELD:
            return
        took, tried, done = self.running
        self.running = took + span, tried + syns, done + completed
        if self.running[0] >= MINUTE:
            self.minutes.append(self.running)
            took, tried, done = (sum(column) for column in zip(*self.minutes, strict=True))
            self.known, self.running = (took, tried, done), (0, 0, 0)

    def lately(self) -> tuple[int, int, int]:
        """Nanoseconds, SYNs and handshakes completed now."""
        (since, first), (until, last) = self.recent[0], self.recent[-1]
        return until - since, last.syns - first.syns, last.third_acks - first.third_acks

    def frames(self) -> tuple[int, int]:
        """Frames out and in, now."""
        first, last = self.recent[0][1], self.recent[-1][1]
        return last.out - first.out, last.into - first.into

    def usual(self) -> tuple[int, int, int]:
        """The same as `lately`, of the minutes remembered."""
        return self.known

    def testifies(self) -> bool:
        """Whether this VM can say anything of the way back."""
        took, tried, done = self.known
        if done < COMPLETED or 2 * done < tried:
            return False
        span, trying, _ = self.lately()
        return trying >= TRIED and trying * took <= SURGE * tried * span

    def fails(self) -> bool:
        _, tried, done = self.usual()
        _, trying, doing = self.lately()
        return 2 * doing * tried < done * trying

    def judge(self, now: int) -> None:
        """Remember since when it fails; a VM that has nothing to say stays as it was."""
        self.heard = self.testifies()
        if self.heard:
            self.failing_since = (self.failing_since or now) if self.fails() else 0


class ReturnPath:
    """Sampled once a second; asked at every judgement."""

    def __init__(self) -> None:
        self._past: dict[int, Past] = {}
        self._votes: dict[str | None, Vote] = {}
        self._failing = 0  # of these
        self._frames: dict[str | None, tuple[int, int]] = {}  # now, by customer
        self._all_frames = 0, 0  # of all
        self._sending = self._receiving = 0  # customers
        self._last = 0

    def take(self, now: int, senders: Sequence[Sender]) -> None:
        """A sample of every row in use."""
        if not 0 < now - self._last < PAUSE:
            self._forget_recent()
        self._last = now
        for point in self._past.keys() - {sender.point for sender in senders}:
            del self._past[point]
        for sender in senders:
            if sender.vm is not None:
                self._of(sender, sender.vm).take(now, sender)
        for past in self._past.values():
            past.judge(now)
        self._votes = {vote.customer: vote for vote in self._counted()}
        self._failing = sum(vote.failing for vote in self._votes.values())
        self._frames = self._summed()
        out, into = zip(*self._frames.values(), strict=True) if self._frames else ((), ())
        self._all_frames = sum(out), sum(into)
        self._sending, self._receiving = sum(map(bool, out)), sum(map(bool, into))

    def _of(self, sender: Sender, vm: str) -> Past:
        """The row's past; another VM, another customer or a count that began anew is another past."""
        past = self._past.get(sender.point)
        began = bool(past and past.recent and past.recent[-1][1].out > sender.out)
        if past is None or began or (past.vm, past.customer) != (vm, sender.customer):
            past = self._past[sender.point] = Past(vm, sender.customer)
        return past

    def _forget_recent(self) -> None:
        """The clock stepped, or nobody watched for long: spans would mean nothing."""
        for past in self._past.values():
            past.recent.clear()

    def _counted(self) -> Iterator[Vote]:
        by: dict[str | None, list[Past]] = {}
        for past in self._past.values():
            if past.heard:
                by.setdefault(past.customer, []).append(past)
        for customer, pasts in by.items():
            _, tried, done = (sum(column) for column in zip(*(past.usual() for past in pasts), strict=True))
            _, trying, doing = (sum(column) for column in zip(*(past.lately() for past in pasts), strict=True))
            yield Vote(customer, trying, doing, done / tried, 2 * doing * tried < done * trying)

    def _summed(self) -> dict[str | None, tuple[int, int]]:
        found: dict[str | None, tuple[int, int]] = {}
        for past in self._past.values():
            out, into = past.frames()
            before = found.get(past.customer, (0, 0))
            found[past.customer] = before[0] + out, before[1] + into
        return found

    @property
    def is_clear(self) -> bool:
        """Nothing can be in doubt for anybody: too few fail, and frames go into VMs of two customers at least."""
        return self._failing < AGREED * WITNESSES and (self._all_frames[0] < FRAMES or self._receiving > 1)

    def doubt(self, customer: str | None) -> str | None:
        """Why what came back to a customer's VMs is not known. VMs without a customer are taken for one customer."""
        return self._one_direction(customer) or self._stopped(customer)

    def _stopped(self, customer: str | None) -> str | None:
        own = self._votes.get(customer)
        all_of = len(self._votes) - (own is not None)
        failing = self._failing - (own is not None and own.failing)
        if all_of < WITNESSES or failing < AGREED * all_of:
            return None
        votes = [vote for vote in self._votes.values() if vote.failing and vote.customer != customer]
        tried, completed = sum(vote.tried for vote in votes), sum(vote.completed for vote in votes)
        usual = sum(vote.usual for vote in votes) / failing
        return (
            f"the way back is in doubt: {failing} of {all_of} other customers on this host stopped completing "
            f"their connections: {completed:,} of {tried:,} in the last {NOW // SECOND} s, "
            f"{percent(usual)} in the minutes before"
        )

    def _one_direction(self, customer: str | None) -> str | None:
        out, into = self._frames.get(customer, (0, 0))
        others, back = self._all_frames[0] - out, self._all_frames[1] - into
        sending = self._sending - bool(out)
        if sending < WITNESSES or others < FRAMES or back:
            return None
        return (
            f"only one direction is visible: {others:,} frames out of the other customers' VMs in the last "
            f"{NOW // SECOND} s and none into them"
        )

    def told(self) -> dict[str, object]:
        """For `status`: how many customers testify, how many of them fail, and what is in doubt for a newcomer."""
        return {
            "witnesses": len(self._votes),
            "failing": self._failing,
            "needed": WITNESSES,
            "doubt": self.doubt(""),
        }
