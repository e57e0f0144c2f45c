"""Readings: what is said of one subject's window, from the sums and the places that were kept for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from edgeguard.counting import kernels, state
from edgeguard.model import Spread, Subject
from edgeguard.reading import Flow, Reading
from edgeguard.record import address

RULES = ("syn", "udp")
SHOWN = 16  # flows of a reading: a target worth a null route has a tenth of the window

Longer = tuple[tuple[int, int], ...]  # (seconds, packets)


@dataclass(frozen=True, slots=True)
class Sums:
    """The window of a row, or of the same row in several shards."""

    window: state.Array  # by metric
    known: bool  # the subject's addresses are known
    crossed: tuple[int, int]  # by rule; 0: not
    longer: tuple[Longer, Longer]  # by rule

    def __add__(self, other: Sums) -> Sums:
        """Both together. A level is reached no earlier than the first shard reaches its share of it."""
        crossed = _first(self.crossed[0], other.crossed[0]), _first(self.crossed[1], other.crossed[1])
        return Sums(self.window + other.window, self.known, crossed, _both(self.longer, other.longer))


def _first(a: int, b: int) -> int:
    return min(a, b) if a and b else a or b


def _both(a: tuple[Longer, Longer], b: tuple[Longer, Longer]) -> tuple[Longer, Longer]:
    def add(x: Longer, y: Longer) -> Longer:
        return tuple((seconds, n + more) for (seconds, n), (_, more) in zip(x, y, strict=True))

    return add(a[0], b[0]), add(a[1], b[1])


def reading(
    point: int,
    subject: Subject,
    at: int,
    sums: Sums,
    tables: state.Array,
    table: int,
    ratio: int,
    spread: dict[str, Spread] | None = None,
) -> Reading:
    """What is said of a window that ends at `at`; its places are those of `tables[table]`."""
    window = sums.window.tolist()
    syn_acks, resets = kernels.answers(tables, table)
    one_way, _, one_way_back = kernels.one_way(tables, table, window[state.UDP], window[state.UDP_IN], ratio)
    foreign = dict(zip(RULES, window[state.SYN_FOREIGN : state.UDP_FOREIGN + 1], strict=True))
    return Reading(
        point=point,
        subject=subject,
        at=at,
        packets=dict(zip(RULES, window[state.SYN : state.UDP + 1], strict=True)),
        bytes=dict(zip(RULES, window[state.SYN_BYTES : state.UDP_BYTES + 1], strict=True)),
        foreign=foreign if sums.known else None,
        crossed=dict(zip(RULES, sums.crossed, strict=True)),
        longer=dict(zip(RULES, sums.longer, strict=True)),
        flows=_flows(tables[table]),
        missing=window[state.MISSED],
        syn_acks=syn_acks,
        resets=resets,
        one_way=one_way,
        one_way_back=one_way_back,
        spread=spread,
    )


def _flows(table: Any) -> tuple[Flow, ...]:
    """The largest places that got anything in the window, largest first."""
    sent = table["seen"][: int(table["places"]), state.OUT]
    order = np.argsort(-sent, kind="stable")[:SHOWN]
    columns = (table[name][order].tolist() for name in ("key", "seen", "port"))
    return tuple(_flow(*row) for row in zip(*columns, strict=True) if row[1][state.OUT] > 0)


def _flow(key: list[int], seen: list[int], port: int) -> Flow:
    hi, lo, what = key
    packets, back, port_packets, _ = seen
    return Flow(
        address=address(what >> 8, hi, lo),
        protocol=what & 0xFF,
        port=port if port >= 0 and port_packets > 0 else None,
        packets=packets,
        port_packets=port_packets,
        back=back,
    )
