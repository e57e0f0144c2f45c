"""The incidents by name, in the order they are told."""

from __future__ import annotations

from edgeguard.lab.incidents.incident import Incident
from edgeguard.lab.incidents.stories import (
    cut_return_path,
    forged_neighbour,
    mass_false_positive,
    networking_disabled,
    second_udp_flood,
    six_accounts,
    ten_workers,
    victim,
)

_ALL: tuple[Incident, ...] = (
    ten_workers.INCIDENT,
    networking_disabled.INCIDENT,
    second_udp_flood.INCIDENT,
    mass_false_positive.INCIDENT,
    forged_neighbour.INCIDENT,
    victim.INCIDENT,
    six_accounts.INCIDENT,
    cut_return_path.INCIDENT,
)
INCIDENTS = {incident.name: incident for incident in _ALL}
