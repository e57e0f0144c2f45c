"""2013: a second UDP flood sixteen days after the first; the owner's explanation does not fit, and access stays cut."""

from __future__ import annotations

from edgeguard.claims.claim import Answer as Told
from edgeguard.claims.claim import Claim
from edgeguard.clock import HOUR, MINUTE, SECOND
from edgeguard.lab.incidents import expect, figures
from edgeguard.lab.incidents.guests import guests
from edgeguard.lab.incidents.incident import Figure, Incident, Line
from edgeguard.lab.incidents.people import Answer, Claimed, Release, Works
from edgeguard.lab.incidents.streams import Stream
from edgeguard.request import ClaimCase, CloseCase, HoldCase, UpholdCase
from edgeguard.word import OWNER as THE_OWNER
from edgeguard.word import Said

OWNER = "owner0@example.net"
DAY = 24 * HOUR
SECOND_TIME, THIRD_TIME, FOURTH_TIME = 16 * DAY, 18 * DAY, 20 * DAY
TCP = 6
KEEP = UpholdCase("vm-0", "the fourth flood in three weeks, and no answer", ("a log of what ran", "a new image"))


def _flood(at: int) -> Stream:
    """About 1 Gbit/s: over act, below hard."""
    return Stream("udp", 9_000, (at, at + 8 * SECOND), port=7_777, packets=10, size=1_400)


INCIDENT = Incident(
    name="second-udp-flood",
    source="2013",
    sentence="1 Gbit/s of UDP, again 16 days after the first time; what the owner says of it does not fit",
    then=(
        Line(0, "a first UDP flood; access is cut, and given back after a talk"),
        Line(SECOND_TIME, "a second one, about 1 Gbit/s in all: access is cut"),
        Line(SECOND_TIME + HOUR, "later the owner says: a database dump to a storage service over TLS, which is TCP"),
        Line(SECOND_TIME + DAY, "access stays cut, as the answer 'was not clear'; what would be enough is not said"),
    ),
    figures=(
        Figure("null-routed until the owner is told", "not known", figures.until_mail("vm-0")),
        Figure("cut off if no answer is found clear", "for good", figures.at_latest("vm-0")),
        Figure("answer until it is acknowledged", "none", figures.until_acknowledged(OWNER)),
    ),
    hosts=(guests(2),),
    streams=tuple(_flood(at) for at in (SECOND, SECOND_TIME, THIRD_TIME, FOURTH_TIME)),
    acts=(
        Works(DAY, "alex", CloseCase("vm-0", "a talk, and nothing was found", "undetermined")),
        Answer(SECOND_TIME + 5 * MINUTE, 0, "MINE it is a database dump to our storage service"),
        Claimed(SECOND_TIME + 10 * MINUTE, "vm-0", Claim("s3", TCP, None, 443, None), "alex"),
        Claimed(SECOND_TIME + 11 * MINUTE, "vm-0", Claim("http/3"), "alex"),
        Works(FOURTH_TIME + MINUTE, "alex", ClaimCase("vm-0", "the fourth time")),
        Works(FOURTH_TIME + 2 * MINUTE, "alex", HoldCase("vm-0", "I wait for the owner's call", 6 * HOUR)),
        Works(FOURTH_TIME + 3 * MINUTE, "robin", HoldCase("vm-0", "so do I"), refused="alex has held it once"),
        Works(FOURTH_TIME + 5 * MINUTE, "alex", KEEP),
        Works(FOURTH_TIME + 6 * MINUTE, "alex", KEEP, refused="nothing is upheld by one person"),
        Works(FOURTH_TIME + 7 * MINUTE, "robin", KEEP),
        Answer(FOURTH_TIME + 10 * MINUTE, 0, "APPEAL the dump has run without us, here is its log"),
        Works(FOURTH_TIME + 20 * MINUTE, "robin", KEEP, refused="an appeal is decided by somebody who has not"),
        Release(FOURTH_TIME + HOUR, ("vm-0",), "kim", "fixed", "the log is on the list of what is enough"),
    ),
    lasts=FOURTH_TIME + 2 * HOUR,
    expected=(
        expect.touched("vm-0"),
        expect.at_most_narrow(),
        expect.null_routed_times(4),
        expect.answered("standing", "pass", "closed as undetermined", "vm-0"),
        expect.told_in_time(),
        expect.mail_says(OWNER, "203.0.113.80:7777 (udp)", "1.0"),
        expect.claim_is("protocol", Told.INCONSISTENT, "HTTP/3 are UDP"),
        expect.claim_is("port", Told.INCONSISTENT),
        expect.claim_is("program", Told.CANNOT_TELL, "went where http/3 usually sends"),
        expect.freed("quiet: no second reached half of the warn limit"),
        expect.freed("1 h long, as it was the second time"),
        expect.freed("its lifetime is over"),
        expect.freed("the log is on the list of what is enough"),
        expect.mail_says(OWNER, "a log of what ran"),
        expect.said(
            (THE_OWNER, Said.REPLY),
            ("alex", Said.HOLD),
            ("alex", Said.VOICE),
            ("robin", Said.UPHOLD),
            (THE_OWNER, Said.APPEAL),
        ),
        expect.walked("vm-0", "narrow", "probation", "closed"),
        expect.walked("vm-0", "narrow", "review", "probation", "closed"),
        expect.walked("vm-0", "narrow", "review", "upheld", "appealed", "probation", "closed"),
        expect.paged("", 0),
    ),
)
