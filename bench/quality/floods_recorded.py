"""Floods out of a machine that is busy with what real programs were recorded at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from bench.quality import times
from bench.quality.floods import ACT_S, HARD_S, expected, flood
from bench.quality.limits import limits
from bench.quality.machines import link
from bench.quality.packets import ends
from bench.quality.record.recording import load, names
from bench.quality.record.replayed import machine, replayed
from bench.quality.scenario import Scenario, Sort, Stream
from edgeguard.model import Band

BUSY = (  # recording, copies at once, rule of the flood, its band
    ("tls-download", 2, "syn", Band.ACT),
    ("crawler", 1, "syn", Band.ACT),
    ("proxy", 1, "syn", Band.HARD),
    ("quic-upload", 10, "udp", Band.ACT),
    ("bittorrent", 4, "udp", Band.ACT),
    ("voip", 4, "udp", Band.HARD),
)


def scenarios() -> Iterator[Scenario]:
    """All of those whose recordings are in the tree."""
    recorded = set(names())
    for name, copies, rule, band in BUSY:
        if name in recorded:
            yield _scenario(name, copies, rule, band)


def _scenario(name: str, copies: int, rule: str, band: Band) -> Scenario:
    hard = band is Band.HARD
    rate, lasts = (1.2 * limits(rule).hard, HARD_S) if hard else (1.5 * limits(rule).act, ACT_S)
    seconds = 2 + lasts

    def traffic(rng: np.random.Generator) -> tuple[Stream, ...]:
        recording = load(name)
        vm = machine(recording)
        own = next(ends(address.split("/")[0]) for address in recording.addresses if ":" not in address)
        what = flood(rule, link=replace(link(vm), source=recording.mac), source=own)
        return Stream(times.steady(1 + rng.random(), lasts, rate), what), *replayed(recording, seconds, copies)

    return Scenario(
        name=f"{rule}-beside-{name}",
        about=f"{rate:,.0f} a second out of a machine with {copies} x {name}",
        sort=Sort.FLOOD,
        machines=(machine(load(name)),),
        seconds=seconds,
        traffic=traffic,
        expected=expected(rule, band),
    )
