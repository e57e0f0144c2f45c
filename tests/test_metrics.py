"""What Prometheus reads: real scrapes over HTTP, parsed by the library's own parser as an oracle."""

from __future__ import annotations

import re
import socket
import threading
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as parsed

from edgeguard.cases.fresh import Unsent
from edgeguard.cases.tally import NOTICED_S, NULL_ROUTED_S, VERIFIED_S, Times
from edgeguard.clock import SECOND
from edgeguard.errors import DaemonError
from edgeguard.metrics import listener as listening
from edgeguard.metrics.collector import LONGEST, UNREAD, label
from edgeguard.metrics.figures import CAUSES, Busy, Figures, Memory
from edgeguard.metrics.listener import Listener
from edgeguard.native import Totals

MANUAL = Path(__file__).parents[1] / "docs" / "metrics.md"
LONG_S = 60.0
HOSTILE = 'vm"} 1\n# EOF\nedgeguard_lost_frames_total 0\n\x1b[2J\\\udc80{'

FIGURES = Figures(
    taken=time.monotonic(),
    at=100 * SECOND,
    started=40 * SECOND,
    version="1.2.3",
    received=1_204_331,
    lost=17,
    passed_over=5,
    lag_ns=3_000_000,
    clock_steps=2,
    late=4,
    untabled=6,
    totals=dict.fromkeys(Totals().by_name(), 0) | {"malformed": 9, "arp": 3, "tcp_syn": 70, "udp_bytes": 1_000},
    taps=112,
    taps_unknown=2,
    taps_refused=1,
    memory=Memory({"syn": 1_000, "udp": 20_000}, 17, 16_384, 30, 8),
    busy=(Busy("vm-1", "tap1", "syn", 812_000, 390_000_000), Busy("", "tap9", "syn", 20, 9_600)),
    standing={("narrow", "verified"): 2, ("full", "not stopped"): 1},
    decisions={("null-route", "narrow"): 3},
    outcomes={"verified": 2, "failed": 1},
    null_routed=Times.none(NULL_ROUTED_S).adding([0.004, 0.02]),
    verified=Times.none(VERIFIED_S).adding([1.3]),
    noticed=Times.none(NOTICED_S).adding([6.0, 70.0]),
    unsent={"mail": Unsent(3, 88 * SECOND), "hooks": Unsent(0, None), "page": Unsent(0, None)},
    mails_sent=41,
    lines={"info": 7, "error": 2},
    troubles=frozenset({"mail"}),
)


@pytest.fixture
def listener() -> Iterator[Listener]:
    found = Listener("127.0.0.1:0")
    found.start()
    yield found
    found.close()


def read(listener: Listener, accept: str = "text/plain") -> str:
    asked = urllib.request.Request(f"http://127.0.0.1:{listener.port}/metrics", headers={"Accept": accept})
    with urllib.request.urlopen(asked, timeout=LONG_S) as answer:
        told: str = answer.read().decode()
    return told


def scraped(listener: Listener, figures: Figures) -> dict[str, Metric]:
    listener.show(figures)
    return {family.name: family for family in parsed(read(listener))}


def value(families: dict[str, Metric], sample: str, **labels: str) -> float:
    (found,) = [
        one.value
        for family in families.values()
        for one in family.samples
        if one.name == sample and one.labels == labels
    ]
    return found


