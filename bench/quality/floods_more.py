"""Floods of other protocols, floods hidden among healthy traffic, behind answers or behind lost frames,
and floods at our own machines."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from bench.quality import packets as p
from bench.quality import times
from bench.quality.floods import (
    ACT_S,
    FLOODER,
    HARD_S,
    NEIGHBOUR,
    PROTOCOL,
    Shape,
    anywhere,
    even,
    expected,
    flood,
    scenario,
    shape,
)
from bench.quality.healthy import client, handshakes, mirrored, two_way_udp, web_server
from bench.quality.limits import limits
from bench.quality.machines import TARGET4, TARGET6, link, own4, own6
from bench.quality.packets import Packets, drawn, ends, in_turn, ports
from bench.quality.scenario import Loss, Scenario, Stream
from edgeguard.clock import SECOND
from edgeguard.model import Band, Kind, Scope, Vm

ECHO4, ECHO6 = 8 << 8, 128 << 8
_ANYWHERE: dict[str, Any] = {"source": anywhere(), "target": drawn("198.18.0.0", 17)}
_FORGED: dict[str, Any] = {"kind": Kind.FORGED, "targets": (), "scopes": (Scope.OWN_ONLY,), "forging": True}
SECOND_TARGET = "198.51.100.80"


def scenarios() -> Iterator[Scenario]:
    """All of this file."""
    yield from icmp()
    yield from tcp()
    yield from tcp_forged()
    yield from fragments()
    yield from super_frames()
    yield from reflections()
    yield from answered()
    yield from hidden()
    yield from hidden_others()
    yield from lossy()
    yield from inbound()


# ---- other protocols --------------------------------------------------------------------------------


def icmp() -> Iterator[Scenario]:
    """Echo requests that nobody answers, and some that are answered, all to one target."""
    limit = limits("icmp")
    four = Packets(link(FLOODER), own4(FLOODER), ends(TARGET4), p.ICMP, 7, ports(), ECHO4, 56, of_flood=True)
    six = replace(four, source=own6(FLOODER), target=ends(TARGET6), protocol=p.ICMP6, flags=ECHO6)
    hard, sustained = 1.2 * limit.hard, 1.5 * limit.act
    yield scenario(
        "icmp-echo-v4", f"{hard:,.0f} echo requests a second", 1 + HARD_S, shape(four, even(hard, HARD_S)),
        expected("icmp", Band.HARD),
    )  # fmt: skip
    yield scenario(
        "icmp-echo-v6", f"{sustained:,.0f} ICMPv6 echo requests a second", 1 + ACT_S,
        shape(six, even(sustained, ACT_S)), expected("icmp", Band.ACT, target=TARGET6),
    )  # fmt: skip
    yield scenario(
        "icmp-pulses", f"1.9 s of {3 * limit.act:,.0f} echo requests a second, 2 s of silence, six times", 25.0,
        shape(four, lambda rng: times.pulses(rng.random(), 6, 3 * limit.act, 1.9, 2.0)), expected("icmp", Band.ACT),
    )  # fmt: skip
    yield scenario(
        "icmp-forged-everything", f"{sustained:,.0f} echo requests a second, foreign sources and targets at random",
        1 + ACT_S, shape(replace(four, **_ANYWHERE), even(sustained, ACT_S)), expected("icmp", Band.ACT, **_FORGED),
    )  # fmt: skip
    for side, share, found in (("above", 1.02, Band.ACT), ("below", 0.98, Band.WARN)):
        rate = share * limit.act
        yield scenario(
            f"icmp-just-{side}-act", f"{rate:,.0f} echo requests a second, the limit being {limit.act:,}", 1 + ACT_S,
            shape(four, even(rate, ACT_S)), expected("icmp", found),
        )  # fmt: skip


def tcp() -> Iterator[Scenario]:
    """Segments without a connection: ACK, RST, no flag and all of them."""
    limit = limits("tcp")
    shapes = {"ack": p.ACK, "rst": p.RST, "null": 0, "xmas": p.FIN | p.PSH | p.URG}
    for name, flags in shapes.items():
        rate, band, seconds = (
            (1.2 * limit.hard, Band.HARD, HARD_S) if name == "ack" else (1.5 * limit.act, Band.ACT, ACT_S)
        )
        yield scenario(
            f"tcp-{name}", f"{rate:,.0f} {name.upper()} segments a second", 1 + seconds,
            shape(flood("syn", flags=flags), even(rate, seconds)), expected("tcp", band),
        )  # fmt: skip


def tcp_forged() -> Iterator[Scenario]:
    """ACKs with foreign sources, at one target and anywhere."""
    rate = 1.5 * limits("tcp").act
    ack = flood("syn", flags=p.ACK, source=anywhere())
    yield scenario(
        "tcp-forged-sources", f"{rate:,.0f} ACK segments a second from foreign addresses at one target", 1 + ACT_S,
        shape(ack, even(rate, ACT_S)), expected("tcp", Band.ACT, forging=True),
    )  # fmt: skip
    yield scenario(
        "tcp-forged-everything", f"{rate:,.0f} ACK segments a second, foreign sources and targets at random", 1 + ACT_S,
        shape(replace(ack, **_ANYWHERE), even(rate, ACT_S)), expected("tcp", Band.ACT, **_FORGED),
    )  # fmt: skip


def fragments() -> Iterator[Scenario]:
    """Later fragments without any first one, and datagrams cut into many."""
    rate = 1.2 * limits("fragments").hard
    piece = flood("udp", fragment=185, payload=1480)
    yield scenario(
        "fragments-only", f"{rate:,.0f} later fragments a second, and no first one", 1 + HARD_S,
        shape(piece, even(rate, HARD_S)), expected("fragments", Band.HARD),
    )  # fmt: skip
    datagrams, pieces = 10_000, 9
    first = flood("udp", fragment=p.MORE, payload=1472, of_datagram=pieces * 1480, of_flood=False)

    def traffic(rng: np.random.Generator) -> tuple[Stream, ...]:
        at = times.steady(rng.random(), ACT_S, datagrams)
        later = (replace(piece, fragment=185 * (n + 1) | (p.MORE if n + 1 < pieces else 0)) for n in range(pieces))
        return (Stream(at, first), *(Stream(at + 1000 * (n + 1), part) for n, part in enumerate(later)))

    yield scenario(
        "fragments-of-datagrams", f"{datagrams:,} datagrams a second in {pieces + 1} fragments each", 1 + ACT_S,
        traffic, expected("fragments", Band.ACT),
    )  # fmt: skip


def super_frames() -> Iterator[Scenario]:
    """Frames of up to 64 KiB that the network card would cut: each is as many packets as it will be."""
    rate, pieces = 1.2 * limits("udp").hard, 45
    datagrams = flood("udp", payload=pieces * 1400, segment=1400)
    yield scenario(
        "udp-super-frames", f"{rate:,.0f} datagrams a second in frames of {pieces}", 1 + HARD_S,
        shape(datagrams, even(rate / pieces, HARD_S)), expected("udp", Band.HARD),
    )  # fmt: skip
    rate, pieces = 1.5 * limits("tcp").act, 44
    segments = flood("syn", flags=p.ACK, payload=pieces * 1448, segment=1448)
    yield scenario(
        "tcp-super-frames", f"{rate:,.0f} segments a second in frames of {pieces}", 1 + ACT_S,
        shape(segments, even(rate / pieces, ACT_S)), expected("tcp", Band.ACT),
    )  # fmt: skip
    rate = 1.5 * limits("total").act

    def answered(rng: np.random.Generator) -> tuple[Stream, ...]:
        at = times.steady(rng.random(), ACT_S, rate / pieces)
        return Stream(at, segments), Stream(times.later(at, 0.02), mirrored(segments, payload=0, segment=0))

    yield scenario(
        "total-answered-tcp", f"{rate:,.0f} segments a second, each frame acknowledged", 1 + ACT_S, answered,
        expected("total", Band.ACT),
    )  # fmt: skip


def reflections() -> Iterator[Scenario]:
    """Answers of a service in the machine to requests that came in with the victim's address."""
    services = {"dns": (53, 1_400, 1, 1.5), "ntp": (123, 468, 10, 1.5), "memcached": (11_211, 1_400, 100, 6.0)}
    for name, (port, size, each, share) in services.items():
        rate = share * limits("udp").act
        band = Band.HARD if rate >= limits("udp").hard else Band.ACT
        seconds = HARD_S if band is Band.HARD else ACT_S
        answers = flood("udp", sport=port, dport=ports(), payload=size)
        yield scenario(
            f"reflection-{name}", f"{rate:,.0f} answers a second from port {port}, {each} for each forged request",
            1 + seconds, _reflected(answers, rate, seconds, each), expected("udp", band, Kind.REFLECTION),
        )  # fmt: skip


