"""Judging the sum over all VMs of one customer: the same rules, at the end of a slot, by limits of its own.

Cheap first: the sums alone are judged. Only where they are news, every point is read in full, for
the verdict's arithmetic. That is once for each band of an episode.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from edgeguard.config import Config, Limits
from edgeguard.counting.counted import Counted
from edgeguard.counting.customers import Sum
from edgeguard.counting.readings import RULES
from edgeguard.counting.state import FOREIGN, NEVER, OCTETS, THIRD_ACKS
from edgeguard.detection import customer as together
from edgeguard.detection import udp
from edgeguard.detection.rule import Judge
from edgeguard.docket import Docket
from edgeguard.model import Subject, Verdict
from edgeguard.reading import Circumstances, Reading
from edgeguard.record import SYN, UDP


class Sums:
    """The customers' side of the engine. Their episodes are in the docket, beside those of the points."""

    def __init__(
        self,
        config: Config,
        counting: Counted,
        docket: Docket,
        judges: Mapping[str, Judge],
        around: Callable[[int], Circumstances],
    ) -> None:
        self._around = around
        self._counting = counting
        self._docket = docket
        self._judges = judges
        self.configure(config)

    def configure(self, config: Config) -> None:
        """Other limits from now on."""
        self._judging = config.judging
        self._own = {"syn": config.limits.syn, "udp": config.limits.udp}
        limits = config.limits.customer
        self._limits = {"syn": limits.syn.limits(), "udp": limits.udp.limits()}
        syn, udp = (_loud(self._limits[rule]) for rule in RULES)
        self._counting.customers.limits((syn, udp))

    def look(self, hot: list[int], at: int) -> Iterator[Verdict]:
        """The verdicts about the customers of these points, now that a slot ended at `at`."""
        for one in self._counting.customers.worth(set(hot), at):
            for rule, limits in self._limits.items():
                verdict = self._judge(one, rule, limits) if limits else None
                if verdict is not None:
                    yield verdict

    def _judge(self, one: Sum, rule: str, limits: Limits) -> Verdict | None:
        before = self._docket.episode(one.point, rule)
        if before is None and 2 * one.windows[:, RULES.index(rule)].sum() < limits.warn:
            return None
        light, apart = self._light(one, rule)
        around = self._circumstances(one)
        episode, verdict = self._judges[rule](light, limits, self._judging, before, around)
        if verdict is not None:
            full = self._full(one, rule, apart)
            episode, verdict = self._judges[rule](full, limits, self._judging, before, around)
        self._docket.keep(one.point, rule, episode)
        return verdict

    def _circumstances(self, one: Sum) -> Circumstances:
        """What came back to a sum is not known where it is not for one of its points. Harm is a single VM's."""
        doubts = (self._around(point).in_doubt for point in one.points.tolist())
        return Circumstances(None, next((doubt for doubt in doubts if doubt), None))

    # ---- readings --------------------------------------------------------------------------------

    def _light(self, one: Sum, rule: str) -> tuple[Reading, set[int]]:
        """The sums alone, and the points left out of them."""
        points, sent = one.points.tolist(), one.windows[:, RULES.index(rule)].tolist()
        measure = self._counting.one_way if rule == udp.NAME else self._counting.half_open
        ways = [measure(point, one.at) if n else (0, 0) for point, n in zip(points, sent, strict=True)]
        apart = {
            point
            for point, (measured, _) in zip(points, ways, strict=True)
            if together.speaks(self._docket.episode(point, rule), measured, self._own[rule])
        }
        counted = [n for n, point in enumerate(points) if point not in apart]
        total = one.windows[counted].sum(axis=0).tolist()
        measured, back = (sum(ways[n][k] for n in counted) for k in (0, 1))
        is_udp = rule == udp.NAME
        reading = Reading(
            point=one.point,
            subject=Subject(None, None, None, one.customer),
            at=one.at,
            packets=dict(zip(RULES, total, strict=False)),
            bytes={name: total[OCTETS + kind] for name, kind in zip(RULES, (SYN, UDP), strict=True)},
            foreign=dict(zip(RULES, total[FOREIGN:], strict=False)),
            crossed=dict.fromkeys(RULES, 0),
            longer=dict.fromkeys(RULES, ()),
            flows=(),
            missing=0,
            syn_acks=0,
            resets=0,
            one_way=measured if is_udp else 0,
            one_way_back=back if is_udp else 0,
            third_acks=total[THIRD_ACKS],
            half_open=0 if is_udp else measured,
            half_open_acks=0 if is_udp else back,
        )
        return reading, apart

    def _full(self, one: Sum, rule: str, apart: set[int]) -> Reading:
        """The same with targets, answers and every point's share; silent points have nothing to add."""
        sending = one.points[one.windows[:, RULES.index(rule)] > 0].tolist()
        readings = {point: self._counting.reading(point, one.at) for point in sending}
        return together.together(
            one.customer,
            one.point,
            one.at,
            [reading for point, reading in readings.items() if point not in apart],
            [reading for point, reading in readings.items() if point in apart],
            rule,
            self._judging,
        )


def _loud(limits: Limits | None) -> int:
    """The window from which an episode begins: half of warn."""
    return (limits.warn + 1) // 2 if limits else NEVER
