"""Sensor health: copies, sampling, loss and time; found, told, and what they keep automation from."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.savefile import NANO, pcap, record
from samples import VERDICT
from test_decision import ACT, GOOD, PASS, REFUSE, answers, question
from test_vitals import LOOP, MS, SECOND, Loop, T, count, counting, loop  # noqa: F401 - a fixture

from edgeguard import config
from edgeguard.capture.points import Points
from edgeguard.capture.savefile import SavefileCapture
from edgeguard.daemon.vitals import Vitals
from edgeguard.decision import safeties
from edgeguard.decision.question import KernelCount, Window
from edgeguard.errors import ConfigError
from edgeguard.inventory import Index
from edgeguard.inventory.entries import parse
from edgeguard.model import Decision, Vm
from edgeguard.reading import Health
from edgeguard.record import NOBODY, point_key
from edgeguard.replay import Replay

SECOND_0 = 1_767_225_600
ONE, GATEWAY = bytes.fromhex("020000000101"), bytes.fromhex("0200000000fe")


def frames(count: int, seed: int = 1, protocol: int = 6) -> list[bytes]:
    """Different SYNs (or UDP) of one VM to one target."""
    dice = random.Random(seed)
    made = []
    for _ in range(count):
        ip = b"\x45\0\0\x28" + dice.randbytes(2) + b"\0\0\x40" + bytes([protocol]) + dice.randbytes(2)
        ip += bytes([192, 0, 2, 10, 203, 0, 113, 9])
        made.append(
            GATEWAY + ONE + b"\x08\0" + ip + dice.randbytes(2) + b"\0\x50" + dice.randbytes(8) + b"\x50\x02" + bytes(12)
        )
    return made


def written(path: Path, stamped: list[tuple[int, bytes]]) -> Path:
    """A savefile of frames with their ns since SECOND_0."""
    body = b"".join(record(frame, SECOND_0 + at // SECOND, at % SECOND) for at, frame in stamped)
    path.write_bytes(pcap(NANO) + body)
    return path


def read(path: Path) -> SavefileCapture:
    capture = SavefileCapture(path, None)
    while len(capture.read()):
        pass
    return capture


# ---- copies in a savefile --------------------------------------------------------------------------


@settings(max_examples=12, deadline=None)
@given(st.floats(0, 1), st.integers(0, 3_900_000), st.integers(0, 1000))
def test_the_share_of_copies_is_found(
    tmp_path_factory: pytest.TempPathFactory, part: float, apart: int, seed: int
) -> None:
    """Whatever part of the frames comes twice within 4 ms, the share of copies is told within its sampling error."""
    dice = random.Random(seed)
    stamped, copies = [], 0
    for n, frame in enumerate(frames(30_000, seed)):
        stamped.append((n * 20_000, frame))
        if dice.random() < part:
            stamped.append((n * 20_000 + apart, frame))
            copies += 1
    stamped.sort(key=lambda one: one[0])
    capture = read(written(tmp_path_factory.mktemp("share") / "a.pcap", stamped))
    true, looked = copies / len(stamped), capture.health().looked
    assert looked > 60
    assert abs(capture.duplicates() - true) <= 4.5 * math.sqrt(0.25 / looked)


@pytest.mark.parametrize("apart", [5_000_000, 900_000_000])
def test_what_comes_again_later_is_no_copy(tmp_path: Path, apart: int) -> None:
    """The same bytes more than 4 ms later were sent again."""
    stamped = [(n * 1000 + again * apart, frame) for n, frame in enumerate(frames(20_000)) for again in (0, 1)]
    capture = read(written(tmp_path / "a.pcap", sorted(stamped, key=lambda one: one[0])))
    assert (capture.health().twice, capture.findings()) == (0, [])


def test_a_sender_that_repeats_itself_is_no_fault_of_the_mirror(tmp_path: Path) -> None:
    """A flood of few frames over and over, at whatever pace, must not be able to put its own window in doubt."""
    few = frames(3_000)
    for every in (1_000, 1_300_000 // 3_000, 3_500_000 // 3_000):
        stamped = [(n * every, few[n % len(few)]) for n in range(60_000)]
        assert read(written(tmp_path / "a.pcap", stamped)).duplicates() == 0.0


def test_a_savefile_says_that_its_frames_came_twice(tmp_path: Path) -> None:
    """Replay tells it, and does not act on such counts."""
    rate = [(n * 5_000 + again, frame) for n, frame in enumerate(frames(160_000)) for again in (0, 700)]
    path = written(tmp_path / "twice.pcap", rate)
    once = written(tmp_path / "once.pcap", rate[::2])
    inventory = Index([Vm("vm-1", "web1", "Example Ltd", None, (), ("02:00:00:00:01:01",))])
    found: dict[Path, list[Decision]] = {path: [], once: []}
    for each, told in found.items():
        keep = lambda one, told=told: told.append(one) if isinstance(one, Decision) else None  # noqa: E731
        run = Replay(each, config.build({"enforce": ["syn.hard"]}), inventory, keep)
        run.run()
        said = run.capture.findings()
        assert [("came twice" in line) for line in said] == ([True] if each == path else [])
    health = [next(a for a in d.safeties if a.name == "capture health") for d in found[path]]
    assert {a.answer for a in health} == {REFUSE} and "50 % of the frames came twice" in health[0].reason
    assert {d.scope for d in found[path]} == {"observe"} and "narrow" in {d.scope for d in found[once]}


def test_time_that_runs_backwards_is_told(tmp_path: Path) -> None:
    """Each step back of a file's clock is counted, and every frame all the same."""
    stamped = (
        [(10 * SECOND + 1, f) for f in frames(3)]
        + [(4 * SECOND, f) for f in frames(2, 2)]
        + [(3 * SECOND, frames(1)[0])]
    )
    capture = read(written(tmp_path / "a.pcap", stamped))
    assert capture.findings() == ["the clock steps back 2 times"]
    assert capture.totals()["tcp_syn"] == 6


