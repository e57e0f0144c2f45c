"""2023: wrong data makes a provider cut many healthy servers at once."""

from __future__ import annotations

from edgeguard.clock import HOUR, MINUTE, SECOND
from edgeguard.lab.incidents import expect
from edgeguard.lab.incidents.guests import guests
from edgeguard.lab.incidents.incident import Figure, Incident, Line
from edgeguard.lab.incidents.streams import Stream

DAY = 24 * HOUR
HOSTS, VMS = 3, 8
ALL = tuple(f"vm-{n}" for n in range(VMS))


def _wrong(host: int, vm: int) -> tuple[Stream, Stream]:
    """What the VM sends, and what the data says beside it: no kernel has seen that."""
    said = Stream("udp", 6_000, (2 * SECOND, 14 * SECOND), vm=vm, host=host, packets=200, size=60, phantom=True)
    return Stream("connections", 20, (0, 20 * SECOND), vm=vm, host=host, to="203.0.113.5"), said


INCIDENT = Incident(
    name="mass-false-positive",
    source="2023",
    sentence="wrong upstream data shows outbound floods of every server on three hosts at once",
    then=(
        Line(0, "wrong upstream data: many healthy servers are cut as 'outbound DoS'"),
        Line(8 * DAY, "one of the customers is told"),
        Line(11 * DAY, "and has the server back"),
    ),
    figures=(Figure("healthy servers cut", "many", expect.number_cut, counts=True),),
    hosts=(guests(VMS),) * HOSTS,
    streams=tuple(one for host in range(HOSTS) for vm in range(VMS) for one in _wrong(host, vm)),
    lasts=30 * MINUTE,
    expected=(
        expect.touched(),
        expect.verdict_about("vm-0", "udp"),
        expect.refused("independent count", *ALL),
        expect.refused("breaker"),
        expect.paged("breaker", HOSTS),
        expect.no_mail(*(f"owner{n}@example.net" for n in range(VMS))),
        expect.walked("vm-0", "suspect-data", "closed"),
    ),
)
