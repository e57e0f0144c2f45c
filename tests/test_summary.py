"""The summary of a replay: totals, peaks, the top twenty and how ties are broken."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import counting as plain
from oracles.counting import SECOND, Packet, savefile

from edgeguard import config, inventory, replay, summary
from edgeguard.clock import SLOT

T = 1_767_225_600 * SECOND
MS = 1_000_000

Summarise = Callable[[Iterable[Packet]], dict[str, Any]]


@pytest.fixture
def summarised(tmp_path: Path) -> Summarise:
    """The summary of a savefile of these packets."""

    def one(packets: Iterable[Packet]) -> dict[str, Any]:
        path = tmp_path / "file.pcap"
        path.write_bytes(savefile(packets))
        config_ = config.build({})
        run = replay.Replay(path, config_, inventory.configured(config_.inventory), lambda _: None)
        run.run()
        return summary.summarise(run)

    return one


def test_nothing_is_null_where_nothing_was(summarised: Summarise) -> None:
    """Without SYN and UDP there are no peaks and no sources; times are still those of the frames."""
    total = summarised([Packet(T, "synack"), Packet(T + 5, "tcp")])
    assert (total["peak_syn_1s"], total["peak_udp_1s"], total["sources"]) == (None, None, [])
    assert (total["first_ts"], total["last_ts"]) == (str(T), str(T + 5))
    assert (total["frames"], total["ipv4"], total["tcp_syn"], total["tcp_synack"]) == (2, 2, 0, 1)
    assert total["type"] == "summary"


def test_totals_are_of_all_frames(summarised: Summarise) -> None:
    """Every class is in its own total, whoever sent it; UDP bytes are IP bytes."""
    six = {"src": "2001:db8::1", "dst": "2001:db8::2"}
    others: list[Any] = [(what, 40, {}) for what in ("synack", "rst", "tcp")]
    total = summarised(
        Packet(T, what, bytes=n, **more)
        for what, n, more in (("syn", 40, {}), ("syn", 60, six), ("udp", 100, {}), ("udp", 1_000, six), *others)
    )
    expected = {"frames": 7, "ipv4": 5, "ipv6": 2, "tcp_syn": 2, "tcp_synack": 1, "udp": 2, "udp_bytes": 1_100}
    assert {name: total[name] for name in expected} == expected
    assert total["truncated_file"] is False
    assert total["sources_overflow"] == {"syn": 0, "udp": 0}


packets = st.lists(
    st.tuples(
        st.sampled_from((0, MS, SLOT - 1, SLOT, 950 * MS, 3 * SECOND)),
        st.sampled_from(("syn", "udp")),
        st.sampled_from(["192.0.2.1", "192.0.2.9", "198.51.100.1", "2001:db8::9", "2001:db8:1::1"]),
        st.integers(1, 30),
    ),
    max_size=25,
)


@settings(max_examples=30, deadline=None)
@given(packets)
def test_peaks_and_sources_are_those_of_the_packets(summarised: Summarise, drawn: Any) -> None:
    """Peaks, totals and order equal what counting the packets by hand gives, ties by family and address."""
    now, sent = T + 17 * MS, []
    for gap, what, src, n in drawn:
        now += gap
        dst = "2001:db8:9::1" if ":" in src else "198.51.100.7"
        sent += [Packet(now, what, src, dst) for _ in range(n)]
    total = summarised(sent)
    lines = sorted((by_hand(sent, src) for src in {p.src for p in sent}), key=place)
    assert total["sources"] == lines
    for rule in ("syn", "udp"):
        first = min(lines, key=lambda line: (-line[f"{rule}_peak_1s"], *family(line)), default=None)
        if first is None or not first[f"{rule}_peak_1s"]:
            assert total[f"peak_{rule}_1s"] is None
            continue
        most = plain.widest_slots(stamps(sent, first["source"], rule), 11)
        expected = {"source": first["source"], "packets": first[f"{rule}_peak_1s"], "at_most": most}
        assert total[f"peak_{rule}_1s"] == expected


def stamps(sent: list[Packet], src: str, rule: str) -> list[tuple[int, int]]:
    return [(p.ts, 1) for p in sent if p.src == src and p.source_rule == rule]


def by_hand(sent: list[Packet], src: str) -> dict[str, Any]:
    syn, udp = stamps(sent, src, "syn"), stamps(sent, src, "udp")
    return {
        "source": src,
        "syn": len(syn),
        "udp": len(udp),
        "udp_bytes": sum(p.bytes for p in sent if p.src == src and p.source_rule == "udp"),
        "syn_peak_1s": plain.widest_slots(syn, 10),
        "udp_peak_1s": plain.widest_slots(udp, 10),
    }


def family(line: dict[str, Any]) -> tuple[int, int]:
    address = ip_address(line["source"])
    return address.version, int(address)


def place(line: dict[str, Any]) -> tuple[int, int, int]:
    return -max(line["syn_peak_1s"], line["udp_peak_1s"]), *family(line)


def test_the_top_twenty_are_the_largest_and_then_the_lowest(summarised: Summarise) -> None:
    """Of 60 sources the two busiest come first, then of the equal ones the lowest IPv4 addresses."""
    low = [f"192.0.2.{n}" for n in range(1, 51)]
    six = [f"2001:db8::{n:x}" for n in range(1, 9)]
    sent = [Packet(T, "udp", src, "2001:db8:9::1" if ":" in src else "198.51.100.7") for src in reversed(low + six)]
    sent += [Packet(T, "syn", "203.0.113.200")] * 3 + [Packet(T, "syn", "2001:db8::ff", "2001:db8:9::1")] * 2
    names = [line["source"] for line in summarised(sent)["sources"]]
    assert names == ["203.0.113.200", "2001:db8::ff", *low[:18]]


def test_equal_peaks_name_ipv4_first(summarised: Summarise) -> None:
    """Of an IPv6 and two IPv4 sources with one peak the lower IPv4 address is named."""
    sent = [
        Packet(T, "syn", "2001:db8::1", "2001:db8:9::1"),
        Packet(T, "syn", "192.0.2.200"),
        Packet(T, "syn", "192.0.2.3"),
    ]
    assert summarised(sent)["peak_syn_1s"] == {"source": "192.0.2.3", "packets": 1, "at_most": 1}


def test_a_source_is_ranked_by_the_larger_of_its_peaks(summarised: Summarise) -> None:
    """SYN and UDP are not added up."""
    mixed = [Packet(T, "syn", "192.0.2.1")] * 2 + [Packet(T, "udp", "192.0.2.1")] * 2
    plain_ = [Packet(T, "udp", "192.0.2.2")] * 3
    assert [line["source"] for line in summarised(mixed + plain_)["sources"]] == ["192.0.2.2", "192.0.2.1"]


def test_sources_beyond_the_table_are_said(summarised: Summarise) -> None:
    """Packets of sources that found no line are in the totals and in the overflow, by rule."""
    sent = [Packet(T, "syn", f"192.0.2.{n}") for n in range(1, 12)] + [Packet(T, "udp", "203.0.113.1")] * 2
    with mock.patch.object(replay, "SOURCES", 8):
        total = summarised(sent)
    assert (total["tcp_syn"], total["udp"]) == (11, 2)
    assert total["sources_overflow"] == {"syn": 3, "udp": 2}
    assert len(total["sources"]) == 8


def test_equal_ipv6_peaks_name_the_lowest_address(summarised: Summarise) -> None:
    """The upper half of an IPv6 address weighs more than the lower."""
    sent = [Packet(T, "syn", src, "2001:db8:9::1") for src in ("2001:db8:1::1", "2001:db8::9", "2001:db8::a")]
    assert [line["source"] for line in summarised(sent)["sources"]] == ["2001:db8::9", "2001:db8::a", "2001:db8:1::1"]
