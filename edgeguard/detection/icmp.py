"""The ICMP rule: ICMP and ICMPv6 out of a subject that answers nothing, packets in a second.

Answers are echo replies, errors, and neighbour discovery; there are no more of them than packets that came in.
"""

from __future__ import annotations

from collections.abc import Iterator

from edgeguard.config import Judging, Limits
from edgeguard.detection import oneway, rule
from edgeguard.detection.aim import FEW
from edgeguard.detection.episode import Episode
from edgeguard.detection.oneway import IP_AND_UDP, Amount, Sent
from edgeguard.detection.rule import CALM
from edgeguard.model import Alternative
from edgeguard.reading import Circumstances, Flow, Reading
from edgeguard.units import count

NAME = "icmp"


def packets(reading: Reading, _: Judging) -> int:
    answers = min(reading.icmp_answers, reading.packets.get("total-in", 0))
    return max(0, reading.packets.get(NAME, 0) - answers)


def flows(reading: Reading, _: Judging) -> tuple[Flow, ...]:
    return tuple(oneway.of_rule(reading, NAME))


def measure(reading: Reading, judging: Judging) -> Amount:
    measured, sent = packets(reading, judging), reading.packets.get(NAME, 0)
    return Amount(NAME, measured, oneway.scaled(reading.bytes.get(NAME, 0), measured, sent), IP_AND_UDP * measured)


def judge(
    reading: Reading, limits: Limits, judging: Judging, episode: Episode | None, around: Circumstances = CALM
) -> rule.Judged:
    if episode is None and rule.is_silent(reading.packets.get(NAME, 0), limits):
        return None, None
    mine = measure(reading, judging)
    return oneway.judge(mine, lambda: _sent(reading, mine, judging), reading, limits, judging, episode, around)


def _sent(reading: Reading, mine: Amount, judging: Judging) -> Sent:
    return Sent(
        flows=flows(reading, judging),
        what="ICMP packets that answer nothing",
        back=reading.packets.get("icmp-in", 0),
        also=lambda: _tried(reading, mine),
        few=FEW,
    )


def _tried(reading: Reading, mine: Amount) -> Iterator[Alternative]:
    sent = reading.packets.get(NAME, 0)
    told = f"{count(sent - mine.packets)} of {count(sent)} ICMP packets answer what came in: echo replies, errors"
    yield Alternative("victim", False, f"{told}; they are left out")