def test_a_scrape_has_every_figure(listener: Listener) -> None:
    """Each figure must arrive under its name with its unit, as a parser of the format reads it."""
    told = scraped(listener, FIGURES)
    assert value(told, "edgeguard_build_info", version="1.2.3") == 1
    assert value(told, "edgeguard_received_frames_total") == 1_204_331
    assert value(told, "edgeguard_lost_frames_total") == 17
    assert value(told, "edgeguard_lag_seconds") == 0.003
    assert value(told, "edgeguard_undecoded_frames_total", why="malformed") == 9
    assert value(told, "edgeguard_packets_total", **{"class": "tcp_syn"}) == 70
    assert value(told, "edgeguard_flow_memory_limit_packets", **{"class": "udp"}) == 20_000
    assert value(told, "edgeguard_vm_packets", vm="vm-1", tap="tap1", rule="syn") == 812_000
    assert value(told, "edgeguard_vm_bits", vm="", tap="tap9", rule="syn") == 9_600
    assert value(told, "edgeguard_null_routes", scope="narrow", proof="verified") == 2
    assert value(told, "edgeguard_null_routes", scope="own-only", proof="verified") == 0
    assert value(told, "edgeguard_unsent_notices", carrier="mail") == 3
    assert value(told, "edgeguard_oldest_unsent_notice_seconds", carrier="mail") == 12
    assert value(told, "edgeguard_time_to_null_route_seconds_bucket", le="0.025") == 2
    assert value(told, "edgeguard_time_to_null_route_seconds_sum") == pytest.approx(0.024)
    assert value(told, "edgeguard_time_to_notice_seconds_bucket", le="60") == 1
    assert value(told, "edgeguard_time_to_notice_seconds_count") == 2
    assert value(told, "edgeguard_log_lines_total", level="error") == 2
    assert value(told, "edgeguard_trouble", cause="mail") == 1
    assert value(told, "edgeguard_trouble", cause="rules") == 0
    assert value(told, "process_open_fds") > 0


def test_no_figure_is_left_out(listener: Listener) -> None:
    """Another value of any single figure must change the scrape."""
    listener.show(FIGURES)
    own = re.compile(r"^(?!edgeguard_loop_age|process_|#).*$", re.MULTILINE)
    before = own.findall(read(listener))
    other = {"version": "9", "memory": None, "busy": (), "troubles": frozenset(), "unsent": {}}
    other |= {"null_routed": FIGURES.verified, "verified": FIGURES.noticed, "noticed": FIGURES.verified}
    for field in fields(Figures):
        old = getattr(FIGURES, field.name)
        new = other.get(field.name, dict.fromkeys(old, 77) if isinstance(old, dict) else 77)
        if field.name != "taken":
            listener.show(replace(FIGURES, **{field.name: new}))
            assert own.findall(read(listener)) != before, field.name


def test_the_decoders_totals_are_all_there() -> None:
    """Every total of the C decoder must be one of the metrics, or the sum of those that are."""
    known = {*UNREAD, "ipv4", "ipv6", "tcp_syn", "tcp_synack", "udp", "udp_bytes", "icmp", "fragments"}
    assert set(Totals().by_name()) == known | {"frames", "non_ip"}


def test_the_loop_that_hangs_is_seen(listener: Listener) -> None:
    """The age of the figures grows while nobody shows younger ones, whatever the loop does."""
    assert value(scraped(listener, replace(FIGURES, taken=time.monotonic() - 30)), "edgeguard_loop_age_seconds") >= 30
    assert value(scraped(listener, replace(FIGURES, taken=time.monotonic())), "edgeguard_loop_age_seconds") < LONG_S


def test_before_the_first_second_there_are_no_figures(listener: Listener) -> None:
    """A scrape that comes too early is an answer without them, not an error."""
    assert not [family for family in parsed(read(listener)) if family.name.startswith("edgeguard")]


@pytest.mark.parametrize("accept", ["text/plain", "application/openmetrics-text; version=1.0.0"])
def test_a_hostile_name_injects_nothing(listener: Listener, accept: str) -> None:
    """Line breaks, quotes, escapes and half characters in an id or a tap must stay inside their label's value."""
    listener.show(replace(FIGURES, busy=(Busy(HOSTILE, HOSTILE, "syn", 5, 1),)))
    told = read(listener, accept)
    reads = openmetrics if "openmetrics" in accept else parsed
    families = {family.name: family for family in reads(told)}
    (sample,) = families["edgeguard_vm_packets"].samples
    assert (sample.value, sample.labels["rule"]) == (5, "syn")
    assert sample.labels["vm"] == sample.labels["tap"] == label(HOSTILE)
    assert value(families, "edgeguard_lost_frames_total") == 17
    assert "\x1b" not in told and told.count("# EOF\n") == ("openmetrics" in accept)


@given(st.text(alphabet=st.characters(), max_size=300))
def test_a_label_is_short_and_prints(text: str) -> None:
    """Whatever a name is, its label has at most 64 characters, all of which print."""
    assert len(label(text)) <= LONGEST and label(text).isprintable()


