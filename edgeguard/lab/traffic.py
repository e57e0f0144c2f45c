"""The lab's frames: built by scapy once, from a seed, the same in every run.

Flood frames carry MARK as their traffic class, so that the observer knows them from everything
else. Frames "out" are as the VM sends them, "into" as its next hop does; their MACs are those of
the tap's link, which are the same on every kind of host.
"""

from __future__ import annotations

import ipaddress
import itertools
import logging
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from edgeguard.lab import addresses as plan
from edgeguard.lab.addresses import VM

logging.getLogger("scapy.runtime").setLevel(logging.ERROR)  # it remarks on the empty routing table
from scapy.layers.inet import IP, TCP, UDP  # noqa: E402
from scapy.layers.inet6 import IPv6  # noqa: E402
from scapy.layers.l2 import Ether  # noqa: E402
from scapy.packet import Raw  # noqa: E402

DIFFERENT = 512  # frames a flood cycles through
SENDERS = 1024  # of a flood with random senders: as many frames
SEGMENT = 200  # bytes of payload of each packet of a super-frame
VOICE = 160  # bytes: 20 ms of G.711 (RFC 3551)
SERVER_PORTS = {"web": 443, "dns": 53, "voice": 5004}

Frames = tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Stream:
    """Frames sent in turn, over and over, `rate` a second in all."""

    frames: Frames
    rate: int
    into: bool = False  # into the VM


def _out(layers: Any) -> bytes:
    return bytes(Ether(src=VM.mac, dst=plan.GATEWAY_MAC) / layers)


def _into(layers: Any) -> bytes:
    return bytes(Ether(src=plan.GATEWAY_MAC, dst=VM.mac) / layers)


def _ip(source: str, target: str, seed: random.Random, mark: int = 0) -> Any:
    if ":" in target:
        return IPv6(src=source, dst=target, tc=mark, fl=seed.getrandbits(20), hlim=64)
    return IP(src=source, dst=target, tos=mark, id=seed.getrandbits(16), ttl=64)


def _port(seed: random.Random) -> int:
    return seed.randint(32768, 60999)  # Linux's own range for clients


def _syn(source: str, target: str, port: int, seed: random.Random, mark: int = 0) -> Any:
    fields: Any = {"sport": _port(seed), "dport": port, "seq": seed.getrandbits(32)}
    return _ip(source, target, seed, mark) / TCP(flags="S", window=64240, options=[("MSS", 1460)], **fields)


def syn_flood(source: str, target: str) -> Frames:
    """SYNs to one port, each with a source port and sequence number of its own."""
    seed = random.Random(f"syn {target}")
    return tuple(_out(_syn(source, target, plan.SYN_PORT, seed, plan.MARK)) for _ in range(DIFFERENT))


