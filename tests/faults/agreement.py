"""The assertion that every row of the fault table ends with: ledger = kernel = case, and the notices.

    agree(stage)                what is wrong is empty within the time, or the test fails with the list of it

The database is read with sqlite3 and json alone, the kernel with ip(8) and nft(8), the mails at the
mail server: what the product says of itself is compared, never believed.
"""

from __future__ import annotations

import json
import socket
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import kernel

from edgeguard.cases.reader import Reader
from edgeguard.errors import DaemonError, StoreError

if TYPE_CHECKING:
    from stage import Stage

OVERDUE_S = 2.0  # after its end at which nothing may stand any more: our grace of 0.5 s, the chain's of 1 s
EARLY = 2.0  # seconds; the kernel must not free before the end
LATE = {"route": 3.0, "element": 64.0}  # own-only's passes end a minute after what drops
AGREES_S = 60  # for what needs the daemon's clocks; a machine may be slow
_NULL_ROUTED = ("narrow", "own-only", "full", "review", "upheld", "appealed")


class Ledger:
    """What the database says, read once."""

    def __init__(self, path: Path) -> None:
        db = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)
        try:
            db.row_factory = sqlite3.Row
            db.execute("BEGIN")
            self.decisions = [dict(row) for row in db.execute("SELECT * FROM decisions ORDER BY at, rowid")]
            self.releases = db.execute("SELECT decision, ends FROM releases").fetchall()
            self.outcomes = db.execute("SELECT decision, happened, at FROM outcomes ORDER BY seq").fetchall()
            self.cases = {row["id"]: dict(row) for row in db.execute("SELECT * FROM cases")}
            self.notices = [dict(row) for row in db.execute("SELECT * FROM outbox ORDER BY seq")]
            self.deliveries = [dict(row) for row in db.execute("SELECT * FROM deliveries ORDER BY seq")]
        finally:
            db.close()

    @property
    def null_routes(self) -> list[dict[str, Any]]:
        return [one for one in self.decisions if one["act"] == "null-route" and one["enforced"]]

    @property
    def standing(self) -> list[dict[str, Any]]:
        """Null routes that were decided, whose end nobody has reported."""
        return [one for one in self.null_routes if one["ended"] is None]

    def orders(self) -> list[dict[str, Any]]:
        """The orders of those for which no release was decided."""
        releasing = {row["ends"] for row in self.releases}
        return [json.loads(one["orders"]) for one in self.standing if one["id"] not in releasing]

    def happened(self, decision: str) -> set[str]:
        return {row["happened"] for row in self.outcomes if row["decision"] == decision}

    def unmarked(self) -> set[str]:
        """Notices and pages that have not been marked as sent."""
        return {row["id"] for row in (*self.notices, *self.deliveries) if row["state"] != "sent"}


def agree(
    stage: Stage, within: float = AGREES_S, meanwhile: Callable[[], None] = lambda: None, **allowed: Any
) -> float:
    """Seconds until nothing differed. `allowed`: see `differences`; `meanwhile` is called before each look."""
    began = time.monotonic()
    while True:
        meanwhile()
        wrong = differences(stage, **allowed)
        if not wrong:
            return time.monotonic() - began
        if time.monotonic() - began > within:
            raise AssertionError("ledger, kernel and case differ:\n  " + "\n  ".join(wrong) + stage.last_words())
        time.sleep(0.03)


def differences(stage: Stage, refused: bool = False, mails: bool = True) -> list[str]:
    """Every difference, in words. `refused`: notices refused for good are expected. `mails` False: they are not
    looked at, because the mail server is not well."""
    try:
        ledger = Ledger(stage.database)
        return [
            *_kernel(stage, ledger),
            *_daemon(stage, ledger),
            *_cases(stage, ledger),
            *_overdue(ledger, stage.now()),
            *(_notices(stage, ledger, refused) if mails else ()),
        ]
    except sqlite3.OperationalError as error:
        return [f"the database cannot be read: {error}"]


def kernel_differs(stage: Stage, ledger: Ledger | None = None) -> list[str]:
    """Ledger and kernel alone: what recovery is measured with."""
    return list(_kernel(stage, ledger or Ledger(stage.database)))


