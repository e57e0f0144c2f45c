"""The reading of a customer's sum: counts add up, and what one VM got answered hides nothing of another."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from readings import OTHER, TARGET, T, handshakes, reading, syns, to

from edgeguard import config
from edgeguard.clock import SECOND
from edgeguard.detection import rules
from edgeguard.detection.customer import ADDED, together
from edgeguard.model import Band, Kind, Share, Subject
from edgeguard.reading import Circumstances, Reading

SETTINGS = config.build({})
JUDGING = SETTINGS.judging


def at(n: int, window: Reading) -> Reading:
    return replace(window, subject=Subject(f"vm-{n}", f"tap{n}", None), point=n)


def added(rule: str, *windows: Reading, apart: tuple[Reading, ...] = ()) -> Reading:
    return together("Example Ltd", 7, T + SECOND, windows, apart, rule, JUDGING)


def test_every_count_adds_up() -> None:
    """Each field that is a count of packets is the sum of all points'."""
    fields: dict[str, Any] = dict.fromkeys(ADDED, 3)
    one = replace(reading(T, syn=5, udp=6), sizes=(1, 2, 3, 4), **fields)
    both = added("syn", at(0, one), at(1, one))
    assert {name: getattr(both, name) for name in ADDED} == dict.fromkeys(ADDED, 6)
    assert (both.packets["syn"], both.packets["udp"], both.sizes) == (10, 12, (2, 4, 6, 8))
    counts = {name for name in Reading.__slots__ if isinstance(getattr(one, name), int)}
    assert counts - set(ADDED) == {"point", "at", "missing"}


def test_targets_are_those_of_the_rule_and_answered_ones_apart() -> None:
    """A target that completes with one VM and not with another is two; prefixes and other rules are not mixed in."""
    busy = at(0, syns(T, 0, handshakes(TARGET, 20_000), completed=20_000))
    flood = at(1, syns(T, 9_000, to(TARGET, 9_000), to("198.51.100.0/24", 9_000), to(TARGET, 500, "tcp")))
    sum_ = added("syn", busy, flood)
    assert [(f.packets, f.third_acks, f.length) for f in sum_.flows] == [
        (20_000, 20_000, None),
        (9_000, 0, None),
        (9_000, 0, 24),
    ]
    assert sum_.missing == 0


def test_a_customers_flood_is_found_beside_his_busy_vms() -> None:
    """Half-open ones add up to the limit; the busy VM's do not count, and no share names it."""
    limits = SETTINGS.limits.customer.syn.limits()
    assert limits is not None
    small = [at(n, syns(T, 1_800, to(TARGET, 1_800))) for n in range(10)]
    busy = at(10, syns(T, 0, handshakes(OTHER, 14_000), completed=14_000))
    episode, told = None, []
    for n in range(1, 7):
        window = replace(added("syn", *small, busy), at=T + n * SECOND)
        episode, verdict = rules.JUDGES["syn"](window, limits, JUDGING, episode, Circumstances())
        told += [verdict] if verdict else []
    (verdict,) = told
    assert (verdict.band, verdict.kind, verdict.measured) == (Band.WARN, Kind.FLOOD, 18_000)
    assert [target.place for target in verdict.targets] == [TARGET]
    assert verdict.shares == tuple(Share(f"vm-{n}", f"tap{n}", 1_800) for n in range(10))


def test_points_with_a_verdict_of_their_own_are_shown_apart() -> None:
    """Their packets are no part of the sum; a share is what the rule measures."""
    own = at(0, reading(T, udp=90_000, one_way=60_000))
    other = at(1, reading(T, udp=500, one_way=400))
    sum_ = added("udp", other, apart=(own,))
    assert sum_.one_way == 400
    assert sum_.shares == (Share("vm-1", "tap1", 400), Share("vm-0", "tap0", 60_000, counted=False))
