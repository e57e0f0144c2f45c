"""Bad input of every kind: counted as what it is, never a crash, never a wrong VM; by decoder, savefile, replay.

What a live ring and a mirror port make of the same frames stands in netns/test_hostile_frames.py.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oracles import decode as oracle
from oracles.hostile import EXTENSIONS, LENGTHS, UDP4, chain, endless, fragments, hostile, lies, of_size, tagged
from oracles.mirror import ONE, TAGS, TWO
from oracles.savefile import NANO, enhanced, interface, pcap, record, section
from test_replay import lines, of, run

from edgeguard import config
from edgeguard.capture.savefile import SavefileCapture
from edgeguard.clock import MILLISECOND, SECOND, SLOT
from edgeguard.inventory import Index
from edgeguard.model import Decision, Verdict, Vm
from edgeguard.native import Totals, decode
from edgeguard.record import NOBODY, RECORD
from edgeguard.replay import Replay

T = 1_767_225_600
LAST = 0xFFFF_FFFF  # seconds: February 2106, the end of pcap's clock
KINDS = ["syn", "synack", "rst", "tcp", "udp", "icmp", "fragment", "other", "non_ip", "malformed", "other_link"]
VMS = [
    Vm("vm-1", "web1", "Example Ltd", None, (), (ONE,), (ip_network("192.0.2.10"), ip_network("2001:db8::10"))),
    Vm("vm-2", "web2", "Other Ltd", None, (), (TWO,), (ip_network("192.0.2.11"), ip_network("2001:db8::11"))),
]
Stamped = tuple[int, bytes]  # ns since 1970, frame


def as_pcap(stamped: Iterable[Stamped], wire: int | None = None) -> bytes:
    body = b"".join(record(frame, at // SECOND, at % SECOND, wire) for at, frame in stamped)
    return pcap(NANO) + body


def as_pcapng(stamped: Iterable[Stamped]) -> bytes:
    return section() + interface(resolution=9) + b"".join(enhanced(frame, at) for at, frame in stamped)


def spread(frames: list[bytes]) -> list[Stamped]:
    """Over nine tenths of a second."""
    return [(T * SECOND + n * 900 * MILLISECOND // len(frames), frame) for n, frame in enumerate(frames)]


class Passed:
    """A replay with two VMs, and all it told."""

    def __init__(self, path: Path, content: bytes, **changes: Any) -> None:
        path.write_bytes(content)
        self.told: list[object] = []
        self.replay = Replay(path, config.build(changes), Index(VMS), self.told.append)
        self.replay.run()
        self.counting, self.capture = self.replay.counting, self.replay.capture

    def of(self, kind: type) -> list[Any]:
        return [one for one in self.told if isinstance(one, kind)]

    def totals(self) -> dict[str, int]:
        return self.capture.totals()


def rule_sums(said: list[oracle.Frame]) -> dict[str, tuple[int, int]]:
    """By rule what the frames count for: packets and bytes."""
    kinds = {"syn": ("syn",), "udp": ("udp",), "icmp": ("icmp",), "fragments": ("fragment",), "tcp": ("tcp", "rst")}
    found = {}
    for rule, names in kinds.items():
        kept = [frame for frame in said if frame.kind in names]
        found[rule] = sum(f.packets for f in kept), sum(f.bytes for f in kept)
    return found


@pytest.mark.parametrize("write", [as_pcap, as_pcapng], ids=["pcap", "pcapng"])
def test_hostile_frames_are_counted_at_who_sent_them(
    tmp_path: Path, write: Callable[[Iterable[Stamped]], bytes]
) -> None:
    """Every frame of machine ONE, whatever it claims to be, counts once at ONE: in totals, frames, SYN, UDP, bytes;
    nothing of machine TWO, whose address all carry, moves."""
    frames = hostile()
    said = [oracle.decode(frame, len(frame), 1) for frame in frames]
    passed = Passed(tmp_path / "file", write(spread(frames)))
    assert passed.totals() == oracle.totals(said)
    assert [passed.counting.frames(point) for point in (0, 1)] == [(len(frames), 0), (0, 0)]
    one, two = (passed.counting.reading(point, passed.counting.slot_end) for point in (0, 1))
    sums = rule_sums(said)
    assert {rule: (one.packets[rule], one.bytes[rule]) for rule in sums} == sums
    assert {rule: (one.foreign or {})[rule] for rule in sums} == {rule: n for rule, (n, _) in sums.items()}
    for counts in (two.packets, two.bytes, two.foreign or {"": 1}):  # the address is TWO's
        assert set(counts.values()) == {0}
    assert passed.told == []


@pytest.mark.parametrize(("frame", "at", "size"), [row[1:] for row in LENGTHS], ids=[row[0] for row in LENGTHS])
def test_lengths_that_lie(tmp_path: Path, frame: bytes, at: int, size: int) -> None:
    """Each record is what the oracle reads by the rules of the RFC, for every value that a length may take."""
    (tmp_path / "file").write_bytes(as_pcap(spread(lies(frame, at, size))))
    with SavefileCapture(tmp_path / "file", None) as capture:
        rows = capture.read()
    for row, lie in zip(rows, lies(frame, at, size), strict=True):
        expected = oracle.decode(lie, len(lie), 1)
        ports = expected.ports or (0, 0)
        assert (KINDS[row["kind"]], row["bytes"], row["protocol"]) == (
            expected.kind,
            expected.bytes,
            expected.protocol,
        )
        assert (row["src_port"], row["dst_port"], row["packets"]) == (*ports, 1)


@pytest.mark.parametrize("kind", TAGS, ids=["802.1Q", "802.1ad"])
def test_tags_by_the_hundred(tmp_path: Path, kind: bytes) -> None:
    """Up to 8 tags are opened; more are counted as too many tags, at the VM of the MAC and the outermost VLAN."""
    counts = [*range(1, 12), 100, 5000]
    passed = Passed(tmp_path / "file", as_pcap(spread([tagged(count, kind) for count in counts])))
    totals = {name: n for name, n in passed.totals().items() if n}
    assert totals == {"frames": 13, "ipv4": 8, "udp": 8, "udp_bytes": 8 * 58, "non_ip": 5, "too_many_tags": 5}
    assert passed.counting.frames(0) == (13, 0)
    with SavefileCapture(tmp_path / "file", None) as capture:
        rows = capture.read()
    assert [KINDS[row["kind"]] for row in rows] == ["udp"] * 8 + ["non_ip"] * 5
    assert (rows["vlan"] == 1).all()


@pytest.mark.parametrize("kind", EXTENSIONS)
def test_extension_headers_without_end(kind: int) -> None:
    """32 are followed, and the datagram behind them is found; what is behind more is counted as no protocol."""
    rows, totals = np.zeros(1, RECORD), Totals()
    for count in (0, 1, 31, 32, 33, 34, 100, 8180):
        frame = chain(count, kind)
        decode(frame, len(frame), 1, 0, rows, totals)
        assert KINDS[rows[0]["kind"]] == ("udp" if count <= 32 else "other")
        assert (rows[0]["protocol"], rows[0]["dst_port"]) == ((17, 443) if count <= 32 else (255, 0))
    for itself in (chain(1, kind, last=kind), chain(8180, kind, last=kind)):
        decode(itself, len(itself), 1, 0, rows, totals)
        assert KINDS[rows[0]["kind"]] in ("other", "fragment")


def test_chains_cut_at_every_byte() -> None:
    """However much of a chain was captured, the record is the oracle's."""
    rows = np.zeros(1, RECORD)
    for frame in endless():
        for end in (*range(14, 120, 7), len(frame) - 1):
            decode(frame[:end], len(frame), 1, 0, rows, Totals())
            expected = oracle.decode(frame[:end], len(frame), 1)
            assert (KINDS[rows[0]["kind"]], rows[0]["protocol"]) == (expected.kind, expected.protocol)


