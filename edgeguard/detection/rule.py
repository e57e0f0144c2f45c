"""What every rule shares: from a measured window and an episode to a verdict with its arithmetic."""

from __future__ import annotations

from dataclasses import dataclass

from edgeguard.clock import SLOT
from edgeguard.config import Judging, Limits
from edgeguard.detection.episode import Episode
from edgeguard.model import Band, CameBack, Target, Verdict, identity
from edgeguard.reading import Flow, Reading

# A port is named as the target's only when nearly all of the target's packets go there: a narrower
# null route than the flood would let the rest through.
PORT_SHARE = 0.9
WINDOW_S = 1


@dataclass(frozen=True, slots=True)
class Measured:
    """What a rule read from a window. `packets` is exact, so it is its own lower bound."""

    packets: int
    bytes: int
    foreign: int | None
    crossed: int
    flows: tuple[Flow, ...]
    came_back: CameBack


def targets_of(flows: tuple[Flow, ...], packets: int, share: float) -> tuple[Target, ...]:
    """The flows whose exact count reaches `share` of the window, largest first."""
    return tuple(_target(flow, packets) for flow in flows if packets and flow.packets >= share * packets)


def _target(flow: Flow, packets: int) -> Target:
    leads = flow.port is not None and flow.port_packets >= PORT_SHARE * flow.packets
    return Target(
        address=flow.address,
        protocol=flow.protocol,
        port=flow.port if leads else None,
        share=round(flow.packets / packets, 4),
        packets=flow.packets,
    )


def judge(
    rule: str, reading: Reading, measured: Measured, limits: Limits, judging: Judging, episode: Episode | None
) -> tuple[Episode | None, Verdict | None]:
    """One look of one rule at one window: the episode after it, and a verdict when there is news."""
    if episode is None:
        if 2 * measured.packets < limits.warn:
            return None, None
        episode = Episode(since=(reading.at - 1) // SLOT * SLOT, last_loud=reading.at)
    episode = episode.after(measured.packets, reading.at, limits, judging)
    band = episode.found(measured.packets, limits, judging)
    targets = targets_of(measured.flows, measured.packets, judging.target_share)
    if band is None or not episode.says_more(band, targets):
        return episode, None
    verdict = _verdict(rule, reading, measured, limits, judging, episode, band, targets)
    return episode.told(band, targets), verdict


def _verdict(
    rule: str,
    reading: Reading,
    measured: Measured,
    limits: Limits,
    judging: Judging,
    episode: Episode,
    band: Band,
    targets: tuple[Target, ...],
) -> Verdict:
    at_once = band is Band.HARD
    return Verdict(
        id=identity("v", rule, band, reading.subject, reading.at),
        at=reading.at,
        rule=rule,
        band=band,
        subject=reading.subject,
        point=reading.point,
        window_s=WINDOW_S,
        measured=measured.packets,
        at_least=measured.packets,
        limit=int(getattr(limits, band)),
        since=episode.since,
        crossed=(measured.crossed if at_once else 0) or reading.at,
        targets=targets,
        target_error=reading.missing,
        came_back=measured.came_back,
        bytes=measured.bytes,
        peak=episode.peak,
        mean=round(episode.mean, 1),
        foreign=measured.foreign,
        longer=reading.longer[rule],
        spread=reading.spread[rule] if reading.spread else None,
        shares=reading.shares,
        sustain="at once" if at_once else f"{judging.sustain_seconds} of the last {judging.sustain_of} seconds",
    )
