"""No traffic beside a flood lowers what is said of the flood; and an episode says no more than it has to."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address
from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from readings import T, beside, handshakes, reading, syns, to

from edgeguard import config
from edgeguard.clock import SECOND, SLOT
from edgeguard.detection import rules
from edgeguard.detection.episode import FLOOD, RANK, Episode, grade
from edgeguard.model import Band, Kind, Spread, Target, Verdict
from edgeguard.reading import OUT, Circumstances, Flow, Reading

SETTINGS = config.build({})
LIMITS, JUDGING = SETTINGS.limits.by_rule(), SETTINGS.judging


def verdicts(rule: str, window: Reading) -> list[Verdict]:
    """Of six seconds of the same window."""
    episode, told = None, []
    for n in range(1, 7):
        again = replace(window, at=T + n * SECOND)
        episode, verdict = rules.JUDGES[rule](again, LIMITS[rule], JUDGING, episode, Circumstances())
        told += [verdict] if verdict else []
    return told


# ---- floods and shields --------------------------------------------------------------------------

RATES = st.sampled_from((0.5, 0.99, 1.0, 1.5, 4.0, 9.0, 12.0, 60.0))  # of act
FIELD = {"syn": "half_open", "udp": "one_way", "fragments": "one_way_fragments", "tcp": "one_way_tcp"}


@st.composite
def floods(draw: st.DrawFn, rule: str) -> Reading:
    """At one to eight hosts, or at a prefix; with the VM's own address or with forged ones."""
    packets = int(draw(RATES) * LIMITS[rule].act)
    hosts = draw(st.integers(1, 8))
    flows = [to(f"198.51.100.{n}", packets // hosts, rule) for n in range(1, hosts + 1)]
    targets = hosts
    if draw(st.booleans()):
        flows, targets = [to("203.0.113.0/24", packets, rule)], 256
    forged = draw(st.booleans())
    fields: dict[str, Any] = {rule: packets, FIELD[rule]: packets} if rule in FIELD else {rule: packets}
    return reading(
        T,
        **fields,
        flows=tuple(flows),
        foreign={rule: packets if forged else 0},
        spread={rule: Spread(targets, 5_000 if forged else 0, 0)},
    )


@st.composite
def shields(draw: st.DrawFn, rule: str) -> Reading:
    """Healthy traffic at a few places of its own: completed, answered; of SYNs also a scan."""
    packets, places = draw(st.sampled_from((100, 2_000, 20_000, 400_000))), draw(st.integers(1, 4))
    each = packets // places
    if rule == "syn" and draw(st.booleans()):
        return syns(T, packets, targets=packets)
    if rule == "syn":
        hosts = [handshakes(f"192.0.2.{n}", each) for n in range(places)]
        return syns(T, 0, *hosts, completed=each * places, targets=places)
    answered = [to(f"192.0.2.{n}", each, rule, back=each) for n in range(places)]
    more: dict[str, Any] = {rule: each * places}
    if rule == "icmp":
        more |= {"icmp_answers": each * places, "total_in": each * places}
        answered = []
    return reading(T, **more, flows=tuple(answered), spread={rule: Spread(places, 0, 0)})


@st.composite
def beside_a_shield(draw: st.DrawFn) -> tuple[str, Reading, Reading]:
    rule = draw(st.sampled_from(("syn", "udp", "icmp", "fragments", "tcp")))
    return rule, draw(floods(rule)), draw(shields(rule))


@settings(max_examples=300, deadline=None)
@given(beside_a_shield())
def test_a_shield_never_lowers_the_verdict_of_the_flood_beside_it(drawn: tuple[str, Reading, Reading]) -> None:
    """The band is no lower with healthy traffic or a scan beside the flood than without; where it would be acted upon,
    kind and forging are no lower either, and every target of it is named, or lies in what is named."""
    rule, flood, shield = drawn
    alone, together = verdicts(rule, flood), verdicts(rule, beside(flood, shield))
    for verdict in alone:
        acts = RANK[verdict.band] >= RANK[Band.ACT]
        found = [v for v in together if RANK[v.band] >= RANK[verdict.band]]
        found = [v for v in found if not acts or grade(v.kind) >= grade(verdict.kind)]
        assert found
        if acts:
            assert any(v.forging >= verdict.forging for v in found)
            named = {target.network for v in found for target in v.targets}
            assert all(any(t.network.subnet_of(n) for n in named) for t in verdict.targets)  # type: ignore[arg-type]


@settings(max_examples=150, deadline=None)
@given(beside_a_shield())
def test_no_healthy_place_is_named_beside_a_flood(drawn: tuple[str, Reading, Reading]) -> None:
    """What is completed or answered is no target, unless all SYNs are hard and most of them are completed."""
    rule, flood, shield = drawn
    mixed = beside(flood, shield)
    if rule == "syn" and mixed.half_open <= mixed.packets["syn"] - mixed.half_open:
        return
    for verdict in verdicts(rule, mixed):
        if verdict.kind is not Kind.BUSY:
            assert not [t for t in verdict.targets if str(t.address).startswith("192.0.2.")]


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(OUT), st.integers(0, 400_000), st.sampled_from((1, 3, 64)))
def test_healthy_traffic_is_no_flood(rule: str, packets: int, places: int) -> None:
    """Whatever its rate below hard: nothing, or a busy client of whom is told."""
    each = packets // places
    hosts = [to(f"192.0.2.{n}", each, rule, back=each, third_acks=each) for n in range(min(places, 16))]
    own: dict[str, Any] = {rule: packets, "third_acks": packets, "icmp_answers": packets, "total_in": packets}
    if rule == "syn" and packets >= LIMITS["syn"].hard:
        return
    told = verdicts(rule, reading(T, **own, flows=tuple(hosts)))
    assert all(v.band is Band.WARN and v.kind is Kind.BUSY for v in told)


# ---- episodes ------------------------------------------------------------------------------------

KINDS = st.sampled_from(list(Kind))
BANDS = st.sampled_from(list(Band))
HOSTS = st.lists(st.integers(1, 3), max_size=3).map(
    lambda ns: tuple(Target(IPv4Address(f"198.51.100.{n}"), 6, None) for n in ns)
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(BANDS, HOSTS, KINDS, st.booleans()), max_size=40))
def test_an_episode_says_everything_once(found: list[tuple[Band, tuple[Target, ...], Kind, bool]]) -> None:
    """Nothing is told that was told; nothing worse, and no target that a null route could name, is left untold."""
    episode, count = Episode(since=T, last_loud=T), 0
    for band, targets, kind, forging in found:
        while episode.says_more(band, targets, kind, forging):
            episode, count = episode.told(band, targets, kind, forging), count + 1
            assert count <= 3 * 3 + 2 + 3 + 1, "a grade and band each, forging, three targets, forged at none"
        assert any(g >= grade(kind) and rank >= RANK[band] for g, rank in episode.told_as)
        assert episode.forging or not forging
        if RANK[band] >= RANK[Band.ACT] and grade(kind) == FLOOD:
            assert {t.key() for t in targets} <= episode.reported
    assert not episode.forget().told_as


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(-50, 700), st.integers(0, 900)), max_size=60))
def test_a_clock_that_jumps_convicts_nobody(looks: list[tuple[int, int]]) -> None:
    """Whatever the times of the looks, seconds that count lie within the last sixty and do not overlap."""
    episode: Episode | None = None
    for slots, packets in looks:
        at = T + slots * SLOT
        window = syns(at, packets * 100, to("198.51.100.1", packets * 100), targets=1)
        episode, _ = rules.JUDGES["syn"](window, LIMITS["syn"], JUDGING, episode, Circumstances())
        for ends in episode.over if episode else ():
            assert all(at - 60 * SECOND < end <= at for end in ends)
            assert all(later - end >= SECOND for end, later in pairwise(ends))


def test_flows_are_of_the_rule_that_counted_them() -> None:
    """A flow of one rule is no target of another, though the protocol is the same."""
    flow: Flow = to("198.51.100.1", 60_000, "tcp")
    (verdict,) = verdicts("syn", syns(T, 60_000, flow, targets=3))
    assert (verdict.kind, verdict.targets) == (Kind.SPRAY, ())
