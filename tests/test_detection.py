"""The rules: bands, sustained seconds, news, and what does not count. All limits here are small."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeguard import config
from edgeguard.clock import SECOND, SLOT
from edgeguard.detection import rule, syn, udp
from edgeguard.detection.episode import Episode
from edgeguard.model import Band, Subject, Verdict
from edgeguard.reading import Flow, Reading

T = 1_767_225_600 * SECOND
SETTINGS = config.build({"limits": {"syn": {"warn": 20, "act": 50, "hard": 500}}})
LIMITS, JUDGING = SETTINGS.limits.syn, SETTINGS.judging
UDP_LIMITS = SETTINGS.limits.udp
OTHERS = {"syn": (), "udp": ()}


def flow(
    address: str, packets: int, *, protocol: int = 6, port: int | None = 80, on_port: int | None = None, back: int = 0
) -> Flow:
    return Flow(ip_address(address), protocol, port, packets, packets if on_port is None else on_port, back)


def reading(at: int, packets: int, *flows: Flow, crossed: int = 0) -> Reading:
    """A window of SYNs that ends at `at`."""
    return Reading(
        point=0,
        subject=Subject("vm-1", "tap1", None),
        at=at,
        packets={"syn": packets, "udp": 0},
        bytes={"syn": 40 * packets, "udp": 0},
        foreign={"syn": 3, "udp": 0},
        crossed={"syn": crossed, "udp": 0},
        longer=OTHERS,
        flows=flows or (flow("198.51.100.1", packets),),
        missing=2,
        syn_acks=5,
        resets=7,
        one_way=0,
        one_way_back=0,
    )


def look(episode: Episode | None, at: int, packets: int, *flows: Flow) -> tuple[Episode | None, Verdict | None]:
    return syn.judge(reading(at, packets, *flows), LIMITS, JUDGING, episode)


def run(looks: list[tuple[int, int]]) -> list[tuple[int, Band]]:
    """(at, band) of the verdicts that a row of looks (at, packets) gives."""
    episode, given_ = None, []
    for at, packets in looks:
        episode, verdict = look(episode, at, packets)
        if verdict:
            given_.append((at, verdict.band))
    return given_


def seconds(*counts: int) -> list[tuple[int, int]]:
    """One look at the end of every whole second."""
    return [(T + (n + 1) * SECOND, packets) for n, packets in enumerate(counts)]


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


def test_only_whole_seconds_of_unix_time_count() -> None:
    """Fifty windows over the limit, of which four were whole seconds of Unix time, are four seconds."""
    looks = [(T + SECOND // 2 + n * SLOT, 50 if n < 45 else 10) for n in range(50)]
    assert run(looks) == []


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from((0, 1, 2, 3, 5, 8, 60)), st.integers(1, 80)), min_size=1, max_size=30))
def test_bands_are_those_of_the_plain_rule(pieces: list[tuple[int, int]]) -> None:
    """Judged at every slot, a subject gets exactly the rising bands that counting whole seconds by hand gives."""
    per_slot = [packets for packets, lasts in pieces for _ in range(lasts)]
    ends = range(1, len(per_slot) + 1)
    windows = {end: sum(per_slot[max(0, end - 10) : end]) for end in ends}
    expected, highest = [], 0
    for end in ends:
        whole = [windows[s] for s in range(10, end + 1, 10) if end // 10 - s // 10 < 60]
        band = plain_band(windows[end], whole)
        if band > highest:
            expected.append((T + end * SLOT, (Band.WARN, Band.ACT, Band.HARD)[band - 1]))
            highest = band
    assert run([(T + end * SLOT, windows[end]) for end in ends]) == expected


def plain_band(window: int, whole: list[int]) -> int:
    if window >= 500:
        return 3
    if window >= 50 and sum(n >= 50 for n in whole) >= 5:
        return 2
    return int(window >= 20 and sum(n >= 20 for n in whole) >= 5)


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
    here, there = flow("198.51.100.1", 600), flow("198.51.100.2", 600)
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
        episode, verdict = look(episode, T + n * SECOND, 30, flow(f"198.51.100.{n}", 30))
        told += [verdict] if verdict else []
    assert [verdict.band for verdict in told] == [Band.WARN]


def test_a_port_is_no_news_below_its_address() -> None:
    """Once an address was told without a port, one of its ports is not new; the other way round it is."""
    wide, narrow = flow("198.51.100.1", 600, on_port=300), flow("198.51.100.1", 600)
    episode, first = look(None, T + SLOT, 600, wide)
    assert first is not None
    assert first.targets[0].port is None
    assert look(episode, T + 2 * SLOT, 600, narrow)[1] is None
    episode, first = look(None, T + SLOT, 600, narrow)
    assert first is not None
    assert first.targets[0].port == 80
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
    window = reading(T + 3 * SLOT, 601, flow("198.51.100.1", 541), flow("198.51.100.2", 60), crossed=T + 2 * SLOT + 17)
    _, verdict = syn.judge(window, LIMITS, JUDGING, episode)
    assert verdict is not None
    assert (verdict.measured, verdict.at_least, verdict.limit, verdict.window_s) == (601, 601, 500, 1)
    assert (verdict.since, verdict.crossed, verdict.at) == (T, T + 2 * SLOT + 17, T + 3 * SLOT)
    assert (verdict.peak, verdict.mean, verdict.bytes, verdict.foreign) == (601, 400.0, 601 * 40, 3)
    assert [(str(t.address), t.packets, t.share) for t in verdict.targets] == [("198.51.100.1", 541, 0.9002)]
    assert verdict.target_error == 2
    assert (verdict.came_back.packets, verdict.came_back.syn_acks, verdict.came_back.resets) == (12, 5, 7)


def test_a_sustained_verdict_does_not_carry_a_crossing_of_hard() -> None:
    """A packet that crossed another limit is not the one that completed this verdict's."""
    episode: Episode | None = None
    for at, packets in seconds(50, 50, 50, 50):
        episode, _ = look(episode, at, packets)
    at = T + 5 * SECOND
    _, verdict = syn.judge(reading(at, 50, crossed=T + 17), LIMITS, JUDGING, episode)
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