def _reflected(answers: Packets, rate: float, seconds: float, each: int) -> Shape:
    requests = mirrored(answers, payload=40)

    def traffic(rng: np.random.Generator) -> tuple[Stream, ...]:
        since = rng.random()
        asked = times.steady(since, seconds, rate / each)
        return Stream(asked, requests), Stream(times.later(times.steady(since, seconds, rate), 0.0005), answers)

    return traffic


# ---- answers that say nothing -------------------------------------------------------------------------


def answered() -> Iterator[Scenario]:
    """Targets that answer, handshakes that complete with a friend, and a flood that completes them all."""
    limit = limits("syn")
    rate = 1.5 * limit.act
    syn = flood("syn")
    for name, flags in (("cookie-target", p.SYN | p.ACK), ("closed-port", p.RST | p.ACK)):
        yield scenario(
            f"syn-{name}", f"{rate:,.0f} SYNs a second, each answered, no handshake completed", 1 + ACT_S,
            _answered(syn, rate, mirrored(syn, flags=flags)), expected("syn", Band.ACT),
        )  # fmt: skip

    def partly(rng: np.random.Generator) -> tuple[Stream, ...]:
        first, back, third = handshakes(syn, times.steady(rng.random(), ACT_S, rate))
        return first, back, Stream(third.at[::10], lambda numbers, rng: third.make(10 * numbers, rng))

    yield scenario(
        "syn-one-in-ten-completed", f"{rate:,.0f} SYNs a second, one handshake in ten completed", 1 + ACT_S, partly,
        expected("syn", Band.ACT),
    )  # fmt: skip
    friend = flood("syn", target=ends(SECOND_TARGET), of_flood=False)

    def decoy(rng: np.random.Generator) -> tuple[Stream, ...]:
        since = rng.random()
        return Stream(times.steady(since, ACT_S, rate), syn), *handshakes(friend, times.steady(since, ACT_S, 2 * rate))

    yield scenario(
        "syn-decoy-completed", f"{rate:,.0f} SYNs a second beside twice as many handshakes with a friend", 1 + ACT_S,
        decoy, expected("syn", Band.ACT),
    )  # fmt: skip
    hard = 1.2 * limit.hard
    yield scenario(
        "connection-flood", f"{hard:,.0f} handshakes a second with one server, all completed", 1 + HARD_S,
        lambda rng: handshakes(syn, times.steady(rng.random(), HARD_S, hard)),
        expected("syn", Band.HARD, Kind.CONNECTIONS),
    )  # fmt: skip
    pps = 1.5 * limits("udp").act
    talk = flood("udp", target=ends(SECOND_TARGET), of_flood=False)

    def udp_decoy(rng: np.random.Generator) -> tuple[Stream, ...]:
        at = times.steady(rng.random(), ACT_S, pps)
        return Stream(at, flood("udp")), Stream(at, talk), Stream(times.later(at, 0.001), mirrored(talk))

    yield scenario(
        "udp-decoy-answered", f"{pps:,.0f} a second beside as many to a friend that answers each", 1 + ACT_S, udp_decoy,
        expected("udp", Band.ACT),
    )  # fmt: skip


