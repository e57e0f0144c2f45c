"""The steps of an action at which a process can be killed, by name: of the daemon, and of its enforcing child."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

NULL_ROUTE, RELEASE, CLOSE, START, HOLD = "null route", "release", "close", "start", "hold"


@dataclass(frozen=True, slots=True)
class Step:
    """A moment: before or after one function runs."""

    name: str
    during: str  # NULL_ROUTE by a flood, RELEASE or HOLD by hand, CLOSE after one, or START with something standing
    when: str
    at: str
    meant: tuple[tuple[str, str], ...] = ()  # attributes of an argument
    verb: str = ""  # an argument itself
    nth: int = 1
    child: bool = False
    kinds: tuple[str, ...] = ("routed", "bridged")

    def fault(self, mark: str) -> dict[str, Any]:
        """As inside/faults.py takes it."""
        fault: dict[str, Any] = {"at": self.at, "when": self.when, "nth": self.nth, "do": "kill", "mark": mark}
        fault |= {"if": dict(self.meant)} if self.meant else {}
        return fault | ({"is": self.verb} if self.verb else {})


def _step(name: str, during: str, when: str, at: str, **more: Any) -> Step:
    meant = tuple(more.pop("meant", {}).items())
    return Step(name, during, when, f"edgeguard.{at}", meant, **more)


_RECORD, _TAKE = "cases.store:Store.record", "daemon.outcomes:Outcomes.take"
_DELIVER, _ORDER = "notice.smtp:Connection.deliver", "enforcement.client:Enforcer.order"
_ASK, _COMMIT = "enforcement.routes:Routes._ask", "enforcement.chain:Chains._commit"
_STANDING = "enforcement.standing:Standing"

DAEMON = (
    _step("before anything is written", NULL_ROUTE, "before", _RECORD, meant={"act": "null-route"}),
    _step("written, before the commit", NULL_ROUTE, "after", "cases.store:Store._refuse_silence"),
    _step("committed, before the order", NULL_ROUTE, "after", _RECORD, meant={"act": "null-route"}),
    _step("ordered", NULL_ROUTE, "after", _ORDER, meant={"act": "null-route"}),
    _step("acknowledged, not recorded", NULL_ROUTE, "before", _TAKE, meant={"happened": "acknowledged"}),
    _step("acknowledged and recorded", NULL_ROUTE, "after", _TAKE, meant={"happened": "acknowledged"}),
    _step("before the mail", NULL_ROUTE, "before", _DELIVER),
    _step("between 250 and the mark", NULL_ROUTE, "after", _DELIVER),
    _step("the mail is marked", NULL_ROUTE, "after", "cases.box:Box.sent"),
    _step("verified, not recorded", NULL_ROUTE, "before", _TAKE, meant={"happened": "verified"}),
    _step("verified and recorded", NULL_ROUTE, "after", _TAKE, meant={"happened": "verified"}),
    _step("before the release is written", RELEASE, "before", _RECORD, meant={"act": "release"}),
    _step("the release is committed, not ordered", RELEASE, "after", _RECORD, meant={"act": "release"}),
    _step("the release is ordered", RELEASE, "after", _ORDER, meant={"act": "release"}),
    _step("released, not recorded", RELEASE, "before", _TAKE, meant={"happened": "released"}),
    _step("released and recorded", RELEASE, "after", _TAKE, meant={"happened": "released"}),
    _step("before the case is closed", CLOSE, "before", "cases.store:Store.close_case"),
    _step("the case is closed", CLOSE, "after", "cases.store:Store.close_case"),
    _step("before a hold is written", HOLD, "before", "cases.store:Store.say"),
    _step("the hold is committed, not ordered", HOLD, "after", "cases.store:Store.say"),
    _step("the later end is ordered", HOLD, "after", _ORDER, meant={"act": "null-route"}, nth=2),
    _step("at a start, before what stands is read", START, "before", "cases.store:Store.standing"),
    _step("at a start, before the reconcile", START, "before", "enforcement.client:Enforcer.reconcile"),
    _step("at a start, after the reconcile", START, "after", "enforcement.client:Enforcer.reconcile"),
)

_ROUTED, _BRIDGED = {"kinds": ("routed",)}, {"kinds": ("bridged",)}
CHILD = (
    _step("child: before it puts anything", NULL_ROUTE, "before", f"{_STANDING}.put", child=True),
    _step("child: before the first message", NULL_ROUTE, "before", _ASK, child=True, verb="add", **_ROUTED),
    _step("child: the blackhole stands, no rule", NULL_ROUTE, "after", _ASK, child=True, verb="add", **_ROUTED),
    _step("child: all stands", NULL_ROUTE, "after", _ASK, child=True, verb="add", nth=2, **_ROUTED),
    _step("child: before its transaction", NULL_ROUTE, "before", _COMMIT, child=True, **_BRIDGED),
    _step("child: after its transaction", NULL_ROUTE, "after", _COMMIT, child=True, **_BRIDGED),
    _step(
        "child: before it says so", NULL_ROUTE, "before", "enforcement.wire:encode", child=True,
        meant={"happened": "acknowledged"},
    ),
    _step("child: before it verifies", NULL_ROUTE, "before", "enforcement.verify:Proof.tick", child=True),
    _step("child: before it releases", RELEASE, "before", f"{_STANDING}.release", child=True),
    _step("child: one rule is gone, its blackhole not", RELEASE, "after", _ASK, child=True, verb="del", **_ROUTED),
    _step("child: its transaction is undone", RELEASE, "after", _COMMIT, child=True, nth=2, **_BRIDGED),
    _step("child: after it has released", RELEASE, "after", f"{_STANDING}.release", child=True),
    _step("child: before the later end", HOLD, "before", f"{_STANDING}.put", child=True, nth=2),
    _step("child: after the later end", HOLD, "after", f"{_STANDING}.put", child=True, nth=2),
    _step("child: before it reconciles", START, "before", f"{_STANDING}.reconcile", child=True),
    _step("child: reconciled in part", START, "after", "enforcement.kernel:Kernel.rebuild", child=True),
    _step("child: after it has reconciled", START, "after", f"{_STANDING}.reconcile", child=True),
)  # fmt: skip

STEPS = DAEMON + CHILD