# ---- by VLAN in a savefile -------------------------------------------------------------------------


def test_a_savefile_of_a_mirror_port_tells_vlans_apart(tmp_path: Path) -> None:
    """One MAC in two VLANs is two VMs in a file too; 802.1Q and 802.1ad alike."""
    frame = frames(1)[0]
    tagged = [frame[:12] + bytes.fromhex(tag) + frame[12:] for tag in ("8100000a", "88a80014", "8100e00a", "8100001e")]
    points = Points(4)
    points.put(point_key("02:00:00:00:01:01", 10), 1)
    points.put(point_key("02:00:00:00:01:01", 20), 2)
    capture = SavefileCapture(written(tmp_path / "a.pcap", [(0, f) for f in [*tagged, frame]]), points)
    assert [int(p) for p in capture.read()["out_of"]] == [1, 2, 1, NOBODY, NOBODY]


def test_the_inventory_knows_one_mac_in_two_vlans() -> None:
    """A MAC may be used again in another VLAN, and not twice in one."""
    rows = '[[vm]]\nid = "{}"\nmacs = ["02:00:00:00:01:01"]\nvlan = {}\n'
    assert [vm.vlan for vm in parse(rows.format("a", 10) + rows.format("b", 20), "x.toml")] == [10, 20]
    with pytest.raises(ConfigError, match="MAC 02:00:00:00:01:01 in VLAN 10 already belongs to"):
        parse(rows.format("a", 10) + rows.format("b", 10), "x.toml")
    for wrong in ("0", "4095", '"10"'):
        with pytest.raises(ConfigError, match="vlan"):
            parse(rows.format("a", wrong), "x.toml")


# ---- what the safeties make of it ------------------------------------------------------------------

SEEN = KernelCount(ours=1000, kernel=1000)
HALF = KernelCount(ours=1000, kernel=500)
MEASURED = VERDICT.measured
TABLE: list[tuple[dict[str, Any], KernelCount | None, str]] = [
    ({"duplicates": 0.05}, HALF, PASS),
    ({"duplicates": 0.06}, HALF, REFUSE),
    ({"duplicates": 0.06}, None, REFUSE),
    ({"duplicates": 0.5}, SEEN, PASS),  # the tap itself saw every one of them
    ({"duplicates": 0.5}, KernelCount(1000, 949), REFUSE),
    ({"carried": 0.7}, SEEN, PASS),
    ({"carried": 0.6}, SEEN, REFUSE),
    ({"carried": 0.001}, SEEN, REFUSE),
    ({"carried": 40.0}, SEEN, PASS),  # segments of what the tap counts as one frame
    ({"sampling": 10, "carried": 1.0}, SEEN, PASS),
    ({"sampling": 10, "carried": 1.6}, SEEN, REFUSE),
    ({"sampling": 10, "carried": None}, SEEN, PASS),
    ({"sampling": 10_000}, SEEN, REFUSE),
    ({"stepped": True}, SEEN, REFUSE),
]


