"""Floods of SYNs and UDP: direct, near the limits, pulsed, rising, moving, in odd shapes.

Rates are multiples of the limits, chosen before any rule was tuned. A stretch lasts as long as its
band needs: hard crosses within a second, act needs five whole seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from bench.quality import packets as p
from bench.quality import times
from bench.quality.frames import Array
from bench.quality.limits import limits
from bench.quality.machines import TARGET4, TARGET6, link, own4, own6, vm
from bench.quality.packets import Packets, Where, drawn, ends, in_turn, ports
from bench.quality.scenario import Expected, Scenario, Sort, Stream
from edgeguard.model import Band, Kind, Scope, Vm

FLOODER, NEIGHBOUR = vm(1), vm(2)
HARD_S, ACT_S = 4.0, 7.5  # seconds of flood: hard needs one of them, act five whole ones; the rival needs three
PROTOCOL = {"syn": p.TCP, "udp": p.UDP}
PAYLOAD = {"syn": 0, "udp": 18}
Shape = Callable[[np.random.Generator], tuple[Stream, ...]]


def flood(rule: str, **changed: Any) -> Packets:
    """The plainest flood: one source, one target, one port."""
    plain = Packets(
        link(FLOODER),
        own4(FLOODER),
        ends(TARGET4),
        PROTOCOL[rule],
        sport=ports(),
        dport=443 if rule == "syn" else 27015,
        payload=PAYLOAD[rule],
        of_flood=True,
    )
    return replace(plain, **changed)


def shape(what: Packets, when: Callable[[np.random.Generator], Array]) -> Shape:
    """Traffic of one stream."""
    return lambda rng: (Stream(when(rng), what),)


def even(rate: float, seconds: float, since: float = 0.0) -> Callable[[np.random.Generator], Array]:
    """A steady rate; it begins anywhere within a second, by the scenario's seed."""
    return lambda rng: times.steady(since + rng.random(), seconds, rate)


def expected(rule: str, band: Band | None, kind: Kind = Kind.FLOOD, target: str = TARGET4, **more: Any) -> Expected:
    """What a flood out of FLOODER at one target promises."""
    acts = band in (Band.ACT, Band.HARD)
    promised: dict[str, Any] = {
        "rule": rule,
        "kinds": (kind,),
        "vm": FLOODER.id,
        "targets": (target,) if acts else (),
        "scopes": (Scope.NARROW,) if acts else (),
        **more,
    }
    return Expected(band, **promised) if band else Expected()


def scenario(
    name: str, about: str, seconds: float, traffic: Shape, said: Expected, machines: tuple[Vm, ...] = (), **more: Any
) -> Scenario:
    return Scenario(name, about, Sort.FLOOD, machines or (FLOODER, NEIGHBOUR), seconds, traffic, said, **more)


def scenarios() -> Iterator[Scenario]:
    """All of this file."""
    for rule in PROTOCOL:
        yield from direct(rule)
        yield from near_limits(rule)
        yield from in_time(rule)
        yield from in_space(rule)
    yield from odd_flags()
    yield from tagged()
    yield moving()


# ---- direct ---------------------------------------------------------------------------------------


def direct(rule: str) -> Iterator[Scenario]:
    """One target, both families, above hard and at 1.5 of act."""
    limit = limits(rule)
    rate, sustained = 1.2 * limit.hard, 1.5 * limit.act
    six = {"source": own6(FLOODER), "target": ends(TARGET6)}
    hard = expected(rule, Band.HARD)
    for name, said, what in (("v4", hard, {}), ("v6", replace(hard, targets=(TARGET6,)), six)):
        yield scenario(
            f"{rule}-direct-{name}", f"{rate:,.0f} a second at one address and port", 1 + HARD_S,
            shape(flood(rule, **what), even(rate, HARD_S)), said,
        )  # fmt: skip
        band = replace(said, band=Band.ACT)
        yield scenario(
            f"{rule}-sustained-{name}", f"1.5 times act, {sustained:,.0f} a second", 1 + ACT_S,
            shape(flood(rule, **what), even(sustained, ACT_S)), band,
        )  # fmt: skip


def near_limits(rule: str) -> Iterator[Scenario]:
    """2 % above and 2 % below each limit."""
    below = {Band.WARN: None, Band.ACT: Band.WARN, Band.HARD: Band.ACT}
    for band, lower in below.items():
        limit = limits(rule).of(band)
        for side, share, found in (("above", 1.02, band), ("below", 0.98, lower)):
            seconds = HARD_S if found is Band.HARD else ACT_S
            yield scenario(
                f"{rule}-just-{side}-{band}", f"{share * limit:,.0f} a second, the limit being {limit:,}", 1 + seconds,
                shape(flood(rule), even(share * limit, seconds)), expected(rule, found),
            )  # fmt: skip


# ---- in time --------------------------------------------------------------------------------------