def test_fragments_alone_are_a_flood_of_their_protocol(tmp_path: Path) -> None:
    """Later fragments without any first one are judged as fragments, at the VM of their MAC; a target is named,
    a port is not. They are never SYNs, however alike."""
    few = {"warn": 5, "act": 10, "hard": 20}
    limits = {"limits": {"fragments": {"warn": 500, "act": 1000, "hard": 2000}, "syn": few, "udp": few}}
    parts = [frame for frame in fragments() if oracle.decode(frame, len(frame), 1).kind == "fragment"]
    udp = [frame for frame in parts if oracle.decode(frame, len(frame), 1).protocol == 17]
    tcp = [frame for frame in parts if oracle.decode(frame, len(frame), 1).protocol == 6]
    flood = [(T * SECOND + n * 100_000, udp[n % len(udp)]) for n in range(30_000)]
    passed = Passed(tmp_path / "udp", as_pcap(flood), **limits)
    assert passed.totals()["fragments"] == passed.totals()["udp"] == 30_000
    verdicts = passed.of(Verdict)
    assert {(v.rule, v.subject.vm) for v in verdicts} == {("fragments", "vm-1")}
    assert max(v.measured for v in verdicts) >= 2000
    assert {t.port for v in verdicts for t in v.targets} == {None}
    assert {str(t.address) for v in verdicts for t in v.targets} <= {"198.51.100.7", "2001:db8:ffff::7"}
    alike = [(T * SECOND + n * 100_000, tcp[n % len(tcp)]) for n in range(9_000)]
    passed = Passed(tmp_path / "tcp", as_pcap(alike), **limits)
    assert {v.rule for v in passed.of(Verdict)} == {"fragments"}
    assert (passed.totals()["fragments"], passed.totals()["tcp_syn"]) == (9_000, 0)
    assert passed.counting.frames(0) == (9_000, 0)


