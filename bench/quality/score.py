"""What a scenario's run is worth: one score for us, one for the rival.

A verdict is right when its rule and whom it is about are those promised. Verdicts about what comes
in are only observed; they count where they are what was promised.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from bench.quality.limits import defaults, limits
from bench.quality.run import Run
from bench.quality.scenario import START, Expected, Scenario, Sort
from bench.quality.truth import Due, dues
from edgeguard.detection.episode import RANK
from edgeguard.model import Act, Band, Decision, Verdict
from edgeguard.reading import INTO

TOTAL = "total"  # this rule sees the packets of every other one, and may always speak, too
MS = 1e6


@dataclass(frozen=True, slots=True)
class Score:
    """`missed`: no verdict of the promised band. `not_acted`: a verdict, and nothing was null-routed that should
    be. `late`: a verdict after its time. Times in ms of packet time."""

    name: str
    sort: str
    group: str
    held_out: bool
    indistinguishable: str
    wanted: str | None  # band
    found: str | None
    kind: str | None
    scope: str | None  # of the widest action
    targets: tuple[str, ...]
    missed: bool
    not_acted: bool
    wrongly_acted: bool
    wrongly_warned: bool
    wrong_vm: bool
    wrong_kind: bool
    late: bool
    from_crossing: float | None  # to the verdict of the promised band; of hard from the packet, of others from
    from_start: float | None  # the end of what their sustain needs
    ended_after: float | None  # from the end of the traffic to the end of the last null route [s]
    vm_seconds: float
    frames: int
    said: tuple[str, ...]  # the arithmetic, a line for each verdict and action
    rival: str  # 'found', 'missed', 'wrong VM', 'wrongly banned', 'nothing', 'banned below our limits'
    rival_after: float | None  # from the flood's start [ms]

    @property
    def faults(self) -> tuple[str, ...]:
        names = ("missed", "not_acted", "wrongly_acted", "wrongly_warned", "wrong_vm", "wrong_kind", "late")
        return tuple(name.replace("_", " ") for name in names if getattr(self, name))


def score(scenario: Scenario, run: Run) -> Score:
    """By the promise, and by the flood's own packets."""
    wanted = scenario.expected
    spoken = [v for v in run.verdicts if v.rule not in INTO or v.rule == wanted.rule]
    right = [v for v in spoken if _is_right(v, wanted)]
    best = max(right, key=lambda v: RANK[v.band], default=None)
    due = _dues(scenario, run)
    late = [_late(d, right) for d in due if _counts(d.band, wanted.band)]
    acts = [d for d in run.decisions if d.act is Act.NULL_ROUTE]
    missed = wanted.band in (Band.ACT, Band.HARD) and (best is None or RANK[best.band] < RANK[wanted.band])
    start = int(run.at[0]) if len(run.at) else START
    first = _first(right, wanted.band)
    crossed = next((d.crossed for d in due if d.band is wanted.band), None)
    rival, rival_at = _rival(scenario, run)
    return Score(
        name=scenario.name,
        sort=str(scenario.sort),
        group=scenario.group or (wanted.rule or "").split("-")[0],
        held_out=scenario.held_out,
        indistinguishable=scenario.indistinguishable,
        wanted=wanted.band and str(wanted.band),
        found=_highest(right if best else spoken),
        kind=str(best.kind) if best else (str(spoken[0].kind) if spoken else None),
        scope=str(max(acts, key=lambda d: _WIDTH.index(str(d.scope))).scope) if acts else None,
        targets=tuple(dict.fromkeys(t.place for d in acts for t in d.targets)),
        missed=missed,
        not_acted=bool(wanted.scopes) and not any(d.scope in wanted.scopes for d in acts),
        wrongly_acted=any(_is_wrong(d, wanted) for d in acts) or _above(best, wanted, acts),
        wrongly_warned=wanted.band is None and bool(spoken) and not acts,
        wrong_vm=any(_is_elsewhere(about, wanted) for about in (*spoken, *acts) if wanted.band),
        wrong_kind=_is_other(best, spoken, wanted),
        late=any(late) and not missed,
        from_crossing=(first.at - crossed) / MS if first and crossed is not None else None,
        from_start=(first.at - start) / MS if first else None,
        ended_after=(run.released - run.last) / 1e9 if run.released is not None else None,
        vm_seconds=len(scenario.machines) * scenario.seconds,
        frames=run.frames,
        said=tuple(_lines(run.told, start)),
        rival=rival,
        rival_after=(rival_at - start) / MS if rival_at is not None else None,
    )


_WIDTH = ["observe", "warn", "narrow", "own-only", "full"]


# ---- verdicts -------------------------------------------------------------------------------------