def _answered(what: Packets, rate: float, answer: Packets) -> Shape:
    def traffic(rng: np.random.Generator) -> tuple[Stream, ...]:
        at = times.steady(rng.random(), ACT_S, rate)
        return Stream(at, what), Stream(times.later(at, 0.02), answer)

    return traffic


# ---- hidden ---------------------------------------------------------------------------------------------


def hidden() -> Iterator[Scenario]:
    """The flooder, and the machine beside it, are busy with healthy traffic all the while."""
    for rule in PROTOCOL:
        for name, band, rate, seconds in (
            ("hard", Band.HARD, 1.2 * limits(rule).hard, HARD_S),
            ("act", Band.ACT, 1.5 * limits(rule).act, ACT_S),
        ):

            def traffic(
                rng: np.random.Generator, rule: str = rule, rate: float = rate, seconds: float = seconds
            ) -> tuple[Stream, ...]:
                beside = (stream for vm in (FLOODER, NEIGHBOUR) for stream in busy(rng, vm, 2 + seconds))
                return Stream(times.steady(1 + rng.random(), seconds, rate), flood(rule)), *beside

            yield scenario(
                f"{rule}-in-traffic-{name}", f"{rate:,.0f} a second among 70,000 healthy packets of two machines",
                2 + seconds, traffic, expected(rule, band),
            )  # fmt: skip


