"""The flows that nobody answers, and of each prefix the part that nobody answers.

A prefix holds all its hosts, the answered ones too: a healthy client's packets to a network must not make a carpet
of a flood at one host in it. So what is known of single hosts is taken out, and what is left is judged by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from edgeguard.reading import Flow

IsSilent = Callable[[Flow], bool]


def flows(counted: Iterable[Flow], is_silent: IsSilent, missing: int) -> tuple[Flow, ...]:
    """Of one rule, largest first. `missing`: packets that each may have more."""
    all_ = tuple(counted)
    hosts = [flow for flow in all_ if flow.length is None]
    prefixes = (part(flow, hosts, is_silent, missing) for flow in all_ if flow.length is not None)
    found = [*filter(is_silent, hosts), *(flow for flow in prefixes if flow.packets > 0)]
    return tuple(sorted(found, key=lambda flow: -flow.packets))


def part(prefix: Flow, hosts: Iterable[Flow], is_silent: IsSilent, missing: int) -> Flow:
    """What of a prefix went to its silent hosts, and to hosts without a place of their own if those are silent."""
    inside = [host for host in hosts if host.protocol == prefix.protocol and is_inside(host, prefix)]
    unnamed = replace(
        prefix,
        packets=max(0, prefix.packets - sum(host.packets + missing for host in inside)),
        back=max(0, prefix.back - sum(host.back for host in inside)),
        third_acks=max(0, prefix.third_acks - sum(host.third_acks for host in inside)),
    )
    silent = [host for host in inside if is_silent(host)]
    packets = sum(host.packets for host in silent) + (unnamed.packets if is_silent(unnamed) else 0)
    return replace(prefix, packets=packets, port_packets=min(packets, prefix.port_packets))


def is_inside(host: Flow, prefix: Flow) -> bool:
    if host.address.version != prefix.address.version or prefix.length is None:
        return False
    below = host.address.max_prefixlen - prefix.length
    return int(host.address) >> below == int(prefix.address) >> below
