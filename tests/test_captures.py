"""The real captures: every total and exact peak as an independent decoder counted them."""

from __future__ import annotations

import csv
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

from edgeguard.capture.savefile import SavefileCapture
from edgeguard.record import RECORD, Records

CAPTURES = Path(__file__).parents[2] / "shared" / "captures"
TOTALS = CAPTURES / "totals.tsv"
COLUMNS = {
    "packets": "frames",
    "packets_other_link": "other_link",
    "ipv4": "ipv4",
    "ipv6": "ipv6",
    "tcp_syn": "tcp_syn",
    "tcp_synack": "tcp_synack",
    "udp": "udp",
    "udp_bytes": "udp_bytes",
    "icmp": "icmp",
    "frag_nonfirst": "fragments",
}
SECOND = 1_000_000_000


def rows() -> list[dict[str, str]]:
    if not TOTALS.exists():
        return []
    with TOTALS.open(newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


ROWS = rows()
each = pytest.mark.parametrize("row", ROWS, ids=[row["capture"] for row in ROWS])
pytestmark = pytest.mark.skipif(not ROWS, reason="../shared/captures is absent: these are other people's captures")


def read(row: dict[str, str], room: int = 65536) -> tuple[SavefileCapture, Records]:
    with SavefileCapture(CAPTURES / row["capture"], None, room) as capture:
        batches = [np.zeros(0, RECORD)]
        while len(batch := capture.read()):
            batches.append(batch.copy())
    return capture, np.concatenate(batches)


def exact_peak(records: Records) -> int:
    """The largest count of one source in any half-open second."""
    stamps: dict[tuple[int, int, int], list[int]] = defaultdict(list)
    for row in records:
        stamps[int(row["family"]), int(row["src_hi"]), int(row["src_lo"])].append(int(row["ts"]))
    return max((widest(sorted(times)) for times in stamps.values()), default=0)


def widest(times: list[int]) -> int:
    best = first = 0
    for last, time in enumerate(times):
        while times[first] <= time - SECOND:
            first += 1
        best = max(best, last - first + 1)
    return best


@each
def test_totals(row: dict[str, str]) -> None:
    """Every total is the one in totals.tsv, and frames are the sum of their parts."""
    totals = read(row)[0].totals()
    assert {column: totals[name] for column, name in COLUMNS.items()} == {
        column: int(row[column]) for column in COLUMNS
    }
    assert totals["frames"] == sum(totals[name] for name in ("ipv4", "ipv6", "non_ip", "malformed", "other_link"))


@each
def test_what_is_wrong_is_said(row: dict[str, str]) -> None:
    """A corrupt, cut or undecodable file is told so; a healthy one has nothing to tell."""
    capture, records = read(row)
    findings = " ".join(capture.findings())
    assert capture.corrupt == bool(row["corrupt"])
    assert capture.truncated == (row["truncated"] == "1")
    assert ("corrupt" in findings) == bool(row["corrupt"])
    assert ("cut off" in findings) == (row["truncated"] == "1")
    assert ("not decoded" in findings) == (row["supported_link"] == "0")
    if len(records) > 1:
        assert any(word in findings for word in ("clock", "stamp")) == (row["odd_clock"] == "1")


@each
def test_peaks(row: dict[str, str]) -> None:
    """Sources and stamps of the records give the exact peaks, where the clock can be trusted."""
    if row["odd_clock"] == "1":
        pytest.skip("odd clock: totals.tsv gives no peaks")
    records = read(row)[1]
    udp = records[records["protocol"] == 17]
    assert exact_peak(udp) == int(row["peak_udp"] or 0)
    assert exact_peak(records[records["kind"] == 0]) == int(row["peak_syn"] or 0)


@each
def test_small_batches_are_the_same(row: dict[str, str]) -> None:
    """A file read seven rows at a time gives the same records."""
    whole = read(row)[1]
    assert np.array_equal(whole[:200], read(row, room=7)[1][:200])


def test_all_are_there() -> None:
    """The folder holds the 167 captures that its table lists."""
    assert len(ROWS) == 167
    assert all((CAPTURES / row["capture"]).exists() for row in ROWS)
