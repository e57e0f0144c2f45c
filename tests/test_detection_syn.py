"""The SYN rule: what connection attempts over a limit are. By the shipped limits: 2,000, 5,000, 50,000."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from readings import OTHER, TARGET, T, beside, handshakes, reading, syns, to

from edgeguard import config
from edgeguard.clock import SECOND, SLOT
from edgeguard.detection import syn
from edgeguard.detection.episode import Episode
from edgeguard.model import Band, Kind, Spread, Verdict
from edgeguard.reading import Circumstances, Reading

SETTINGS = config.build({})
LIMITS, JUDGING = SETTINGS.limits.syn, SETTINGS.judging
CALM = Circumstances()


def lasting(window: Reading, around: Circumstances = CALM, seconds: int = 6) -> list[Verdict]:
    """The verdicts when this window comes again every second."""
    episode, told = None, []
    for n in range(1, seconds + 1):
        episode, verdict = syn.judge(replace(window, at=T + n * SECOND), LIMITS, JUDGING, episode, around)
        told += [verdict] if verdict else []
    return told


def only(window: Reading, around: Circumstances = CALM) -> Verdict:
    (verdict,) = lasting(window, around)
    return verdict


def why(verdict: Verdict, kind: str) -> tuple[bool, str]:
    (found,) = [other for other in verdict.alternatives if other.kind == kind]
    return found.holds, found.why


def places(verdict: Verdict) -> list[str]:
    return [target.place for target in verdict.targets]


# ---- which packets -------------------------------------------------------------------------------


def test_a_flood_at_one_target() -> None:
    """Half-open SYNs to one target are a flood there, with every reading that was tried and the numbers of each."""
    verdict = only(syns(T, 7_500, to(TARGET, 7_400), targets=30))
    assert (verdict.band, verdict.kind, places(verdict)) == (Band.ACT, Kind.FLOOD, [TARGET])
    assert (verdict.measured, verdict.limit, verdict.unit, verdict.forging) == (7_500, 5_000, "packets", False)
    assert why(verdict, "flood") == (
        True,
        f"the largest target: {TARGET} got 7,400 of 7,500 half-open SYNs (99 %); "
        "a target stands out from 10 % or 5,000 on",
    )
    assert why(verdict, "scan")[1].startswith("7,500 half-open SYNs to about 30 targets, 250.0 each")
    kept = {other.kind for other in verdict.alternatives if other.holds}
    assert kept == {Kind.FLOOD, "load test into a broken path"}
    assert {"busy client", "carpet", "scan", "spray", "forged", "victim"} <= {o.kind for o in verdict.alternatives}


def test_a_busy_client_is_told_from_act_on_and_not_before() -> None:
    """Handshakes that are completed are nothing below act, a warning from there on, and never an act."""
    assert lasting(syns(T, 100, handshakes(TARGET, 4_999), completed=4_999)) == []
    verdict = only(syns(T, 100, handshakes(TARGET, 30_000), completed=30_000))
    assert (verdict.band, verdict.kind, verdict.measured, verdict.limit) == (Band.WARN, Kind.BUSY, 30_000, 5_000)
    assert why(verdict, "busy client")[0]
    assert verdict.came_back.third_acks == 30_000


def test_every_handshake_completed_is_a_connection_flood_from_hard_on() -> None:
    """All SYNs count there, at once; the words say that a load test looks the same."""
    verdict = lasting(syns(T, 0, handshakes(TARGET, 50_000), completed=50_000))[0]
    assert (verdict.band, verdict.kind, places(verdict)) == (Band.HARD, Kind.CONNECTIONS, [TARGET])
    assert why(verdict, "connection flood") == (
        True,
        "50,000 of 50,000 SYNs went to targets that complete 20 % of the handshakes or more; 50,000 third ACKs in all; "
        "all SYNs from 50,000 on are hard, completed or not; a load test looks the same",
    )


def test_a_cookie_target_answers_and_completes_nothing() -> None:
    """A SYN-ACK for each SYN helps nobody: without third ACKs the SYNs are half-open."""
    verdict = only(syns(T, 6_000, to(TARGET, 6_000, back=6_000), targets=1, resets=7))
    answered = only(replace(syns(T, 6_000, to(TARGET, 6_000, back=6_000), targets=1), syn_acks=6_000))
    assert (verdict.band, verdict.kind) == (answered.band, answered.kind) == (Band.ACT, Kind.FLOOD)
    assert (answered.came_back.syn_acks, answered.came_back.third_acks) == (6_000, 0)


@pytest.mark.parametrize(("acks", "band"), [(1_199, Band.ACT), (1_200, Band.WARN)])
def test_a_fifth_of_the_handshakes_tells_a_client_from_a_flood(acks: int, band: Band) -> None:
    """A target with fewer third ACKs is half-open, whatever is counted of the sum."""
    half = 6_000 if acks < 1_200 else 0
    window = reading(
        T, syn=6_000, half_open=half, third_acks=acks, half_open_acks=acks if half else 0,
        syn_acks=acks, flows=(to(TARGET, 6_000, third_acks=acks),),
    )  # fmt: skip
    assert only(window).band is band


def test_without_third_acks_nothing_is_completed() -> None:
    """A reading in which nobody counted half-open SYNs is one in which all of them are."""
    assert syn.half_open(reading(T, syn=6_000), JUDGING) == 6_000
    assert syn.half_open(reading(T, syn=6_000, third_acks=100), JUDGING) == 5_500
    assert syn.half_open(reading(T, syn=6_000, third_acks=6_000, half_open=10), JUDGING) == 10


def test_what_came_back_is_that_of_the_packets_told() -> None:
    """Handshakes completed elsewhere do not stand beside a flood as if its targets had answered."""
    flood = replace(syns(T, 6_000, to(TARGET, 6_000), targets=1), half_open_acks=50, third_acks=50, syn_acks=80)
    mixed = beside(flood, syns(T, 0, handshakes(OTHER, 3_000), completed=3_000, targets=1))
    (verdict,) = lasting(mixed)
    assert (verdict.measured, verdict.came_back.third_acks, verdict.came_back.syn_acks) == (6_000, 50, 80)


# ---- where ---------------------------------------------------------------------------------------


def test_a_carpet_over_a_prefix() -> None:
    """No address of a /24 stands out, the prefix does, and each of its addresses gets more than a scan would send."""
    hosts = [to(f"203.0.113.{n}", 30) for n in range(1, 16)]
    verdict = only(syns(T, 7_500, to("203.0.113.0/24", 7_500), *hosts, targets=256))
    assert (verdict.band, verdict.kind, places(verdict)) == (Band.ACT, Kind.CARPET, ["203.0.113.0/24"])
    assert why(verdict, "carpet")[0]


def test_one_host_behind_a_scan_is_no_carpet() -> None:
    """A host that is a flood by itself is named, not the prefix that holds nothing else worth naming."""
    flows = to("203.0.113.1", 5_500), to("203.0.113.0/24", 5_500)
    verdict = only(syns(T, 65_500, *flows, targets=60_000, missing=100))
    assert (verdict.kind, places(verdict)) == (Kind.FLOOD, ["203.0.113.1"])


def test_a_scan_keeps_its_band_and_names_nobody() -> None:
    """Few SYNs for each of many targets: a scan, in the band of its limits; deciding does no more than warn."""
    verdict = only(syns(T, 7_500, to("203.0.113.0/24", 200), targets=7_000))
    assert (verdict.band, verdict.kind, verdict.targets) == (Band.ACT, Kind.SCAN, ())
    assert why(verdict, "scan") == (
        True,
        "7,500 half-open SYNs to about 7,000 targets, 1.1 each; a scan sends fewer than 8, and no target stands out",
    )
    assert lasting(syns(T, 60_000, targets=60_000))[0].band is Band.HARD


def test_many_packets_to_many_targets_are_a_spray() -> None:
    """Too many for a scan, and nothing narrow to drop."""
    hosts = [to(f"192.0.2.{n}", 75) for n in range(1, 16)]
    verdict = only(syns(T, 7_500, *hosts, targets=100))
    assert (verdict.kind, verdict.targets) == (Kind.SPRAY, ())
    assert only(syns(T, 7_500)).kind is Kind.SPRAY, "how many targets there were was not counted"


def test_a_port_scan_of_one_host_is_named_as_what_looks_the_same() -> None:
    """Many ports of one target at a flood's rate: a flood, and the words say what else it may be."""
    verdict = only(syns(T, 6_000, to(TARGET, 6_000, port_packets=2), targets=1))
    assert (verdict.kind, verdict.targets[0].port) == (Kind.FLOOD, None)
    assert why(verdict, "port scan of a target")[0]


