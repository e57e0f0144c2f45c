"""The forging rule: whose addresses a flood's own packets carry.

Many foreign addresses are forged. A few are a mismatch: VRRP, a failover address, a bridge of
containers, DHCP or duplicate address detection, an inventory that is behind.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from edgeguard.model import Alternative, Kind
from edgeguard.reading import Reading
from edgeguard.units import count, percent

SHARE = 0.5  # of the flood's own packets
ADDRESSES = 16  # different ones; an estimate within about 4 % (docs/counting.md)


@dataclass(frozen=True, slots=True)
class Forging:
    """`packets`: the flood's own. `foreign`: how many of them may carry another's address; None: not known."""

    packets: int
    foreign: int | None
    addresses: int | None  # different foreign ones in the window; None: not counted
    what: str  # the packets in words
    act: int  # as many are a flood by themselves, whatever else is sent

    @property
    def holds(self) -> bool:
        return self._most and self.addresses is not None and self.addresses >= ADDRESSES

    @property
    def _most(self) -> bool:
        return self.packets > 0 and self.foreign is not None and self.foreign >= min(SHARE * self.packets, self.act)

    def tried(self) -> Iterator[Alternative]:
        """Forged, and mismatch where that is what it is."""
        if self.foreign is None:
            yield Alternative(Kind.FORGED, False, "the VM's own addresses are not known, so none is called foreign")
            return
        share = percent(self.foreign / self.packets) if self.packets else "0 %"
        told = (
            f"{count(self.foreign)} of {count(self.packets)} {self.what} ({share}) carry a sender that is not the VM's"
        )
        many = (
            "not counted how many different" if self.addresses is None else f"about {count(self.addresses)} different"
        )
        yield Alternative(Kind.FORGED, self.holds, f"{told}, {many}; {self._limits()}")
        if self.foreign and not self.holds and self.addresses is not None and self.addresses < ADDRESSES:
            few = f"{many} foreign senders, fewer than {ADDRESSES}"
            yield Alternative("mismatch", True, f"{few}: a failover or VRRP address, containers, or an old inventory")

    def _limits(self) -> str:
        return f"forged from {percent(SHARE)} or {count(self.act)} on, and from {ADDRESSES} addresses on"


def of(packets: int, foreign: int | None, reading: Reading, name: str, what: str, act: int) -> Forging:
    """What is foreign among all packets of a rule may be foreign among the flood's own: never more than those.

    So packets beside the flood with the VM's own address hide nothing; nor do they by their number, as from
    *act* on the forged ones are a flood by themselves.
    """
    mine = None if foreign is None else min(foreign, packets)
    return Forging(packets, mine, _addresses(reading), what, act)


def _addresses(reading: Reading) -> int | None:
    """Forged senders are counted of all packets together, so every rule's spread says the same."""
    return max((spread.sources_out for spread in (reading.spread or {}).values()), default=None)