def test_every_size_up_to_65535(tmp_path: Path) -> None:
    """A frame of each size from 1 to 65,535 bytes: whole by the decoder, cut to 64 bytes by a savefile."""
    rows, totals = np.zeros(1, RECORD), Totals()
    whole = of_size(65535)
    found, written = [], []
    for size in range(1, 65536):
        frame = of_size(size) if size < 80 else whole[:16] + (size - 14).to_bytes(2, "big") + whole[18:size]
        decode(frame, size, 1, 0, rows, totals)
        found.append((int(rows[0]["bytes"]), KINDS[rows[0]["kind"]]))
        written.append(record(frame[:64], T, size, wire=size))
    assert found == [(0, "malformed")] * 33 + [(max(28, size - 14), "udp") for size in range(34, 65536)]
    passed = Passed(tmp_path / "file", pcap(NANO) + b"".join(written))
    assert passed.totals() == totals.by_name()
    assert passed.totals()["udp_bytes"] == sum(b for b, _ in found)
    assert passed.counting.frames(0) == (65535 - 13, 0)  # without a whole link header it is nobody's


@pytest.mark.parametrize("second", [0, 1, T, 0x7FFF_FFFF, 0x8000_0000, LAST - 3])
def test_a_flood_of_any_year_is_a_flood_of_that_year(tmp_path: Path, second: int) -> None:
    """1970, 2038 and 2106 alike: the same verdict, its times those of the file; and the command prints them."""
    stamped = [(second * SECOND + n * 500_000, UDP4) for n in range(6_000)]
    passed = Passed(tmp_path / "file", as_pcap(stamped), limits={"udp": {"warn": 500, "act": 1000, "hard": 1500}})
    [verdict] = [v for v in passed.of(Verdict) if v.band == "hard"]
    assert (verdict.subject.vm, verdict.measured, passed.totals()["udp"]) == ("vm-1", 1500, 6_000)
    assert second * SECOND + 1499 * 500_000 <= verdict.at <= second * SECOND + 800 * MILLISECOND
    told = of(lines(run(tmp_path / "file", "--json")), "summary")
    assert json.dumps(told).count(str(second * SECOND)) >= 1
    assert run(tmp_path / "file").returncode == 0


