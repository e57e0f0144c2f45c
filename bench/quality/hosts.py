"""Whole hosts: what is said of one machine while something happens to all of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from bench.quality import times
from bench.quality.floods import expected, flood
from bench.quality.healthy import handshakes
from bench.quality.limits import limits
from bench.quality.machines import link, own4, vm
from bench.quality.packets import Packets, in_turn, ports
from bench.quality.scenario import Expected, Scenario, Sort, Stream
from edgeguard.clock import SECOND
from edgeguard.model import Band, Vm

MACHINES = tuple(vm(n) for n in range(20))
BUSY = MACHINES[1]
BEFORE_S, CUT_S = 60.0, 20.0  # seconds of health, and of a way back that is cut
TRIES_S = (0.0, 1.0, 3.0, 7.0)  # when Linux sends a SYN again (tcp_syn_retries, RFC 6298)
CLIENT, OTHERS = 1500, 40  # connections a second of the busiest machine, and of every other


def scenarios() -> Iterator[Scenario]:
    """All of this file."""
    yield Scenario(
        "cut-return-path",
        f"{len(MACHINES)} machines open connections; then nothing comes back to any of them, and all try again",
        Sort.LOOK_ALIKE,
        MACHINES,
        BEFORE_S + CUT_S,
        _cut,
        Expected(),
        group="host",
    )
    rate = 1.2 * limits("syn").hard

    def flooded(rng: np.random.Generator) -> tuple[Stream, ...]:
        since = BEFORE_S + 7 + rng.random()
        return Stream(times.steady(since, 8.0, rate), flood("syn")), *_cut(rng, CLIENT // 30)

    yield Scenario(
        "syn-while-path-is-cut",
        f"{rate:,.0f} SYNs a second of one machine while nothing comes back to any of {len(MACHINES)}",
        Sort.FLOOD,
        MACHINES,
        BEFORE_S + CUT_S,
        flooded,
        replace(expected("syn", Band.HARD), late=5 * SECOND, late_why="what came back is in doubt: hard needs 5 s"),
        group="doubt",
    )


def _cut(rng: np.random.Generator, busiest: int = CLIENT) -> tuple[Stream, ...]:
    return tuple(stream for one in MACHINES for stream in _client(rng, one, busiest if one is BUSY else OTHERS))


def _client(rng: np.random.Generator, one: Vm, rate: int) -> Iterator[Stream]:
    """Connections to a few hundred servers; from the cut on every SYN is sent again, four times in all."""
    first = "198.18.0.0" if one is BUSY else "198.19.0.0"
    syn = Packets(link(one), own4(one), in_turn(first, 400), sport=ports(16_384, 40_000), dport=443)
    yield from handshakes(syn, times.random(rng, 0.0, BEFORE_S - 0.1, rate))
    cut = times.random(rng, BEFORE_S, CUT_S, rate)
    for wait in TRIES_S:
        yield Stream(times.later(cut, wait), syn)
