"""Bundles: written whole or not at all, within their limits, and a disk that fails stops nothing else."""

from __future__ import annotations

import io
import json
import os
import resource
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import dpkt
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from samples import DECISION, RELEASE, SUM_DECISION, SUM_VERDICT, TAP, VERDICT, VM, another
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether
from scapy.utils import rdpcap

from edgeguard import clock
from edgeguard.cases import codec
from edgeguard.clock import MILLISECOND, SECOND
from edgeguard.config import EvidenceSettings, build
from edgeguard.errors import EvidenceError
from edgeguard.evidence import bundle, manifest, pcap, place
from edgeguard.evidence.bundle import Bundle
from edgeguard.evidence.contents import Facts
from edgeguard.evidence.manifest import Manifest, sealed
from edgeguard.evidence.place import Place
from edgeguard.evidence.recorder import Recorder, rests_on_frames
from edgeguard.evidence.writer import Writer
from edgeguard.model import Act, Band, Decision, Scope, Verdict
from edgeguard.native import Savefile, Totals
from edgeguard.native.headers import OUT, RAW, TAGGED, Headers
from edgeguard.record import RECORD
from edgeguard.xarf import Reporter

REPORTER = Reporter("hv1.example.net", "abuse@example.net", "example.net")
FACTS = Facts(DECISION.case, DECISION, VERDICT, VM, TAP)
PATIENCE_S = 60
MACS = {"src": "02:00:00:00:00:02", "dst": "02:00:00:00:00:01"}
DAY = 86_400 * SECOND
FRAME = bytes(Ether(**MACS) / IP(src="192.0.2.10", dst="203.0.113.5") / UDP(sport=7, dport=9) / b"SECRET")


def settings(**changes: Any) -> EvidenceSettings:
    return build({"evidence": changes}).evidence


def filled(frames: int = 600, points: int = 2) -> Headers:
    memory = Headers(points)
    for number in range(frames):
        memory.offer(1, FRAME, clock.now() - (frames - number) * 10 * MILLISECOND, flags=OUT if number % 2 else 0)
    return memory


class Told:
    """What the cases were told."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []

    def __call__(self, case: str, text: str) -> None:
        self.lines.append((case, text))

    def wait(self, number: int) -> list[str]:
        until(lambda: len(self.lines) >= number)
        return [text for _, text in self.lines]


def until(holds: Callable[[], Any]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def recorder(root: Path, headers: Headers, told: Told, **changes: Any) -> Recorder:
    chosen = settings(**changes)
    writer = Writer(Place(root), chosen, REPORTER, codec.dumps, told)
    writer.start()
    return Recorder(headers, writer, chosen.during)


def whole(root: Path) -> list[Bundle]:
    found = list(Place(root).bundles())
    assert all(isinstance(one, Bundle) for one in found)
    return [one for one in found if isinstance(one, Bundle)]


# ---- from memory to disk ------------------------------------------------------------------------


def test_a_bundle_holds_what_was_frozen_and_what_came_after(tmp_path: Path) -> None:
    """Frames from before and after stand in their own files, each once; hashes fit; only the daemon's user may look."""
    headers, told = filled(), Told()
    one = recorder(tmp_path / "evidence", headers, told)
    frozen = one.freeze(1, clock.now())
    headers.offer(1, FRAME, clock.now())
    one.keep(frozen, FACTS)
    one.look(clock.now())
    for _ in range(20):
        headers.offer(1, FRAME, clock.now())
    one.look(clock.now() + 6 * SECOND)
    said = told.wait(2)
    one.close()
    (found,) = whole(tmp_path / "evidence")
    assert (said[0].count("512 frames from before"), said[1].count("21 frames added")) == (1, 1)
    assert sealed((found.path / manifest.NAME).read_bytes()).sha256 in said[1]
    assert found.findings() == []
    assert found.manifest.frames == {"before.pcap": 512, "during.pcap": 21}
    assert found.manifest.case == DECISION.case
    before = list(dpkt.pcap.Reader(io.BytesIO(found.read("before.pcap"))))
    assert {content for _, content in before} == {FRAME[:42]}
    stamps = [round(stamp * 1000) for stamp, _ in before]
    assert stamps == sorted(stamps)
    assert [len(one) for one in rdpcap(str(found.path / "during.pcap"))] == [42] * 21
    record = json.loads(found.read("record.json"))
    assert record["verdict"] == json.loads(codec.dumps(VERDICT))
    assert record["decision"] == json.loads(codec.dumps(DECISION))
    assert record["frames"]["directions"] == "io" * 256
    assert not any(b"SECRET" in path.read_bytes() for path in found.path.iterdir())
    assert {path.stat().st_mode & 0o777 for path in found.path.iterdir()} == {0o600}
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "evidence", found.path)} == {0o700}


