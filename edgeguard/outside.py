"""What becomes of a report from outside: whose the address was, what we measured ourselves, a case for the desk.

    outside = Outside(store, inventory, host, mail)
    said = outside.take(read(raw, clock.now()), clock.now(), by)

The case is observed at most: the decision that opens it does nothing, nobody but the desk is written to, and what
the reporter wrote goes to the desk alone.
"""

from __future__ import annotations

import ipaddress
import json
import textwrap
from collections.abc import Sequence

from edgeguard import clock
from edgeguard.cases.case import Case, case_id
from edgeguard.cases.protocol import CaseStore
from edgeguard.clock import HOUR, MINUTE
from edgeguard.config import Mail
from edgeguard.hooks.message import to_desk
from edgeguard.incoming import Signal
from edgeguard.inventory import Inventory
from edgeguard.letters import Delivery
from edgeguard.model import Act, Decision, SafetyAnswer, Scope, Subject, Verdict, Vm, identity
from edgeguard.reading import INTO
from edgeguard.states import OBSERVED, VICTIM
from edgeguard.units import bits_per_second, count

AROUND = 15 * MINUTE  # clocks of others are wrong by minutes
THEN = HOUR  # a case so near to the time reported still says who had the address
OLD = 24 * HOUR  # after that the inventory of today says little about whose an address was
_NOTHING = "nothing passed a warn limit here in that time, or nothing was counted"


class Outside:
    """Takes signals. StoreError where the database does not: then nothing of the signal was written."""

    def __init__(self, store: CaseStore, inventory: Inventory, host: str, mail: Mail) -> None:
        self._store = store
        self._inventory = inventory
        self._host = host
        self._mail = mail

    def take(self, signal: Signal, at: int, by: str) -> str:
        """Writes it down and says in one line what became of it."""
        if self._store.signals.is_known(signal.id):
            return f"report {signal.id}: known already, nothing was written"
        vm, then = self._owner(signal), self._then(signal, at)
        owner = then.vm if then else vm.id if vm else None
        cases = self._of_owner(signal, owner) if vm or then else []
        measured, whose = self._measured(cases, signal), _whose(vm, then, signal, at)
        still_open = [case for case in cases if case.closed is None]
        case = next((case for case in still_open if not self._is_before(signal, case)), then if still_open else None)
        if (vm is None and then is None) or (still_open and case is None):
            self._store.signals.take(signal, at, None, None, measured, self._desk(signal, None, whose, measured, at))
            aged = f"; it was seen long before {still_open[0].id} began" if still_open else ""
            return f"{signal.source}: {whose}{aged}; kept for the desk"
        opening = None
        if case is None:
            case = self._new(signal, vm, then, at)
            opening = _opening(case, signal, at, by)
        self._store.signals.take(signal, at, case, opening, measured, self._desk(signal, case.id, whose, measured, at))
        done = "opened for" if opening else "has one report more, about"
        return f"{case.id}: {done} {signal.source}; {whose}; {measured}"

    def _then(self, signal: Signal, at: int) -> Case | None:
        """A case of that time in which the address stands: it says whose it was then."""
        cases = self._about(signal.source) if signal.is_address else []
        return next((case for case in cases if _is_of(case, signal, at)), None)

    def _is_before(self, signal: Signal, case: Case) -> bool:
        """What was seen long before a case is not of it, if that is about what we measured; one that others' reports
        opened takes all of them."""
        return signal.until < case.opened - OLD and bool(self._store.verdicts(case.id))

    def _of_owner(self, signal: Signal, owner: str | None) -> list[Case]:
        """The owner's cases, about this address or another of his."""
        found = {case.id: case for term in (owner, signal.source) if term for case in self._about(term)}
        return [case for case in found.values() if case.vm == owner]

    def _about(self, term: str) -> list[Case]:
        """Cases about what a VM or an address sent: open ones first, then the youngest."""
        return [case for case in self._store.find(term) if case.state != VICTIM]

    def _owner(self, signal: Signal) -> Vm | None:
        return self._inventory.by_address(ipaddress.ip_address(signal.source)) if signal.is_address else None

    def _measured(self, cases: Sequence[Case], signal: Signal) -> str:
        """Our own verdicts around that time, the strongest of each rule, in words."""
        near = [
            verdict
            for case in cases
            for verdict in self._store.verdicts(case.id)
            if signal.since - AROUND <= verdict.at and verdict.since <= signal.until + AROUND
        ]
        strongest: dict[str, Verdict] = {}
        for verdict in near:
            if verdict.rule not in INTO and verdict.peak >= getattr(strongest.get(verdict.rule), "peak", 0):
                strongest[verdict.rule] = verdict
        return "; ".join(map(_told, strongest.values())) or _NOTHING

    def _new(self, signal: Signal, vm: Vm | None, then: Case | None, at: int) -> Case:
        """An observed case; of whoever had the address then, where that is known."""
        addresses = (ipaddress.ip_network(signal.source),)
        return Case(
            id=case_id(at, self._host, "signal", signal.id),
            vm=then.vm if then else vm.id if vm else None,
            vm_name=then.vm_name if then else vm.name if vm else None,
            tap=None,
            ifindex=None,
            mac=None,
            customer=then.customer if then else vm.customer if vm else None,
            opened=at,
            state=OBSERVED,
            source=signal.source,
            addresses=addresses,
        )

    def _desk(self, signal: Signal, case: str | None, whose: str, measured: str, at: int) -> tuple[Delivery, ...]:
        """The one mail that carries the reporter's words."""
        if not (self._mail.server and self._mail.desk and self._mail.sender):
            return ()
        id = identity("desk", signal.id)
        subject = f"[EdgeGuard] {self._host}: outside report about {signal.source}{f' ({case})' if case else ''}"
        return (to_desk(id, case, subject, _text(signal, case, whose, measured), at),)


