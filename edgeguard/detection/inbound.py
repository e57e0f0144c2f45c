"""The rules over what reaches a VM: the same arithmetic the other way round. Observed, never acted upon.

What the VM answers, or asked for, is left out. Nothing is known of single senders but about how many there
are, so answers are taken for all of them together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from edgeguard.config import Judging, Limits
from edgeguard.detection import rule
from edgeguard.detection.episode import Episode
from edgeguard.detection.rule import CALM, Judge, Level, Measured, Reads
from edgeguard.model import Alternative, CameBack, Kind
from edgeguard.reading import Circumstances, Reading
from edgeguard.units import count

OF_A_CONNECTION = 2  # packets into the VM that follow its SYN, at least: the third ACK, then data, FIN or RST

Packets = Callable[[Reading, Judging], int]


def syn(reading: Reading, _: Judging) -> int:
    """SYNs in, without those whose connections went on."""
    followed = reading.packets.get("tcp-in", 0) // OF_A_CONNECTION
    return max(0, reading.packets.get("syn-in", 0) - followed)


def udp(reading: Reading, judging: Judging) -> int:
    return _beyond(reading, "udp-in", reading.packets.get("udp", 0) * judging.one_way_ratio)


def icmp(reading: Reading, _: Judging) -> int:
    """Without answers: errors, and replies to what the VM sent that is no answer itself."""
    asked = max(0, reading.packets.get("icmp", 0) - reading.icmp_answers)
    return _beyond(reading, "icmp-in", min(reading.unreachable, reading.packets.get("total", 0)) + asked)


def fragments(reading: Reading, judging: Judging) -> int:
    sent = reading.packets.get("udp", 0) + reading.packets.get("fragments", 0)
    return _beyond(reading, "fragments-in", sent * judging.tcp_ratio)


def tcp(reading: Reading, judging: Judging) -> int:
    """Of what the VM sends its resets acknowledge nothing; its SYN-ACKs are answered by an ACK or a reset each."""
    sent, answers = reading.packets.get("tcp", 0), reading.answers
    syn_acks = min(answers, reading.packets.get("syn-in", 0))
    acknowledged = max(0, sent - (answers - syn_acks))
    return _beyond(reading, "tcp-in", acknowledged * judging.tcp_ratio + syn_acks)


def total(reading: Reading, _: Judging) -> int:
    return _beyond(reading, "total-in", min(reading.syn_acks + reading.resets, reading.packets.get("syn", 0)))


def _beyond(reading: Reading, name: str, answered: int) -> int:
    return max(0, reading.packets.get(name, 0) - answered)


MEASURES: dict[str, Packets] = {
    "syn-in": syn,
    "udp-in": udp,
    "icmp-in": icmp,
    "fragments-in": fragments,
    "tcp-in": tcp,
    "total-in": total,
}


def judge_of(name: str) -> Judge:
    """The judge of one rule over what reaches a VM."""
    measure = MEASURES[name]

    def judge(
        reading: Reading, limits: Limits, judging: Judging, episode: Episode | None, around: Circumstances = CALM
    ) -> rule.Judged:
        if episode is None and rule.is_silent(reading.packets.get(name, 0), limits):
            return None, None
        measured = _measured(name, measure(reading, judging), reading, limits, around)

        def read(_: Level) -> Reads:
            back = CameBack(reading.packets.get(name.removesuffix("-in"), 0))
            return Reads(Kind.FLOOD, (), False, back, lambda: _tried(name, measured, reading))

        return rule.judge(name, reading, measured, read, judging, episode, around)

    return judge


def _measured(name: str, packets: int, reading: Reading, limits: Limits, around: Circumstances) -> Measured:
    came, size = reading.packets.get(name, 0), reading.bytes.get(name, 0)
    part = round(size * packets / came) if came else 0
    return Measured(
        packets=packets,
        bytes=part,
        foreign=None,
        crossed=reading.crossed.get(name, 0),
        levels=rule.levels(packets, part, part, limits, around),
    )


def _tried(name: str, measured: Measured, reading: Reading) -> Iterator[Alternative]:
    came = reading.packets.get(name, 0)
    told = f"{count(came - measured.packets)} of {count(came)} packets in answer the VM, or it answers them: left out"
    yield Alternative("answered", False, told)
    spread = (reading.spread or {}).get(name.removesuffix("-in"))
    senders = f", from about {count(spread.sources_in)} addresses" if spread else ""
    yield Alternative(Kind.FLOOD, True, f"{count(measured.packets)} packets in that nothing answers{senders}")
