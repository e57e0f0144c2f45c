"""Fills a database with cases as a daemon and people leave them: through the store, with mails, hooks, replies.

    with Casebook(path) as book:
        for number in range(10_000):
            book.write(number, at)

Of ten cases one was observed only, four were warned and five null-routed: three of these quiet again by themselves, one
that moved until all of the VM was dropped, one that a person worked. A program and a webhook are told.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from bench.parts.floods import HOST, Flood
from edgeguard.cases.received import Taken
from edgeguard.cases.store import Store
from edgeguard.clock import HOUR, MINUTE, SECOND
from edgeguard.config import Mail, build
from edgeguard.grace import Disposition, Grace, Rate
from edgeguard.hooks import document
from edgeguard.incoming import Keyword, Reply, Sort
from edgeguard.letters import Channel, Delivery
from edgeguard.model import Band, Decision, Happened, Outcome, Scope, Verdict, identity
from edgeguard.notice.acknowledged import acknowledgement
from edgeguard.notice.message import write
from edgeguard.notice.values import background, compose

BOTH = (Channel.PROGRAM, Channel.WEBHOOK)
KINDS = ("observed", "warned", "warned", "warned", "warned", "narrow", "narrow", "narrow", "full", "worked")
CONFIG = {"mail": {"server": "192.0.2.25:25", "from": "EdgeGuard <abuse@example.net>", "desk": "desk@example.net"}}
ANSWER = "We found a web shell in an old upload folder. It is removed, the passwords are new, the images are updated. "


class Casebook:
    """One database. Nothing of it needs to survive a crash while it is made, so nothing waits for the disk."""

    def __init__(self, path: Path) -> None:
        self._config = build(CONFIG)
        self._background = background(self._config, HOST)
        self._store = Store(path)
        self._box, self._tray = self._store.box(), self._store.tray()
        for connection in (self._store._db, self._box._db, self._tray._db):
            connection.execute("PRAGMA synchronous = OFF")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for part in (self._box, self._tray, self._store):
            part.close()

    @property
    def _mail(self) -> Mail:
        return self._config.mail

    def write(self, number: int, at: int, is_open: bool = False) -> str:
        """One case from its beginning to its end, and its id; `is_open`: without the end."""
        flood, kind = Flood(number, at), KINDS[number % len(KINDS)]
        if kind in ("observed", "warned"):
            self._told(flood, Scope.OBSERVE if kind == "observed" else Scope.WARN)
        else:
            self._null_routed(flood, kind, is_open)
        if not is_open:
            self._store.close_case(flood.case.id, at + 3 * HOUR, "released" if kind != "observed" else "quiet")
            if kind == "worked":
                outcome = ("confirmed", "undetermined", "overturned")[number // 10 % 3]
                self._store.judge_case(flood.case.id, at + 5 * HOUR, outcome, "kim", "the owner sent its access log")
        return flood.case.id

    def _told(self, flood: Flood, scope: Scope) -> None:
        verdict = flood.verdict(Band.WARN, flood.at + SECOND)
        self._record(
            flood, verdict, flood.decision(verdict, scope, refuses="enforce" if scope is Scope.OBSERVE else "")
        )
        self._hand_over(flood.at + 3 * SECOND)

    def _null_routed(self, flood: Flood, kind: str, is_open: bool) -> None:
        self._told(flood, Scope.WARN)
        routed = [self._route(flood, Scope.NARROW, flood.at + 4 * SECOND)]
        if kind == "full":
            routed += [self._route(flood, Scope.NARROW, flood.at + n * MINUTE, n) for n in (1, 2)]
            routed.append(self._route(flood, Scope.FULL, flood.at + 3 * MINUTE, 3))
        if kind == "worked":
            self._work(flood, routed[0])
        if is_open:
            return
        end = flood.release(tuple(routed), flood.at + 20 * MINUTE)
        if kind == "worked":
            grace = Grace(Disposition.FIXED, Rate(50_012, 16_003_840), (flood.rule,))
            end = replace(end, by="alex", grace=grace, reason="the owner took the web shell away; load is normal")
        self._record(flood, None, end, routed)
        self._happened(flood, end, Happened.RELEASED, end.at, "the kernel holds nothing of it")
        self._hand_over(end.at + SECOND)

    def _route(self, flood: Flood, scope: Scope, at: int, moved: int = 0) -> Decision:
        targets = tuple(replace(target, address=target.address + moved) for target in flood.targets)
        verdict = flood.verdict(Band.HARD, at, targets)
        decision = flood.decision(verdict, scope)
        self._record(flood, verdict, decision)
        self._happened(flood, decision, Happened.ACKNOWLEDGED, at + 3_000_000, "2 messages, 1.7 ms", verdict)
        told = "the chain dropped 41,233 frames in the second of proof; none reached the uplink"
        self._happened(flood, decision, Happened.VERIFIED, at + 1_100_000_000, told, verdict)
        self._hand_over(at + 2 * SECOND)
        return decision

    def _record(
        self, flood: Flood, verdict: Verdict | None, decision: Decision, ended: Iterable[Decision] = ()
    ) -> None:
        states = {Scope.OBSERVE: "observed", Scope.WARN: "warned"}
        state = "probation" if decision.releases else states.get(decision.scope, str(decision.scope))
        case = replace(flood.case, state=state)
        notices = compose(decision, verdict, flood.vm, self._background, tuple(ended))
        made = document.of_decision(case, decision, verdict, flood.vm, HOST)
        told: tuple[Delivery, ...] = document.deliveries(made, BOTH, decision.at) if decision.enforced else ()
        order = flood.order(decision) if decision.enforced else None
        self._store.record(case, verdict, decision, notices, order, told)

    def _happened(
        self, flood: Flood, decision: Decision, what: Happened, at: int, detail: str, verdict: Verdict | None = None
    ) -> None:
        proofs = ("the route look-up says EINVAL behind it", "the uplink: 0 frames to the target")
        outcome = Outcome(decision.id, at, what, detail, proofs if what is Happened.VERIFIED else (), 41_233)
        told: tuple[Delivery, ...] = ()
        if what in document.PROOFS:
            made = document.of_outcome(flood.case, decision, verdict, flood.vm, HOST, outcome)
            told = document.deliveries(made, (Channel.WEBHOOK,), at)
        self._store.outcome(outcome, told)

    def _work(self, flood: Flood, routed: Decision) -> None:
        """The owner answers; a person takes the case, checks and writes down what was said."""
        case, to, at = flood.case.id, flood.vm.contact or "", flood.at + 6 * MINUTE
        reply = Reply(
            identity("reply", case), Sort.REPLY, to, (case,), Keyword.CLEANED, f"Re: [{case}] SYN flood", ANSWER * 5,
            f"<{case}@{flood.vm.name}.example.net>", True,
        )  # fmt: skip
        answer = acknowledgement(reply.id, case, routed.id, to, received=at, keyword="CLEANED", name=flood.vm.name)
        self._store.replies.take(Taken(reply, at, case, acknowledged=answer.id), (answer,))
        self._store.note(case, at + 4 * MINUTE, "alex", "claimed: the answer reads as if it were true")
        self._store.note(
            case, at + 9 * MINUTE, "alex", "called the owner, who named the file and the account it came by"
        )
        self._hand_over(at + SECOND)

    def _hand_over(self, now: int) -> None:
        """What waits leaves: mails as they are written for the mail server, documents to both channels."""
        while due := self._box.due(now):
            for queued in due:
                _, mail = write(queued, self._mail, now)
                self._box.sent(queued.notice.id, now, mail)
        while waiting := self._tray.due(BOTH, now):
            for one in waiting:
                self._tray.sent(one.delivery.id, now)


def fill(path: Path, cases: int, open_cases: int, now: int, tell: Any) -> list[str]:
    """`cases` of them over the year before `now`, the youngest still open. Their ids, oldest first."""
    ids = []
    with Casebook(path) as book:
        for number in range(cases):
            at = now - (cases - number) * (365 * 24 * HOUR // max(1, cases))
            ids.append(book.write(number, at, number >= cases - open_cases))
            if (number + 1) % 1_000 == 0:
                tell(f"{number + 1:,} cases written")
    return ids
