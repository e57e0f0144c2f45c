"""2019: a customer's ten workers are taken for an attack, twice, and access is denied for good."""

from __future__ import annotations

from edgeguard.clock import HOUR, MINUTE, SECOND
from edgeguard.lab.incidents import expect, figures, together
from edgeguard.lab.incidents.guests import guests
from edgeguard.lab.incidents.incident import Figure, Incident, Line
from edgeguard.lab.incidents.people import Answer, Look, Release, Report, Works
from edgeguard.lab.incidents.streams import Stream
from edgeguard.request import UpholdCase

OWNER = "owner@example.net"
TEN = tuple(f"vm-{n}" for n in range(10))
BEGINS = MINUTE  # until then there is only what a monitor says
FREED = 20 * MINUTE
AGAIN = FREED + 3 * HOUR + 6 * MINUTE
DENY = UpholdCase("vm-3", "it shares an SSH key with a banned account", ("another key is used",))
RATE = 6_000  # over act, far below hard

WORK = tuple(
    stream
    for n in range(10)
    for stream in (
        Stream("syn", RATE, (BEGINS, BEGINS + 8 * SECOND), vm=n, port=5432),
        Stream("syn", 2_000, (5 * MINUTE, FREED), vm=n, port=5432, every=5 * MINUTE),
        Stream("syn", RATE, (AGAIN, AGAIN + 8 * SECOND), vm=n, port=5432),
    )
)

INCIDENT = Incident(
    name="ten-workers",
    source="2019",
    sentence="ten new workers at full load look like an attack, and do again three hours after they were freed",
    then=(
        Line(0, "automation sees ten machines at full load: it powers all down and locks the account"),
        Line(12 * HOUR + 6 * MINUTE, "a person unlocks it, and sets no flag that it is meant to be"),
        Line(15 * HOUR + 12 * MINUTE, "3 h 06 m later the same automation cuts the same customer off again"),
        Line(29 * HOUR + 23 * MINUTE, "a second person denies access for good, citing a shared SSH key"),
        Line(30 * HOUR, "later undone after a public outcry"),
    ),
    figures=(
        Figure("cut off until the owner is told", "not known", figures.until_mail("vm-0")),
        Figure("answer until it is acknowledged", "none", figures.until_acknowledged(OWNER)),
        Figure("cut off until a person frees it", "12 h 06 m", figures.until_free("vm-0")),
        Figure("cut off if no person comes", "for good", figures.at_latest("vm-0")),
    ),
    hosts=(guests(10, "Example Batch", OWNER),),
    streams=WORK,
    acts=(  # the person comes within the half hour that the acknowledgement promises
        Report(10 * SECOND, 0, "infrastructure", "cpu_load", "ten new machines at full load, no payment history"),
        Answer(2 * MINUTE, 0, "MINE these ten workers fill our queue database"),
        Works(10 * MINUTE, "robin", DENY),
        Works(11 * MINUTE, "robin", DENY, refused="nothing is upheld by one person"),
        Look(FREED - SECOND, "alex"),
        Release(FREED, ("vm-3",), "alex", "unverified", "the owner says it is his own queue", together=True),
    ),
    lasts=AGAIN + 30 * MINUTE,
    expected=(
        expect.touched(*TEN),
        expect.at_most_narrow(),
        expect.only_targets("203.0.113.80"),
        expect.null_routed_times(10),
        expect.null_routed_times(10, BEGINS),
        expect.null_routed_times(0, AGAIN),
        expect.observed_only("an outside report of infrastructure/other"),
        expect.told_in_time(),
        expect.mail_says(OWNER, "203.0.113.80:5432 (tcp)", "ends by itself"),
        expect.one_thread(OWNER),
        together.one_id(OWNER),
        expect.refused("probation", *TEN),
        expect.mail_says("desk@example.net", "alex released this"),
        together.one_matter(TEN, FREED),
        together.freed_at_once("alex", "unverified", TEN),
        expect.freed("the owner says it is his own queue"),
        expect.walked("vm-0", "narrow", "probation", "closed"),
        expect.walked("vm-9", "narrow", "review", "probation", "closed"),  # the last that its owner was told of
        expect.answered("standing", "unknown", "which is not bad", *TEN),
        expect.no_ground("shared_ssh_key", "payment_history", "account_age"),
        expect.binds_nothing_alone("robin"),
        expect.paged("", 0),
    ),
)
