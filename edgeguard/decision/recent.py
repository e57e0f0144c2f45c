"""What automation did and wanted lately on this host: what breaker, pace and pages are reckoned from.

Frozen: each decision gives the next one. A restart builds it anew from the decisions in the database, but for what
is only measured: whether counts are confirmed shows again by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from edgeguard.clock import HOUR, MINUTE, SECOND
from edgeguard.decision.answer import PASS, STANDING, is_in_doubt, is_warned_first, refusing
from edgeguard.model import Act, Band, Decision, Scope

KEPT = 24 * HOUR  # config.bounds.LONGEST_MEMORY
LASTS = 3 * SECOND  # a count is in doubt at every start of a tap or of the daemon: only what lasts says anything
GAP = 2 * SECOND  # asked again with every slot: what was not asked for so long is another doubt
PAUSE = MINUTE  # between the pulses of one hard flood that is held back
MOST_FULL = 64  # times kept; no pace asks for more within its time
AUTOMATION = "automation"
COUNT = "independent count"

Times = Mapping[str, int]
Spans = Mapping[str, tuple[int, int]]  # from, until


def whose(vm: str | None, customer: str | None) -> str:
    """All VMs of one customer are one; a VM without a customer is one by itself."""
    return f"customer {customer}" if customer is not None else f"VM {vm}"


@dataclass(frozen=True, slots=True)
class Recent:
    """When automation last did what about whom. A time counts as near on both sides: what a broken clock dated into
    the future, and a restart reads, holds nobody back for years."""

    null_routed: Times = field(default_factory=dict)  # by customer (`whose`)
    unconfirmed: Spans = field(default_factory=dict)  # the same: held back, as the kernel did not confirm the count
    held: Spans = field(default_factory=dict)  # by case: a hard flood goes on because of what may change
    waiting: Spans = field(default_factory=dict)  # by case and band: a flood of a customer in good standing goes on
    full: tuple[int, ...] = ()  # times of full null routes
    last: int | None = None  # null route of any
    paged: Times = field(default_factory=dict)  # by cause and, where it is about one, case

    def customers(self, at: int, within: int) -> frozenset[str]:
        """Those of whom something was null-routed by automation within the time."""
        return frozenset(_near(self.null_routed, at, within))

    def doubtful(self, at: int, within: int) -> frozenset[str]:
        """Those whom the kernel's counter did not confirm for some seconds, and has not since."""
        spans = self.unconfirmed.items()
        return frozenset(who for who, (first, last) in spans if abs(at - last) < within and last - first >= LASTS)

    def fulls(self, at: int, within: int) -> int:
        return sum(abs(at - then) < within for then in self.full)

    def since_last(self, at: int) -> int | None:
        """How long ago automation null-routed anything; None: not that anybody remembers."""
        return None if self.last is None else abs(at - self.last)

    def held_for(self, case: str, at: int) -> int:
        """How long a hard flood has gone on because of what may change; 0: it does not."""
        first, last = self.held.get(case, (at, at))
        return at - first if 0 <= at - last <= PAUSE else 0

    def waited(self, case: str, band: Band, at: int) -> int | None:
        """How long a flood of a customer in good standing has gone on in this band; None: it begins now."""
        found = self.waiting.get(f"{case} {band}")
        return at - found[0] if found and 0 <= at - found[1] <= _pause(band) else None

    def has_waited(self, case: str, band: Band) -> bool:
        """Whether that was so before, within a day."""
        return f"{case} {band}" in self.waiting

    def was_paged(self, cause: str, case: str, at: int, within: int) -> bool:
        return _paged(cause, case) in _near(self.paged, at, within)

    def after(self, decision: Decision, customer: str | None, band: Band | None = None) -> Recent:
        """With one more decision, of this band. A person's, the end of a null route and the same at another tap of the
        VM change nothing."""
        if decision.by != AUTOMATION or decision.act is Act.RELEASE or decision.beside:
            return self
        now, at = self.heard(decision, customer, band)._paged_by(decision), decision.at
        if decision.act is not Act.NULL_ROUTE:
            return now
        full = (*now.full, at)[-MOST_FULL:] if decision.scope is Scope.FULL else now.full
        who = whose(decision.subject.vm, customer)
        return replace(now, null_routed=_with(now.null_routed, who, at), full=full, last=at)

    def heard(self, decision: Decision, customer: str | None, band: Band | None) -> Recent:
        """What a decision says of its count and of what holds it back, whether it is made or only thought of."""
        at, doubted = decision.at, is_in_doubt(decision)
        unconfirmed, who = self.unconfirmed, whose(decision.subject.vm, customer)
        if doubted and COUNT in refusing(decision):
            unconfirmed = _lasting(unconfirmed, who, at, GAP)
        elif any(a.name == COUNT and a.answer == PASS for a in decision.safeties):
            unconfirmed = _without(unconfirmed, who)
        waiting = self.waiting
        if is_warned_first(decision) or (band is Band.HARD and refusing(decision) == {STANDING}):
            of = band or Band.ACT
            waiting = _lasting(waiting, f"{decision.case} {of}", at, _pause(of))
        if doubted and band is Band.HARD:
            held = _lasting(self.held, decision.case, at, PAUSE)
        else:
            held = _without(self.held, decision.case) if decision.act is Act.NULL_ROUTE else self.held
        return replace(self, unconfirmed=unconfirmed, held=held, waiting=waiting)

    def stepped(self, by: int) -> Recent:
        """The wall clock was set by so much: what was lately is as long ago as before."""
        return Recent(
            null_routed={who: at + by for who, at in self.null_routed.items()},
            unconfirmed={who: (first + by, last + by) for who, (first, last) in self.unconfirmed.items()},
            held={case: (first + by, last + by) for case, (first, last) in self.held.items()},
            waiting={what: (first + by, last + by) for what, (first, last) in self.waiting.items()},
            full=tuple(at + by for at in self.full),
            last=None if self.last is None else self.last + by,
            paged={name: at + by for name, at in self.paged.items()},
        )

    def _paged_by(self, decision: Decision) -> Recent:
        if decision.page is None:
            return self
        return replace(self, paged=_with(self.paged, _paged(decision.page, decision.case), decision.at))


NOTHING = Recent()


def recall(decisions: Iterable[tuple[Decision, str | None]]) -> Recent:
    """From what was recorded, the oldest first: each decision with the customer of its case."""
    recent = Recent()
    for decision, customer in decisions:
        recent = recent.after(decision, customer)
    return replace(recent, unconfirmed={}, held={}, waiting={})


def _pause(band: Band) -> int:
    """So long a wait outlasts: pulses below hard are one flood, but hard goes on or it does not."""
    return GAP if band is Band.HARD else PAUSE


def _paged(cause: str, case: str) -> str:
    """The breaker is the host's affair; all else is about one case."""
    return cause if cause == "breaker" else f"{cause} {case}"


def _near(times: Times, at: int, within: int) -> set[str]:
    return {name for name, then in times.items() if abs(at - then) < within}


def _with(times: Times, name: str, at: int) -> dict[str, int]:
    return {**{other: then for other, then in times.items() if abs(at - then) < KEPT}, name: at}


def _lasting(spans: Spans, name: str, at: int, gap: int) -> Spans:
    """With one that is so still, or again within the gap: else it begins now."""
    first, last = spans.get(name, (at, at))
    kept = {other: span for other, span in spans.items() if abs(at - span[1]) < KEPT}
    return {**kept, name: (first if 0 <= at - last <= gap else at, at)}


def _without(spans: Spans, name: str) -> Spans:
    return {other: span for other, span in spans.items() if other != name} if name in spans else spans