def test_a_row_that_is_given_away_ends_its_bundle(tmp_path: Path) -> None:
    """Frames of the VM that has the row next never come into the bundle of the one before."""
    headers, told = filled(), Told()
    one = recorder(tmp_path, headers, told)
    one.keep(one.freeze(1, clock.now()), FACTS)
    headers.offer(1, FRAME, clock.now())
    one.forget(1)
    for _ in range(100):
        headers.offer(1, FRAME, clock.now())
    one.look(clock.now() + 6 * SECOND)
    one.close()
    (found,) = whole(tmp_path)
    assert found.manifest.frames == {"before.pcap": 512, "during.pcap": 1}
    assert len(headers.frames(1)) == 100


def test_a_vm_without_frames_has_a_bundle_all_the_same(tmp_path: Path) -> None:
    """A null route by hand of a silent VM: an empty savefile and the record."""
    headers, told = Headers(2), Told()
    one = recorder(tmp_path, headers, told)
    by_hand = replace(DECISION, targets=(), verdict=None)
    one.keep(one.freeze(1, clock.now()), Facts(DECISION.case, by_hand, None, None, TAP))
    one.close()
    (found,) = whole(tmp_path)
    assert list(dpkt.pcap.Reader(io.BytesIO(found.read("before.pcap")))) == []
    assert sorted(found.manifest.files) == ["before.pcap", "record.json"]


def test_stopping_writes_what_there_is(tmp_path: Path) -> None:
    """A daemon that is stopped within the seconds after a decision keeps the frames so far."""
    headers, told = filled(), Told()
    one = recorder(tmp_path, headers, told)
    one.keep(one.freeze(1, clock.now()), FACTS)
    headers.offer(1, FRAME, clock.now())
    one.close()
    (found,) = whole(tmp_path)
    assert found.manifest.frames == {"before.pcap": 512, "during.pcap": 1}


# ---- savefiles ----------------------------------------------------------------------------------


def test_a_tag_that_the_kernel_took_off_is_back(tmp_path: Path) -> None:
    """The VLAN tag stands in the savefile where it stood on the wire."""
    headers = Headers(1)
    headers.offer(0, FRAME, SECOND, flags=OUT | TAGGED)
    frames = headers.frames(0)
    frames["tag"] = 0x2000 | 12
    (content,) = [content for _, content in dpkt.pcap.Reader(io.BytesIO(pcap.savefile(frames)))]
    assert content == FRAME[:12] + bytes.fromhex("8100200c") + FRAME[12:42]


def test_frames_without_a_link_header() -> None:
    """A tun device's frames begin with IP; a savefile holds one link type only, that of the last frame."""
    headers, packet = Headers(1), bytes(IPv6(src="2001:db8::1", dst="2001:db8::2") / UDP(sport=1, dport=2) / b"SECRET")
    headers.offer(0, FRAME, SECOND)
    headers.offer(0, packet, 2 * SECOND + 5, wire=1_000, link_type=101)
    chosen = pcap.of_one_link(headers.frames(0))
    assert (chosen["flags"] & RAW != 0).tolist() == [True]
    reader = dpkt.pcap.Reader(io.BytesIO(pcap.savefile(chosen)))
    assert reader.datalink() == 101
    assert [content for _, content in reader] == [packet[:48]]


