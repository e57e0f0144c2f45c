"""A verdict becomes a question: with it everything that the safeties may look at, gathered once."""

from __future__ import annotations

from edgeguard.allowances import Allowances
from edgeguard.cases.case import Case
from edgeguard.config import Config
from edgeguard.decision.ledger import Ledger
from edgeguard.decision.question import Question
from edgeguard.decision.recent import Recent
from edgeguard.docket import Docket
from edgeguard.model import Band, Tap, Verdict, Vm
from edgeguard.reading import INTO, Circumstances
from edgeguard.states import TABLE
from edgeguard.surroundings import Surroundings


class Questions:
    """Asks the surroundings, the ledger, the docket, and what people allowed."""

    def __init__(self, around: Surroundings, ledger: Ledger, docket: Docket, allowances: Allowances) -> None:
        self._around = around
        self._allowances = allowances
        self._ledger = ledger
        self._docket = docket

    def about(
        self, verdict: Verdict, case: Case, vm: Vm | None, tap: Tap | None, config: Config, recent: Recent
    ) -> Question:
        """Everything there is to know before a decision, now."""
        around, ledger, point = self._around, self._ledger, verdict.point
        one = verdict.subject.customer is None  # of a VM; a sum is no single one's
        acts = one and verdict.band is not Band.WARN and verdict.rule not in INTO
        return Question(
            verdict=verdict,
            case=case.id,
            config=config,
            vm=vm,
            tap=tap,
            window=around.window(),
            kernel=around.kernel_count(point) if tap else None,
            replayed=around.replayed,
            null_routed=ledger.targets(case.id, verdict.at - config.clocks.moves),
            standing=tuple(t for entry in ledger.of_point(point) for t in entry.decision.targets),
            full=ledger.is_full(point),
            own_only=ledger.is_own_only(point),
            unstopped=ledger.is_unstopped(point),
            released=self._allowances.released(vm),
            against=self._allowances.against,
            exemptions=self._allowances.exemptions(vm),
            repeat=self._allowances.repeats.number(vm.id if vm else None, case.id, verdict.at, config.clocks.repeat),
            warned=self._warned(verdict, case),
            around=around.circumstances(point) if one else Circumstances(),
            killed=around.killed(),
            customers=around.customers(),
            standing_taps=ledger.taps,
            recent=recent,
            context=self._allowances.context(vm, case.id, verdict.at, config.clocks.repeat),
            writing=around.writing(),
            permit=around.permit() if acts and config.fleet.is_asked else None,
        )

    def _warned(self, verdict: Verdict, case: Case) -> bool:
        """Whether a warning went out before, about the same in a lower band of this episode."""
        episode = self._docket.episode(verdict.point, verdict.rule)
        told = episode is not None and episode.told_lower(verdict.band, verdict.kind)
        return told and TABLE.states[case.state].told
