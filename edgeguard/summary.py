"""The summary of a replayed savefile: its totals, its peaks and its busiest sources."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeguard.record import address
from edgeguard.replay import Replay

TOP = 20
TOTALS = ("frames", "ipv4", "ipv6", "tcp_syn", "tcp_synack", "udp", "udp_bytes", "icmp", "fragments")
REST = ("non_ip", "malformed", "other_link")


def summarise(replay: Replay) -> dict[str, Any]:
    """The last line of `replay --json`; times are decimal strings of Unix nanoseconds."""
    totals, capture, counting = replay.capture.totals(), replay.capture, replay.counting
    columns = counting.source_columns()
    return {
        "type": "summary",
        **{name: totals[name] for name in TOTALS + REST},
        "truncated_file": capture.truncated,
        "first_ts": _text(capture.first_ts),
        "last_ts": _text(capture.last_ts),
        "peak_syn_1s": _peak(columns, "syn"),
        "peak_udp_1s": _peak(columns, "udp"),
        "sources": _sources(columns),
        "sources_overflow": counting.overflow,
        "sources_unjudged": counting.unjudged,
    }


def _text(at: int | None) -> str | None:
    return None if at is None else str(at)


def _order(columns: dict[str, Any], size: Any) -> Any:
    """Lines by falling size; ties: IPv4 first, then the lowest address."""
    largest = np.argsort(size, kind="stable")[::-1]
    floor = size[largest[min(TOP, len(size)) - 1]] if len(size) else 0
    some = np.flatnonzero((size >= floor) & (size > 0))  # sorted by address too: not a million lines
    keys = (columns["lo"][some], columns["hi"][some], columns["family"][some], -size[some].astype(np.int64))
    return some[np.lexsort(keys)]


def _source(columns: dict[str, Any], n: int) -> str:
    return str(address(int(columns["family"][n]), int(columns["hi"][n]), int(columns["lo"][n])))


def _peak(columns: dict[str, Any], rule: str) -> dict[str, Any] | None:
    order = _order(columns, columns[f"{rule}_peak"])
    if not len(order):
        return None
    n = order[0]
    return {
        "source": _source(columns, n),
        "packets": int(columns[f"{rule}_peak"][n]),
        "at_most": int(columns[f"{rule}_at_most"][n]),
    }


def _sources(columns: dict[str, Any]) -> list[dict[str, Any]]:
    order = _order(columns, np.maximum(columns["syn_peak"], columns["udp_peak"]))
    return [
        {
            "source": _source(columns, n),
            **{name: int(columns[name][n]) for name in ("syn", "udp", "udp_bytes")},
            "syn_peak_1s": int(columns["syn_peak"][n]),
            "udp_peak_1s": int(columns["udp_peak"][n]),
        }
        for n in order[:TOP]
    ]
