"""What other limits would have done to recorded traffic: each savefile under both, and how far it was from each limit.

    old = replay under what holds, new = replay under what is thought of, probe = replay with low limits

The probe judges nothing that is told: its limits are a tenth of the lowest, so that windows far below a limit are
looked at too, and the highest of each subject and rule is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from edgeguard.config import AllLimits, Config, Limits
from edgeguard.counting.counted import Counted
from edgeguard.detection import rules, syn
from edgeguard.inventory import Inventory
from edgeguard.model import Act, Band, Decision, Scope, Subject, Verdict, Vm
from edgeguard.policy import lowest, policy
from edgeguard.reading import INTO, OUT, Reading
from edgeguard.replay import Found, Replay

TENTH = 10
HEIGHT = (Scope.OBSERVE, Scope.WARN, Scope.NARROW, Scope.OWN_ONLY, Scope.FULL)
NULL_ROUTES = HEIGHT[2:]

Key = tuple[Subject, str]  # whose packets, and the rule


@dataclass(slots=True)
class Outcome:
    """What one rule found of one subject, and what would have been done about it."""

    bands: dict[Band, Verdict] = field(default_factory=dict)  # the first of each band
    done: dict[Scope, Decision] = field(default_factory=dict)  # the first of each scope

    def told(self) -> tuple[Any, ...]:
        """What makes two outcomes the same: bands, their times and kinds, and what is done when."""
        found = tuple((band, v.at, v.kind, v.limit) for band, v in sorted(self.bands.items()))
        return found, tuple((scope, decision.at) for scope, decision in sorted(self.done.items()))

    @property
    def widest(self) -> Decision | None:
        return max(self.done.values(), key=lambda decision: HEIGHT.index(decision.scope), default=None)


@dataclass(frozen=True, slots=True)
class Run:
    """One savefile under one configuration."""

    outcomes: dict[Key, Outcome]
    verdicts: int

    def subjects(self, *scopes: Scope) -> list[str]:
        """Names of those about whom the widest that is done is one of the scopes."""
        widest: dict[str, Scope] = {}
        for (subject, _), outcome in self.outcomes.items():
            for scope in outcome.done:
                name = name_of(subject)
                widest[name] = max(widest.get(name, Scope.OBSERVE), scope, key=HEIGHT.index)
        return sorted(name for name, scope in widest.items() if scope in scopes)


@dataclass(frozen=True, slots=True)
class Highest:
    """The highest one-second window of one rule and subject that was looked at."""

    packets: int  # what hard compares
    at: int  # end of that window
    below_hard: int  # the highest of what warn and act compare: of SYN only the half-open ones, else the same
    bits: int  # of IP, the highest of any window; where a rule measures a part of its packets, by their mean size


@dataclass(frozen=True, slots=True)
class Margin:
    """How far a subject's highest window was from the limits that would hold for it. None: it is not judged."""

    subject: Subject
    rule: str
    highest: Highest
    limits: Limits | None

    def share(self, band: Band) -> float | None:
        """Of a limit; from 1 on it is reached, though warn and act must be so for some seconds."""
        if self.limits is None:
            return None
        return (self.highest.packets if band is Band.HARD else self.highest.below_hard) / self.limits.of(band)

    def share_of_bits(self, band: Band) -> float | None:
        """The same of the limit in bits; None where there is none."""
        limit = self.limits and self.limits.bits and getattr(self.limits.bits, band)
        return self.highest.bits / limit if limit else None


@dataclass(frozen=True, slots=True)
class Tested:
    """One savefile, compared."""

    path: Path
    frames: int
    first: int | None
    last: int | None
    faults: tuple[str, ...]  # of the file, in words
    old: Run
    new: Run
    margins: tuple[Margin, ...]  # the nearest to a limit first

    def differences(self) -> Iterator[tuple[Key, Outcome | None, Outcome | None]]:
        """Whatever is not the same under both, by subject and rule."""
        keys = {**self.old.outcomes, **self.new.outcomes}
        for key in sorted(keys, key=lambda key: (name_of(key[0]), key[1])):
            old, new = self.old.outcomes.get(key), self.new.outcomes.get(key)
            if (old and old.told()) != (new and new.told()):
                yield key, old, new


def name_of(subject: Subject) -> str:
    """As people call it."""
    if subject.customer is not None:
        return f"customer {subject.customer}"
    return subject.vm or subject.tap or subject.source or "unknown"


