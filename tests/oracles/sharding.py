"""Several shards fed in one thread, in any order: what capture threads do, without threads."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from oracles.counting import SLOT, Packet, rows

from edgeguard.counting.shards import Shards
from edgeguard.record import NOBODY, Records

Steering = Callable[[int, Packet], int]


def by_remote(n: int, packet: Packet) -> int:
    """As the rings' filter does: both directions of a remote address go to one shard."""
    return hash(packet.dst if packet.out_of != NOBODY else packet.src)


def by_turns(n: int, packet: Packet) -> int:
    return n


def all_to_one(n: int, packet: Packet) -> int:
    return 1


STEERINGS: tuple[Steering, ...] = (by_remote, by_turns, all_to_one)


@dataclass
class Feeder:
    """One shard's packets: counted until it stops, or until there are none left."""

    shards: Shards
    shard: int
    packets: Sequence[Packet]
    at: int = 0  # the next packet
    stopped: bool = False
    counted: list[Packet] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rows: Records = rows(self.packets)

    @property
    def done(self) -> bool:
        return self.at == len(self.packets)

    def feed(self, most: int) -> list[Packet]:
        """Count a batch; the packets that were counted."""
        batch = self.rows[self.at : self.at + most]
        n = self.shards.of[self.shard].add(batch, 0)
        self.stopped = n < len(batch)
        came = list(self.packets[self.at : self.at + n])
        self.counted += came
        self.at += n
        return came

    def time(self, idle: int) -> int:
        """How far this shard has come; one without packets is as far as the clock."""
        if self.done:
            return idle
        return self.packets[self.at].ts if self.stopped else self.packets[self.at - 1].ts if self.at else 0


def feeders(shards: Shards, packets: Sequence[Packet], steering: Steering) -> list[Feeder]:
    parts: list[list[Packet]] = [[] for _ in shards.of]
    for n, packet in enumerate(packets):
        parts[steering(n, packet) % len(parts)].append(packet)
    return [Feeder(shards, shard, part) for shard, part in enumerate(parts)]


def until(shards: Shards, all_: Sequence[Feeder]) -> int:
    """The packet time that the engine would be asked to look at."""
    ends = [feeder.packets[-1].ts for feeder in all_ if feeder.packets]
    idle = max(ends, default=0) // SLOT * SLOT + SLOT
    return shards.until([feeder.time(idle) for feeder in all_])


def release(shards: Shards, all_: Sequence[Feeder]) -> None:
    """After a look: whoever stands within the slot goes on."""
    for feeder in all_:
        feeder.stopped = feeder.stopped and feeder.packets[feeder.at].ts >= shards.slot_end


def run(shards: Shards, all_: Sequence[Feeder], order: Iterator[tuple[int, int]], look: Callable[[int], None]) -> None:
    """Feed everything: (shard, batch) by turns of `order`; `look` is asked when a shard stops or is done."""
    while not all(feeder.done for feeder in all_):
        shard, most = next(order)
        feeder = all_[shard % len(all_)]
        if feeder.stopped or feeder.done:
            feeder = next((one for one in all_ if not one.stopped and not one.done), feeder)
        feeder.feed(most)
        if feeder.stopped or feeder.done:
            look(until(shards, all_))
            release(shards, all_)
    look(until(shards, all_))