# ---- forging -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("foreign", "sources", "forging"),
    [(3_750, 16, True), (3_749, 5_000, False), (7_500, 15, False), (7_500, 1, False), (0, 0, False)],
)
def test_forging_is_half_of_the_flood_from_sixteen_addresses(foreign: int, sources: int, forging: bool) -> None:
    """Less is a mismatch: a failover address, a neighbour's."""
    window = syns(T, 7_500, to(TARGET, 7_500), targets=1, sources=sources, foreign={"syn": foreign})
    verdict = only(window)
    assert (verdict.forging, verdict.kind, verdict.foreign) == (forging, Kind.FLOOD, foreign)
    assert why(verdict, "forged")[0] == forging
    mismatch = [other.holds for other in verdict.alternatives if other.kind == "mismatch"]
    assert mismatch == ([True] if foreign and sources < 16 else [])


def test_forged_senders_at_random_targets_are_no_scan() -> None:
    """What nobody can answer does not scan: own-only is what stops it."""
    verdict = only(syns(T, 7_500, targets=7_000, sources=6_500, foreign={"syn": 7_500}))
    assert (verdict.kind, verdict.forging, verdict.targets) == (Kind.FORGED, True, ())


def test_own_connections_do_not_hide_forged_ones() -> None:
    """A share is that of the flood's own packets: three times as many healthy SYNs change nothing."""
    flood = syns(T, 7_500, targets=7_000, sources=6_500, foreign={"syn": 7_500})
    healthy = syns(T, 0, handshakes(OTHER, 22_500), completed=22_500, targets=1)
    verdict = only(beside(flood, healthy))
    assert (verdict.band, verdict.kind, verdict.forging) == (Band.ACT, Kind.FORGED, True)