def test_long_names_stay_apart(listener: Listener) -> None:
    """Two VMs that differ only beyond the cut must be two series: Prometheus refuses a scrape with one twice."""
    busy = tuple(Busy("x" * 199 + end, "tap1", "syn", n, 0) for n, end in enumerate("ab", 1))
    samples = scraped(listener, replace(FIGURES, busy=busy))["edgeguard_vm_packets"].samples
    assert {sample.value for sample in samples} == {1, 2}
    assert len({sample.labels["vm"] for sample in samples}) == 2


def test_rows_of_the_same_name_are_one_series(listener: Listener) -> None:
    """A VM with two MACs at one tap of a mirror port has two rows, and their sum is shown."""
    busy = (Busy("vm-1", "tap1", "syn", 5, 50), Busy("vm-1", "tap1", "syn", 7, 70))
    (sample,) = scraped(listener, replace(FIGURES, busy=busy))["edgeguard_vm_packets"].samples
    assert sample.value == 12


def test_names_have_their_unit_and_their_help(listener: Listener) -> None:
    """Every metric of ours begins with edgeguard_, is explained, and counters end in _total."""
    for name, family in scraped(listener, FIGURES).items():
        assert name.startswith(("edgeguard_", "process_"))
        assert family.documentation
        if family.type == "counter":
            assert all(sample.name.endswith("_total") for sample in family.samples)


def test_the_manual_names_every_metric(listener: Listener) -> None:
    """docs/metrics.md must hold each name, with the labels it has, and no other."""
    rows = re.findall(r"^\| `(edgeguard_\w+)` \| (.*?) \| ", MANUAL.read_text(encoding="utf-8"), re.MULTILINE)
    manual = {name: set(re.findall(r"`(\w+)`", labels)) for name, labels in rows}
    told: dict[str, set[str]] = {}
    for family in scraped(listener, FIGURES).values():
        if family.name.startswith("edgeguard_"):
            base = f"{family.name}_total" if family.type == "counter" else family.name
            told[base] = {key for sample in family.samples for key in sample.labels} - {"le"}
    assert manual == told
    assert all(f"`{cause}`" in MANUAL.read_text(encoding="utf-8") for cause in CAUSES)


def test_an_address_that_is_taken_is_said_in_one_line(listener: Listener) -> None:
    """A listener that cannot listen must say where and why, before anything else is opened."""
    with pytest.raises(DaemonError, match=rf"\[metrics\] listen 127.0.0.1:{listener.port}: cannot listen there: Addr"):
        Listener(f"127.0.0.1:{listener.port}")
    with pytest.raises(DaemonError, match="cannot listen there"):
        Listener("192.0.2.1:9469")


def test_it_listens_on_ipv6(listener: Listener) -> None:
    """An address in brackets is one of IPv6."""
    six = Listener("[::1]:0")
    six.start()
    six.show(FIGURES)
    try:
        with urllib.request.urlopen(f"http://[::1]:{six.port}/metrics", timeout=LONG_S) as answer:
            assert b"edgeguard_lost_frames_total 17.0" in answer.read()
    finally:
        six.close()


def test_a_client_that_says_nothing_keeps_nobody_out(listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever connects and stalls, or drips, is cut off; the next one is answered, and the thread lives."""
    monkeypatch.setattr(listening, "PATIENCE_S", 0.2)
    listener.show(FIGURES)
    silent = [socket.create_connection(("127.0.0.1", listener.port)) for _ in range(3)]
    silent[0].sendall(b"GET /metrics HTTP/1.1\r\nX: ")
    assert "edgeguard_lost_frames_total 17.0" in read(listener)
    for connection in silent:
        connection.close()
    assert "edgeguard_lost_frames_total 17.0" in read(listener)


def test_it_ends_with_its_thread() -> None:
    """Closing must end the thread and give the address back."""
    first = Listener("127.0.0.1:0")
    first.start()
    port = first.port
    first.close()
    assert "metrics" not in {thread.name for thread in threading.enumerate()}
    Listener(f"127.0.0.1:{port}").close()
