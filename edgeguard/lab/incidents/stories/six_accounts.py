"""Six accounts flood at once so that automation stops itself, then a seventh does."""

from __future__ import annotations

from edgeguard.clock import MINUTE, SECOND
from edgeguard.lab.incidents import expect, figures
from edgeguard.lab.incidents.guests import guests
from edgeguard.lab.incidents.incident import Figure, Incident, Line
from edgeguard.lab.incidents.streams import Stream

SEVEN = tuple(f"vm-{n}" for n in range(7))
RATE = 60_000

INCIDENT = Incident(
    name="six-accounts",
    source="foreseen",
    sentence="a fraudster floods from six customers' accounts to trip the breaker, then from a seventh",
    then=(
        Line(0, "six accounts flood at once: a breaker that only stops would stop for everybody"),
        Line(3 * SECOND, "the seventh floods behind it as behind a shield"),
    ),
    figures=(Figure("flooding accounts that are stopped", "6 at most", figures.number_cut, counts=True),),
    hosts=(guests(20),),
    streams=(
        *(
            Stream("syn", RATE, (SECOND if n < 6 else 4 * SECOND, 10 * SECOND), vm=n, to=f"203.0.113.{80 + n}")
            for n in range(7)
        ),
        *(Stream("connections", 20, (0, 20 * SECOND), vm=n, to="203.0.113.5") for n in range(7, 20)),
    ),
    lasts=40 * MINUTE,
    expected=(
        expect.touched(*SEVEN),
        expect.at_most_narrow(),
        expect.null_routed_times(7),
        expect.spaced(6, SECOND),
        expect.refused("breaker", "vm-5"),
        expect.told_in_time(),
        expect.paged("breaker", 1),
        expect.freed("its lifetime is over"),
        expect.walked("vm-5", "suspect-data", "narrow", "probation", "closed"),
        expect.walked("vm-6", "narrow", "probation", "closed"),
    ),
)
