"""Readings: what is said of one subject's window, from the sums and the places that were kept for it."""

from __future__ import annotations

import functools
import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, overload

import numpy as np

from edgeguard.config import Judging
from edgeguard.counting import place_sums, state
from edgeguard.model import Spread, Subject
from edgeguard.reading import INTO, OUT, Flow, Reading
from edgeguard.record import FRAGMENT, ICMP, RST, SYN, SYNACK, TCP, UDP, address

RULES = ("syn", "udp")  # of a source, and of a customer's sum
JUDGED = OUT + INTO  # the rules of a row, in the order of its counters
SHOWN = 16  # flows of a rule: a target worth a null route has a tenth of the window

Longer = tuple[tuple[int, int], ...]  # (seconds, packets)


@dataclass(frozen=True, slots=True)
class Ratios:
    """What counts as answered: UDP at one packet back per `udp`, TCP and fragments at one per `tcp`, SYNs at
    `completed` handshakes each."""

    udp: float = 32
    tcp: float = 100
    completed: float = 0.2


def ratios(judging: Judging) -> Ratios:
    return Ratios(judging.one_way_ratio, judging.tcp_ratio, judging.completed_share)


@dataclass(frozen=True, slots=True)
class Sums:
    """The window of a row, or of the same row in several shards."""

    window: state.Array  # by metric
    known: bool  # the subject's addresses are known
    crossed: tuple[int, ...]  # by rule; 0: not
    longer: tuple[Longer, ...]  # by rule out

    def __add__(self, other: Sums) -> Sums:
        """Both together. A level is reached no earlier than the first shard reaches its share of it."""
        crossed = tuple(map(_first, self.crossed, other.crossed))
        return Sums(self.window + other.window, self.known, crossed, tuple(map(_both, self.longer, other.longer)))


def _first(a: int, b: int) -> int:
    return min(a, b) if a and b else a or b


def _both(a: Longer, b: Longer) -> Longer:
    return tuple((seconds, n + more) for (seconds, n), (_, more) in zip(a, b, strict=True))


def classes(window: list[int], way: int) -> list[int]:
    """Packets by class, out of (way 0) or into (1) the subject."""
    syn, udp, icmp, fragments, tcp, total = window[way * state.INTO : way * state.INTO + 6]
    synacks, rsts = window[state.SYNACKS + way], window[state.RSTS + way]
    return [syn, synacks, rsts, tcp - rsts, udp, icmp, fragments, total - syn - synacks - tcp - udp - icmp - fragments]


def octets(window: list[int], way: int) -> tuple[int, ...]:
    """By rule: the IP bytes of a window's packets."""
    octets = window[state.OCTETS + 8 * way : state.OCTETS + 8 * way + 8]
    return octets[SYN], octets[UDP], octets[ICMP], octets[FRAGMENT], octets[TCP] + octets[RST], sum(octets)


def _one_way(tables: state.Array, table: int, window: list[int], ratios: Ratios) -> dict[str, Any]:
    """What of each rule went to targets that hardly answered."""
    into, one_way = classes(window, 1), place_sums.one_way
    third, udp_back = window[state.THIRD_ACKS], window[state.UDP_BACK]
    tcp_back = into[SYN] + into[SYNACK] + into[TCP]
    any_back = sum(into) - tcp_back - into[RST]
    syn = one_way(tables, table, state.SYN, state.THIRD, window[state.SYN], third, 1 / ratios.completed)
    udp = one_way(tables, table, state.UDP, state.BACK, window[state.UDP], udp_back, ratios.udp)
    tcp = one_way(tables, table, state.TCP, state.BACK, window[state.TCP], tcp_back, ratios.tcp)
    parts = one_way(tables, table, state.FRAGMENTS, state.BACK, window[state.FRAGMENTS], any_back, ratios.tcp)
    return {
        "half_open": syn[0],
        "half_open_acks": syn[2],
        "one_way": udp[0],
        "one_way_back": udp[2],
        "one_way_tcp": tcp[0],
        "one_way_fragments": parts[0],
    }


