"""The SYN rule: connection attempts out of a subject (SYN without ACK), packets in a second.

Half-open are the SYNs to targets with which fewer than `completed_share` of the handshakes are completed
by a third ACK; a SYN-ACK alone proves nothing, as SYN-cookie targets answer every SYN. Warn and act
compare the half-open ones, hard all of them. What is completed is a warning from act on.

SYN-ACKs never count: a victim that answers an inbound flood is no flooder.
"""

from __future__ import annotations

import math

from edgeguard.config import Judging, Limits
from edgeguard.detection import rule
from edgeguard.detection.attempts import ALL, COMPLETED, HALF_OPEN, SYN, Attempts
from edgeguard.detection.episode import Episode
from edgeguard.detection.rule import CALM, Level, Measured, Reads
from edgeguard.model import Band
from edgeguard.reading import Circumstances, Flow, Reading
from edgeguard.record import PROTOCOL_TCP

NAME = SYN


def packets(reading: Reading, _: Judging) -> int:
    """What hard compares."""
    return reading.packets.get(NAME, 0)


def half_open(reading: Reading, judging: Judging) -> int:
    """SYNs to targets that complete too few.

    A target that completes enough has third ACKs: there are no more completed SYNs than these allow.
    """
    third_acks = max(0, reading.third_acks - reading.half_open_acks)
    completed = math.floor(third_acks / judging.completed_share)
    return max(reading.half_open, packets(reading, judging) - completed)


def flows(reading: Reading) -> tuple[Flow, ...]:
    """Of this rule: named so, or by the protocol where no rule is named."""
    return tuple(f for f in reading.flows if f.rule == NAME or (not f.rule and f.protocol == PROTOCOL_TCP))


def measure(reading: Reading, limits: Limits, judging: Judging, around: Circumstances) -> Measured:
    every, half = packets(reading, judging), half_open(reading, judging)
    size = reading.bytes.get(NAME, 0)
    part = size * half // every if every else 0
    return Measured(
        packets=every,
        bytes=size,
        foreign=reading.foreign.get(NAME, 0) if reading.foreign is not None else None,
        crossed=reading.crossed.get(NAME, 0),
        levels=(
            Level(Band.HARD, every, every, limits.hard, part=ALL),
            *rule.in_bits(Band.HARD, size, size, limits, around),
            Level(Band.ACT, half, half, limits.act, part=HALF_OPEN),
            *rule.in_bits(Band.ACT, part, part, limits, around),
            Level(Band.WARN, half, half, limits.warn, part=HALF_OPEN),
            *rule.in_bits(Band.WARN, part, part, limits, around),
            Level(Band.WARN, every - half, every - half, limits.act, part=COMPLETED, harmless=True),
        ),
    )


def judge(
    reading: Reading, limits: Limits, judging: Judging, episode: Episode | None, around: Circumstances = CALM
) -> rule.Judged:
    if episode is None and rule.is_silent(packets(reading, judging), limits):
        return None, None
    measured = measure(reading, limits, judging, around)

    def read(level: Level) -> Reads:
        attempts = Attempts(reading, flows(reading), half_open(reading, judging), level, limits, judging)
        return attempts.read()

    return rule.judge(NAME, reading, measured, read, judging, episode, around)
