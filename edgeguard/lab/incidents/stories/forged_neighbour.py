"""A VM floods with its neighbour's address: whoever goes by addresses cuts the neighbour."""

from __future__ import annotations

from edgeguard.clock import MINUTE, SECOND
from edgeguard.lab.incidents import expect, figures
from edgeguard.lab.incidents.guests import address, guests
from edgeguard.lab.incidents.incident import Figure, Incident, Line
from edgeguard.lab.incidents.streams import Stream

FLOODER, NEIGHBOUR = 0, 1

INCIDENT = Incident(
    name="forged-neighbour",
    source="measured",
    sentence="a VM floods with its neighbour's address as the sender",
    then=(
        Line(0, "a VM floods with its neighbour's address"),
        Line(SECOND, "a detector that goes by source addresses bans the neighbour; the flood goes on"),
    ),
    figures=(Figure("neighbours cut", "1", lambda played: figures.number_cut(played) - 1, counts=True),),
    hosts=(guests(2),),
    streams=(
        Stream("connections", 50, (0, 30 * SECOND), vm=NEIGHBOUR, to="203.0.113.5"),
        Stream("syn", 120_000, (2 * SECOND, 10 * SECOND), vm=FLOODER, source=address(NEIGHBOUR)),
    ),
    lasts=20 * MINUTE,
    expected=(
        expect.touched("vm-0"),
        expect.at_most_narrow(),
        expect.no_verdict("vm-1"),
        expect.no_mail("owner1@example.net"),
        expect.mail_says("owner0@example.net", "203.0.113.80", "Forged"),
        expect.told_in_time(),
        expect.freed("quiet"),
        expect.walked("vm-0", "narrow", "probation", "closed"),
    ),
    real="forged-source",
)
