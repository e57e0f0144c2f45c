"""The look-alikes: what was recorded, how much of it at once, and what must be said of it.

What is promised follows from the issue and from the protocols, not from what any rule says: nothing, unless it
is a scan, a load test above the act limit, or something that nothing visible at the port tells from a flood.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from bench.quality.record.recording import Recording, load, names
from bench.quality.record.replayed import machine, replayed
from bench.quality.scenario import Expected, Scenario, Sort
from edgeguard.model import Band, Kind, Scope

SECONDS = 7.5  # five whole seconds over a limit are enough for warn and act, wherever they begin
SERVER = "203.0.113.5"
NOTHING = Expected()


def told(rule: str, *kinds: Kind) -> Expected:
    """A case and a WARN, and nothing more."""
    return Expected(Band.WARN, rule=rule, kinds=kinds, vm="vm-1")


def dropped(rule: str, target: str) -> Expected:
    """Taken for a flood at one target, and null-routed there only."""
    kinds, scopes = (Kind.FLOOD,), (Scope.NARROW,)
    return Expected(Band.ACT, rule=rule, kinds=kinds, vm="vm-1", targets=(target,), scopes=scopes)


@dataclass(frozen=True, slots=True)
class LookAlike:
    """`copies` of a recording at once. `name`: of the recording, if it is used in one way only."""

    recording: str
    group: str
    copies: int = 1
    expected: Expected = field(default=NOTHING)
    indistinguishable: str = ""
    name: str = ""
    one_host: bool = False  # the copies go to the same host
    seconds: float = SECONDS


_SILENT = "nothing comes back from the target, and a flood looks the same in every header"
_ENDS = "; the null route of that target ends after 15 quiet minutes, or by an exemption"

LOOK_ALIKES = (
    # SYN
    LookAlike("crawler", "syn"),
    LookAlike("load-test", "syn", expected=told("syn", Kind.BUSY, Kind.CONNECTIONS)),
    LookAlike(
        "load-test", "syn", 5, name="load-test of 58,000 connections a second", one_host=True, seconds=2.5,
        expected=Expected(Band.HARD, "syn", (Kind.CONNECTIONS,), "vm-1", targets=(SERVER,), scopes=(Scope.NARROW,)),
        indistinguishable="a connection flood completes its handshakes just the same, and the network pays" + _ENDS,
    ),
    LookAlike("syn-cookies", "syn"),
    LookAlike("monitoring", "syn", copies=2),
    LookAlike("mail", "syn", copies=2),
    LookAlike("proxy", "syn"),
    LookAlike("pools", "syn"),
    LookAlike("nmap", "syn", expected=told("syn", Kind.SCAN)),
    LookAlike("masscan", "syn", expected=told("syn", Kind.SCAN)),
    LookAlike("broken-path", "syn", expected=dropped("syn", "198.19.0.80"), indistinguishable=_SILENT + _ENDS),
    LookAlike("syn-answers", "syn", copies=2),
    LookAlike("syn-resets", "tcp"),
    # TCP
    LookAlike("ack-resets", "tcp"),
    LookAlike("tcp-upload", "tcp"),
    LookAlike("tcp-upload-stretched", "tcp"),
    LookAlike("tcp-upload-v6", "tcp"),
    LookAlike("tcp-download", "tcp"),
    LookAlike("tls-download", "tcp", copies=2),
    # UDP
    LookAlike("udp-one-way", "udp", expected=dropped("udp", SERVER), indistinguishable=_SILENT + _ENDS),
    LookAlike("udp-speed-test", "udp", copies=2),
    LookAlike("udp-speed-test-down", "udp", copies=2),
    LookAlike("wireguard-both", "udp", copies=3),
    LookAlike("wireguard-upload", "udp", copies=2),
    LookAlike("udp-speed-test-v6", "udp", copies=2),
    LookAlike("openvpn", "udp"),
    LookAlike("quic-upload", "udp", copies=20),
    LookAlike("quic-download", "udp", copies=20),
    LookAlike("webrtc", "udp", copies=200),
    LookAlike("voip", "udp", copies=4),
    LookAlike("sip-calls", "udp", copies=4),
    LookAlike("turn", "udp", copies=8),
    LookAlike("game-server", "udp", copies=3),
    LookAlike("rtp-push", "udp"),
    LookAlike("rtp-push", "udp", 40, dropped("udp", SERVER), _SILENT + _ENDS, "rtp-push of 40 channels",
              one_host=True),
    LookAlike("srt-push", "udp", copies=20),
    LookAlike(
        "srt-backup", "udp", expected=dropped("udp", SERVER), name="srt-backup at 1 Gbit/s",
        indistinguishable="one acknowledgement in 60 packets: below one in 32 is one-way" + _ENDS,
    ),
    LookAlike("uftp-backup", "udp"),
    LookAlike("bittorrent", "udp", copies=8),
    LookAlike("dns-authoritative", "udp", copies=2),
    LookAlike("dns-one-resolver", "udp"),
    LookAlike(
        "dns-one-resolver", "udp", 2, told("udp", Kind.REFLECTION), name="dns-two-large-resolvers",
        indistinguishable="long answers to few hosts whose questions may be forged: told, below the act limit",
    ),
    LookAlike("dns-resolver", "udp", copies=4),
    LookAlike("ntp-server", "udp", copies=3),
    LookAlike("syslog", "udp"),
    LookAlike("statsd", "udp"),
    LookAlike("netflow", "udp"),
    LookAlike("announcements", "udp", copies=4),
    # fragments, ICMP
    LookAlike("nfs", "fragments"),
    LookAlike("ping-sweep", "icmp", copies=2),
    LookAlike("udp-unreachables", "icmp"),
    LookAlike("echo-replies", "icmp"),
    # addresses of others
    LookAlike("vrrp", "foreign"),
    LookAlike("failover", "foreign"),
    LookAlike("containers", "foreign"),
    LookAlike("dhcp", "foreign"),
    LookAlike("duplicate-address", "foreign"),
)  # fmt: skip


def scenarios() -> Iterator[Scenario]:
    """All of those whose recordings are in the tree."""
    recorded = set(names())
    for one in LOOK_ALIKES:
        if one.recording in recorded:
            yield scenario(one, load(one.recording))


def scenario(one: LookAlike, recording: Recording) -> Scenario:
    """One of them, of a recording in the tree."""
    return Scenario(
        name=one.name or one.recording,
        about=recording.about + (f", {one.copies} of them" if one.copies > 1 else ""),
        sort=Sort.LOOK_ALIKE,
        machines=(machine(recording),),
        seconds=one.seconds,
        traffic=lambda _: replayed(load(one.recording), one.seconds, one.copies, one.one_host),
        expected=one.expected,
        indistinguishable=one.indistinguishable,
        group=one.group,
    )