@pytest.mark.parametrize(("window", "kernel", "expected"), TABLE)
def test_capture_health_by_table(window: dict[str, Any], kernel: KernelCount | None, expected: str) -> None:
    """Copies that no kernel counter confirms, and sampling not as declared, keep automation out, in hard too."""
    for verdict in (replace(VERDICT, point=1, limit=MEASURED // 2), replace(ACT, limit=MEASURED // 2)):
        asked = question(window=replace(GOOD, **window), kernel=kernel, verdict=verdict)
        assert answers(asked)["capture health"] == expected


def test_the_words_name_the_factor() -> None:
    """The operator is told what the port carries and what was declared."""
    asked = question(window=replace(GOOD, carried=0.1))
    reason = safeties.capture_health(asked).reason
    assert reason == "the mirror port carries one frame of 10, by the taps' kernel counters; declared is one of 1"


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 1000), st.integers(1, 100_000), st.integers(0, 2**32))
def test_the_certain_count_of_sampled_packets_is_below_the_truth(sampling: int, true: int, seed: int) -> None:
    """Of sampled packets the lower bound that is compared with the limit is below what was sent."""
    dice = random.Random(seed)
    mean = true / sampling
    taken = (
        max(0, round(dice.gauss(mean, math.sqrt(mean * (1 - 1 / sampling)))))
        if mean > 30
        else sum(dice.random() < 1 / sampling for _ in range(true))
    )
    deviations = (taken * sampling - true) / (math.sqrt(max(1.0, mean)) * sampling)
    if deviations < 2.5:  # beyond it chance alone may exceed the bound
        assert safeties._certain(taken * sampling, sampling) <= true


@pytest.mark.parametrize(
    "wrong", [{"sampling": 10}, {"vxlan": True}, {"mirror": ["eth1"], "sampling": 0}, {"duplicates": 2.0}]
)
def test_settings_that_cannot_be(wrong: dict[str, Any]) -> None:
    """Sampling and VXLAN are of mirror ports, and their values have bounds."""
    with pytest.raises(ConfigError):
        config.build({"capture": wrong})
    config.build({"capture": {"mirror": ["eth1"], "sampling": 10, "vxlan": True, "vxlan_port": 8472}})


# ---- carried with the window -----------------------------------------------------------------------


def test_the_share_of_copies_is_of_the_last_one_to_two_seconds() -> None:
    """Copies of before are forgotten; too few frames looked at say nothing."""
    vitals = Vitals(counting(), mirrored=True)
    for second, (looked, twice) in enumerate([(1000, 500), (2000, 500), (3000, 500)]):
        vitals.note(T + second * SECOND, Health(looked=looked, twice=twice))
        vitals.take(T + second * SECOND, [])
    vitals.note(T + 2_500 * MS, Health(looked=3_100, twice=610))
    assert vitals.window(T + 2_500 * MS).duplicates == pytest.approx(110 / 1_100)
    few = Vitals(counting(), mirrored=True)
    few.note(T, Health(looked=49, twice=40))
    assert few.window(T).duplicates == 0.0


@pytest.mark.parametrize(
    ("sampling", "ours", "seen"), [(1, 2000, 1.0), (1, 200, 0.1), (10, 200, 1.0), (10, 2000, 10.0)]
)
def test_what_the_port_carries_is_measured(loop: Loop, sampling: int, ours: int, seen: float) -> None:  # noqa: F811
    """Our count beside the tap's kernel counter, over two spans: undeclared sampling and needless are found."""
    made = counting()
    vitals = Vitals(made, mirrored=True, sampling=sampling)
    loop.take(vitals, T)
    for second in (1, 2):
        assert vitals.window(T).carried is None
        loop.carry(2000)
        count(made, ours)
        loop.take(vitals, T + second * SECOND)
    window = vitals.window(T + 2 * SECOND)
    assert window.carried == pytest.approx(seen)
    assert window.sampling == sampling


def test_a_loss_a_young_tap_and_few_frames_say_nothing_of_sampling(loop: Loop) -> None:  # noqa: F811
    """What the ring lost is loss; a span without enough frames, or of a single second, is none."""
    for lost, ours, carried in ((1, 200, 2000), (0, 99, 2000), (0, 900, 900)):
        made = counting()
        vitals = Vitals(made, mirrored=True)
        for second in range(3):
            loop.take(vitals, T + second * SECOND)
            loop.carry(carried)
            count(made, ours)
            vitals.note(T, Health(lost=lost * second))
        loop.take(vitals, T + 3 * SECOND)
        assert vitals.window(T).carried is None


def test_two_cards_at_one_tap_are_counted_together(loop: Loop) -> None:  # noqa: F811
    """Where two MACs of a VM hang on one tap its kernel counter is of both."""
    made = counting()
    vitals = Vitals(made, mirrored=True)
    with loop.namespace.inside():
        vitals.take(T, [(0, LOOP), (1, LOOP)])
        loop.carry(50)
        count(made, 30)
        assert vitals.kernel_count(T + SECOND, 0, LOOP) == KernelCount(ours=30, kernel=50)
        assert vitals.kernel_count(T + SECOND, 2, LOOP) is None


def test_a_window_is_trusted_by_itself() -> None:
    """Without a mirror port nothing of this is in doubt."""
    plain = Window(0, 1000, 0, False)
    assert (plain.duplicates, plain.sampling, plain.carried) == (0.0, 1, None)
    assert answers(question(window=plain))["capture health"] == PASS
