"""One scenario through the decoder and the engine, in virtual time, with the rival beside it.

    frames of a second -> pcap bytes -> C savefile decoder -> loss -> engine, and the rival

What a savefile cannot carry is decoded frame by frame with what the kernel would have said beside it:
the segment size of a super-frame.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from bench.quality.frames import ETHERNET, Array, Frames, pcap, together
from bench.quality.limits import defaults
from bench.quality.rival import Ban, Rival
from bench.quality.scenario import START, Scenario, Stream
from bench.quality.world import Told, World
from edgeguard import native
from edgeguard.capture.points import Points
from edgeguard.clock import MINUTE, SECOND
from edgeguard.counting.distinct import Distinct
from edgeguard.counting.readings import ratios
from edgeguard.counting.state import SOURCE_KEY
from edgeguard.counting.window import Counting
from edgeguard.engine import Engine
from edgeguard.harm.sender import Sender
from edgeguard.model import Act, Decision, Happened, Outcome, Subject, Verdict, Vm
from edgeguard.record import RECORD, Records, aligned, point_key

BATCH = 8192
SOURCES = 1 << 10  # lines of sources, which are not judged here
KEY = (0, 0)  # of the distinct counts: the same in every run


@dataclass(frozen=True, slots=True)
class Run:
    """What was said, in order, and the truth about the flood's own packets that were captured."""

    told: tuple[Told, ...]
    at: Array  # of the flood's packets [ns since 1970]
    packets: Array  # that each stands for
    frames: int  # of all
    last: int  # end of the traffic
    released: int | None  # when the last null route was ended by itself; None: there was none, or it stands
    bans: tuple[Ban, ...]

    @property
    def verdicts(self) -> list[Verdict]:
        return [told for told in self.told if isinstance(told, Verdict)]

    @property
    def decisions(self) -> list[Decision]:
        return [told for told in self.told if isinstance(told, Decision)]


def run(scenario: Scenario, seed: int = 0) -> Run:
    """From its first packet until nothing of it is null-routed any more. `seed`: another one than its own."""
    host, rival = Host(scenario.machines), Rival(scenario.machines)
    seed += scenario.seed
    rng = np.random.default_rng(seed)
    streams = scenario.traffic(rng)
    truth: list[tuple[Array, Array]] = []
    frames = 0
    for part in parts(streams, scenario.seconds, seed):
        records = host.decode(part)
        lost = _lost(scenario, part.at, rng)
        rival.see(records[~lost])
        host.feed(records, lost)
        flood = part.of_flood & ~lost
        truth.append((part.at[flood], records["packets"][flood].astype(np.int64)))
        frames += len(part)
    last = START + round(scenario.seconds * SECOND)
    at, packets = (np.concatenate(column) for column in zip(*truth, strict=True))
    return Run(tuple(host.world.told), at, packets, frames, last, host.outlast(last), tuple(rival.bans))


def parts(streams: tuple[Stream, ...], seconds: float, seed: int) -> Iterator[Frames]:
    """The scenario's frames, second by second."""
    edges = np.arange(START, START + round(seconds * SECOND) + SECOND, SECOND)
    for n, until in enumerate(edges[1:]):
        rng = np.random.default_rng([seed, n])
        yield together([_stretch(stream, int(edges[n]), int(until), rng) for stream in streams])


def _stretch(stream: Stream, since: int, until: int, rng: np.random.Generator) -> Frames:
    first, last = np.searchsorted(stream.at, (since, until))
    made = stream.make(np.arange(first, last), rng)
    made.at[:] = stream.at[first:last]
    return made


def _lost(scenario: Scenario, at: Array, rng: np.random.Generator) -> Array:
    gone = np.zeros(len(at), bool)
    for loss in scenario.losses:
        during = (at >= START + loss.since) & (at < START + loss.until)
        gone |= during & (rng.random(len(at)) < loss.share)
    return gone


class Host:
    """A host with some machines: decoder, counting and engine as `edgeguard replay` puts them together."""

    def __init__(self, machines: tuple[Vm, ...]) -> None:
        config = defaults()
        self.world = World(machines)
        self._totals = native.Totals()
        self._points = Points(sum(len(vm.macs) for vm in machines))
        counting = Counting(
            SOURCES,
            ratios=ratios(config.judging),
            judge_sources=False,
            distinct=Distinct(KEY, len(machines)),
            key=tuple(secrets.randbits(64) for _ in SOURCE_KEY),  # of speed only
        )
        self.engine = Engine(config, counting, self.world)
        for point, vm in enumerate(machines):
            for mac in vm.macs:
                self._points.put(point_key(mac, vm.vlan), point)
            counting.assign(point, Subject(vm.id, vm.taps[0], None), vm.addresses)
            counting.customers.hang(point, vm.customer)
            self.engine.policies.fit(point, vm)

    def decode(self, frames: Frames) -> Records:
        """Frames as records, by the real decoder."""
        rows: Records = aligned(len(frames), RECORD)
        file = native.Savefile(pcap(frames))
        done = 0
        while done < len(rows) and (n := file.read(self._points.table, rows[done:], self._totals)):
            done += n
        file.close()
        if done != len(frames):
            raise ValueError(f"{done} of {len(frames)} frames were read")
        for n in np.flatnonzero(frames.gso):
            head = frames.head[n, : frames.captured[n]].tobytes()
            size, wire = int(frames.gso[n]), int(frames.length[n])
            native.decode(head, wire, ETHERNET, size, rows[n : n + 1], self._totals)
        return rows

    def feed(self, records: Records, lost: Array) -> None:
        """A second's records without those that were lost."""
        self.world.pass_by(records, lost)
        kept = records[~lost] if lost.any() else records
        for first in range(0, len(kept), BATCH):
            self.engine.feed(kept[first : first + BATCH])
            self._acknowledge()
        self.world.sample(self._senders())

    def _senders(self) -> list[Sender]:
        """What the daemon asks of every row once a second."""
        counting, found = self.engine.counting, []
        for point, vm in enumerate(self.world.machines):
            syns, third_acks = counting.completions(point)
            found.append(Sender(point, vm.id, vm.customer, syns, third_acks, *counting.frames(point)))
        return found

    def _acknowledge(self) -> None:
        """The kernel does what it is told."""
        for order in self.world.orders:
            if order.act is Act.NULL_ROUTE:
                self.engine.outcome(Outcome(order.decision, self.engine.counting.slot_end, Happened.ACKNOWLEDGED, ""))
        self.world.orders.clear()

    def outlast(self, last: int) -> int | None:
        """Silence until nothing is null-routed: when that was."""
        self.engine.look(last)
        self._acknowledge()
        clocks = self.engine.config.clocks
        until = last
        while len(self.engine.ledger) and until < last + clocks.lifetime + MINUTE:
            until += MINUTE
            self.engine.look(until)
        ends = [d.at for d in self.world.told if isinstance(d, Decision) and d.act is Act.RELEASE]
        return max(ends) if ends and not len(self.engine.ledger) else None
