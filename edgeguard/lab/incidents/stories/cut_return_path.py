"""An upstream filter drops everything towards a host: its busy clients look like floods."""

from __future__ import annotations

from edgeguard.clock import MINUTE, SECOND
from edgeguard.lab.incidents import expect
from edgeguard.lab.incidents.guests import guests
from edgeguard.lab.incidents.incident import Figure, Incident, Line
from edgeguard.lab.incidents.streams import Stream

VMS = 20
CUT, BACK = 75 * SECOND, 90 * SECOND
BUSY, TRIES = 1_800, 4  # connections a second, and SYNs for each of which no answer comes (RFC 6298: 1, 3, 7 s)
USUAL = 10


def _client(vm: int, rate: int) -> tuple[Stream, ...]:
    """Its connections before the cut, its SYNs during it, its connections again."""
    return (
        Stream("connections", rate, (0, CUT), vm=vm),
        Stream("syn", TRIES * rate, (CUT, BACK), vm=vm),
        Stream("connections", rate, (BACK, BACK + 10 * SECOND), vm=vm),
    )


INCIDENT = Incident(
    name="cut-return-path",
    source="foreseen",
    sentence="an upstream filter drops everything towards a host with 20 busy clients",
    then=(
        Line(CUT, "nothing comes back any more; every client tries on, and none of its connections completes"),
        Line(CUT + 5 * SECOND, "a detector that counts half-open connections cuts the busiest first"),
    ),
    figures=(Figure("busy clients cut", "the busiest first", expect.number_cut, counts=True),),
    hosts=(guests(VMS),),
    streams=tuple(one for vm in range(VMS) for one in _client(vm, BUSY if vm == 0 else USUAL)),
    lasts=25 * MINUTE,
    expected=(
        expect.touched(),
        expect.verdict_about("vm-0", "syn"),
        expect.refused("return path", "vm-0"),
        expect.no_mail(*(f"owner{n}@example.net" for n in range(VMS))),
        expect.walked("vm-0", "observed", "closed"),
    ),
)
