"""A process that records cases as the daemon does, and marks each transaction as begun and as acknowledged.

LD_PRELOAD=blackbox.so BLACKBOX=record python writer.py DATABASE SEED ROUNDS
"""

from __future__ import annotations

import ctypes
import random
import sys
from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_address, ip_network
from pathlib import Path

from edgeguard.cases.case import Case
from edgeguard.cases.store import Store
from edgeguard.grace import Disposition, Grace
from edgeguard.letters import Mail, Notice
from edgeguard.model import Act, Decision, Happened, Order, Outcome, Scope, Subject, Tap, TapKind, Target

AT = 1_767_225_845_000_000_000
TAP = Tap(7, "tap100", "02:00:00:00:00:01", TapKind.ROUTED)
TARGET = Target(ip_address("203.0.113.5"), 6, 80)
SUBJECT = Subject("vm-100", "tap100", None)

_blackbox = ctypes.CDLL(None)


def mark(number: int) -> None:
    """2n: transaction n begins; 2n + 1: it was acknowledged."""
    if hasattr(_blackbox, "blackbox_mark"):
        _blackbox.blackbox_mark(ctypes.c_uint64(number))


def transactions(store: Store, seed: int, rounds: int) -> list[Callable[[], object]]:
    """Decisions, outcomes, mails, releases and ends, in the order of a busy day."""
    chance, box = random.Random(seed), store.box()
    made: list[Callable[[], object]] = []
    for n in range(rounds):
        at = AT + n * 1_000_000_000
        case = Case(f"EG-{n // 3}", "vm-100", "web1", "tap100", 7, TAP.mac, "C-7", at, "narrow")
        until = at + 3_600_000_000_000
        decision = Decision(
            f"d-{n}", case.id, None, at, Act.NULL_ROUTE, Scope.NARROW, SUBJECT, TAP, (TARGET,), until, True, (),
            "x" * chance.randrange(20, 6000), by="ops",
        )  # fmt: skip
        order = Order(
            decision.id, Act.NULL_ROUTE, Scope.NARROW, TAP, "vm-100", (ip_network("192.0.2.1/32"),), (TARGET,), until
        )
        notice = Notice(f"notice-{n}", case.id, decision.id, "narrow", "owner@example.net", {"n": n})
        free = replace(
            decision, id=f"r-{n}", act=Act.RELEASE, releases=(decision.id,), until=None, enforced=False,
            grace=Grace(Disposition.FIXED),
        )  # fmt: skip
        mail = Mail("a subject", "a text", (), f"<notice-{n}@example.net>")
        made.append(lambda c=case, d=decision, m=notice, o=order: store.record(c, None, d, (m,), o))
        for what in (Happened.ACKNOWLEDGED, Happened.VERIFIED):
            made.append(lambda d=decision, w=what, t=at: store.outcome(Outcome(d.id, t + 5, w, "told")))
        made.append(lambda m=notice, t=at, mail=mail: box.sent(m.id, t + 9, mail))
        if chance.random() < 0.7:
            made.append(lambda c=case, f=free: store.record(c, None, f, (), None))
            made.append(lambda d=decision, t=at: store.outcome(Outcome(d.id, t + 20, Happened.RELEASED, "gone")))
    return made


def main(path: str, seed: str, rounds: str) -> None:
    with Store(Path(path)) as store:
        store._db.execute("PRAGMA wal_autocheckpoint = 20")  # many a checkpoint within a short test
        for number, transact in enumerate(transactions(store, int(seed), int(rounds))):
            mark(2 * number)
            transact()
            mark(2 * number + 1)
        mark(1 << 40)


if __name__ == "__main__":
    main(*sys.argv[1:])