def _is_right(verdict: Verdict, wanted: Expected) -> bool:
    if verdict.rule != wanted.rule:
        return False
    subject = verdict.subject
    return subject.customer == wanted.customer if wanted.customer else subject.vm == wanted.vm


def _is_elsewhere(about: Verdict | Decision, wanted: Expected) -> bool:
    """Somebody else's. A customer's sum over the flooder's VMs is no one else's."""
    if about.subject.customer is not None:
        return wanted.customer is not None and about.subject.customer != wanted.customer
    return wanted.vm is not None and about.subject.vm != wanted.vm


def _is_other(best: Verdict | None, spoken: list[Verdict], wanted: Expected) -> bool:
    """Another kind than promised, or also a rule that was not."""
    if wanted.band is None:
        return False
    allowed = {wanted.rule, TOTAL, *wanted.also}
    wrong = best is not None and bool(wanted.kinds) and best.kind not in wanted.kinds
    forging = best is not None and wanted.forging is not None and best.forging != wanted.forging
    return wrong or forging or any(v.rule not in allowed for v in spoken)


def _highest(verdicts: Iterable[Verdict]) -> str | None:
    best = max(verdicts, key=lambda v: RANK[v.band], default=None)
    return str(best.band) if best else None


def _first(right: list[Verdict], band: Band | None) -> Verdict | None:
    return next((v for v in right if RANK[v.band] >= RANK[band]), None) if band else None


def _dues(scenario: Scenario, run: Run) -> tuple[Due, ...]:
    wanted = scenario.expected
    if wanted.rule is None or scenario.sort is Sort.LOOK_ALIKE:
        return ()
    rule = f"customer.{wanted.rule}" if wanted.customer else wanted.rule
    return dues(run.at, run.packets, limits(rule), defaults().judging, wanted.late)


def _counts(band: Band, wanted: Band | None) -> bool:
    """Whether a band that was reached must have its verdict in time: the promised one, and act on the way to hard.

    A warning on the way to more may be left out: one more mail, seconds before the null route.
    """
    return wanted is not None and (band is wanted or RANK[Band.ACT] <= RANK[band] <= RANK[wanted])


def _late(due: Due, right: list[Verdict]) -> bool:
    first = _first(right, due.band)
    return first is None or first.at > due.by


# ---- actions --------------------------------------------------------------------------------------


def _is_wrong(decision: Decision, wanted: Expected) -> bool:
    """An action that was not promised: any at all, too wide, or at somebody who got none of the flood."""
    if decision.scope not in wanted.scopes:
        return True
    return bool(wanted.targets) and any(target.place not in wanted.targets for target in decision.targets)


def _above(best: Verdict | None, wanted: Expected, acts: list[Decision]) -> bool:
    """A flood in the warn band that was acted on."""
    return best is not None and wanted.band is Band.WARN and RANK[best.band] > RANK[Band.WARN] and bool(acts)


# ---- the rival ------------------------------------------------------------------------------------


def _rival(scenario: Scenario, run: Run) -> tuple[str, int | None]:
    wanted, bans = scenario.expected, run.bans
    first = min((ban.at for ban in bans), default=None)
    if scenario.sort is Sort.LOOK_ALIKE or (wanted.rule or "") in INTO:
        return ("wrongly banned" if bans else "nothing"), first
    customers = {vm.id: vm.customer for vm in scenario.machines}
    guilty = [b for b in bans if b.vm and (b.vm == wanted.vm or customers[b.vm] == wanted.customer)]
    if wanted.band not in (Band.ACT, Band.HARD):
        return ("banned below our limits" if bans else "nothing"), first
    if len(guilty) < len(bans):
        return "wrong VM", first
    return ("found" if guilty else "missed"), first


# ---- words ----------------------------------------------------------------------------------------


def _lines(told: Iterable[Verdict | Decision], start: int) -> Iterable[str]:
    for one in told:
        when = f"{(one.at - start) / 1e9:+.3f} s"
        yield f"{when} {_verdict(one) if isinstance(one, Verdict) else _decision(one)}"


def _verdict(v: Verdict) -> str:
    who = v.subject.vm or v.subject.customer
    why = "; ".join(f"{a.kind}: {a.why}" for a in v.alternatives if a.holds)
    at = ", ".join(target.place for target in v.targets) or "no target"
    forging = ", forging" if v.forging else ""
    told = (
        f"{v.rule} {v.band} {v.kind}{forging} of {who} at {at}: {v.measured:,} {v.unit}, limit {v.limit:,}, {v.sustain}"
    )
    return f"{told}; {why}" if why else told


def _decision(d: Decision) -> str:
    return f"{d.act} {d.scope}: {d.reason}"


def document(one: Score) -> dict[str, Any]:
    """A score for the file of results."""
    return {name: getattr(one, name) for name in Score.__slots__}