@given(st.lists(st.integers(0, 2**32 * SECOND - 1), max_size=20))
def test_stamps_are_exact(stamps: list[int]) -> None:
    """Every nanosecond is kept, and our own savefile reader finds it again."""
    headers = Headers(1)
    for stamp in stamps:
        headers.offer(0, FRAME, stamp)
    frames = headers.frames(0)
    rows, totals = np.zeros(len(frames) + 1, RECORD), Totals()
    number = Savefile(pcap.savefile(frames)).read(None, rows, totals)
    assert rows["ts"][:number].tolist() == frames["ts"].tolist()
    assert set(rows["dst_port"][:number].tolist()) <= {9}


# ---- whole or not at all ------------------------------------------------------------------------

START = Manifest("EG-1", "d-1", clock.now(), 0, "hv1", "vm-1", None, "tap1", "syn", "narrow", {})
FILES = {"before.pcap": b"a" * 1000, "record.json": b"{}"}


class PowerCutError(BaseException):
    """Nothing that comes after it is done."""


def counted(monkeypatch: pytest.MonkeyPatch, cut_at: int) -> list[str]:
    """From the `cut_at`-th step of writing on nothing happens any more; the steps so far."""
    steps: list[str] = []

    def step(name: str, real: Any) -> Any:
        def done(*args: Any, **more: Any) -> Any:
            if len(steps) >= cut_at:
                raise PowerCutError
            steps.append(name)
            return real(*args, **more)

        return done

    monkeypatch.setattr(os, "write", step("write", os.write))
    monkeypatch.setattr(os, "fsync", step("fsync", os.fsync))
    for name in ("rename", "mkdir", "unlink"):
        monkeypatch.setattr(Path, name, step(name, getattr(Path, name)))
    return steps


def both_parts(root: Path) -> None:
    first = START.adding(FILES, {"before.pcap": 10}, clock.now())
    one = bundle.write(root, "20260101-000000-d-1", first, FILES)
    more = {"during.pcap": b"b" * 1000}
    bundle.add(one, more, first.adding(more, {"during.pcap": 5}, clock.now()))


