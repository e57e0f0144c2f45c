"""What fragments and TCP share: packets to targets that answer less than once per `tcp_ratio`, counted by counting."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from edgeguard.config import Judging, Limits
from edgeguard.detection import oneway, rule, silent
from edgeguard.detection.episode import Episode
from edgeguard.detection.oneway import Amount, Sent
from edgeguard.detection.rule import CALM
from edgeguard.model import Alternative
from edgeguard.reading import Circumstances, Flow, Reading
from edgeguard.units import count


@dataclass(frozen=True, slots=True)
class Unanswered:
    """One such rule. `one_way` reads what it measures; `least` is the smallest packet in bytes."""

    name: str
    least: int
    what: str  # its measured packets, in words
    all_: str  # all of its packets, in words
    one_way: Callable[[Reading], int]

    def packets(self, reading: Reading, _: Judging) -> int:
        return self.one_way(reading)

    def flows(self, reading: Reading, judging: Judging) -> tuple[Flow, ...]:
        mine = oneway.of_rule(reading, self.name)
        return silent.flows(mine, lambda flow: oneway.is_one_way(flow, judging.tcp_ratio), reading.missing)

    def measure(self, reading: Reading, judging: Judging) -> Amount:
        measured, sent = self.packets(reading, judging), reading.packets.get(self.name, 0)
        size = oneway.scaled(reading.bytes.get(self.name, 0), measured, sent)
        return Amount(self.name, measured, size, self.least * measured)

    def judge(
        self,
        reading: Reading,
        limits: Limits,
        judging: Judging,
        episode: Episode | None,
        around: Circumstances = CALM,
    ) -> rule.Judged:
        if episode is None and rule.is_silent(reading.packets.get(self.name, 0), limits):
            return None, None
        mine = self.measure(reading, judging)
        return oneway.judge(mine, lambda: self._sent(reading, mine, judging), reading, limits, judging, episode, around)

    def _sent(self, reading: Reading, mine: Amount, judging: Judging) -> Sent:
        flows = self.flows(reading, judging)
        return Sent(
            flows=flows,
            what=self.what,
            back=sum(flow.back for flow in flows if flow.length is None),
            also=lambda: self._tried(reading, mine, judging),
        )

    def _tried(self, reading: Reading, mine: Amount, judging: Judging) -> Iterator[Alternative]:
        sent = reading.packets.get(self.name, 0)
        told = f"{count(max(0, sent - mine.packets))} of {count(sent)} {self.all_} went to targets that answer"
        yield Alternative("answered", False, f"{told} once per {judging.tcp_ratio} or more, and are left out")
