"""The fragments rule: later fragments out of a subject to targets that do not answer, packets in a second.

They have no ports and may be of any protocol. A target answers that sends back at least one packet per
`tcp_ratio`: a file server over UDP gets an acknowledgement for each of its large answers.
"""

from __future__ import annotations

from collections.abc import Iterator

from edgeguard.config import Judging, Limits
from edgeguard.detection import oneway, rule, silent
from edgeguard.detection.episode import Episode
from edgeguard.detection.oneway import Amount, Sent
from edgeguard.detection.rule import CALM
from edgeguard.model import Alternative
from edgeguard.reading import Circumstances, Flow, Reading
from edgeguard.units import count

NAME = "fragments"
LEAST = 20  # bytes: an IPv4 header


def packets(reading: Reading, _: Judging) -> int:
    return reading.one_way_fragments


def flows(reading: Reading, judging: Judging) -> tuple[Flow, ...]:
    mine = oneway.of_rule(reading, NAME)
    return silent.flows(mine, lambda flow: oneway.is_one_way(flow, judging.tcp_ratio), reading.missing)


def measure(reading: Reading, judging: Judging) -> Amount:
    measured, sent = packets(reading, judging), reading.packets.get(NAME, 0)
    return Amount(NAME, measured, oneway.scaled(reading.bytes.get(NAME, 0), measured, sent), LEAST * measured)


def judge(
    reading: Reading, limits: Limits, judging: Judging, episode: Episode | None, around: Circumstances = CALM
) -> rule.Judged:
    if episode is None and rule.is_silent(reading.packets.get(NAME, 0), limits):
        return None, None
    mine = measure(reading, judging)
    return oneway.judge(mine, lambda: _sent(reading, mine, judging), reading, limits, judging, episode, around)


def _sent(reading: Reading, mine: Amount, judging: Judging) -> Sent:
    mine_flows = flows(reading, judging)
    return Sent(
        flows=mine_flows,
        what="later fragments",
        back=sum(flow.back for flow in mine_flows if flow.length is None),
        also=lambda: _tried(reading, mine, judging),
    )


def _tried(reading: Reading, mine: Amount, judging: Judging) -> Iterator[Alternative]:
    sent = reading.packets.get(NAME, 0)
    told = f"{count(max(0, sent - mine.packets))} of {count(sent)} later fragments went to targets that answer"
    yield Alternative("answered", False, f"{told} once per {judging.tcp_ratio} or more, and are left out")
