"""2017: a broken-into server floods; its networking is cut, and for twelve hours nobody says why."""

from __future__ import annotations

from edgeguard.clock import HOUR, MINUTE, SECOND
from edgeguard.lab.incidents import expect, figures
from edgeguard.lab.incidents.guests import guests
from edgeguard.lab.incidents.incident import Figure, Incident, Line
from edgeguard.lab.incidents.people import Answer
from edgeguard.lab.incidents.streams import Stream

OWNER = "owner0@example.net"
EMPTY = "203.0.113.99"  # nobody has this address
CLEANED = 40 * MINUTE

INCIDENT = Incident(
    name="networking-disabled",
    source="2017",
    sentence="a broken-into server floods an empty address with SYNs",
    then=(
        Line(0, "a broken-into server floods an empty address; all its networking is disabled"),
        Line(7 * MINUTE + 32 * SECOND, "a mail: thanks for a submission, as if the owner had reported himself"),
        Line(6 * HOUR, "meanwhile the owner deletes the servers and restores a backup that is broken into as well"),
        Line(12 * HOUR, "one line comes as an answer; it names no target"),
    ),
    figures=(
        Figure("cut off until the owner is told why", "12 h", figures.until_mail("vm-0")),
        Figure("answer until it is acknowledged", "none", figures.until_acknowledged(OWNER)),
        Figure("null-routed until free", "not known", figures.until_free("vm-0")),
    ),
    hosts=(guests(3),),
    streams=(
        Stream("connections", 20, (0, 2 * MINUTE), to="203.0.113.5", port=22),
        Stream("syn", 120_000, (2 * SECOND, 10 * SECOND), to=EMPTY, port=80),
        Stream("syn", 60_000, (5 * MINUTE, CLEANED), to=EMPTY, port=80, every=5 * MINUTE),
    ),
    acts=(Answer(CLEANED, 0, "CLEANED a snapshot is taken and the server is set up anew"),),
    lasts=CLEANED + 40 * MINUTE,
    expected=(
        expect.touched("vm-0"),
        expect.at_most_narrow(),
        expect.only_targets(EMPTY),
        expect.null_routed_times(1),
        expect.told_in_time(),
        expect.mail_says(OWNER, f"{EMPTY}:80 (tcp)", "Came back: 0", "snapshot", "backup", "Works:"),
        expect.never_said("submission", "thank you", "as soon as possible", "your responsibility", "do not reply"),
        expect.freed("quiet"),
        expect.walked("vm-0", "narrow", "review", "probation", "closed"),
        expect.no_mail("owner1@example.net", "owner2@example.net"),
        expect.paged("", 0),
    ),
    real="syn-flood",
)
