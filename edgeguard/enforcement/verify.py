"""Proving that a null route stops what it should, within seconds and beside everything else.

Proof one is the kernel's own word: the route look-up fails behind the blackhole, or the chain has
dropped every frame that the tap has tried. Proof two is what can be seen: for one second no uplink
sends more packets to the targets than all other attachment points brought there, while the tap
goes on trying. The senders are counted from a moment earlier than the uplinks, so that what is
under way cannot look like a leak; what already waited in an uplink's queue has that moment to go.

`tick` looks, and judges as soon as a whole second has been seen. A second that proves nothing
moves on until the time is over. Nothing here waits: a slow socket is opened and closed elsewhere.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Collection
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field

from pyroute2 import IPRoute

from edgeguard import clock
from edgeguard.enforcement import links, look_up, packet_filter, uplinks
from edgeguard.enforcement.chain import Chains
from edgeguard.enforcement.links import Link
from edgeguard.enforcement.look_up import Answer
from edgeguard.enforcement.mechanism import Made, leaks
from edgeguard.enforcement.packet_filter import Towards
from edgeguard.enforcement.place import Place
from edgeguard.enforcement.uplinks import Way
from edgeguard.enforcement.witness import Elsewhere, Seen, Tally
from edgeguard.model import Happened, Network, Order, Tap

LOOK = 25 * clock.MILLISECOND  # between two looks at the ring: how long a sender's frame may be under way
_SETTLE = 100 * clock.MILLISECOND  # what waited in an uplink's queue has gone by then
_SECOND = clock.SECOND
_MARGIN = 100 * clock.MILLISECOND  # the verdict is out this long before the time is over
_LOTS = 64  # that sources are told apart by under own-only
_AT_ONCE = 2  # look-ups between two orders: 64 targets are asked within a second
_OWN_SHARE = 100  # the host's own packets to a target may be this part of the attempts, no more


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the proofs say."""

    happened: Happened
    detail: str
    proofs: tuple[str, ...]
    dropped: int | None
    leaving: int | None = None  # packets that left although they should not; None: not counted


@dataclass(frozen=True, slots=True)
class _Seen:
    """The second proof: what the uplinks say."""

    told: tuple[str, ...]
    lost: int = 0  # frames that could not be counted
    leaving: int | None = None  # beyond what other attachment points and the host may send; None: not counted

    @property
    def proves(self) -> bool:
        return not self.lost and not self.leaving


@dataclass(frozen=True, slots=True)
class _Snapshot:
    at: int
    packets: Counter[Seen]
    lost: int
    attempts: int
    own: tuple[int, ...]  # the host's own packets, by uplink


@dataclass(slots=True)
class Tools:
    """What every proof of the child uses."""

    place: Place
    ip: IPRoute
    chains: Chains
    background: Executor
    blackholed: Callable[[Tap], frozenset[Network]]  # the prefixes that a tap's table holds
    listed: Callable[[], list[Link]] = field(default=links.listed)
    proofs: int = 0  # under way