def busy(rng: np.random.Generator, vm: Vm, seconds: float) -> Iterator[Stream]:
    """About 35,000 packets a second: downloads, QUIC, and a client of some hundred connections a second."""
    where, own = link(vm), own4(vm)
    yield from web_server(rng, where, own, in_turn("198.18.0.0", 500), seconds, 15_000)
    yield from two_way_udp(rng, where, own, in_turn("198.18.4.0", 40), seconds, 8_000, ports(40_000, 40), 1200)
    yield from client(rng, where, own, in_turn("198.18.8.0", 300), seconds, 300)


def hidden_others() -> Iterator[Scenario]:
    """The same for rules whose targets are counted only while they are loud."""
    for rule, what in (("tcp", flood("syn", flags=p.ACK)), ("fragments", flood("udp", fragment=185, payload=1480))):
        rate = 1.2 * limits(rule).hard

        def traffic(rng: np.random.Generator, what: Packets = what, rate: float = rate) -> tuple[Stream, ...]:
            return Stream(times.steady(1 + rng.random(), HARD_S, rate), what), *busy(rng, FLOODER, 2 + HARD_S)

        yield scenario(
            f"{rule}-in-traffic-hard", f"{rate:,.0f} a second among 35,000 healthy packets", 2 + HARD_S, traffic,
            expected(rule, Band.HARD),
        )  # fmt: skip


# ---- lost -----------------------------------------------------------------------------------------------


def lossy() -> Iterator[Scenario]:
    """The capture is losing frames when the flood begins. Below hard nothing is automated while it does."""
    hard = 2 * limits("syn").hard
    yield scenario(
        "syn-during-loss", f"{hard:,.0f} a second while 30 % of all frames are lost", 4.0 + ACT_S,
        shape(flood("syn"), even(hard, ACT_S, 1.0)),
        replace(expected("syn", Band.HARD), late=5 * SECOND, late_why="what came back is unknown: hard needs 5 s"),
        losses=(Loss(0, 12 * SECOND, 0.3),),
    )  # fmt: skip
    rate = 1.5 * limits("udp").act
    yield scenario(
        "udp-loss-that-ends", f"{rate:,.0f} a second; 5 % of all frames are lost for the first 9 s", 14.0,
        shape(flood("udp"), even(rate, 12, 1.0)), expected("udp", Band.ACT), losses=(Loss(0, 9 * SECOND, 0.05),),
    )  # fmt: skip


# ---- at our own machines ----------------------------------------------------------------------------------


def inbound() -> Iterator[Scenario]:
    """Floods at a machine of ours: told, and nobody is null-routed, the victim least of all."""
    syn, udp = mirrored(flood("syn"), of_flood=True), mirrored(flood("udp"), of_flood=True)
    at_web = replace(syn, source=drawn("198.18.0.0", 17), sport=ports(), dport=443)
    rate = 1.5 * limits("syn-in").act

    def victim(rng: np.random.Generator) -> tuple[Stream, ...]:
        at = times.steady(rng.random(), ACT_S, rate)
        forger = replace(at_web, source=in_turn("198.18.0.0", 4096))
        return Stream(at, forger), Stream(times.later(at, 0.0001), mirrored(forger, flags=p.SYN | p.ACK))

    told = {"vm": FLOODER.id, "targets": (), "scopes": (), "kind": Kind.FLOOD}
    yield scenario(
        "inbound-syn-answered", f"{rate:,.0f} SYNs a second come in, and the victim answers each", 1 + ACT_S, victim,
        expected("syn-in", Band.ACT, **told),
    )  # fmt: skip
    hard = 1.2 * limits("udp-in").hard
    yield scenario(
        "inbound-udp", f"{hard:,.0f} datagrams a second come in", 1 + HARD_S,
        shape(replace(udp, source=anywhere(), sport=53, dport=ports(), payload=1200), even(hard, HARD_S)),
        expected("udp-in", Band.HARD, **told),
    )  # fmt: skip
