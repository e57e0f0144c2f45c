"""The ICMP rule: ICMP and ICMPv6 out of a subject that answers nothing, packets in a second.

Answers are echo replies, errors, and neighbour discovery; there are no more of them than packets that came in.
What is sent to a target a few times and replied to is monitoring: each reply takes one such request away.
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


def packets(reading: Reading, judging: Judging) -> int:
    left = reading.packets.get(NAME, 0) - answers(reading) - replied(reading)
    return max(0, left, unasked(reading, judging))


def unasked(reading: Reading, judging: Judging) -> int:
    """To hosts that stand out, beyond what they sent: "answers" nobody there asked for. No download excuses them.

    Errors answer packets of any protocol, so all that came from a host counts.
    """
    least = max(FEW, judging.target_share * reading.packets.get(NAME, 0))
    hosts = (flow for flow in oneway.of_rule(reading, NAME) if flow.length is None and flow.packets >= least)
    return sum(max(0, flow.packets - flow.back - flow.others) for flow in hosts)


def answers(reading: Reading) -> int:
    return min(reading.icmp_answers, reading.packets.get("total-in", 0))


def replied(reading: Reading) -> int:
    """Requests to targets that get only a few, as many as replies came in that are no other's: nobody floods so."""
    many = [f for f in oneway.of_rule(reading, NAME) if f.length is None and f.packets >= FEW]
    few = reading.packets.get(NAME, 0) - answers(reading) - sum(flow.packets for flow in many)
    others = reading.icmp_answers + reading.unreachable + sum(flow.back for flow in many)
    return max(0, min(few, reading.packets.get("icmp-in", 0) - others))


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
    told = f"{count(answers(reading))} of {count(sent)} ICMP packets answer what came in: echo replies, errors"
    yield Alternative("victim", False, f"{told}; they are left out")
    sweep = f"{count(replied(reading))} were replied to, fewer than {FEW} to each target"
    yield Alternative("monitoring", False, f"{sweep}; they are left out")
