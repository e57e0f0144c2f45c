"""Floods whose sources are not what they seem, and floods of many machines."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from bench.quality import times
from bench.quality.floods import FLOODER, HARD_S, NEIGHBOUR, anywhere, even, expected, flood, scenario, shape
from bench.quality.limits import limits
from bench.quality.machines import TARGET6, link, own4, own6, vm
from bench.quality.packets import drawn, ends
from bench.quality.scenario import Expected, Scenario, Stream
from edgeguard.clock import SLOT
from edgeguard.model import Band, Kind, Scope

SUM = "a customer's sum is taken at the end of a slot"
OWN_64, FOREIGN_64 = "2001:db8:0:1::", "2001:db8:dead:1::"


def scenarios() -> Iterator[Scenario]:
    """All of this file."""
    for rule in ("syn", "udp"):
        yield from forged(rule)
        yield many_small(rule)
    yield many_forged()


def forged(rule: str) -> Iterator[Scenario]:
    """Sources drawn from elsewhere, a neighbour's, and from the machine's own /64."""
    rate = 1.2 * limits(rule).hard
    when, seconds = even(rate, HARD_S), 1 + HARD_S
    hard = expected(rule, Band.HARD)
    yield scenario(
        f"{rule}-forged-sources", f"{rate:,.0f} a second from 131,072 foreign addresses to one target", seconds,
        shape(flood(rule, source=anywhere()), when), replace(hard, forging=True),
    )  # fmt: skip
    yield scenario(
        f"{rule}-forged-everything", f"{rate:,.0f} a second, foreign sources and targets at random", seconds,
        shape(flood(rule, source=anywhere(), target=drawn("198.18.0.0", 17)), when),
        replace(hard, kinds=(Kind.FORGED,), targets=(), scopes=(Scope.OWN_ONLY,), forging=True),
    )  # fmt: skip
    yield scenario(
        f"{rule}-forged-neighbour", f"{rate:,.0f} a second with the address of the machine beside it", seconds,
        shape(flood(rule, source=own4(NEIGHBOUR)), when), replace(hard, forging=False),
    )  # fmt: skip
    six = replace(hard, targets=(TARGET6,))
    yield scenario(
        f"{rule}-own-64", f"{rate:,.0f} a second from random addresses of its own /64", seconds,
        shape(flood(rule, source=drawn(OWN_64, 64), target=ends(TARGET6)), when), replace(six, forging=False),
    )  # fmt: skip
    yield scenario(
        f"{rule}-foreign-64", f"{rate:,.0f} a second from random addresses of a foreign /64", seconds,
        shape(flood(rule, source=drawn(FOREIGN_64, 64), target=ends(TARGET6)), when), replace(six, forging=True),
    )  # fmt: skip


def many_small(rule: str) -> Scenario:
    """Every machine stays below warn; together they are above the customer's hard."""
    limit = 0.9 * limits(rule).warn
    count = round(1.3 * limits(f"customer.{rule}").hard / limit)
    machines = tuple(vm(n, "customer-small") for n in range(count))

    def traffic(rng: np.random.Generator) -> tuple[Stream, ...]:
        since = rng.random()
        return tuple(
            Stream(times.steady(since + n / count / limit, HARD_S, limit), flood(rule, link=link(m), source=own4(m)))
            for n, m in enumerate(machines)
        )

    return scenario(
        f"{rule}-many-small", f"{count} machines of one customer, {limit:,.0f} a second each", 1 + HARD_S, traffic,
        Expected(Band.HARD, rule=rule, kinds=(Kind.FLOOD,), customer="customer-small", late=SLOT, late_why=SUM),
        machines, group="customer",
    )  # fmt: skip


def many_forged() -> Scenario:
    """Two machines at once, each with the other's address: two verdicts would be mixed up by address."""
    rate = 1.2 * limits("syn").hard

    def traffic(rng: np.random.Generator) -> tuple[Stream, ...]:
        other = flood("syn", link=link(NEIGHBOUR), source=own6(FLOODER), target=ends(TARGET6), of_flood=False)
        return (
            Stream(times.steady(rng.random(), HARD_S, rate), flood("syn", source=own4(NEIGHBOUR))),
            Stream(times.steady(rng.random(), HARD_S, 0.4 * limits("syn").warn), other),
        )

    return scenario(
        "syn-addresses-swapped", "a flood with a neighbour's address, who sends SYNs with the flooder's", 1 + HARD_S,
        traffic, replace(expected("syn", Band.HARD), forging=False),
    )  # fmt: skip
