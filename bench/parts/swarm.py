"""Sources that are hard to see, beside noise: the traffic of bench/no_false_negative.py, in chunks of 5 ms.

A chunk is a batch of records with an array that says whose each one is: the number of a planned
source, or -1 for noise. Random sources never come twice; the Zipf ones are ten million.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgeguard.record import NOBODY, PROTOCOL_TCP, RECORD, SYN, Records

Array = npt.NDArray[np.int64]
Chunk = tuple[Records, npt.NDArray[np.int32]]

SLOT = 100_000_000
SECOND = 1_000_000_000
CHUNK = 5_000_000
EPOCH = 1_767_225_600 * SECOND
PLANNED, ZIPF, RANDOM = 0x0A00_0000, 0x1400_0000, 0x8000_0000  # where the addresses of each begin
ZIPF_SOURCES = 10_000_000
KINDS = ("steady", "burst", "straddling", "pulsed", "simmering")


@dataclass(frozen=True, slots=True)
class Planned:
    """The packets of all planned sources, in order of time."""

    at: Array
    who: npt.NDArray[np.int32]
    sources: int
    seconds: int


def plan(limit: int, each: int, seconds: int, seed: int = 3) -> Planned:
    """`each` sources of every kind at random phases."""
    rng = np.random.default_rng(seed)
    made = [shape(kind, limit, seconds, rng) for kind in KINDS for _ in range(each)]
    at = np.concatenate(made)
    who = np.repeat(np.arange(len(made), dtype=np.int32), [len(one) for one in made])
    order = np.argsort(at, kind="stable")
    return Planned(at[order], who[order], len(made), seconds)


def shape(kind: str, limit: int, seconds: int, rng: np.random.Generator) -> Array:
    """The stamps of one source."""
    packets = int(limit * rng.uniform(1.0, 1.2))
    phase = int(rng.integers(0, 13 * SLOT))
    if kind == "steady":
        found = _even(-phase, (seconds + 2) * SECOND, int((seconds + 2) * limit * rng.uniform(0.5, 2.0)))
    elif kind == "burst":
        found = _again(_even(phase // SLOT * SLOT, SLOT, packets), 20 * SLOT, seconds)
    elif kind == "straddling":
        found = _again(_even(phase, SLOT, packets), 20 * SLOT, seconds)
    elif kind == "pulsed":
        found = _again(_even(phase - 13 * SLOT, 3 * SLOT, packets), 13 * SLOT, seconds)
    else:
        found = _simmering(limit, packets, phase // SLOT * SLOT)
    return EPOCH + found[(found >= 0) & (found < seconds * SECOND)]


def _even(start: int, length: int, packets: int) -> Array:
    return start + (np.arange(packets) * (length / max(packets, 1))).astype(np.int64)


def _again(once: Array, period: int, seconds: int) -> Array:
    starts = np.arange(seconds * SECOND // period + 2) * period
    return (starts[:, None] + once[None, :]).ravel()


def _simmering(limit: int, packets: int, start: int) -> Array:
    """Loud for a slot; just below a threshold for 20 slots, so that it may leave; then what is missing."""
    quiet = -(-limit // 11) - 1
    slots = [_even(start, SLOT, quiet + 10)]
    slots += [_even(start + slot * SLOT, SLOT, quiet) for slot in range(1, 21)]
    return np.concatenate([*slots, _even(start + 21 * SLOT, SLOT, packets - 10 * quiet + 5)])


def chunks(planned: Planned, random_rate: int, zipf_rate: int, seed: int = 4) -> Iterator[Chunk]:
    """Everything in order of time; a chunk is valid until the next one."""
    rng = np.random.default_rng(seed)
    weights = np.cumsum(1.0 / np.arange(1, ZIPF_SOURCES + 1))
    fields = np.zeros(0, RECORD)
    for start in range(EPOCH, EPOCH + planned.seconds * SECOND, CHUNK):
        first, last = np.searchsorted(planned.at, (start, start + CHUNK))
        count, tail = random_rate * CHUNK // SECOND, zipf_rate * CHUNK // SECOND
        size = count + tail + last - first
        if size > len(fields):
            fields = _empty(2 * size)
        zipf = np.searchsorted(weights, rng.random(tail) * weights[-1]) + ZIPF
        at = np.concatenate([planned.at[first:last], np.sort(rng.integers(start, start + CHUNK, tail))])
        who = np.concatenate([planned.who[first:last], np.full(tail, -1, np.int32)])
        order = np.argsort(at, kind="stable")
        yield _merge(fields[:size], _even(start, CHUNK, count), at[order], who[order], zipf, rng)


def _empty(size: int) -> Records:
    fields = np.zeros(size, RECORD)
    fields["packets"], fields["family"], fields["kind"], fields["protocol"] = 1, 4, SYN, PROTOCOL_TCP
    fields["out_of"] = fields["into"] = NOBODY
    return fields


def _merge(
    batch: Records, noise: Array, at: Array, who: npt.NDArray[np.int32], zipf: Array, rng: np.random.Generator
) -> Chunk:
    """Put what came at `at` between the noise."""
    place = np.searchsorted(noise, at) + np.arange(len(at))
    others = np.ones(len(batch), bool)
    others[place] = False
    whose = np.full(len(batch), -1, np.int32)
    whose[place] = who
    address = who.astype(np.int64) + PLANNED
    address[who < 0] = zipf
    batch["ts"][others], batch["ts"][place] = noise, at
    batch["src_lo"][others] = rng.integers(RANDOM, 2**32, len(noise))
    batch["src_lo"][place] = address
    return batch, whose
