"""From acknowledged to verified: when a null route is proved, and when it is looked at again.

proving  --nothing tried-->  waiting  --something tried-->  proving
   |---verified--> done          |---not stopped--> later, a few times --> done
"""

from __future__ import annotations

import contextlib
import time

from pyroute2.netlink.exceptions import NetlinkError

from edgeguard import clock
from edgeguard.enforcement import packet_filter, verify
from edgeguard.enforcement.mechanism import Made
from edgeguard.enforcement.verify import Judgement, Proof, Tools
from edgeguard.enforcement.witness import Tally
from edgeguard.errors import EnforcementError
from edgeguard.model import Happened, Order, Outcome

_WAIT = 250 * clock.MILLISECOND  # between two looks for attempts
_AGAIN = 10 * clock.SECOND  # after a proof that failed
_AGAINS = 3
_BESIDE_EACH_OTHER = 4  # proofs; more wait, so that an order waits 10 ms behind them at most
_NEVER = 2**62


class Watch:
    """The proofs of one null route, one after the other."""

    def __init__(self, tools: Tools, order: Order, made: Made) -> None:
        self._tools, self._order, self._made = tools, order, made
        self._proof: Proof | None = None
        self._waiting: Tally | None = None
        self._left = _AGAINS
        self._said: Happened | None = None  # a repeated proof speaks only when it has news
        self.next = time.monotonic_ns()  # the first look opens the sockets, after the acknowledgement is out

    def close(self) -> None:
        """Stop looking."""
        if self._proof:
            self._proof.close()
            self._tools.proofs -= 1
        if self._waiting:
            self._tools.background.submit(self._waiting.close)
        self._proof = self._waiting = None
        self.next = _NEVER

    def tick(self, now: int) -> Outcome | None:
        """Look; an outcome when there is something to say."""
        try:
            return self._tick(now)
        except (OSError, EnforcementError, NetlinkError) as error:
            self.close()
            return self._outcome(Judgement(Happened.NOT_STOPPED, f"no proof could be taken: {error}", (), None))

    def _tick(self, now: int) -> Outcome | None:
        if self._waiting:
            self._look_for_attempts(now, self._waiting)
            return None
        if self._proof is None:
            if self._tools.proofs >= _BESIDE_EACH_OTHER:
                self.next = now + verify.LOOK
                return None
            self._proof = Proof(self._tools, self._order, self._made, now)
            self._tools.proofs += 1
        judgement = self._proof.tick(now)
        self.next = now + verify.LOOK
        return self._judged(judgement, now) if judgement else None

    def _look_for_attempts(self, now: int, waiting: Tally) -> None:
        self.next = now + _WAIT
        if waiting.total():
            self.close()
            self.next = now

    def _judged(self, judgement: Judgement, now: int) -> Outcome | None:
        self.close()
        if judgement.happened == Happened.NO_ATTEMPTS:
            with contextlib.suppress(OSError):  # the tap may be on its way out
                self._waiting = Tally(self._order.tap.name, packet_filter.received(self._made.matches))
                self.next = now + _WAIT
        elif judgement.happened == Happened.NOT_STOPPED and self._left:
            self._left -= 1
            self.next = now + _AGAIN
        said, self._said = self._said, judgement.happened
        return None if said == judgement.happened else self._outcome(judgement)

    def _outcome(self, judgement: Judgement) -> Outcome:
        return Outcome(
            self._order.decision,
            time.time_ns(),
            judgement.happened,
            judgement.detail,
            judgement.proofs,
            judgement.dropped,
            judgement.leaving,
        )