class Proof:
    """One null route under proof. `tick` until it judges, then `close`."""

    def __init__(self, tools: Tools, order: Order, made: Made, now: int) -> None:
        """Times of a proof are monotonic nanoseconds. OSError when a socket cannot be had."""
        self._tools, self._order, self._made = tools, order, made
        self._until = now + tools.place.verify_ns - _MARGIN
        self._window = min(_SECOND, (self._until - now) * 2 // 3)
        self._settle = min(_SETTLE, self._window // 4)
        self._dropped_before = self._dropped()  # before the attempts, so that it can only be more
        self._own_before = tools.chains.dropped(made.elements)
        self._chained: Tally | None = None
        self._own: list[Tally] = []
        self._elsewhere: Future[Elsewhere] | None = None
        self._attempts = Tally(order.tap.name, packet_filter.received(made.matches))
        try:
            self._open()
        except OSError:
            self.close()
            raise

    def _open(self) -> None:
        tools, order, made = self._tools, self._order, self._made
        if made.elements and made.chain_matches != made.matches:
            self._chained = Tally(order.tap.name, packet_filter.received(made.chain_matches))
        everywhere = tools.listed()
        found = uplinks.uplinks(tools.place.uplinks, order.tap, everywhere, tools.ip)
        self._ways: list[Way] = uplinks.ways(found, order.tap, everywhere)
        mine = self._host_packets()
        self._own += [Tally(way.uplink.name, packet_filter.sent(mine)) for way in self._ways if mine]
        self._leaks = leaks(order, made, uplinks.host_addresses(tools.ip) if made.own else ())
        heard = uplinks.heard(self._ways)
        lots = _LOTS if made.own else 1
        self._elsewhere = tools.background.submit(Elsewhere, self._leaks, order.tap.ifindex, heard, lots)
        self._questions = list(self._asked())
        self._answers: list[Answer] = []
        self._snapshots: list[_Snapshot] = []

    def _host_packets(self) -> list[Towards]:
        """Packets to the targets that carry the address the host itself would send from."""
        if self._made.own:
            return []  # the host's addresses are no leak as they are
        sources = {t.network: uplinks.own_source(self._tools.ip, t.address) for t in self._order.targets[:8]}
        return [Towards(target, source=source) for target, source in sources.items() if source]

    def _asked(self) -> list[look_up.LookUp]:
        if not self._made.by_routes:
            return []
        if self._made.full:
            return list(look_up.full_questions(self._order, self._made))
        blackholed = self._tools.blackholed(self._order.tap)
        if self._made.own:
            return list(look_up.own_questions(self._order, self._made.own, blackholed))
        return list(look_up.questions(self._order, [target.network for target in self._made.routed], blackholed))

    def _ask_for_attempted(self) -> None:
        """One more question, for what the tap really tries, where that is not known before."""
        if not self._made.by_routes or self._made.full or not (seen := self._attempts.sample()):
            return
        blackholed = self._tools.blackholed(self._order.tap)
        if question := look_up.attempted(self._order, self._made, seen, blackholed):
            self._questions.append(question)

    def close(self) -> None:
        """Let go of the sockets, without waiting for it."""
        tools = self._tools
        for tally in (self._attempts, self._chained, *self._own):
            if tally:
                tools.background.submit(tally.close)
        if self._elsewhere:
            tools.background.submit(_close, self._elsewhere)

    # ---- looking --------------------------------------------------------------------------------

    def tick(self, now: int) -> Judgement | None:
        """Look; the judgement when there is one. OSError when the ring could not be opened."""
        self._ask_for_attempted()
        for _ in range(min(_AT_ONCE, len(self._questions))):
            self._answers.append(look_up.ask(self._tools.ip, self._questions.pop(0)))
        if self._elsewhere is None or not self._elsewhere.done():
            return None
        ring = self._elsewhere.result()
        ring.count()
        self._snapshots.append(self._snapshot(ring, now))
        return self._judge(now)

    def _snapshot(self, ring: Elsewhere, now: int) -> _Snapshot:
        own = tuple(tally.total() for tally in self._own)
        return _Snapshot(now, ring.packets.copy(), ring.lost, self._attempts.total(), own)

    def _dropped(self) -> int:
        """Frames the chain has dropped for this null route, or for another one that they met first."""
        return self._tools.chains.dropped_beside(self._made.elements)

    def _newly_dropped(self) -> int:
        """Since the proof began; a table that somebody took away counts nothing."""
        return max(0, self._dropped() - self._dropped_before)

    def _own_drops(self) -> int:
        """Frames that the elements of this null route have dropped since the proof began."""
        return max(0, self._tools.chains.dropped(self._made.elements) - self._own_before)

    # ---- judging --------------------------------------------------------------------------------

    def _judge(self, now: int) -> Judgement | None:
        end = self._snapshots[-1]
        begin = next((s for s in reversed(self._snapshots) if end.at - s.at >= self._window), None)
        if begin is None or begin.at < self._snapshots[0].at + self._settle or self._questions:
            return None
        earlier = self._snapshots[self._snapshots.index(begin) - 1]
        attempts = end.attempts - begin.attempts
        if attempts == 0 and now < self._until and end.attempts:
            return None
        kernel, seen = self._kernel_proof(), self._seen_proof(earlier, begin, end)
        proofs = (*kernel[1], *seen.told)
        # Where the kernel cannot say, what was counted at the uplinks has to.
        kernel_ok = kernel[0] and (seen.leaving is not None or not any(answer.unknown for answer in self._answers))
        dropped = self._own_drops() if self._made.elements else None
        if attempts == 0:
            what = "from a foreign source" if self._made.own else "to null-routed targets"
            return Judgement(Happened.NO_ATTEMPTS, f"the tap sent nothing {what}", proofs, dropped)
        if kernel_ok and seen.proves:
            return Judgement(
                Happened.VERIFIED, f"{attempts:,} frames tried and none left", proofs, dropped, seen.leaving
            )
        if now < self._until:
            return None
        return Judgement(Happened.NOT_STOPPED, self._why_not(kernel_ok, seen.proves), proofs, dropped, seen.leaving)

    def _why_not(self, kernel: bool, seen: bool) -> str:
        missing = [name for ok, name in ((kernel, "the kernel's own answer"), (seen, "the uplinks")) if not ok]
        return f"not proved by {' and by '.join(missing)}"

    def _kernel_proof(self) -> tuple[bool, tuple[str, ...]]:
        """Proof one: every look-up, and the chain's counter against the attempts."""
        wrong = [answer for answer in self._answers if not answer.stopped and not answer.unknown]
        told = [look_up.text(answer) for answer in (wrong or self._answers)[:3]]
        if len(self._answers) > 1:
            stopped = sum(answer.stopped for answer in self._answers)
            told.append(f"{stopped} of {len(self._answers)} look-ups stopped")
        ok = not wrong
        if self._made.elements:
            tried = (self._chained or self._attempts).total()  # before the drops, so that these are not fewer
            dropped = self._newly_dropped()
            told.append(f"the chain on {self._order.tap.name} dropped {dropped:,} of {tried:,} frames tried")
            ok = ok and dropped >= tried
        return ok, tuple(told)

    def _seen_proof(self, earlier: _Snapshot, begin: _Snapshot, end: _Snapshot) -> _Seen:
        """Proof two, for each uplink."""
        if not self._ways or not self._leaks:
            what = "no uplink is known" if not self._ways else "neither targets nor addresses of the VM are known"
            return _Seen((f"second proof not taken: {what}",))
        lost = end.lost - begin.lost
        told = [f"{lost:,} frames could not be counted"] if lost else []
        leaving = 0
        seconds = (end.at - begin.at) / _SECOND
        for number, way in enumerate(self._ways):
            went, came = _grown(end, begin, {(way.uplink.index, True)}), _grown(end, earlier, way.senders)
            left, brought = went.total(), came.total()
            own = self._own_packets(number, begin, end)
            leaving += max(0, (went - came).total() - own)
            mine = f", {own:,} were the host's own" if own else ""
            which = "with sources that are not the VM's" if self._made.own else "there"
            told.append(
                f"{way.uplink.name} sent {left:,} packets {which} in {seconds:.1f} s, "
                f"other attachment points brought {brought:,}{mine}"
            )
        return _Seen(tuple(told), lost, None if lost else leaving)  # what was lost may be what others brought

    def _own_packets(self, number: int, begin: _Snapshot, end: _Snapshot) -> int:
        """The host's own; bounded, because a flood could carry the host's address."""
        if not self._own:
            return 0
        return min(end.own[number] - begin.own[number], (end.attempts - begin.attempts) // _OWN_SHARE)


def _grown(end: _Snapshot, begin: _Snapshot, which: Collection[tuple[int, bool]]) -> Counter[int]:
    """Packets by lot."""
    grown: Counter[int] = Counter()
    for (index, leaving, lot), packets in (end.packets - begin.packets).items():
        if (index, leaving) in which:
            grown[lot] += packets
    return grown


def _close(opened: Future[Elsewhere]) -> None:
    """In the background, where the opening stands before it in the queue."""
    with contextlib.suppress(OSError):
        opened.result().close()
