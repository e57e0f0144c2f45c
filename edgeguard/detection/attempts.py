"""Connection attempts over a limit, and what they are: a flood, a carpet, a scan, a busy client, forged."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from edgeguard.config import Judging, Limits
from edgeguard.detection import aim, forging, silent
from edgeguard.detection.aim import FEW, Aim, Flood
from edgeguard.detection.episode import FLOOD, grade
from edgeguard.detection.forging import Forging
from edgeguard.detection.rule import PACKETS, Level, Reads
from edgeguard.model import Alternative, Band, CameBack, Kind, Spread, Target
from edgeguard.reading import Flow, Reading
from edgeguard.units import count, percent

SYN = "syn"
ALL, HALF_OPEN, COMPLETED = "SYNs", "half-open SYNs", "SYNs of completed handshakes"


@dataclass(frozen=True, slots=True)
class Attempts:
    """One window of SYNs, at the level that it passed."""

    reading: Reading
    flows: tuple[Flow, ...]
    half: int  # half-open
    level: Level
    limits: Limits
    judging: Judging

    @property
    def every(self) -> int:
        return self.reading.packets.get(SYN, 0)

    @property
    def completed(self) -> int:
        return self.every - self.half

    def read(self) -> Reads:
        where = self._aim(half_open=True)
        forged = forging.of(self.half, self._foreign(), self.reading, SYN, HALF_OPEN, self.limits.act)
        kind = self._kind(where, forged)
        targets = self._shown(where)
        forging_ = self._floods and forged.holds
        return Reads(kind, targets, forging_, self._came_back(), lambda: self._tried(kind, where, forged))

    # ---- which part --------------------------------------------------------------------------

    @property
    def _connects(self) -> bool:
        """Completed handshakes make the level: most SYNs are theirs, and without them it is not reached."""
        if self.level.part == COMPLETED:
            return True
        return self.level.band is Band.HARD and self.half < self.limits.hard and self.completed >= self.half

    @property
    def _floods(self) -> bool:
        """The half-open part is a flood by itself, whatever is completed beside it."""
        return self.level.part != COMPLETED and (not self._connects or self.half >= self.limits.act)

    def _kind(self, where: Aim, forged: Forging) -> Kind:
        if self.level.part == COMPLETED:
            return Kind.BUSY
        half = where.kind or (Kind.FORGED if forged.holds else Kind.SCAN if self._is_thin else Kind.SPRAY)
        if self._connects and (not self._floods or grade(half) < FLOOD):
            return Kind.CONNECTIONS
        return half

    @property
    def _is_thin(self) -> bool:
        """Few SYNs for each target, as a scan sends them."""
        spread = self._spread()
        return spread is not None and self.half < FEW * spread.targets

    def _shown(self, where: Aim) -> tuple[Target, ...]:
        packets = self.level.measured if self.level.unit == PACKETS else self.every
        found = where.targets(packets) if self._floods else ()
        return found + self._aim(half_open=False).targets(packets) if self._connects else found

    def _aim(self, *, half_open: bool) -> Aim:
        spread, judging = self._spread(), self.judging
        flows = silent.flows(self.flows, lambda flow: is_half_open(flow, judging) == half_open, self.reading.missing)
        return aim.take(
            Flood(
                packets=self.half if half_open else self.every,
                flows=flows,
                missing=self.reading.missing,
                what=HALF_OPEN if half_open else ALL,
                share=judging.target_share,
                act=self.limits.act if half_open else self.limits.hard,
                targets=spread.targets if spread else None,
                few=FEW,
            )
        )

    def _spread(self) -> Spread | None:
        return (self.reading.spread or {}).get(SYN)

    def _foreign(self) -> int | None:
        return None if self.reading.foreign is None else self.reading.foreign.get(SYN, 0)

    def _came_back(self) -> CameBack:
        """Of the part that is told. What was completed had a SYN-ACK each, so these came from elsewhere."""
        r = self.reading
        elsewhere = max(0, r.third_acks - r.half_open_acks)
        if not self._floods:
            return CameBack(r.syn_acks + r.resets, r.syn_acks, r.resets, r.third_acks, r.unreachable)
        syn_acks = max(r.third_acks, r.syn_acks) - elsewhere  # each third ACK had one, though it came a window before
        return CameBack(syn_acks + r.resets, syn_acks, r.resets, r.third_acks - elsewhere, r.unreachable)

    # ---- in words ----------------------------------------------------------------------------

    def _tried(self, kind: Kind, where: Aim, forged: Forging) -> Iterator[Alternative]:
        yield from self._connections(kind)
        yield from where.tried(kind)
        yield self._scan(kind)
        yield Alternative(Kind.SPRAY, kind is Kind.SPRAY, self._spray(kind))
        yield from forged.tried()
        yield from self._others(kind, where, forged)

    def _connections(self, kind: Kind) -> Iterator[Alternative]:
        share = percent(self.judging.completed_share)
        told = (
            f"{count(self.completed)} of {count(self.every)} SYNs went to targets that complete {share} of the "
            f"handshakes or more; {count(self.reading.third_acks)} third ACKs in all"
        )
        yield Alternative(
            Kind.BUSY, kind is Kind.BUSY, f"{told}; from {count(self.limits.act)} on a busy client is told"
        )
        if self.level.band is Band.HARD:
            alike = "a load test looks the same" if kind is Kind.CONNECTIONS else "they are not what passed the limit"
            limit = f"all SYNs from {count(self.limits.hard)} on are hard, completed or not"
            yield Alternative(Kind.CONNECTIONS, kind is Kind.CONNECTIONS, f"{told}; {limit}; {alike}")

    def _scan(self, kind: Kind) -> Alternative:
        spread = self._spread()
        if spread is None:
            return Alternative(Kind.SCAN, False, "how many different targets there were is not counted here")
        each = self.half / spread.targets if spread.targets else float(self.half)
        told = f"{count(self.half)} half-open SYNs to about {count(spread.targets)} targets, {each:.1f} each"
        return Alternative(
            Kind.SCAN, kind is Kind.SCAN, f"{told}; a scan sends fewer than {FEW}, and no target stands out"
        )

    def _spray(self, kind: Kind) -> str:
        if kind is Kind.SPRAY:
            return f"no target and no prefix stands out of {count(self.half)} half-open SYNs: nothing narrow to drop"
        return "something stands out, or it is a scan, forged, or completed"

    def _others(self, kind: Kind, where: Aim, forged: Forging) -> Iterator[Alternative]:
        answers = f"{count(self.reading.answers)} SYN-ACKs and resets out answer what came in: none is counted"
        yield Alternative("victim", False, answers)
        if kind is not Kind.FLOOD or forged.holds:
            return
        alike = "its own address, few targets, nothing completed: looks the same"
        yield Alternative("load test into a broken path", True, alike)
        most = where.hosts[0]
        if 2 * most.port_packets < most.packets:
            ports = f"{count(most.port_packets)} of {count(most.packets)} SYNs to {most.address} go to its leading port"
            yield Alternative("port scan of a target", True, f"{ports}: at this rate it looks the same")


def is_half_open(flow: Flow, judging: Judging) -> bool:
    return flow.third_acks < judging.completed_share * flow.packets
