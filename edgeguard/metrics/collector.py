"""The figures as Prometheus has them: names with their unit, series bounded in number and length.

https://prometheus.io/docs/practices/naming/; docs/metrics.md lists every name.
"""

from __future__ import annotations

import hashlib
import itertools
import time
from collections.abc import Callable, Iterator, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, InfoMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from edgeguard.cases.tally import Times
from edgeguard.clock import SECOND
from edgeguard.logs import LEVELS
from edgeguard.metrics.figures import CAUSES, Figures, Memory
from edgeguard.model import Act, Happened, Scope

LONGEST = 64  # characters of a label's value
PROOFS = ("ordered", *map(str, (Happened.ACKNOWLEDGED, Happened.VERIFIED, Happened.NO_ATTEMPTS, Happened.NOT_STOPPED)))
NULL_ROUTED = (Scope.NARROW, Scope.OWN_ONLY, Scope.FULL)
DECODED = ("ipv4", "ipv6")  # totals of the decoder: frames whose packet was read
UNREAD = ("malformed", "other_link", "arp", "mpls", "pppoe", "pbb", "too_many_tags", "llc", "other_type")
CLASSES = ("tcp_syn", "tcp_synack", "udp", "icmp", "fragments")


def label(text: str) -> str:
    """A name as a label's value: printable, and cut where it is long; no two names become the same one by that."""
    plain = "".join(sign if sign.isprintable() else "?" for sign in text)
    if plain == text and len(text) <= LONGEST:
        return text
    mark = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=4).hexdigest()
    return f"{plain[: LONGEST - len(mark) - 1]}~{mark}"


class Collected(Collector):
    """Read by the thread that serves; `now` is the youngest figures, or None before there are any."""

    def __init__(self, now: Callable[[], Figures | None], clock: Callable[[], float] = time.monotonic) -> None:
        self._now, self._clock = now, clock

    def collect(self) -> Iterator[Metric]:
        figures = self._now()
        if figures is None:
            return
        yield InfoMetricFamily("edgeguard_build", "The version that runs.", value={"version": figures.version})
        yield _gauge("edgeguard_start_time_seconds", "When the daemon started.", figures.started / SECOND)
        age = max(0.0, self._clock() - figures.taken)
        yield _gauge("edgeguard_loop_age_seconds", "Since the turn of the daemon's loop that took these figures.", age)
        yield from _capture(figures)
        yield from _taps(figures)
        yield from _memory(figures.memory)
        yield from _busy(figures)
        yield from _decided(figures)
        yield from _told(figures)
        yield from _failures(figures)


def _gauge(name: str, said: str, value: float) -> Metric:
    return GaugeMetricFamily(name, said, value=value)


def _counter(name: str, said: str, value: float) -> Metric:
    return CounterMetricFamily(name, said, value=value)


def _counters(name: str, said: str, by: str, values: Mapping[str, float]) -> Metric:
    family = CounterMetricFamily(name, said, labels=[by])
    for which, value in values.items():
        family.add_metric([which], value)
    return family