def _kernel(stage: Stage, ledger: Ledger) -> Iterator[str]:
    stands = kernel.standing(stage.namespace, stage.place)
    orders = ledger.orders()
    wanted = kernel.wanted(orders, stage.place, _names(stage), stage.now())
    doubly = [one for one in orders if "not stopped" in ledger.happened(one["decision"])]
    unwanted = stands.keys() - wanted.keys() - kernel.lenient(doubly, stage.place)
    yield from (f"kernel: missing {thing}" for thing in sorted(wanted.keys() - stands.keys()))
    yield from (f"kernel: unwanted {thing}" for thing in sorted(unwanted))
    for thing in sorted(wanted.keys() & stands.keys()):
        ends, should = stands[thing], wanted[thing]
        if ends is not None and should is not None and not -EARLY <= ends - should <= LATE[thing.what]:
            yield f"kernel: {thing} ends {ends - should:+.1f} s from its end"


def _names(stage: Stage) -> dict[int, str]:
    with stage.namespace.inside():
        return dict(socket.if_nameindex())


def _daemon(stage: Stage, ledger: Ledger) -> Iterator[str]:
    """What a running daemon says it knows."""
    if not stage.alive():
        return
    try:
        told = stage.status()["null_routes"]
    except DaemonError as error:
        yield f"daemon: {error}"
        return
    if told != len(ledger.orders()):
        yield f"daemon: knows {told} null routes, the database {len(ledger.orders())}"


def _cases(stage: Stage, ledger: Ledger) -> Iterator[str]:
    ended = {one["id"] for one in ledger.null_routes if one["ended"] is not None}
    for row in ledger.releases:
        if row["ends"] not in ended:
            yield f"case: {row['decision']} releases {row['ends']}, which has not ended"
    for one in ledger.null_routes:
        yield from _story(ledger, one)
    standing = {one["case_id"] for one in ledger.standing}
    for case in ledger.cases.values():
        yield from _state(case, case["id"] in standing, stage.alive())
    with Reader(stage.database) as reader:
        for id in ledger.cases:
            try:
                reader.timeline(id)
            except (StoreError, ValueError) as error:
                yield f"case: the story of {id} cannot be told: {error}"


def _story(ledger: Ledger, one: dict[str, Any]) -> Iterator[str]:
    """A null route that stands was acknowledged; one that ended has the outcome that says so; both have a notice."""
    happened = ledger.happened(one["id"])
    releases = {row["decision"] for row in ledger.releases if row["ends"] == one["id"]}
    for release in releases:
        happened |= ledger.happened(release)
    if one["ended"] is None and not happened & {"acknowledged", "reconciled"}:
        yield f"case: {one['id']} stands and was never acknowledged"
    if one["ended"] is not None and one["ended_how"] not in happened:
        yield f"case: {one['id']} ended ({one['ended_how']}) without that outcome"
    if not any(notice["case_id"] == one["case_id"] for notice in ledger.notices):
        yield f"case: {one['id']} null-routes without a notice"


def _state(case: dict[str, Any], stands: bool, alive: bool) -> Iterator[str]:
    if stands and (case["closed"] is not None or case["state"] not in _NULL_ROUTED):
        yield f"case: {case['id']} is {case['state']} and something of it stands"
    if alive and not stands and case["closed"] is None and case["state"] in _NULL_ROUTED:
        yield f"case: {case['id']} is {case['state']} and nothing of it stands"


def _overdue(ledger: Ledger, now: int) -> Iterator[str]:
    for one in ledger.standing:
        late = kernel.boot_seconds() - kernel.end_of(json.loads(one["orders"]), now)
        if late > OVERDUE_S:
            yield f"ledger: {one['id']} stands {late:.1f} s past its end"


def _notices(stage: Stage, ledger: Ledger, refused: bool) -> Iterator[str]:
    """Each mail once; a page is one too, where no program is named to wake somebody."""
    copies = stage.office.copies()
    pages = [{**row, "message_id": f"<{row['id']}@example.net>"} for row in ledger.deliveries]
    for row in (*ledger.notices, *pages):
        if row["state"] == "sent":
            number = copies[row["message_id"]]
            if not 1 <= number <= stage.twice.get(row["id"], 1):
                yield f"notice: {row['id']} is sent and arrived {number} times"
        elif not (refused and row["state"] == "failed") and row["state"] != "grouped":
            yield f"notice: {row['id']} is {row['state']}: {row['last_error']}"
    known = {row["message_id"] for row in (*ledger.notices, *pages)}
    yield from (f"notice: {stranger} arrived and nobody wrote it" for stranger in sorted(copies.keys() - known))