def test_a_scan_with_the_own_address_does_not_hide_forged_ones() -> None:
    """From act on the forged packets are a flood by themselves, however many others there are."""
    forged = syns(T, 6_000, targets=6_000, sources=5_500, foreign={"syn": 6_000})
    verdict = lasting(beside(forged, syns(T, 40_000, targets=39_000)))[0]
    assert (verdict.kind, verdict.forging) == (Kind.FORGED, True)


def test_targets_beside_forged_packets_are_decided_about_as_well() -> None:
    """Own-only stops the forged part; a target that the rest goes to is news once more."""
    window = syns(T, 100_000, to(TARGET, 40_000), targets=60_000, sources=50_000, foreign={"syn": 60_000})
    told = lasting(window)
    assert [(v.forging, places(v)) for v in told] == [(True, [TARGET])] * 2


def test_unknown_addresses_are_not_called_foreign() -> None:
    """A VM without addresses in the inventory forges nothing that could be told."""
    verdict = only(syns(T, 7_500, to(TARGET, 7_500), targets=1, sources=7_000, foreign=None))
    assert (verdict.forging, verdict.foreign) == (False, None)
    assert "not known" in why(verdict, "forged")[1]


# ---- shields -------------------------------------------------------------------------------------


def test_hard_names_the_flood_and_not_the_client_beside_it() -> None:
    """Above hard by the flood alone, its targets alone are named; a flood of act below a load test is named too."""
    healthy = syns(T, 0, handshakes(OTHER, 9_000), completed=9_000, targets=1)
    verdict = lasting(beside(syns(T, 60_000, to(TARGET, 60_000), targets=1), healthy))[0]
    assert (verdict.band, verdict.kind, places(verdict)) == (Band.HARD, Kind.FLOOD, [TARGET])
    verdict = lasting(beside(syns(T, 45_000, to(TARGET, 45_000), targets=1), healthy))[0]
    assert (verdict.band, verdict.kind, places(verdict)) == (Band.HARD, Kind.FLOOD, [TARGET])
    load = syns(T, 0, handshakes(OTHER, 50_000), completed=50_000, targets=1)
    verdict = lasting(beside(syns(T, 6_000, to(TARGET, 6_000), targets=1), load))[0]
    assert (verdict.band, verdict.kind, sorted(places(verdict))) == (Band.HARD, Kind.FLOOD, [TARGET, OTHER])
    verdict = lasting(beside(syns(T, 1_000, to(TARGET, 1_000), targets=1), load))[0]
    assert (verdict.kind, places(verdict)) == (Kind.CONNECTIONS, [OTHER])


def test_a_scan_hides_no_flood() -> None:
    """Two targets below act, below a tenth of all, behind 100,000 SYNs to everywhere."""
    flood = syns(T, 6_000, to(TARGET, 3_000), to(OTHER, 3_000), targets=2)
    verdict = lasting(beside(flood, syns(T, 100_000, targets=90_000)))[0]
    assert (verdict.kind, sorted(places(verdict))) == (Kind.FLOOD, [TARGET, OTHER])


# ---- doubt and harm ------------------------------------------------------------------------------

DOUBT = Circumstances(in_doubt="17 of 20 VMs stopped completing connections")


def test_in_doubt_nothing_below_hard_is_more_than_a_warning() -> None:
    """A cut return path makes every client look like a flood: what came back is unknown, and supports nothing. So act
    is a warning, and what would be one is not told."""
    assert lasting(syns(T, 4_999, to(TARGET, 4_999), targets=1), DOUBT) == []
    verdict = only(syns(T, 7_500, to(TARGET, 7_500), targets=1), DOUBT)
    assert (verdict.band, verdict.limit, verdict.came_back.third_acks) == (Band.WARN, 5_000, None)
    assert verdict.came_back.packets is None
    holds, said = why(verdict, "doubt")
    assert holds
    assert "17 of 20 VMs" in said


