"""A VM under an inbound SYN flood answers: whoever counts what leaves it takes it for the flooder."""

from __future__ import annotations

from edgeguard.clock import MINUTE, SECOND
from edgeguard.lab.incidents import expect
from edgeguard.lab.incidents.guests import guests
from edgeguard.lab.incidents.incident import Figure, Incident, Line
from edgeguard.lab.incidents.streams import Stream

RATE = 100_000
FLOOD = (2 * SECOND, 12 * SECOND)

INCIDENT = Incident(
    name="victim",
    source="measured",
    sentence="a VM under an inbound SYN flood answers with 100,000 SYN-ACKs a second",
    then=(
        Line(0, "an inbound SYN flood reaches a server, which answers each SYN"),
        Line(SECOND, "a detector that counts what leaves bans the server that is under attack"),
    ),
    figures=(Figure("servers under attack that are cut", "1", expect.number_cut, counts=True),),
    hosts=(guests(2),),
    streams=(
        Stream("syn", RATE, FLOOD, into=True, to="198.51.100.7"),
        Stream("syn-ack", RATE, FLOOD, to="198.51.100.7"),
        Stream("connections", 50, (0, 30 * SECOND), vm=1, to="203.0.113.5"),
    ),
    lasts=20 * MINUTE,
    expected=(
        expect.touched(),
        expect.no_verdict("vm-0", "vm-1"),
        expect.verdict_about("vm-0", "syn-in"),
        expect.no_mail("owner0@example.net", "owner1@example.net"),
        expect.walked("vm-0", "victim", "closed"),
        expect.paged("", 0),
    ),
    real="benign-mix",
)
