"""What the daemon's own database says it found, did and saw happen."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from edgeguard.cases.reader import Reader
from edgeguard.lab.scenario import Finding
from edgeguard.model import Act, Band, Decision, Happened, Outcome, Scope, Verdict

_RANK = {Band.WARN: 0, Band.ACT: 1, Band.HARD: 2}
_ENDS = (Happened.RELEASED, Happened.LINK_GONE)


@dataclass(frozen=True, slots=True)
class NullRoute:
    """One enforced decision with what became of it; times None where it did not happen (yet)."""

    decision: Decision
    verdict: Verdict | None
    outcomes: tuple[Outcome, ...]  # its own, and those of the decisions that release it

    def _first(self, *kinds: Happened) -> int | None:
        return next((o.at for o in self.outcomes if o.happened in kinds), None)

    @property
    def acknowledged(self) -> int | None:
        return self._first(Happened.ACKNOWLEDGED)

    @property
    def verified(self) -> int | None:
        return self._first(Happened.VERIFIED)

    @property
    def ended(self) -> int | None:
        return self._first(*_ENDS)

    @property
    def places(self) -> tuple[str, ...]:
        """The addresses and prefixes it names."""
        return tuple(target.place for target in self.decision.targets)

    @property
    def own_only(self) -> bool:
        return self.decision.scope is Scope.OWN_ONLY

    @property
    def full(self) -> bool:
        return self.decision.scope is Scope.FULL


@dataclass(frozen=True, slots=True)
class Account:
    """Everything in the database at one moment, oldest first."""

    verdicts: tuple[Verdict, ...] = ()
    decisions: tuple[Decision, ...] = ()
    outcomes: dict[str, tuple[Outcome, ...]] = field(default_factory=dict)

    def null_routes(self) -> tuple[NullRoute, ...]:
        """Enforced null routes in the order they were decided."""
        verdicts = {verdict.id: verdict for verdict in self.verdicts}
        return tuple(
            NullRoute(d, verdicts.get(d.verdict or ""), self._outcomes(d))
            for d in self.decisions
            if d.act is Act.NULL_ROUTE and d.enforced
        )

    def _outcomes(self, decision: Decision) -> tuple[Outcome, ...]:
        ends = [d.id for d in self.decisions if decision.id in d.releases]
        return tuple(outcome for id in (decision.id, *ends) for outcome in self.outcomes.get(id, ()))

    def finding(self) -> Finding:
        """What was found and done, in the words of the scenarios."""
        routes = self.null_routes()
        highest = max(self.verdicts, key=lambda v: _RANK[v.band], default=None)
        found = highest if highest and highest.band is not Band.WARN else None
        taps = sorted({route.decision.tap.name for route in routes if route.decision.tap})
        return Finding(
            rule=found.rule if found else None,
            band=str(found.band) if found else None,
            scopes=tuple(str(route.decision.scope) for route in routes),
            targets=tuple(dict.fromkeys(place for route in routes for place in route.places)),
            tap=", ".join(taps) or None,
            actions=len(routes),
        )


def read(database: Path) -> Account:
    """The account as it stands. StoreError where the database cannot be read."""
    with Reader(database) as reader:
        cases = sorted(reader.cases(), key=lambda case: case.opened)
        decisions = tuple(d for case in cases for d in reader.decisions(case.id))
        return Account(
            verdicts=tuple(v for case in cases for v in reader.verdicts(case.id)),
            decisions=decisions,
            outcomes={d.id: tuple(reader.outcomes(d.id)) for d in decisions},
        )
