"""Healthy traffic to run beside floods: conversations in both directions, made, not recorded.

Recordings of real programs are look-alikes by themselves (record/); these are here to be in the way.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bench.quality import packets as p
from bench.quality import times
from bench.quality.packets import Ends, Packets, Value, Where
from bench.quality.scenario import Stream

RTT = 0.02  # seconds


def mirrored(what: Packets, **changed: object) -> Packets:
    """What comes back: ends, ports and MACs change places; never the flood's own."""
    back = replace(
        what,
        link=what.link.back,
        source=what.target,
        target=what.source,
        sport=what.dport,
        dport=what.sport,
        of_flood=False,
    )
    return replace(back, **changed)  # type: ignore[arg-type]


def handshakes(syn: Packets, at: np.ndarray, rtt: float = RTT) -> tuple[Stream, Stream, Stream]:  # type: ignore[type-arg]
    """SYN, SYN-ACK and third ACK. Both ends and ports must follow from a packet's number alone."""
    third = replace(syn, flags=p.ACK, of_flood=False, payload=0)
    answered = mirrored(syn, flags=p.SYN | p.ACK, payload=0)
    return Stream(at, syn), Stream(times.later(at, rtt), answered), Stream(times.later(at, rtt * 1.01), third)


def web_server(
    rng: np.random.Generator, link: p.Link, own: Ends, clients: Where, seconds: float, rate: float
) -> tuple[Stream, ...]:
    """Segments out, an acknowledgement for every second one; `rate` segments a second. The machine's side is 443."""
    data = Packets(link, own, clients, p.TCP, 443, p.ports(20_000, 30_000), p.ACK | p.PSH, 1448)
    acks = mirrored(data, flags=p.ACK, payload=0)
    at = times.random(rng, 0.0, seconds, rate)
    return Stream(at, data), Stream(times.later(at[::2], RTT), _every(acks, 2))


def two_way_udp(
    rng: np.random.Generator,
    link: p.Link,
    own: Ends,
    peers: Where,
    seconds: float,
    rate: float,
    sport: Value,
    size: int,
) -> tuple[Stream, ...]:
    """Datagrams out and half as many back, as QUIC uploads, games and calls have."""
    out = Packets(link, own, peers, p.UDP, sport, 443, 0, size)
    at = times.random(rng, 0.0, seconds, rate)
    return Stream(at, out), Stream(times.later(at[::2], RTT), _every(mirrored(out, payload=60), 2))


def client(
    rng: np.random.Generator, link: p.Link, own: Ends, servers: Where, seconds: float, rate: float
) -> tuple[Stream, ...]:
    """Connections that are opened and completed."""
    syn = Packets(link, own, servers, p.TCP, p.ports(32_768, 28_000), 443)
    return handshakes(syn, times.random(rng, 0.0, seconds, rate))


def _every(what: Packets, n: int) -> Packets:
    """The packets of every n-th number: number k here answers number n k there."""

    def of(value: Value) -> Value:
        return (lambda numbers, rng: value(numbers * n, rng)) if callable(value) else value

    fields = ("source", "target", "sport", "dport")
    return replace(what, **{name: of(getattr(what, name)) for name in fields})