JUMPS = {
    "a frame of 2106": [(LAST, 1)],
    "a frame of 1970": [(0, 1)],
    "1970 and 2106 by turns": [(0, 1), (LAST, 1)] * 20,
    "an hour back": [(T - 3600, 1)],
    "two seconds of 2106": [(LAST - 1, 1), (LAST, 1)],
}


@pytest.mark.parametrize("jumps", JUMPS.values(), ids=JUMPS)
def test_time_that_jumps(tmp_path: Path, jumps: list[tuple[int, int]]) -> None:
    """Between two halves of a steady stream: every frame is counted at its VM, each step back is told, what is
    judged is in doubt, and nothing stands for ever."""
    first = [(T * SECOND + n * MILLISECOND, UDP4) for n in range(3_000)]
    odd = [(at * SECOND, UDP4) for at, _ in jumps]
    second = [((T + 3) * SECOND + n * MILLISECOND, UDP4) for n in range(5_000)]
    stamps = [at for at, _ in [*first, *odd, *second]]
    limits = {"udp": {"warn": 100, "act": 200, "hard": 500}}
    passed = Passed(tmp_path / "file", as_pcap([*first, *odd, *second]), limits=limits, enforce=["udp.hard"])
    back = sum(b < a for a, b in itertools.pairwise(stamps))
    assert passed.totals()["udp"] == len(stamps) == passed.counting.frames(0)[0]
    assert f"the clock steps back {back} time{'s' * (back > 1)}" in passed.capture.findings()
    assert passed.counting.frames(1) == (0, 0)
    assert {v.subject.vm for v in passed.of(Verdict)} == {"vm-1"}
    at = (T + 8) * SECOND
    assert passed.counting.slot_end == at + SLOT  # time has found back, and the last slot was looked at
    assert passed.counting.reading(0, at).packets["udp"] == 1_000
    health = [next(a for a in d.safeties if a.name == "capture health") for d in passed.of(Decision) if d.safeties]
    assert {(a.answer, a.reason) for a in health} == {("refuse", "time in the savefile jumped within a minute")}
    assert {d.scope for d in passed.of(Decision)} == {"observe"}


@pytest.mark.parametrize(("back", "doubt"), [(0, False), (100, False), (102, True)])
def test_time_that_only_trembles_is_in_no_doubt(tmp_path: Path, back: int, doubt: bool) -> None:
    """Queues may hand over frames out of order by less than a slot; more, and the windows around it may not act."""
    stamped = [(T * SECOND + n * MILLISECOND - (back * MILLISECOND if n == 2_000 else 0), UDP4) for n in range(5_000)]
    changes = {"limits": {"udp": {"warn": 100, "act": 200, "hard": 500}}, "enforce": ["udp.hard"]}
    passed = Passed(tmp_path / "file", as_pcap(stamped), **changes)
    assert {d.scope for d in passed.of(Decision)} == ({"observe"} if doubt else {"narrow"})
    after = [(at + 200 * SECOND, frame) for at, frame in stamped[2_001:]]  # an episode of its own, long after
    later = Passed(tmp_path / "later", as_pcap([*stamped, *after]), clocks={"quiet": "20s"}, **changes)
    assert later.of(Decision)[-1].scope == "narrow"


def test_nobodys_frames_are_nobodys(tmp_path: Path) -> None:
    """Frames too short for two MACs, and of other link types, are of no VM, and are counted."""
    (tmp_path / "short").write_bytes(as_pcap(spread([UDP4[:n] for n in range(14)])))
    with SavefileCapture(tmp_path / "short", Passed(tmp_path / "other", as_pcap([])).replay._points()) as capture:
        rows = capture.read()
    assert (rows["out_of"] == NOBODY).all() and (rows["into"] == NOBODY).all()
    assert capture.totals()["malformed"] == len(rows) == 14