def reading(
    point: int,
    subject: Subject,
    at: int,
    sums: Sums,
    tables: state.Array,
    table: int,
    ratios: Ratios,
    spread: dict[str, Spread] | None = None,
) -> Reading:
    """What is said of a window that ends at `at`; its places are those of `tables[table]`."""
    window: list[int] = sums.window.tolist()
    syn_acks, resets = place_sums.answers(tables, table)
    small = window[state.SIZES : state.SIZES + 3]
    return Reading(
        point=point,
        subject=subject,
        at=at,
        packets=dict(zip(JUDGED, window[: state.RULES], strict=True)),
        bytes=dict(zip(JUDGED, (*octets(window, 0), *octets(window, 1)), strict=True)),
        foreign=_foreign(window) if sums.known else None,
        crossed=dict(zip(JUDGED, sums.crossed, strict=True)),
        longer=dict(zip(OUT, sums.longer, strict=True)) | dict.fromkeys(INTO, ()),
        flows=Flows(tables[table]),
        missing=window[state.MISSED],
        syn_acks=syn_acks,
        resets=resets,
        spread=spread,
        third_acks=window[state.THIRD_ACKS],
        unreachable=window[state.UNREACHABLE],
        icmp_answers=window[state.ICMP_ANSWERS],
        answers=window[state.SYNACKS] + window[state.RSTS],
        service=window[state.SERVICE],
        sizes=(*small, window[state.UDP] - sum(small)),
        **_one_way(tables, table, window, ratios),
    )


def _foreign(window: list[int]) -> dict[str, int]:
    by_rule = window[state.FOREIGN : state.FOREIGN + 5]
    return dict(zip(OUT, (*by_rule, sum(by_rule)), strict=True))


class Flows(Sequence[Flow]):
    """The largest places of each rule that got anything in the window, and the largest prefixes; largest first.

    Put together when somebody asks first, which is where a verdict may be given: most looks are no news.
    """

    def __init__(self, table: Any) -> None:
        n = int(table["places"])
        self._key, self._seen, self._port = (table[name][:n].copy() for name in ("key", "seen", "port"))

    @functools.cached_property
    def _all(self) -> tuple[Flow, ...]:
        sent, what = self._seen[:, state.OUT], self._key[:, 2] >> np.uint64(16)  # of a prefix its length too
        found: list[Flow] = []
        for each in np.unique(what[sent > 0]):
            mine = np.flatnonzero((what == each) & (sent > 0))
            mine = mine[np.argsort(-sent[mine], kind="stable")[:SHOWN]]
            columns = (column[mine].tolist() for column in (self._key, self._seen, self._port))
            found += [_flow(*row) for row in zip(*columns, strict=True)]
        return tuple(sorted(found, key=operator.attrgetter("packets"), reverse=True))

    @overload
    def __getitem__(self, k: int) -> Flow: ...

    @overload
    def __getitem__(self, k: slice) -> tuple[Flow, ...]: ...

    def __getitem__(self, k: int | slice) -> Flow | tuple[Flow, ...]:
        return self._all[k]

    def __len__(self) -> int:
        return len(self._all)

    def __eq__(self, other: object) -> bool:
        return self._all == (other._all if isinstance(other, Flows) else other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return repr(self._all)


def _flow(key: list[int], seen: list[int], port: int) -> Flow:
    hi, lo, what = key
    rule, packets, port_packets = what >> 16 & 0xFF, seen[state.OUT], seen[state.PORT]
    is_syn, is_udp = rule == state.SYN, rule == state.UDP
    return Flow(
        address=address(what >> 8 & 0xFF, hi, lo),
        protocol=what & 0xFF,
        port=port if port >= 0 and port_packets > 0 else None,
        packets=packets,
        port_packets=port_packets,
        back=seen[state.BACK],
        rule=OUT[rule],
        length=what >> 24 or None,
        third_acks=seen[state.THIRD] if is_syn else 0,
        resets=seen[state.RESET] if is_syn else 0,
        others=seen[state.OTHERS] if rule == state.ICMP else 0,
        bytes=seen[state.BYTES] if is_udp else 0,
        back_bytes=seen[state.BACK_BYTES] if is_udp else 0,
    )
