"""Where a flood aims: hosts that stand out, prefixes that do though no host of them does, or nothing.

A host stands out with `target_share` of the flood's packets, or with as many as *act* by itself: packets to
others, even many more of them, are no shield.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from edgeguard.detection import rule
from edgeguard.detection.silent import is_inside
from edgeguard.model import Alternative, Kind, Target
from edgeguard.reading import Flow
from edgeguard.units import count, percent

FEW = 8  # packets to each different target; a scan sends fewer
IPV4_PREFIX = 24
IPV4_HOSTS = 256  # in a /24


@dataclass(frozen=True, slots=True)
class Flood:
    """The packets that are looked at, and by what they are told apart."""

    packets: int
    flows: tuple[Flow, ...]  # of them, largest first, exact lower bounds
    missing: int  # that each flow may have more
    what: str  # the packets, in words
    share: float  # from which on a target stands out
    act: int  # the same, in packets
    targets: int | None = None  # about how many different ones; None: not counted
    few: int = 0  # packets a target in a prefix, below which a carpet is a scan

    def stands_out(self, packets: int) -> bool:
        return self.packets > 0 and packets >= min(self.share * self.packets, self.act)


@dataclass(frozen=True, slots=True)
class Aim:
    """What stands out of a flood."""

    flood: Flood
    hosts: tuple[Flow, ...]
    prefixes: tuple[Flow, ...]

    @property
    def kind(self) -> Kind | None:
        """None: nothing stands out."""
        return Kind.FLOOD if self.hosts else Kind.CARPET if self.prefixes else None

    def targets(self, packets: int, protocol: int | None = None) -> tuple[Target, ...]:
        """What can be null-routed, largest first; shares are of `packets`."""
        found = sorted((*self.hosts, *self.prefixes), key=lambda flow: -flow.packets)
        return tuple(rule.target(flow, packets, protocol) for flow in found)

    def tried(self, kind: Kind) -> Iterator[Alternative]:
        """Flood and carpet, in numbers."""
        yield Alternative(Kind.FLOOD, kind is Kind.FLOOD, self._host())
        yield Alternative(Kind.CARPET, kind is Kind.CARPET, self._prefix())

    def _host(self) -> str:
        flood = self.flood
        limits = f"a target stands out from {percent(flood.share)} or {count(flood.act)} on"
        largest = next((flow for flow in flood.flows if flow.length is None), None)
        if largest is None:
            return f"no target of the {count(flood.packets)} {flood.what} was counted by itself; {limits}"
        return f"the largest target: {_told(largest, flood)}; {limits}"

    def _prefix(self) -> str:
        if not self.prefixes:
            return "no prefix (/24, /48) stands out beside the targets"
        return f"no target of it stands out, but the prefix does: {_told(self.prefixes[0], self.flood)}"


def _told(flow: Flow, flood: Flood) -> str:
    place = flow.address if flow.length is None else f"{flow.address}/{flow.length}"
    share = percent(min(1.0, flow.packets / flood.packets)) if flood.packets else "0 %"
    return f"{place} got {count(flow.packets)} of {count(flood.packets)} {flood.what} ({share})"


def take(flood: Flood) -> Aim:
    """Hosts by their share first, then prefixes, then hosts that are a flood by themselves beside them."""
    hosts = [flow for flow in flood.flows if flow.length is None]
    named = [flow for flow in hosts if flood.packets and flow.packets >= flood.share * flood.packets]
    strong = [flow for flow in hosts if flood.stands_out(flow.packets)]
    prefixes = [flow for flow in flood.flows if flow.length is not None and _is_carpet(flow, strong, flood)]
    named += [flow for flow in strong if flow not in named and not _lies_in(flow, prefixes)]
    if not named and not prefixes:
        named = _behind_noise(hosts, flood)
    return Aim(flood, tuple(named), tuple(prefixes))


def _is_carpet(prefix: Flow, strong: list[Flow], flood: Flood) -> bool:
    """It stands out by what goes to no host that does by itself, and gets more than a scan would send."""
    if not flood.stands_out(prefix.packets):
        return False
    rest = prefix.packets - sum(host.packets + flood.missing for host in strong if is_inside(host, prefix))
    return flood.stands_out(rest) and not _is_thin(rest, prefix.length, flood)


def _is_thin(packets: int, length: int | None, flood: Flood) -> bool:
    """Few packets for each target. A prefix has no more targets than there were in all, a /24 256 at most."""
    most = IPV4_HOSTS if length == IPV4_PREFIX else None
    known = [targets for targets in (most, flood.targets) if targets is not None]
    return bool(known) and packets < flood.few * min(known)


def _lies_in(host: Flow, prefixes: list[Flow]) -> bool:
    return any(is_inside(host, prefix) for prefix in prefixes)


def _behind_noise(hosts: list[Flow], flood: Flood) -> list[Flow]:
    """Hosts that together got enough for a flood, behind a scan or a spray that hides their shares."""
    heavy = [flow for flow in hosts if flow.packets >= FEW]
    together = sum(flow.packets for flow in heavy)
    return [flow for flow in heavy if flow.packets >= flood.share * together] if together >= flood.act else []