def backtest(
    path: Path, old: Config, new: Config, inventory: Inventory, progress: Callable[[float], None] | None = None
) -> Tested:
    """One savefile under `old` and under `new`, with one inventory. `progress` is told the share that is done."""
    before, after = _Kept(), _Kept()
    _run(Replay(path, old, inventory, before.keep), progress, 0)
    replay = Replay(path, new, inventory, after.keep)
    _run(replay, progress, 1)
    capture = replay.capture
    return Tested(
        path=path,
        frames=capture.totals()["frames"],
        first=capture.first_ts,
        last=capture.last_ts,
        faults=tuple(capture.findings()),
        old=Run(before.outcomes, before.verdicts),
        new=Run(after.outcomes, after.verdicts),
        margins=_margins(path, old, new, inventory, progress),
    )


def _run(replay: Replay, progress: Callable[[float], None] | None, done: int) -> None:
    replay.run(None if progress is None else lambda share: progress((done + share) / 3))


class _Kept:
    """Takes what a replay tells, and keeps the first of each kind."""

    def __init__(self) -> None:
        self.outcomes: dict[Key, Outcome] = {}
        self.verdicts = 0
        self._of: dict[str, Key] = {}  # verdict -> its outcome

    def keep(self, found: Found) -> None:
        if isinstance(found, Verdict):
            self.verdicts += 1
            key = found.subject, found.rule
            self._of[found.id] = key
            self.outcomes.setdefault(key, Outcome()).bands.setdefault(found.band, found)
        elif isinstance(found, Decision) and found.verdict in self._of and found.act is not Act.RELEASE:
            outcome = self.outcomes[self._of[found.verdict]]
            if not (found.silent and outcome.done):  # "is null-routed already" is no news
                outcome.done.setdefault(found.scope, found)


# ---- margins ---------------------------------------------------------------------------------------


class _Watched:
    """A counting whose readings are seen. All else is asked of the counting itself."""

    def __init__(self, counting: Counted, see: Callable[[Reading], None]) -> None:
        self._counting = counting
        self._see = see

    def reading(self, point: int, at: int) -> Reading:
        reading = self._counting.reading(point, at)
        self._see(reading)
        return reading

    def __getattr__(self, name: str) -> Any:
        return getattr(self._counting, name)


def _margins(
    path: Path, old: Config, new: Config, inventory: Inventory, progress: Callable[[float], None] | None
) -> tuple[Margin, ...]:
    low = _low(old, new)
    highest: dict[Key, Highest] = {}

    def see(reading: Reading) -> None:
        for rule in low:
            _raise(highest, rule, reading, new)

    probe = Replay(path, _probing(new, low), inventory, lambda _: None)
    probe.engine.counting = cast(Counted, _Watched(probe.engine.counting, see))
    _run(probe, progress, 2)
    vms: dict[str | None, Vm] = {vm.id: vm for vm in inventory.vms()}
    limits = {subject: policy(new, vms.get(subject.vm)).limits for subject, _ in highest}
    found = [
        Margin(subject, rule, one, limits[subject].get(rule))
        for (subject, rule), one in highest.items()
        if 2 * one.packets >= low[rule].warn  # below that, higher ones may not have been looked at
    ]
    return tuple(sorted(found, key=lambda m: (-(m.share(Band.WARN) or 0), name_of(m.subject), m.rule)))


def _raise(highest: dict[Key, Highest], rule: str, reading: Reading, config: Config) -> None:
    """Keep what a window shows of a rule, where it is more than before."""
    packets = rules.measured(rule, reading, config.judging)
    if not packets:
        return
    below = syn.half_open(reading, config.judging) if rule == syn.NAME else packets
    bits = 8 * reading.bytes.get(rule, 0) * packets // max(packets, reading.packets.get(rule, 0))
    before = highest.get((reading.subject, rule), Highest(0, 0, 0, 0))
    at = reading.at if packets > before.packets else before.at
    most = max(packets, before.packets), at, max(below, before.below_hard), max(bits, before.bits)
    highest[reading.subject, rule] = Highest(*most)


def _low(old: Config, new: Config) -> dict[str, Limits]:
    """A tenth of what is lowest anywhere, by rule. A rule that is off in both is not looked at."""
    found: dict[str, Limits] = {}
    for by_rule in (lowest(old), lowest(new)):
        for rule, limits in by_rule.items():
            warn = max(1, limits.warn // TENTH)
            if rule not in found or warn < found[rule].warn:
                found[rule] = Limits(warn=warn, act=limits.hard, hard=limits.hard)
    return found


def _probing(config: Config, low: dict[str, Limits]) -> Config:
    """A configuration that has every window above half of the low limits looked at, and nothing to say about it."""
    usual = config.limits

    def side(of: Sequence[str]) -> dict[str, Limits]:
        return {rule.removesuffix("-in"): low[rule] for rule in of if rule in low}

    into = usual.into.model_copy(update=side(INTO))
    limits: AllLimits = usual.model_copy(update={**side(OUT), "into": into})
    return config.model_copy(update={"limits": limits, "group": (), "vm": {}, "enforce": (), "uplink_bits": 0})