def _gauges(name: str, said: str, by: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(name, said, labels=[by])
    for which, value in values.items():
        family.add_metric([which], value)
    return family


def _times(name: str, said: str, times: Times) -> Metric:
    bounds = [*(f"{bound:g}" for bound in times.bounds), "+Inf"]
    buckets = list(zip(bounds, map(float, itertools.accumulate(times.counts)), strict=True))
    return HistogramMetricFamily(name, said, buckets=buckets, sum_value=times.total)


def _capture(figures: Figures) -> Iterator[Metric]:
    totals = figures.totals
    yield _counter("edgeguard_received_frames", "Frames that the rings handed over.", figures.received)
    yield _counter("edgeguard_lost_frames", "Frames that the rings had no room for.", figures.lost)
    said = "Frames of interfaces that are no attachment points."
    yield _counter("edgeguard_passed_over_frames", said, figures.passed_over)
    read = {name: totals[name] for name in DECODED}
    yield _counters("edgeguard_decoded_frames", "Frames whose packet was read.", "family", read)
    unread = {name: totals[name] for name in UNREAD}
    yield _counters("edgeguard_undecoded_frames", "Frames that hold no packet that could be read.", "why", unread)
    packets = {name: totals[name] for name in CLASSES}
    yield _counters("edgeguard_packets", "Packets decoded, by class.", "class", packets)
    yield _counter("edgeguard_udp_bytes", "IP bytes of the UDP packets decoded.", totals["udp_bytes"])
    yield _counter("edgeguard_late_packets", "Packets older than the one they followed.", figures.late)
    said = "Packets whose targets no thread had room to count."
    yield _counter("edgeguard_untabled_packets", said, figures.untabled)
    yield _gauge("edgeguard_lag_seconds", "Age of the youngest frame when it was read.", figures.lag_ns / SECOND)
    yield _counter("edgeguard_clock_steps", "Steps of the wall clock.", figures.clock_steps)


def _taps(figures: Figures) -> Iterator[Metric]:
    yield _gauge("edgeguard_taps", "Attachment points with a row of their own.", figures.taps)
    yield _gauge("edgeguard_taps_unknown", "Of them, those without an inventory entry.", figures.taps_unknown)
    said = "Taps or MACs beyond the last row: counted together, never judged."
    yield _gauge("edgeguard_taps_without_row", said, figures.taps_refused)


def _memory(memory: Memory | None) -> Iterator[Metric]:
    if memory is None:
        return
    said = "Packets in any second from which a remote address or prefix is counted for itself: the limit in force."
    yield _gauges("edgeguard_flow_memory_limit_packets", said, "class", memory.limits)
    yield _gauge("edgeguard_flow_memory_entries", "Entries of the flow memory in use.", memory.entries)
    yield _gauge("edgeguard_flow_memory_capacity_entries", "Entries there are.", memory.capacity)
    yield _counter("edgeguard_flow_memory_admitted", "Keys that were let in.", memory.admitted)
    said = "Packets that let their key in and found no entry."
    yield _counter("edgeguard_flow_memory_refused_packets", said, memory.refused)


def _busy(figures: Figures) -> Iterator[Metric]:
    """A row for each VM and tap: a mirror port may have several of the same."""
    packets: dict[tuple[str, str, str], int] = {}
    bits: dict[tuple[str, str, str], int] = {}
    for one in figures.busy:
        key = label(one.vm), label(one.tap), one.rule
        packets[key] = packets.get(key, 0) + one.packets
        bits[key] = bits.get(key, 0) + one.bits
    for name, said, values in (
        ("edgeguard_vm_packets", "Packets of the last second of a rule's busiest VMs.", packets),
        ("edgeguard_vm_bits", "Bits of IP of those packets.", bits),
    ):
        family = GaugeMetricFamily(name, said, labels=["vm", "tap", "rule"])
        for of, value in values.items():
            family.add_metric(list(of), value)
        yield family


def _decided(figures: Figures) -> Iterator[Metric]:
    family = GaugeMetricFamily("edgeguard_null_routes", "Null routes that stand.", labels=["scope", "proof"])
    for scope, proof in itertools.product(NULL_ROUTED, PROOFS):
        family.add_metric([scope, proof], figures.standing.get((scope, proof), 0))
    yield family
    made = CounterMetricFamily("edgeguard_decisions", "Decisions recorded.", labels=["act", "scope"])
    for act, scope in itertools.product(Act, Scope):
        made.add_metric([act, scope], figures.decisions.get((act, scope), 0))
    yield made
    outcomes = {str(happened): figures.outcomes.get(happened, 0) for happened in Happened}
    yield _counters("edgeguard_outcomes", "What happened to orders.", "happened", outcomes)
    said = "From a null route's decision to the kernel's acknowledgement."
    yield _times("edgeguard_time_to_null_route_seconds", said, figures.null_routed)
    said = "From a null route's decision to the proof that the flood has stopped."
    yield _times("edgeguard_time_to_verify_seconds", said, figures.verified)
    said = "From a null route's decision to each of its mails at the mail server."
    yield _times("edgeguard_time_to_notice_seconds", said, figures.noticed)


def _told(figures: Figures) -> Iterator[Metric]:
    waits = {carrier: one.number for carrier, one in figures.unsent.items()}
    yield _gauges("edgeguard_unsent_notices", "Notices that are not sent yet.", "carrier", waits)
    ages = {
        carrier: max(0, figures.at - one.oldest) / SECOND if one.oldest is not None else 0
        for carrier, one in figures.unsent.items()
    }
    yield _gauges("edgeguard_oldest_unsent_notice_seconds", "Age of the oldest of them; 0: none.", "carrier", ages)
    yield _counter("edgeguard_sent_mails", "Mails handed to the mail server.", figures.mails_sent)


def _failures(figures: Figures) -> Iterator[Metric]:
    lines = {level: figures.lines.get(level, 0) for level in LEVELS}
    yield _counters("edgeguard_log_lines", "Lines of the log: every failure is one.", "level", lines)
    troubles = {cause: int(cause in figures.troubles) for cause in CAUSES}
    yield _gauges("edgeguard_trouble", "1: `edgeguard status` says what is wrong.", "cause", troubles)
