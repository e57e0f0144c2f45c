"""Attempts behind a null route: what its VM still sends there, as counted at the tap."""

from __future__ import annotations

from edgeguard.decision.reach import ANY_PROTOCOL
from edgeguard.model import Decision, Scope, Target
from edgeguard.reading import Flow, Reading
from edgeguard.record import Address


def attempts(decision: Decision, reading: Reading) -> int | None:
    """Packets of the reading's window that the null route is there for, at least; None: they cannot be told apart."""
    if decision.scope is Scope.FULL:
        return reading.packets["total"]
    if decision.scope is Scope.OWN_ONLY:
        return reading.foreign["total"] if reading.foreign is not None else None
    return sum(max((_sent(flow, target) for target in decision.targets), default=0) for flow in _hosts(reading))


def _hosts(reading: Reading) -> list[Flow]:
    """Single addresses: a prefix repeats what its addresses got."""
    return [flow for flow in reading.flows if flow.length is None]


def _sent(flow: Flow, target: Target) -> int:
    """Packets of a flow that went to a target."""
    if target.protocol not in (ANY_PROTOCOL, flow.protocol) or not _lies_in(flow.address, target):
        return 0
    if target.port is None:
        return flow.packets
    return flow.port_packets if flow.port == target.port else 0


def _lies_in(address: Address, target: Target) -> bool:
    """Asked some thousand times a second while somebody watches: without making networks of them."""
    if target.length is None or address.version != target.address.version:
        return address == target.address
    spare = address.max_prefixlen - target.length
    return int(address) >> spare == int(target.address) >> spare
