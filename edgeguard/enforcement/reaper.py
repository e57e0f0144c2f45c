"""Ending null routes without the daemon: by what the kernel itself knows, and by what still may stand.

The kernel ends the elements of chains by itself; the blackholes of routed taps carry their end as metric.
So overdue ones are found with nothing but the numbers and names that tell ours from everybody else's.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import replace

from edgeguard import clock
from edgeguard.enforcement import links, mechanism
from edgeguard.enforcement.boottime import boottime
from edgeguard.enforcement.chain import Chains
from edgeguard.enforcement.items import Blackhole, Item, metric
from edgeguard.enforcement.kernel import REFUSALS
from edgeguard.enforcement.mechanism import Made
from edgeguard.enforcement.netfilter import Netfilter
from edgeguard.enforcement.place import Place
from edgeguard.enforcement.routes import Routes
from edgeguard.enforcement.rtnetlink import Rtnetlink
from edgeguard.errors import EnforcementError
from edgeguard.model import Order, TapKind

LATE = 3 * clock.SECOND  # what the daemon's child ends in time it is left to end


class Reaper:
    """Of one network namespace; needs CAP_NET_ADMIN. Every method may raise EnforcementError.

    with reaper(place) as reaper:
        reaper.end_overdue()
    """

    def __init__(self, rtnetlink: Rtnetlink, netfilter: Netfilter, place: Place) -> None:
        self._place = place
        self._routes = Routes(rtnetlink, place)
        self._chains = Chains(netfilter, place.nft_table, links.holds, place.kept)

    def end_overdue(self) -> int:
        """Take away the routed null routes that are past their end; how many rules and blackholes that was."""
        late = metric(boottime() - LATE)
        self._routes.adopt()
        return self._routes.keep_only(lambda item: not (isinstance(item, Blackhole) and 0 < item.metric < late))

    def keep_only(self, orders: Iterable[Order]) -> int:
        """Take away whatever none of these orders wants; how many rules, blackholes and elements that was."""
        wanted = [made for order in orders for made in self._any_means(order)]
        items = {_endless(item) for made in wanted for item in made.items}
        self._routes.adopt()
        gone = self._routes.keep_only(lambda item: _endless(item) in items)
        return gone + self._chains.keep_only({element for made in wanted for element in made.elements})

    def _any_means(self, order: Order) -> Iterator[Made]:
        """However it may have been put: the child chooses, and may have tried again; its targets may have been the
        host's own addresses then. Asking for those takes sockets that the reaper's unit has no right to."""
        ways = ({}, {"doubly": True}, {"by_chain": True}) if order.tap.kind is TapKind.ROUTED else ({},)
        for way, local in itertools.product(ways, (True, False)):
            with contextlib.suppress(EnforcementError):
                yield mechanism.made(self._place, order, lambda _, local=local: local, **way)  # type: ignore[misc]


def _endless(item: Item) -> Item:
    return replace(item, metric=0) if isinstance(item, Blackhole) else item


@contextlib.contextmanager
def reaper(place: Place) -> Iterator[Reaper]:
    """One with its sockets; what the kernel refuses inside is one EnforcementError."""
    try:
        with Rtnetlink() as rtnetlink, Netfilter() as netfilter:
            yield Reaper(rtnetlink, netfilter, place)
    except EnforcementError:
        raise
    except REFUSALS as error:
        raise EnforcementError(f"cannot end null routes: {error}; run as root") from None