def in_time(rule: str) -> Iterator[Scenario]:
    """Pulses and ramps. Pulses fall anywhere in a second, so a whole second holds half of one at least."""
    limit = limits(rule)
    rate = 3 * limit.act if rule == "syn" else 2.5 * limit.act
    yield scenario(
        f"{rule}-pulses", f"1 s of {rate:,.0f} a second, 9 s of silence, six times", 62.0,
        shape(flood(rule), lambda rng: times.pulses(rng.random(), 6, rate)), expected(rule, Band.ACT),
    )  # fmt: skip
    yield scenario(
        f"{rule}-pulses-across-seconds", f"1 s of {1.5 * limit.act:,.0f} a second, cut in two by the clock", 62.0,
        shape(flood(rule), lambda _: times.pulses(0.5, 6, 1.5 * limit.act)), expected(rule, Band.ACT),
    )  # fmt: skip
    seconds = 60.0 if rule == "syn" else 24.0
    top = 1.2 * limit.hard
    yield scenario(
        f"{rule}-slow-ramp", f"from nothing to {top:,.0f} a second in {seconds:.0f} s", 1 + seconds,
        shape(flood(rule), lambda rng: times.ramp(rng.random(), seconds, top)), expected(rule, Band.HARD),
    )  # fmt: skip


def moving() -> Scenario:
    """A new target every minute."""
    rate, minutes = 1.5 * limits("syn").act, 3
    targets = tuple(f"203.0.113.{n}" for n in (7, 58, 199))

    def traffic(rng: np.random.Generator) -> tuple[Stream, ...]:
        since = rng.random()
        return tuple(
            Stream(times.steady(since + 60 * n, 60, rate), flood("syn", target=ends(target)))
            for n, target in enumerate(targets)
        )

    return scenario(
        "syn-target-every-minute", f"{rate:,.0f} a second, another target every minute", 60.0 * minutes + 1, traffic,
        expected("syn", Band.ACT, targets=targets, scopes=(Scope.NARROW, Scope.FULL)),
    )  # fmt: skip


# ---- in space -------------------------------------------------------------------------------------


def in_space(rule: str) -> Iterator[Scenario]:
    """A whole /24 and /48, and nowhere in particular."""
    rate = 1.2 * limits(rule).hard
    carpet = "203.0.113.0/24"
    yield scenario(
        f"{rule}-carpet-24", f"{rate:,.0f} a second over all 256 addresses of a /24", 1 + HARD_S,
        shape(flood(rule, target=in_turn("203.0.113.0", 256)), even(rate, HARD_S)),
        expected(rule, Band.HARD, Kind.CARPET, carpet),
    )  # fmt: skip
    yield scenario(
        f"{rule}-carpet-48", f"{rate:,.0f} a second over 256 /64s of a /48", 1 + HARD_S,
        shape(flood(rule, source=own6(FLOODER), target=_over_48), even(rate, HARD_S)),
        expected(rule, Band.HARD, Kind.CARPET, "2001:db8:beef::/48"),
    )  # fmt: skip
    many = 1000 if rule == "syn" else 4096  # SYNs: 60 for each target, far from a scan
    yield scenario(
        f"{rule}-spray", f"{rate:,.0f} a second over {many:,} addresses in 16 /24s or more", 1 + HARD_S,
        shape(flood(rule, target=in_turn("198.18.0.0", many, 31)), even(rate, HARD_S)),
        expected(rule, Band.HARD, Kind.SPRAY, targets=(), scopes=()),
    )  # fmt: skip


def _over_48(numbers: Array, _: np.random.Generator) -> p.Ends:
    base = ends("2001:db8:beef::7")
    return p.Ends(6, np.uint64(base.hi) + (numbers % 256).astype(np.uint64), base.lo)


# ---- in shape -------------------------------------------------------------------------------------


def odd_flags() -> Iterator[Scenario]:
    """SYNs that hold more than a SYN: a decoder that looks for flags == SYN sees none of them."""
    rate = 1.2 * limits("syn").hard
    shapes: dict[str, dict[str, Any]] = {
        "ece-cwr": {"flags": p.SYN | p.ECE | p.CWR},
        "urg-psh": {"flags": p.SYN | p.URG | p.PSH},
        "fin": {"flags": p.SYN | p.FIN},
        "rst": {"flags": p.SYN | p.RST},
        "data": {"payload": 900},
    }
    for name, what in shapes.items():
        yield scenario(
            f"syn-with-{name}", f"{rate:,.0f} SYNs a second with {name.replace('-', ' and ').upper()}", 1 + HARD_S,
            shape(flood("syn", **what), even(rate, HARD_S)), expected("syn", Band.HARD),
        )  # fmt: skip


def tagged() -> Iterator[Scenario]:
    """Inside one VLAN tag and inside two."""
    for rule, vlans in (("syn", (7,)), ("udp", (100, 7))):
        rate = 1.2 * limits(rule).hard
        yield scenario(
            f"{rule}-vlan-{len(vlans)}", f"{rate:,.0f} a second behind {len(vlans)} VLAN tags", 1 + HARD_S,
            shape(flood(rule, link=link(FLOODER, *vlans)), even(rate, HARD_S)), expected(rule, Band.HARD),
        )  # fmt: skip


def anywhere(bits: int = 17) -> Where:
    """Some of the benchmarking network 198.18.0.0/15."""
    return drawn("198.18.0.0", bits)