def test_in_doubt_hard_needs_five_seconds() -> None:
    """And says so; when the doubt ends, what it held back is told at once."""
    flood = syns(T, 60_000, to(TARGET, 60_000), targets=1)
    (verdict,) = lasting(flood, DOUBT)
    assert (verdict.band, verdict.at, verdict.sustain) == (Band.HARD, T + 5 * SECOND, "5 of the last 60 seconds")
    episode: Episode | None = None
    for n in range(1, 7):
        window = syns(T + n * SECOND, 7_500, to(TARGET, 7_500), targets=1)
        episode, _ = syn.judge(window, LIMITS, JUDGING, episode, DOUBT)
    _, verdict_ = syn.judge(replace(window, at=T + 6 * SECOND + SLOT), LIMITS, JUDGING, episode, CALM)
    assert verdict_ is not None
    assert (verdict_.band, verdict_.came_back.third_acks) == (Band.ACT, 0)


def bits(**limits: Any) -> config.Limits:
    return LIMITS.model_copy(update={"bits": config.BitLimits(**limits)})


def test_limits_in_bits_are_passed_by_bits() -> None:
    """SYNs with data reach a limit in bits below that in packets; the verdict says which limit it was."""
    window = syns(T, 1_500, to(TARGET, 1_500), targets=1, size={"syn": 1_500_000})
    assert lasting(window) == []
    _, verdict = syn.judge(window, bits(hard=12_000_000), JUDGING, None)
    assert verdict is not None
    assert (verdict.band, verdict.unit, verdict.measured, verdict.limit) == (Band.HARD, "bits", 12_000_000, 12_000_000)
    assert (verdict.targets[0].share, verdict.harm) == (1.0, None)
    assert syn.judge(window, bits(hard=12_000_001), JUDGING, None)[1] is None


# ---- news ----------------------------------------------------------------------------------------


def test_a_scan_that_becomes_a_flood_is_news_though_its_band_is_no_higher() -> None:
    """Worse is told again, in every band below the one told before as well; better is not."""
    scan = syns(T, 60_000, targets=50_000)
    flood = syns(T, 6_000, to(TARGET, 6_000), targets=1)
    episode, told = None, []
    for n, window in enumerate([scan] * 6 + [flood] * 6 + [scan] * 6, 1):
        episode, verdict = syn.judge(replace(window, at=T + n * SECOND), LIMITS, JUDGING, episode, CALM)
        told += [(n, verdict.band, verdict.kind)] if verdict else []
    assert told == [(1, Band.HARD, Kind.SCAN), (7, Band.ACT, Kind.FLOOD)]


def test_forging_that_begins_is_news() -> None:
    """So is a forged flood that leaves its target: only own-only stops it then."""
    plain = syns(T, 60_000, to(TARGET, 60_000), targets=1, sources=3)
    forged = syns(T, 60_000, to(TARGET, 60_000), targets=1, sources=9_000, foreign={"syn": 60_000})
    nowhere = syns(T, 60_000, targets=900, sources=9_000, foreign={"syn": 60_000})
    episode, told = None, []
    for n, window in enumerate([plain, plain, forged, forged, nowhere, nowhere, forged, plain, nowhere], 1):
        episode, verdict = syn.judge(replace(window, at=T + n * SECOND), LIMITS, JUDGING, episode, CALM)
        told += [(n, verdict.kind, verdict.forging)] if verdict else []
    assert told == [(1, Kind.FLOOD, False), (3, Kind.FLOOD, True), (5, Kind.FORGED, True)]


def test_a_busy_client_does_not_keep_a_null_route_alive() -> None:
    """Once a flood was told only a flood's packets are attempts; a busy client by itself stays one episode."""
    flood = syns(T + SLOT, 60_000, to(TARGET, 60_000), targets=1)
    busy = syns(T, 0, handshakes(OTHER, 4_000), completed=4_000, targets=1)
    episode, _ = syn.judge(flood, LIMITS, JUDGING, None)
    for n in range(1, 5):
        episode, _ = syn.judge(replace(busy, at=T + n * SECOND), LIMITS, JUDGING, episode)
    assert episode is not None
    assert episode.last_loud == T + SLOT
    episode, _ = syn.judge(replace(busy, at=T + 5 * SECOND), LIMITS, JUDGING, None)
    episode, _ = syn.judge(replace(busy, at=T + 6 * SECOND), LIMITS, JUDGING, episode)
    assert episode is not None
    assert episode.last_loud == T + 6 * SECOND


def test_a_verdict_has_the_spread_of_its_rule() -> None:
    """Estimates of the window go with the verdict."""
    window = syns(T, 60_000, targets=50_000, sources=4)
    assert lasting(window)[0].spread == Spread(50_000, 4, 0)
