"""The rules by name: six over what leaves a subject, six over what reaches it."""

from __future__ import annotations

from collections.abc import Callable

from edgeguard.config import Judging
from edgeguard.detection import fragments, icmp, inbound, syn, tcp, total, udp
from edgeguard.detection.inbound import Packets
from edgeguard.detection.oneway import Amount
from edgeguard.detection.rule import Judge
from edgeguard.reading import INTO, Reading

JUDGES: dict[str, Judge] = {
    **{rule.NAME: rule.judge for rule in (syn, udp, icmp, fragments, tcp, total)},
    **{name: inbound.judge_of(name) for name in INTO},
}
MEASURES: dict[str, Packets] = {
    **{rule.NAME: rule.packets for rule in (syn, udp, icmp, fragments, tcp, total)},
    **inbound.MEASURES,
}
AMOUNTS: dict[str, Callable[[Reading, Judging], Amount]] = {
    rule.NAME: rule.measure for rule in (udp, icmp, fragments, tcp, total)
}


def measured(rule: str, reading: Reading, judging: Judging) -> int:
    """What the hard limit of a rule is compared with, in packets."""
    return MEASURES[rule](reading, judging)


def octets(rule: str, reading: Reading, judging: Judging) -> int:
    """What its limit in bits is compared with, in bytes: those that are certain."""
    measure = AMOUNTS.get(rule)
    if measure is not None:
        return measure(reading, judging).certain
    every, size = reading.packets[rule], reading.bytes[rule]
    return size * measured(rule, reading, judging) // every if every else size
