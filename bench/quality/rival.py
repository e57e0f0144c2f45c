"""The rival: a plain packets-per-second threshold, with the defaults that FastNetMon Community publishes.

From src/fastnetmon.conf of github.com/pavel-odintsov/fastnetmon: ban_for_pps = on, threshold_pps = 20000,
average_calculation_time = 5, process_incoming_traffic = process_outgoing_traffic = on, ban_time = 1900. From
its source: every second the speed of each address of its networks, in and out, goes into a moving average,
a += (1 - exp(-1 / 5)) (speed - a), and an address is banned where either average is above the one threshold
(`in_counter > threshold or out_counter > threshold`). Its threshold of 1,000 Mbit/s, also on by
default, is left out: with it, it would ban no flood here earlier, and more look-alikes.

This is written from those lines, not a copy of them; FastNetMon itself was not run.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from bench.quality.frames import Array
from edgeguard.clock import SECOND
from edgeguard.model import Network, Vm
from edgeguard.record import Address, Records, address, halves

PACKETS = 20_000  # a second
AVERAGE_S = 5
_NEWEST = 1 - math.exp(-1 / AVERAGE_S)
_ENDS = {"in": ("dst_hi", "dst_lo"), "out": ("src_hi", "src_lo")}

Key = tuple[int, int, int]  # family, halves of an address


@dataclass(frozen=True, slots=True)
class Ban:
    """An address that was banned as a whole. `vm`: whose it is; None: nobody's that is known."""

    at: int
    address: Address
    vm: str | None
    direction: str
    packets: int  # a second, averaged


class Rival:
    """One per scenario; is shown every second's records."""

    def __init__(self, machines: tuple[Vm, ...]) -> None:
        self._machines = machines
        self._networks = networks(machines)
        self._averages: dict[str, dict[Key, float]] = {direction: {} for direction in _ENDS}
        self._banned: set[Key] = set()
        self.bans: list[Ban] = []

    def see(self, records: Records) -> None:
        """A whole second of packet time."""
        if not len(records):
            return
        until = (int(records["ts"][-1]) // SECOND + 1) * SECOND
        for direction, averages in self._averages.items():
            speeds = _speeds(records, direction, self._networks)
            for key in averages.keys() | speeds.keys():
                before = averages.get(key, 0.0)
                averages[key] = before + _NEWEST * (speeds.get(key, 0) - before)
                if averages[key] > PACKETS and key not in self._banned:
                    self._ban(key, until, direction, averages[key])
            self._averages[direction] = {key: value for key, value in averages.items() if value >= 1}

    def _ban(self, key: Key, at: int, direction: str, packets: float) -> None:
        self._banned.add(key)
        banned = address(*key)
        owners = (vm.id for vm in self._machines if any(_within(banned, prefix) for prefix in vm.addresses))
        self.bans.append(Ban(at, banned, next(owners, None), direction, round(packets)))


def _within(one: Address, prefix: Network) -> bool:
    return one.version == prefix.version and one in prefix


def networks(machines: tuple[Vm, ...]) -> tuple[Network, ...]:
    """The operator's networks (its networks_list): what its machines have, so that nobody else can be banned."""
    return tuple(sorted({prefix for vm in machines for prefix in vm.addresses}, key=str))


def _speeds(records: Records, direction: str, within: tuple[Network, ...]) -> dict[Key, int]:
    """Packets by address of our networks."""
    names = _ENDS[direction]
    hi, lo = (records[name] for name in names)
    ours = np.zeros(len(records), bool)
    for network in within:
        ours |= _inside(records["family"], hi, lo, network)
    keys = np.stack([records["family"][ours].astype(np.uint64), hi[ours], lo[ours]], axis=1)
    found, where = np.unique(keys, axis=0, return_inverse=True)
    packets = np.bincount(where.reshape(-1), weights=records["packets"][ours], minlength=len(found))
    return {(int(f), int(h), int(low)): int(n) for (f, h, low), n in zip(found, packets, strict=True)}


def _inside(family: Array, hi: Array, lo: Array, network: Network) -> Array:
    (mask_hi, mask_lo), (base_hi, base_lo) = halves(network.netmask), halves(network.network_address)
    in_hi, in_lo = hi & np.uint64(mask_hi) == base_hi, lo & np.uint64(mask_lo) == base_lo
    inside: Array = (family == network.version) & in_hi & in_lo
    return inside