def carpet(source: str, prefix: str) -> Frames:
    """SYNs to every address of a prefix in turn."""
    seed = random.Random(f"carpet {prefix}")
    hosts = list(ipaddress.ip_network(prefix)) * -(-DIFFERENT // ipaddress.ip_network(prefix).num_addresses)
    return tuple(_out(_syn(source, str(host), plan.SYN_PORT, seed, plan.MARK)) for host in hosts)


def _anywhere(prefix: str, seed: random.Random) -> str:
    """A random address: of IPv6 one whose /48 is nobody's in the lab."""
    network = ipaddress.ip_network(prefix)
    host = seed.getrandbits(network.max_prefixlen - network.prefixlen)
    if network.version == 6:
        host |= 0x8000 << 80
    return str(network[host])


def forged_random() -> Frames:
    """SYNs from and to random addresses, IPv4 and IPv6 by turns, no two alike."""
    seed = random.Random("forged random")
    prefixes = itertools.cycle((plan.ANYWHERE, plan.ANYWHERE6))
    pairs = ((_anywhere(prefix, seed), _anywhere(prefix, seed)) for prefix in itertools.islice(prefixes, SENDERS))
    return tuple(_out(_syn(source, target, plan.SYN_PORT, seed, plan.MARK)) for source, target in pairs)


def udp_flood(source: str, target: str, length: int | None = None) -> Frames:
    """UDP to one port; payloads of 18 to 64 random bytes, or of `length`."""
    seed = random.Random(f"udp {target}")

    def one() -> bytes:
        payload = Raw(seed.randbytes(length or seed.randint(18, 64)))
        header = UDP(sport=_port(seed), dport=plan.UDP_PORT)
        return _out(_ip(source, target, seed, plan.MARK) / header / payload)

    return tuple(one() for _ in range(DIFFERENT))


def _weave(kinds: Sequence[tuple[int, Iterator[bytes]]], rounds: int) -> Frames:
    """`rounds` times (n of the first kind, n of the second, ...), each kind spread over its round."""
    order = sorted(((i + 0.5) / n, k) for k, (n, _) in enumerate(kinds) for i in range(n))
    return tuple(next(kinds[k][1]) for _ in range(rounds) for _, k in order)


def _connections(seed: random.Random) -> Iterator[tuple[bytes, bytes, bytes]]:
    """SYN out, SYN-ACK back, ACK out of connections that the VM opens."""
    for peer in itertools.cycle(plan.PEERS):
        syn = _syn(VM.spare, peer, SERVER_PORTS["web"], seed)
        ours, theirs = syn[TCP].seq, seed.getrandbits(32)
        own, web = syn[TCP].sport, syn[TCP].dport
        answer = TCP(sport=web, dport=own, flags="SA", seq=theirs, ack=(ours + 1) % 2**32)
        done = TCP(sport=own, dport=web, flags="A", seq=(ours + 1) % 2**32, ack=(theirs + 1) % 2**32)
        yield (
            _out(syn),
            _into(_ip(peer, VM.spare, seed) / answer),
            _out(_ip(VM.spare, peer, seed) / done),
        )


def _inbound(seed: random.Random) -> Iterator[tuple[bytes, bytes]]:
    """A SYN into the VM and the VM's SYN-ACK: the VM is the one under flood."""
    for crowd in itertools.cycle(plan.CROWD):
        port, web, theirs, ours = _port(seed), SERVER_PORTS["web"], seed.getrandbits(32), seed.getrandbits(32)
        syn = TCP(sport=port, dport=web, flags="S", seq=theirs)
        answer = TCP(sport=web, dport=port, flags="SA", seq=ours, ack=(theirs + 1) % 2**32)
        yield _into(_ip(crowd, VM.spare, seed) / syn), _out(_ip(VM.spare, crowd, seed) / answer)


def _asked(service: str, peers: Iterable[str], length: int, seed: random.Random) -> Iterator[tuple[bytes, bytes]]:
    """A UDP packet out and one back, like voice or DNS."""
    for peer in itertools.cycle(peers):
        own, port = _port(seed), SERVER_PORTS[service]
        out = _ip(VM.spare, peer, seed) / UDP(sport=own, dport=port) / Raw(seed.randbytes(length))
        back = _ip(peer, VM.spare, seed) / UDP(sport=port, dport=own) / Raw(seed.randbytes(length))
        yield _out(out), _into(back)


def benign(rounds: int = 10) -> tuple[Stream, Stream]:
    """A busy, healthy VM, a second: 1,500 connections opened, 40,000 voice packets each way, 500 DNS
    questions, and an inbound flood of 10,000 SYNs that it answers. Out of it, and into it.
    """
    seed = random.Random("benign")
    a_second = 500  # rounds
    opened = [next(made) for made in [_connections(seed)] for _ in range(3 * rounds)]
    voice = [next(made) for made in [_asked("voice", plan.PEERS, VOICE, seed)] for _ in range(80 * rounds)]
    names = [next(made) for made in [_asked("dns", plan.PEERS[:1], 40, seed)] for _ in range(rounds)]
    flood = [next(made) for made in [_inbound(seed)] for _ in range(20 * rounds)]

    def column(rows: Sequence[tuple[bytes, ...]], i: int) -> tuple[int, Iterator[bytes]]:
        return len(rows) // rounds, iter([row[i] for row in rows])

    out = (column(opened, 0), column(opened, 2), column(voice, 0), column(names, 0), column(flood, 1))
    into = (column(opened, 1), column(voice, 1), column(names, 1), column(flood, 0))
    return (
        Stream(_weave(out, rounds), a_second * sum(n for n, _ in out)),
        Stream(_weave(into, rounds), a_second * sum(n for n, _ in into), into=True),
    )


def echoes(source: str, mac: str) -> tuple[Frames, Frames]:
    """A question to the service every other frame, and its answer: UDP, as exchange.py asks."""
    seed = random.Random(f"echo {source}")
    out, into = [], []
    for _ in range(64):
        port, text = _port(seed), Raw(seed.randbytes(24))
        ask = _ip(source, plan.SERVICE, seed) / UDP(sport=port, dport=plan.ECHO_PORT) / text
        answer = _ip(plan.SERVICE, source, seed) / UDP(sport=plan.ECHO_PORT, dport=port) / text
        out.append(bytes(Ether(src=mac, dst=plan.GATEWAY_MAC) / ask))
        into.append(bytes(Ether(src=plan.GATEWAY_MAC, dst=mac) / answer))
    return tuple(out), tuple(into)


def upload() -> tuple[Frames, Frames]:
    """Full segments of one connection to the service, and its acknowledgements."""
    seed = random.Random("upload")
    port, sequence = _port(seed), seed.getrandbits(32)
    out, into = [], []
    for n in range(64):
        segment = TCP(sport=port, dport=plan.DISCARD_PORT, flags="A", seq=(sequence + 1448 * n) % 2**32)
        known = TCP(sport=plan.DISCARD_PORT, dport=port, flags="A", ack=(sequence + 1448 * (n + 1)) % 2**32)
        out.append(_out(_ip(VM.address, plan.SERVICE, seed) / segment / Raw(bytes(1448))))
        into.append(_into(_ip(plan.SERVICE, VM.address, seed) / known))
    return tuple(out), tuple(into)


def from_wan(frames: Frames, next_hop: str) -> Frames:
    """Frames into the VM as the WAN host puts them on the uplink, where other MACs are in use."""
    link = bytes.fromhex((next_hop + plan.WAN_MAC).replace(":", ""))
    return tuple(link + frame[12:] for frame in frames)
