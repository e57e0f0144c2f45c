"""What all rules share: bands, sustained seconds, news, and the verdict's arithmetic. All limits here are small."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from readings import T, syns, to

from edgeguard import config
from edgeguard.clock import SECOND, SLOT
from edgeguard.detection import aim, rule, rules, silent
from edgeguard.detection.aim import Flood
from edgeguard.detection.episode import Episode
from edgeguard.model import Band, Kind, Verdict
from edgeguard.reading import INTO, OUT, Circumstances, Flow, Reading

SETTINGS = config.build({"limits": {"syn": {"warn": 20, "act": 50, "hard": 500}}})
LIMITS, JUDGING = SETTINGS.limits.syn, SETTINGS.judging
ONE = "198.51.100.1"
CALM, DOUBT = Circumstances(), Circumstances(in_doubt="17 of 20 VMs stopped completing connections")
judge = rules.JUDGES["syn"]


def window(at: int, packets: int, *flows: Flow) -> Reading:
    """SYNs that nobody completes."""
    return syns(at, packets, *(flows or (to(ONE, packets),)))


def look(
    episode: Episode | None, at: int, packets: int, *flows: Flow, around: Circumstances = CALM
) -> tuple[Episode | None, Verdict | None]:
    return judge(window(at, packets, *flows), LIMITS, JUDGING, episode, around)


def run(looks: list[tuple[int, int]], around: Circumstances = CALM) -> list[tuple[int, Band]]:
    """(at, band) of the verdicts that a row of looks (at, packets) gives."""
    episode, given_ = None, []
    for at, packets in looks:
        episode, verdict = look(episode, at, packets, around=around)
        if verdict:
            given_.append((at, verdict.band))
    return given_


def seconds(*counts: int) -> list[tuple[int, int]]:
    """One look at the end of every whole second."""
    return [(T + (n + 1) * SECOND, packets) for n, packets in enumerate(counts)]


def test_every_rule_has_a_judge_and_a_measure() -> None:
    """The twelve names of the contract, in its order, and no other."""
    assert tuple(rules.JUDGES) == tuple(rules.MEASURES) == (*OUT, *INTO)


@pytest.mark.parametrize("name", [*OUT, *INTO])
def test_nothing_is_no_episode(name: str) -> None:
    """A rule that sees nothing says nothing, with limits in bits and without."""
    limits = SETTINGS.limits.by_rule()[name]
    empty = syns(T, 0)
    assert rules.JUDGES[name](empty, limits, JUDGING, None, CALM) == (None, None)
    bits = limits.model_copy(update={"bits": config.BitLimits(warn=1, act=2, hard=3)})
    assert rules.JUDGES[name](empty, bits, JUDGING, None, CALM) == (None, None)
    assert rules.measured(name, empty, JUDGING) == 0


# ---- bands ---------------------------------------------------------------------------------------


def test_below_half_of_warn_nothing_begins() -> None:
    """A window below half of warn starts no episode; half of warn does."""
    assert look(None, T + SLOT, 9) == (None, None)
    episode, verdict = look(None, T + SLOT, 10)
    assert (episode is not None, verdict) == (True, None)


def test_hard_is_at_once() -> None:
    """The first window at the hard limit is a verdict, at any 5 ms of the second; one packet less is none."""
    at = T + 123 * SLOT + 35_000_000
    _, verdict = look(None, at, 500)
    assert verdict is not None
    assert (verdict.band, verdict.limit, verdict.sustain, verdict.at) == (Band.HARD, 500, "at once", at)
    assert look(None, at, 499)[1] is None


def test_warn_and_act_need_five_seconds_of_sixty() -> None:
    """Four seconds over a limit are nothing, the fifth is a verdict, however far apart within the sixty."""
    assert run(seconds(20, 20, 20, 20)) == []
    assert run(seconds(20, 20, 20, 20, 20)) == [(T + 5 * SECOND, Band.WARN)]
    assert run(seconds(50, 50, 50, 50, 50)) == [(T + 5 * SECOND, Band.ACT)]
    pulses = [50 if n % 14 == 0 else 0 for n in range(60)]
    assert run(seconds(*pulses)) == [(T + 57 * SECOND, Band.ACT)]
    too_rare = [50 if n % 15 == 0 else 0 for n in range(300)]
    assert run(seconds(*too_rare)) == []


def test_seconds_over_act_count_for_warn_too() -> None:
    """Three seconds over warn and two over act are five over warn."""
    assert run(seconds(20, 50, 20, 50, 20)) == [(T + 5 * SECOND, Band.WARN)]


def test_seconds_may_begin_anywhere_but_not_overlap() -> None:
    """A flood that begins in mid-second is found with its fifth second, however its windows fall on the clock's."""
    looks = [(T + SECOND // 2 + n * SLOT, 50 if n < 45 else 10) for n in range(50)]
    assert run(looks) == [(T + 4 * SECOND + SECOND // 2, Band.ACT)]
    assert run(looks[:40]) == []


def test_a_pulse_that_straddles_two_seconds_counts_as_one() -> None:
    """A second of flood, half of it before and half behind the full second: one of five, though neither half is."""
    pulse = [6 * n for n in range(1, 11)] + [60 - 6 * n for n in range(1, 11)]
    looks = [(T + k * 10 * SECOND + (5 + n) * SLOT, packets) for k in range(6) for n, packets in enumerate(pulse, 1)]
    assert all(packets < 50 for at, packets in looks if at % SECOND == 0)
    assert [at for at, band in run(looks) if band is Band.ACT] == [T + 41 * SECOND + 4 * SLOT]


def test_a_warning_waits_for_an_act_that_is_a_second_off() -> None:
    """A flood above act is one message: warn, which is sustained a little earlier, waits, but not beyond the second."""
    ramp = [(T + n * SLOT, min(10 * n, 100)) for n in range(1, 60)]
    assert run(ramp) == [(T + 45 * SLOT, Band.ACT)]
    steep = [(T + n * SLOT, min(80 * n, 800)) for n in range(1, 60)]
    assert run(steep, DOUBT) == [(T + 47 * SLOT, Band.HARD)]
    late = [(T + 4 * SLOT + n * SLOT, min(6 * n, 60)) for n in range(1, 60)]
    assert run(late) == [(T + 5 * SECOND, Band.WARN), (T + 4 * SLOT + 49 * SLOT, Band.ACT)]


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from((0, 1, 2, 3, 5, 8, 60)), st.integers(1, 80)), min_size=1, max_size=30),
    st.booleans(),
)
def test_bands_against_every_choice_of_seconds(pieces: list[tuple[int, int]], in_doubt: bool) -> None:
    """No band is told without five seconds over its limit that do not overlap and end within the last sixty; at the
    end of each whole second no band is missing that whole seconds alone give; each is told once."""
    per_slot = [packets for packets, lasts in pieces for _ in range(lasts)]
    windows = [0, *(sum(per_slot[max(0, end - 10) : end]) for end in range(1, len(per_slot) + 1))]
    told = dict(run([(end, n) for end, n in enumerate_slots(windows)], DOUBT if in_doubt else CALM))
    highest = 0
    for end in range(1, len(windows)):
        band = told.get(T + end * SLOT)
        if band:
            assert RANKS[band] > highest
            assert RANKS[band] <= allowed(windows, end, in_doubt)
            highest = RANKS[band]
        if end % 10 == 0:
            assert highest >= whole(windows, end, in_doubt)


RANKS = {Band.WARN: 1, Band.ACT: 2, Band.HARD: 3}


def enumerate_slots(windows: list[int]) -> list[tuple[int, int]]:
    return [(T + end * SLOT, packets) for end, packets in enumerate(windows)][1:]


def allowed(windows: list[int], end: int, in_doubt: bool) -> int:
    """The highest band that any choice of seconds gives."""
    if windows[end] >= 500 and (not in_doubt or most_seconds(windows, end, 500) >= 5):
        return 3
    if windows[end] >= 50 and most_seconds(windows, end, 50) >= 5:
        return 1 if in_doubt else 2
    return int(windows[end] >= 20 and not in_doubt and most_seconds(windows, end, 20) >= 5)


def most_seconds(windows: list[int], end: int, limit: int) -> int:
    """Of the windows over the limit that ended within a minute, as many as do not overlap: by dynamic programming."""
    first = max(1, end - 599)
    best = [0] * (end + 1)
    for n in range(first, end + 1):
        before = best[n - 10] if n - 10 >= first else 0
        best[n] = max(best[n - 1] if n > first else 0, (before + 1) if windows[n] >= limit else 0)
    return best[end]


def whole(windows: list[int], end: int, in_doubt: bool) -> int:
    """The band of whole seconds of Unix time, without doubt as issue 2 had it."""

    def lasts(limit: int) -> bool:
        ends = range(max(10, end - 590), end + 1, 10)
        return windows[end] >= limit and sum(windows[n] >= limit for n in ends) >= 5

    if lasts(500) if in_doubt else windows[end] >= 500:
        return 3
    if lasts(50):
        return 1 if in_doubt else 2
    return int(lasts(20) and not in_doubt)


def test_a_sustained_band_needs_a_window_over_the_limit_now() -> None:
    """After a flood its seconds convict nobody: a verdict's window is itself over the limit."""
    episode: Episode | None = None
    for at, packets in seconds(50, 50, 50, 50, 50):
        episode, _ = look(episode, at, packets)
    assert episode is not None
    assert look(episode.forget(), T + 6 * SECOND, 19)[1] is None


def test_seconds_of_an_hour_ago_do_not_convict() -> None:
    """What was over the limit before the last sixty seconds is forgotten at whatever moment the next look comes."""
    episode: Episode | None = None
    for at, packets in seconds(50, 50, 50, 50, 50):
        episode, _ = look(episode, at, packets)
    assert episode is not None
    _, verdict = look(episode.forget(), T + 600 * SECOND + SLOT, 60)
    assert verdict is None


def test_a_clock_set_back_leaves_no_seconds_of_the_future() -> None:
    """Seconds that are ahead of a clock that was set back count no more."""
    episode: Episode | None = None
    for at, packets in seconds(50, 50, 50, 50):
        episode, _ = look(episode, at, packets)
    assert look(episode, T - 3_599 * SECOND, 50)[1] is None


# ---- news ----------------------------------------------------------------------------------------


def test_a_band_is_told_once() -> None:
    """While a flood goes on at its targets there is one verdict; falling and rising again within it is no news."""
    looks = [(T + n * SLOT, 600) for n in range(1, 40)] + [(T + n * SLOT, 30) for n in range(40, 60)]
    looks += [(T + n * SLOT, 600) for n in range(60, 80)]
    assert [band for _, band in run(looks)] == [Band.HARD]


def test_bands_rise_once_each() -> None:
    """Warn, act and hard are told in this order, once each."""
    looks = seconds(*[30] * 6, *[70] * 6, *[700] * 3, *[70] * 6, *[700] * 3)
    assert [band for _, band in run(looks)] == [Band.WARN, Band.ACT, Band.HARD]


def test_a_new_target_is_news_at_act_and_above() -> None:
    """From act on a target not told before gives a verdict; at warn it does not, and a known one never."""
    here, there = to("198.51.100.1", 600), to("198.51.100.2", 600)
    episode, first = look(None, T + SLOT, 600, here)
    episode, again = look(episode, T + 2 * SLOT, 600, here)
    episode, moved = look(episode, T + 3 * SLOT, 600, there)
    episode, back = look(episode, T + 4 * SLOT, 600, here)
    assert (first is not None, again, moved is not None, back) == (True, None, True, None)
    assert moved is not None
    assert [str(target.address) for target in moved.targets] == ["198.51.100.2"]
    episode = None
    told = []
    for n in range(1, 12):
        episode, verdict = look(episode, T + n * SECOND, 30, to(f"198.51.100.{n}", 30))
        told += [verdict] if verdict else []
    assert [verdict.band for verdict in told] == [Band.WARN]


def test_a_port_is_no_news_below_its_address() -> None:
    """Once an address was told without a port, one of its ports is not new; the other way round it is."""
    wide, narrow = to("198.51.100.1", 600, port_packets=300), to("198.51.100.1", 600)
    episode, first = look(None, T + SLOT, 600, wide)
    assert first is not None
    assert first.targets[0].port is None
    assert look(episode, T + 2 * SLOT, 600, narrow)[1] is None
    episode, first = look(None, T + SLOT, 600, narrow)
    assert first is not None
    assert first.targets[0].port == 443
    assert look(episode, T + 2 * SLOT, 600, wide)[1] is not None


def test_what_was_forgotten_is_told_again() -> None:
    """After a release a flood that goes on gives a verdict again."""
    episode, _ = look(None, T + SLOT, 600)
    assert episode is not None
    assert look(episode.forget(), T + 2 * SLOT, 600)[1] is not None


# ---- the verdict's arithmetic --------------------------------------------------------------------


def test_a_verdict_carries_its_arithmetic() -> None:
    """Measured, lower bound, limit, since, crossing, peak, mean, targets, error and what came back are the window's."""
    episode, _ = look(None, T + SLOT, 100)
    episode, _ = look(episode, T + 2 * SLOT, 900 - 401)
    crossed = {"syn": T + 2 * SLOT + 17}
    more: dict[str, Any] = {"flows": (to(ONE, 552), to("198.51.100.2", 49)), "missing": 2, "syn_acks": 5, "resets": 7}
    window_ = replace(window(T + 3 * SLOT, 601), crossed=crossed, foreign={"syn": 3}, **more)
    _, verdict = judge(window_, LIMITS, JUDGING, episode, CALM)
    assert verdict is not None
    assert (verdict.measured, verdict.at_least, verdict.limit, verdict.window_s) == (601, 601, 500, 1)
    assert (verdict.since, verdict.crossed, verdict.at) == (T, T + 2 * SLOT + 17, T + 3 * SLOT)
    assert (verdict.peak, verdict.mean, verdict.bytes, verdict.foreign) == (601, 400.0, 601 * 100, 3)
    assert [(str(t.address), t.packets, t.share) for t in verdict.targets] == [(ONE, 552, 0.9185)]
    assert verdict.target_error == 2
    assert (verdict.came_back.packets, verdict.came_back.syn_acks, verdict.came_back.resets) == (12, 5, 7)


@pytest.mark.parametrize("off", [-SECOND - 1, 1])
def test_a_crossing_of_another_window_is_not_this_ones(off: int) -> None:
    """A packet that is not of the window did not complete its limit: then only the window's end is certain."""
    at = T + 7 * SLOT
    stale = replace(window(at, 600), crossed={"syn": at + off})
    _, verdict = judge(stale, LIMITS, JUDGING, None, CALM)
    assert verdict is not None
    assert verdict.crossed == at


def test_a_sustained_verdict_does_not_carry_a_crossing_of_hard() -> None:
    """A packet that crossed another limit is not the one that completed this verdict's."""
    episode: Episode | None = None
    for at, packets in seconds(50, 50, 50, 50):
        episode, _ = look(episode, at, packets)
    at = T + 5 * SECOND
    _, verdict = judge(replace(window(at, 50), crossed={"syn": at - 17}), LIMITS, JUDGING, episode, CALM)
    assert verdict is not None
    assert (verdict.band, verdict.crossed) == (Band.ACT, at)


def test_ids_are_the_contents() -> None:
    """The same finding has the same id in every run; another time, band or subject has another."""
    (_, one), (_, same) = (look(None, T + SLOT, 600) for _ in range(2))
    _, later = look(None, T + 2 * SLOT, 600)
    assert one is not None
    assert one == same
    assert later is not None
    assert later.id != one.id


def flood(packets: int, *flows: Flow, act: int = 10**9, **more: int) -> Flood:
    return Flood(packets, flows, more.pop("missing", 0), "packets", 0.1, act, **more)


@pytest.mark.parametrize(("packets", "named"), [(100, True), (99, False)])
def test_a_target_has_a_tenth_of_the_window(packets: int, named: bool) -> None:
    """A flow is a target from exactly a tenth of the window on."""
    assert bool(aim.take(flood(1000, to(ONE, packets))).hosts) == named


@pytest.mark.parametrize(("packets", "named"), [(50, True), (49, False)])
def test_a_target_that_is_a_flood_by_itself_is_named_whatever_its_share(packets: int, named: bool) -> None:
    """Packets to another target, null-routed already or answered, hide no target that reaches act by itself."""
    found = aim.take(flood(100_000, to("198.51.100.2", 99_000), to(ONE, packets), act=50))
    assert [str(host.address) for host in found.hosts] == ["198.51.100.2", *([ONE] if named else [])]


@pytest.mark.parametrize(("on_port", "port"), [(90, 443), (89, None), (0, None)])
def test_a_port_is_named_when_nearly_all_goes_there(on_port: int, port: int | None) -> None:
    """The leading port is the target's only from nine tenths of the target's packets on."""
    assert rule.target(to(ONE, 100, port_packets=on_port), 100).port == port


def test_an_empty_window_has_no_targets() -> None:
    """Nothing sent, nothing named."""
    assert aim.take(flood(0, to(ONE, 0))).kind is None


PREFIX = "198.51.100.0/24"


def test_a_carpet_is_a_prefix_of_which_no_host_stands_out() -> None:
    """A prefix counts by what goes to none of the hosts that are named; a host within it is then no further target."""
    thin = [to(f"198.51.100.{n}", 40) for n in range(1, 16)]
    carpet = aim.take(flood(10_000, to(PREFIX, 10_000), *thin, act=30))
    assert (carpet.kind, [target.place for target in carpet.targets(10_000)]) == (Kind.CARPET, [PREFIX])
    host = aim.take(flood(10_000, to(PREFIX, 10_000), to(ONE, 9_990), missing=10))
    assert (host.kind, [target.place for target in host.targets(10_000)]) == (Kind.FLOOD, [ONE])
    both = aim.take(flood(10_000, to(PREFIX, 10_000), to(ONE, 5_000), missing=10))
    assert (both.kind, [target.place for target in both.targets(10_000)]) == (Kind.FLOOD, [PREFIX, ONE])


@pytest.mark.parametrize(
    ("place", "packets", "targets", "kind"),
    [
        ("198.51.100.0/24", 2_048, 1_000_000, Kind.CARPET),  # 256 addresses at most, whatever else is scanned
        ("198.51.100.0/24", 2_047, 1_000_000, None),
        ("198.51.100.0/24", 800, 100, Kind.CARPET),
        ("198.51.100.0/24", 799, 100, None),
        ("2001:db8::/48", 8_000, 1_000, Kind.CARPET),
        ("2001:db8::/48", 7_999, 1_000, None),
        ("2001:db8::/48", 500, None, Kind.CARPET),  # nothing says that it is a scan
    ],
)
def test_few_packets_for_each_target_are_no_carpet(
    place: str, packets: int, targets: int | None, kind: Kind | None
) -> None:
    """Fewer than eight for each is a scan; a /24 has 256 addresses at most."""
    found = aim.take(Flood(packets, (to(place, packets),), 0, "packets", 0.1, 10**9, targets, few=8))
    assert found.kind is kind


def test_hosts_that_are_a_flood_together_are_found_behind_noise() -> None:
    """Two at half of act each, and fifty times as much to everywhere."""
    hosts = (to(ONE, 30), to("198.51.100.2", 30))
    assert aim.take(flood(3_000, *hosts, act=50)).hosts == hosts
    assert aim.take(flood(3_000, *hosts, act=61)).hosts == ()


def is_one_way(flow: Flow) -> bool:
    return flow.back * 32 < flow.packets


def test_a_prefix_counts_what_nobody_in_it_answers() -> None:
    """Answered hosts are taken out, with their answers; so are silent ones before the rest is judged by itself."""
    flooded, busy = to(ONE, 80_000, "udp"), to("198.51.100.2", 40_000, "udp", back=4_000)
    network = to(PREFIX, 125_000, "udp", back=4_500)
    found = silent.flows((network, flooded, busy), is_one_way, 0)
    assert [(flow.packets, flow.length) for flow in found] == [(80_000, None), (80_000, 24)]
    assert aim.take(flood(80_000, *found)).kind is Kind.FLOOD
    spread_out = silent.flows((to(PREFIX, 125_000, "udp", back=4_000), flooded, busy), is_one_way, 0)
    assert spread_out[0].packets == 85_000
    elsewhere = to("203.0.113.1", 40_000, "udp", back=4_000)
    assert silent.flows((network, flooded, elsewhere), is_one_way, 0)[0].packets == 80_000
    assert silent.flows((to(PREFIX, 100, "udp", back=50),), is_one_way, 0) == ()