@pytest.mark.parametrize(("packets", "named"), [(100, True), (99, False)])
def test_a_target_has_a_tenth_of_the_window(packets: int, named: bool) -> None:
    """A flow is a target from exactly a tenth of the window on."""
    assert bool(rule.targets_of((flow("198.51.100.1", packets),), 1000, 0.1)) == named


@pytest.mark.parametrize(("on_port", "port"), [(90, 80), (89, None), (0, None)])
def test_a_port_is_named_when_nearly_all_goes_there(on_port: int, port: int | None) -> None:
    """The leading port is the target's only from nine tenths of the target's packets on."""
    (target,) = rule.targets_of((flow("198.51.100.1", 100, on_port=on_port),), 100, 0.1)
    assert target.port == port


def test_an_empty_window_has_no_targets() -> None:
    """Nothing sent, nothing named."""
    assert rule.targets_of((flow("198.51.100.1", 0),), 0, 0.1) == ()


def test_syn_judges_tcp_flows_alone() -> None:
    """A UDP flow beside the SYNs is no target of the SYN rule."""
    window = reading(T, 600, flow("198.51.100.1", 600), flow("198.51.100.2", 600, protocol=17))
    assert [str(f.address) for f in syn.measure(window).flows] == ["198.51.100.1"]


# ---- UDP -----------------------------------------------------------------------------------------


def datagrams(sent: int, one_way: int, *flows: Flow, foreign: int | None = 0) -> Reading:
    return Reading(
        point=0,
        subject=Subject("vm-1", "tap1", None),
        at=T + SLOT,
        packets={"syn": 0, "udp": sent},
        bytes={"syn": 0, "udp": 100 * sent},
        foreign=None if foreign is None else {"syn": 0, "udp": foreign},
        crossed={"syn": 0, "udp": 0},
        longer=OTHERS,
        flows=flows,
        missing=0,
        syn_acks=0,
        resets=0,
        one_way=one_way,
        one_way_back=4,
    )


def test_only_one_way_udp_counts() -> None:
    """Answered UDP is not measured, however much; its bytes are left out in proportion; mixed counts by its part."""
    answered = udp.measure(datagrams(1_000_000, 0), JUDGING)
    assert (answered.packets, answered.bytes) == (0, 0)
    mixed = udp.measure(datagrams(400_000, 300_000, foreign=350_000), JUDGING)
    assert (mixed.packets, mixed.bytes, mixed.foreign) == (300_000, 30_000_000, 300_000)
    assert mixed.came_back.packets == 4
    nothing = udp.measure(datagrams(0, 0, foreign=None), JUDGING)
    assert (nothing.packets, nothing.bytes, nothing.foreign) == (0, 0, None)


def test_an_answered_target_is_not_named() -> None:
    """Of a mixed flood only the targets that do not answer are targets."""
    silent = flow("198.51.100.1", 300_000, protocol=17, back=14_999)
    busy = flow("198.51.100.2", 300_000, protocol=17, back=15_000)
    tcp = flow("198.51.100.3", 300_000)
    measured = udp.measure(datagrams(600_000, 300_000, silent, busy, tcp), JUDGING)
    assert measured.flows == (silent,)
    _, verdict = udp.judge(datagrams(600_000, 300_000, silent, busy, tcp), UDP_LIMITS, JUDGING, None)
    assert verdict is not None
    assert (verdict.band, [str(t.address) for t in verdict.targets]) == (Band.HARD, ["198.51.100.1"])


def test_answered_udp_is_no_episode() -> None:
    """A busy two-way VM is never looked at as a flood."""
    assert udp.judge(datagrams(1_000_000, 9_999), UDP_LIMITS, JUDGING, None) == (None, None)