def test_a_cut_between_any_two_steps_leaves_no_half_bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever writing ends: what can be seen fits its manifest, with the later part or without it."""
    seen = set()
    for cut_at in range(200):
        root = tmp_path / str(cut_at)
        root.mkdir()
        with monkeypatch.context() as patched:
            steps = counted(patched, cut_at)
            try:
                both_parts(root)
                done = True
            except PowerCutError:
                done = False
        found = whole(root)
        assert len(found) <= 1
        for one in found:
            assert one.findings() == []
            assert set(one.manifest.files) >= set(FILES)
            seen.add(len(one.manifest.files))
        if done:
            assert len(steps) == cut_at
            break
    assert seen == {2, 3}
    assert cut_at > 12


def test_kill_leaves_no_half_bundle(tmp_path: Path) -> None:
    """A process that writes bundles and is killed at any moment leaves only whole ones, and a start tidies up."""
    for turn in range(10):
        root = tmp_path / str(turn)
        root.mkdir()
        ready, begun = os.pipe()
        child = os.fork()
        if child == 0:
            os.write(begun, b"x")
            for number in range(10_000):
                first = replace(START, case=f"EG-{number % 7}").adding(FILES, {}, clock.now())
                one = bundle.write(root, f"20260101-000000-d-{number}", first, FILES)
                bundle.add(one, {"during.pcap": b"b"}, first.adding({"during.pcap": b"b"}, {}, clock.now()))
            os._exit(0)
        os.read(ready, 1)
        time.sleep(0.003 * turn)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        for number in (ready, begun):
            os.close(number)
        for one in whole(root):
            assert one.findings() == []
        Place(root).tidy(clock.now() + 2 * clock.HOUR)
        assert not [path for path in root.iterdir() if path.name.startswith(".")]


def test_a_full_disk_leaves_nothing_and_says_so(tmp_path: Path) -> None:
    """A file that cannot be written whole: no bundle, one line in the case, and the next one is written again."""
    reads, writes = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            headers, told = filled(), Told()
            one = recorder(tmp_path, headers, told)
            resource.setrlimit(resource.RLIMIT_FSIZE, (4_000, resource.RLIM_INFINITY))  # as a disk with 4 KB left
            one.keep(one.freeze(1, clock.now()), FACTS)
            said = told.wait(1)
            left = [path.name for path in tmp_path.rglob("*")]
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            case, verdict, decision, _ = another(2)
            one.keep(one.freeze(1, clock.now()), Facts(case.id, decision, verdict, VM, TAP))
            said = [*said, *told.wait(2)[1:]]
            one.close()
            os.write(writes, json.dumps([said, left]).encode())
            code = 0
        finally:
            os._exit(code)
    os.close(writes)
    with os.fdopen(reads, "rb") as file:
        content = file.read()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    said, left = json.loads(content)
    assert said[0].startswith("evidence is missing: ")
    assert "512 frames from before" in said[1]
    assert left == []


def test_a_database_that_takes_no_note_stops_nothing(tmp_path: Path) -> None:
    """Where the case cannot be told, the bundle is written all the same."""

    def note(case: str, text: str) -> None:
        raise EvidenceError("the database is full")

    headers, chosen = filled(), settings()
    writer = Writer(Place(tmp_path), chosen, REPORTER, codec.dumps, note)
    writer.start()
    one = Recorder(headers, writer, chosen.during)
    one.keep(one.freeze(1, clock.now()), FACTS)
    one.close()
    assert len(whole(tmp_path)) == 1


@pytest.mark.parametrize("case", ["..", ".", "../other", "a/b", "", ".hidden", "x" * 200])
def test_no_case_names_a_folder_elsewhere(tmp_path: Path, case: str) -> None:
    """A name that leads out of the place is refused before anything is written."""
    with pytest.raises(OSError, match="cannot name a folder"):
        bundle.write(tmp_path, "20260101-000000-d-1", replace(START, case=case), FILES)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["../record.json", "/etc/passwd", "manifest.json", "..", ""])
def test_a_manifest_names_files_of_its_bundle_only(tmp_path: Path, name: str) -> None:
    """A manifest that somebody changed cannot make an export read another file."""
    text = START.adding({name: b"x"}, {}, 0).text()
    with pytest.raises(EvidenceError, match="no manifest"):
        manifest.parse(text, tmp_path)


@given(st.binary(max_size=200))
def test_any_bytes_for_a_manifest(content: bytes) -> None:
    """What is no manifest is one error, never a traceback."""
    with pytest.raises(EvidenceError):
        manifest.parse(content, Path("manifest.json"))


def test_a_changed_byte_is_found(tmp_path: Path) -> None:
    """Every file is checked against its hash; one that is gone, longer or different is named."""
    both_parts(tmp_path)
    (one,) = whole(tmp_path)
    assert one.findings() == []
    (one.path / "record.json").write_bytes(b"[]")
    (one.path / "during.pcap").unlink()
    first, second = sorted(one.findings())
    assert "during.pcap: cannot be read" in first
    assert "record.json: its SHA-256 is not that" in second
    with pytest.raises(EvidenceError):
        one.read("record.json")
    assert one.read("before.pcap") == FILES["before.pcap"]


# ---- limits -------------------------------------------------------------------------------------


def stored(root: Path, ages: list[int], now: int, size: int = 1000) -> None:
    for number, age in enumerate(ages):
        first = replace(START, case=f"EG-{number % 2}", decision=f"d-{number}", frozen=now - age)
        files = {"before.pcap": bytes(size)}
        bundle.write(root, place.name(first.frozen, first.decision), first.adding(files, {}, now), files)


def gone(root: Path, now: int, **changes: Any) -> list[tuple[str, str]]:
    chosen = settings(**changes)
    return [(kept.path.name.rpartition("d-")[2], why) for kept, why in Place(root).beyond(chosen, now)]


def test_old_bundles_go_first(tmp_path: Path) -> None:
    """Age, number and size of all each remove the oldest, and no more than they must."""
    now = START.frozen // SECOND * SECOND
    stored(tmp_path, [40 * DAY, 31 * DAY, 3 * DAY, 2 * DAY, DAY, 0], now, size=400_000)
    assert gone(tmp_path, now) == [("0", "age"), ("1", "age")]
    assert gone(tmp_path, now, bundles=3) == [("0", "age"), ("1", "age"), ("2", "number")]
    wanted = [("0", "age"), ("1", "age"), ("2", "size of all"), ("3", "size of all")]
    assert gone(tmp_path, now, bundle_bytes=131_072, total_bytes=1_048_576) == wanted
    assert gone(tmp_path, now, age="1000d") == []


@given(
    st.lists(st.integers(0, 60), max_size=12),
    st.integers(1, 10),
    st.integers(1, 60),
)
def test_what_stays_is_within_the_limits(ages: list[int], number: int, days: int) -> None:
    """After removal nothing is too old and there are not too many; what went was older than all that stayed."""
    kept = [place.Kept(Path(f"{n:03}"), -age * DAY, 10) for n, age in enumerate(sorted(ages, reverse=True))]
    removed = [one for one, _ in place._beyond(kept, settings(bundles=number, age=f"{days}d"), 0)]
    stays = [one for one in kept if one not in removed]
    assert len(stays) == min(number, sum(age < days for age in ages))
    assert all(-one.frozen < days * DAY for one in stays)
    assert kept == removed + stays


def test_the_daemon_keeps_within_its_limits(tmp_path: Path) -> None:
    """After each bundle the oldest beyond the limit is gone, with a line that says when, which and why."""
    headers, told = filled(), Told()
    one = recorder(tmp_path, headers, told, bundles=2)
    for number in range(4):
        case, verdict, decision, _ = another(number)
        frozen = replace(one.freeze(1, clock.now()), at=START.frozen + number * SECOND)
        one.keep(frozen, Facts(case.id, decision, verdict, VM, TAP))
        told.wait(number + 1)
    one.close()
    assert [found.manifest.decision for found in whole(tmp_path)] == ["decision-n2", "decision-n3"]
    lines = [json.loads(line) for line in (tmp_path / "access.jsonl").read_text().splitlines()]
    assert [(line["by"], line["did"], line["why"], line["case"]) for line in lines] == [
        ("automation", "removed", "number", another(number)[0].id) for number in (0, 1)
    ]
    assert not list(tmp_path.glob(".*"))


def test_a_bundle_is_not_larger_than_it_may_be(tmp_path: Path) -> None:
    """Of a small bundle the oldest frames from before are left out, and the youngest of those after."""
    headers, told = filled(), Told()
    one = recorder(tmp_path, headers, told, bundle_bytes=131_072)
    one.keep(one.freeze(1, clock.now()), FACTS)
    for _ in range(10):
        for _ in range(400):
            headers.offer(1, FRAME, clock.now())
        one.look(clock.now())
    one.close()
    (found,) = whole(tmp_path)
    assert found.manifest.bytes <= 131_072
    assert 200 < found.manifest.frames["before.pcap"] < 512
    last = list(dpkt.pcap.Reader(io.BytesIO(found.read("before.pcap"))))[-1]
    assert abs(last[0] * SECOND - int(headers.frames(1)["ts"][0])) < 10**12
    record = json.loads(found.read("record.json"))
    assert len(record["frames"]["directions"]) == record["frames"]["number"] == found.manifest.frames["before.pcap"]


# ---- what has evidence ----------------------------------------------------------------------------

OBSERVED = replace(DECISION, act=Act.NONE, scope=Scope.OBSERVE, enforced=False, until=None)


@pytest.mark.parametrize(
    ("verdict", "decision", "wanted"),
    [
        (VERDICT, DECISION, True),
        (None, replace(DECISION, verdict=None), True),  # by hand
        (VERDICT, OBSERVED, True),
        (replace(VERDICT, band=Band.ACT), OBSERVED, True),
        (replace(VERDICT, band=Band.WARN), OBSERVED, False),
        (VERDICT, replace(OBSERVED, silent=True), False),
        (replace(VERDICT, rule="syn-in"), OBSERVED, False),
        (SUM_VERDICT, SUM_DECISION, False),
        (None, RELEASE, False),
    ],
)
def test_what_has_evidence(verdict: Verdict | None, decision: Decision, wanted: bool) -> None:
    """Null routes, and floods out of a VM that were only observed; no warning, release, victim or sum."""
    assert rests_on_frames(verdict, decision) is wanted