def _is_of(case: Case, signal: Signal, at: int) -> bool:
    """The case was open when the reporter saw it, or nearly."""
    return case.opened - THEN <= signal.until and signal.since <= (case.closed or at) + THEN


def _whose(vm: Vm | None, then: Case | None, signal: Signal, at: int) -> str:
    if not signal.is_address:
        return "it names no address"
    if then is not None:
        return f"a case of that time says it was VM {then.vm or 'unknown'}'s"
    if vm is None:
        return "no VM of ours has this address"
    aged = " now; whose it was then is not known" if at - signal.until > OLD else ""
    return f"the inventory says it is VM {vm.id}'s{aged}"


def _told(verdict: Verdict) -> str:
    peak = verdict.peak // max(1, verdict.window_s)
    much = bits_per_second(peak) if verdict.unit == "bits" else f"{count(peak)} packets a second"
    return f"measured here from {clock.utc(verdict.since)}: {verdict.rule} {verdict.band}, at most {much}"


def _opening(case: Case, signal: Signal, at: int, by: str) -> Decision:
    never = SafetyAnswer(
        "outside signal", "refuse", "what others report is looked at by a person; it never null-routes"
    )
    return Decision(
        id=identity("decision", case.id, signal.id),
        case=case.id,
        verdict=None,
        at=at,
        act=Act.NONE,
        scope=Scope.OBSERVE,
        subject=Subject(case.vm, None, case.source, case.customer),
        tap=None,
        targets=(),
        until=None,
        enforced=False,
        safeties=(never,),
        reason=f"an outside report of {signal.sort}: observed, for the desk",
        by=by,
        silent=True,
    )


def _text(signal: Signal, case: str | None, whose: str, measured: str) -> str:
    document = json.loads(signal.document)
    reporter = document["reporter"]
    said = "\n  ".join(textwrap.wrap(str(document.get("description") or "nothing in words"), 70))
    return (
        f"Reported:  {signal.sort} from {signal.source}\n"
        f"Seen:      {clock.utc(signal.since)} to {clock.utc(signal.until)}\n"
        f"Owner:     {whose}\nMeasured:  {measured}\n\n"
        "Nothing was done because of it, and the customer was not written to.\n\n"
        "What the reporter wrote, for the desk only; never pass it on:\n"
        f"  {reporter['org']}, {reporter['contact']}, {reporter['domain']}\n  {said}\n\n"
        f"  edgeguard signal --show {signal.id}\n" + (f"  edgeguard case show {case}\n" if case else "")
    )
