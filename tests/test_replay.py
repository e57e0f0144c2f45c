"""`edgeguard replay`: the JSON contract, the same bytes twice, bad files, and the real captures."""

from __future__ import annotations

import csv
import functools
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from oracles.counting import Packet, savefile
from oracles.savefile import enhanced, interface, pcap, record, section

from edgeguard import config, inventory, jsonl, summary
from edgeguard.clock import SECOND
from edgeguard.lab.addresses import VM
from edgeguard.lab.scenario import MOVING, SCENARIOS
from edgeguard.lab.write import START, write
from edgeguard.model import Kind
from edgeguard.reading import INTO, OUT
from edgeguard.replay import Replay

T = 1_767_225_600 * SECOND
MS = 1_000_000
CAPTURES = Path(__file__).parents[2] / "shared" / "captures"


def run(*words: str | Path, cwd: Path | None = None, **env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "edgeguard", "replay", *map(str, words)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1]), **env}
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=1200, cwd=cwd, env=environment)


def lines(told: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    assert told.returncode == 0, told.stderr
    return [json.loads(line) for line in told.stdout.splitlines()]


def of(found: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [line for line in found if line["type"] == kind]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Path, Path]]:
    """Each scenario written once: its savefile and the configuration beside it."""

    @functools.cache
    def one(name: str) -> tuple[Path, Path]:
        path = tmp_path_factory.mktemp("lab") / f"{name}.pcap"
        return path, write(SCENARIOS[name], path)[0]

    return one


Written = Callable[[str], tuple[Path, Path]]


@pytest.fixture(scope="module")
def moving(written: Written) -> list[dict[str, Any]]:
    path, beside = written("moving-flood")
    return lines(run(path, "-c", beside, "--json"))


# ---- the JSON contract -----------------------------------------------------------------------------


def text(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def time(value: Any) -> bool:
    """Unix nanoseconds as a decimal string."""
    return isinstance(value, str) and re.fullmatch(r"-?[0-9]+", value) is not None


def whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def known(kind: Callable[[Any], bool]) -> Callable[[Any], bool]:
    """Or null."""
    return lambda value: value is None or kind(value)


def each(shape: dict[str, Any]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and all(fits(one, shape) for one in value)


def among(*words: Any) -> Callable[[Any], bool]:
    return lambda value: value in words


def fits(value: Any, shape: dict[str, Any]) -> bool:
    """Every key of the shape is there, none else, and each value is of its kind."""
    assert isinstance(value, dict)
    assert value.keys() == shape.keys()
    for name, kind in shape.items():
        assert fits(value[name], kind) if isinstance(kind, dict) else kind(value[name]), (name, value[name])
    return True


TARGET = {
    "address": text,
    "length": known(among(24, 48)),
    "protocol": among("tcp", "udp", "icmp", "icmpv6", "0"),
    "port": known(whole),
    "share": lambda value: isinstance(value, float) and 0 < value <= 1,
}
SAFETY = {"name": text, "answer": among("pass", "refuse", "unknown"), "reason": text}
SHARE = {"vm": known(text), "tap": known(text), "packets": whole, "counted": among(True, False)}
PEAK = known(lambda value: fits(value, {"source": text, "packets": whole, "at_most": whole}))
COUNTS = (
    "frames ipv4 ipv6 tcp_syn tcp_synack udp udp_bytes icmp fragments non_ip malformed other_link".split()  # noqa: SIM905
)
SOURCE = {
    "source": text,
    "syn": whole,
    "udp": whole,
    "udp_bytes": whole,
    "syn_peak_1s": whole,
    "udp_peak_1s": whole,
}
CONTRACT: dict[str, dict[str, Any]] = {
    "verdict": {
        "type": text,
        "id": text,
        "at": time,
        "rule": among(*OUT, *INTO),
        "band": among("warn", "act", "hard"),
        "subject": {"vm": known(text), "tap": known(text), "source": known(text)},
        "window_s": among(1),
        "measured": whole,
        "at_least": whole,
        "limit": whole,
        "since": time,
        "targets": each(TARGET),
        "came_back": known(whole),
        # beyond the contract
        "kind": among(*Kind),
        "unit": among("packets", "bits"),
        "crossed": time,
        "sustain": text,
        "target_error": whole,
        "returned": dict.fromkeys(("syn_acks", "resets", "third_acks", "unreachable"), known(whole)),
        "bytes": whole,
        "peak": whole,
        "mean": lambda value: isinstance(value, float) and value >= 0,
        "longer": each({"seconds": whole, "packets": whole}),
        "foreign": known(whole),
        "forging": among(True, False),
        "alternatives": each({"kind": text, "holds": among(True, False), "why": text}),
        "harm": known(text),
        "baseline": known(text),
        "spread": known(lambda value: fits(value, dict.fromkeys(("targets", "sources_out", "sources_in"), whole))),
        "customer": known(text),
        "shares": each(SHARE),
    },
    "decision": {
        "type": text,
        "id": text,
        "verdict": known(text),
        "at": time,
        "scope": among("observe", "warn", "narrow", "own-only", "full"),
        "targets": each(TARGET),
        "until": known(time),
        "enforced": among(False),
        "safeties": each(SAFETY),
        # beyond the contract
        "act": among("null-route", "release", "none"),
        "reason": text,
    },
    "notice": {
        "type": text,
        "id": text,
        "decision": text,
        "to": known(text),
        "subject": text,
        "text": text,
        # beyond the contract
        "kind": text,
    },
    "summary": {
        "type": text,
        **dict.fromkeys(COUNTS, whole),
        "truncated_file": among(True, False),
        "first_ts": known(time),
        "last_ts": known(time),
        "peak_syn_1s": PEAK,
        "peak_udp_1s": PEAK,
        "sources": each(SOURCE),
        # beyond the contract
        "sources_overflow": {"syn": whole, "udp": whole},
        "sources_unjudged": whole,
    },
}


def check_contract(found: list[dict[str, Any]]) -> None:
    """Every line has exactly the keys and kinds of the contract, and refers to lines before it."""
    ids: set[str] = set()
    for line in found:
        assert fits(line, CONTRACT[line["type"]])
        assert line["type"] != "decision" or line["verdict"] is None or line["verdict"] in ids
        assert line["type"] != "notice" or line["decision"] in ids
        if "id" in line:
            assert line["id"] not in ids
            ids.add(line["id"])
    assert [line["type"] for line in found].index("summary") == len(found) - 1
    totals = found[-1]
    assert totals["frames"] == sum(totals[n] for n in ("ipv4", "ipv6", "non_ip", "malformed", "other_link"))


def test_every_line_is_as_in_the_contract(moving: list[dict[str, Any]]) -> None:
    """A flood that moves and is released: each line has all its keys, nothing else stands on standard output."""
    check_contract(moving)
    assert {line["type"] for line in moving} == set(CONTRACT)


def test_a_flood_that_moves_is_told_in_order(moving: list[dict[str, Any]]) -> None:
    """Narrow, narrow, full, then one release after three quiet seconds; each null route has its end."""
    decisions = of(moving, "decision")
    assert [(d["act"], d["scope"]) for d in decisions] == [
        ("null-route", "narrow"),
        ("null-route", "narrow"),
        ("null-route", "full"),
        ("release", "full"),
    ]
    assert [d["targets"][0]["address"] for d in decisions[:3]] == list(MOVING)
    assert all(int(d["until"]) == int(d["at"]) + 4 * 3_600 * SECOND for d in decisions[:3])
    end = START + 7 * SECOND
    assert end <= int(decisions[3]["at"]) - 3 * SECOND <= end + SECOND
    verdicts = of(moving, "verdict")
    assert {(v["rule"], v["band"], v["subject"]["vm"]) for v in verdicts} == {("syn", "hard", VM.id)}
    assert all(v["measured"] >= v["limit"] == 50_000 for v in verdicts)
    assert {n["to"] for n in of(moving, "notice")} == {VM.contact}


def test_the_flood_is_found_at_the_packet(moving: list[dict[str, Any]]) -> None:
    """At 100,000 a second the hard limit of 50,000 is reached within half a second, and judged at the grid."""
    first = of(moving, "verdict")[0]
    assert int(first["at"]) == START + 1_500 * MS
    assert int(first["since"]) == START + SECOND
    assert first["targets"][0] == {"address": MOVING[0], "length": None, "protocol": "tcp", "port": 443, "share": 1.0}
    assert first["came_back"] == 0


def test_two_runs_give_the_same_bytes(written: Written, tmp_path: Path) -> None:
    """Neither the process, the folder, the time zone nor the hash seed gets into what is printed."""
    path, beside = written("moving-flood")
    for words in (["-c", beside, "--json"], ["-c", beside]):
        one = run(path, *words)
        two = run(path, *words, cwd=tmp_path, TZ="Pacific/Chatham", PYTHONHASHSEED="7", LC_ALL="C", COLUMNS="40")
        assert one.returncode == two.returncode == 0
        assert one.stdout == two.stdout
        assert one.stdout


def test_without_an_inventory_every_decision_observes(written: Written) -> None:
    """Every source is judged; whose it is, is not known: observed, the desk is told, nobody is null-routed."""
    path, _ = written("moving-flood")
    found = lines(run(path, "--json"))
    check_contract(found)
    assert {d["scope"] for d in of(found, "decision")} == {"observe"}
    for decision in of(found, "decision"):
        answer = next(s for s in decision["safeties"] if s["name"] == "attribution")
        assert answer["answer"] == "refuse"
        assert "no inventory entry for source" in answer["reason"]
        assert decision["until"] is None
    assert [n["to"] for n in of(found, "notice")] == [None] * len(of(found, "decision"))
    subjects = {(v["subject"]["vm"], v["subject"]["tap"], v["subject"]["source"]) for v in of(found, "verdict")}
    assert subjects == {(None, None, VM.address), (None, None, VM.address6)}


def test_a_warning_without_an_inventory_is_observed(tmp_path: Path) -> None:
    """Even a sustained warn is only observed and told to the desk where no customer is known."""
    path = tmp_path / "warn.pcap"
    path.write_bytes(savefile(Packet(T + n * MS // 3) for n in range(19_000)))
    found = lines(run(path, "--json"))
    check_contract(found)
    assert [v["band"] for v in of(found, "verdict")] == ["warn"]
    assert [d["scope"] for d in of(found, "decision")] == ["observe"]
    assert [n["to"] for n in of(found, "notice")] == [None]


def test_a_benign_mix_gives_nothing_but_its_summary(written: Written) -> None:
    """Completed connections, two-way UDP, an upload and a victim's SYN-ACKs: no decision and no notice, with the
    inventory."""
    path, beside = written("benign-mix")
    found = lines(run(path, "-c", beside, "--json"))
    check_contract(found)
    assert [line["type"] for line in found] == ["summary"]
    assert found[0]["tcp_synack"] > 10_000


def test_peaks_are_those_of_the_flood(moving: list[dict[str, Any]]) -> None:
    """The summary's peak is the flood's rate, enclosed by its eleven slots, and the source's own line says the same."""
    total = moving[-1]
    assert total["peak_syn_1s"] == {"source": VM.address, "packets": 100_000, "at_most": 110_000}
    assert total["sources"][0]["source"] == VM.address
    assert total["sources"][0]["syn"] == 400_000
    assert total["sources"][1]["syn_peak_1s"] == 100_000
    assert int(total["last_ts"]) > int(total["first_ts"]) >= START


def test_the_story_names_the_same_as_the_lines(written: Written, moving: list[dict[str, Any]]) -> None:
    """For people: every verdict, decision and mail of the JSON, and the summary, without a JSON brace."""
    path, beside = written("moving-flood")
    told = run(path, "-c", beside)
    assert told.returncode == 0
    assert told.stdout.count("  verdict: syn hard") == len(of(moving, "verdict"))
    assert told.stdout.count("  decision: ") == len(of(moving, "decision"))
    for notice in of(moving, "notice"):
        assert f"Subject: {notice['subject']}" in told.stdout
    assert "busiest second, syn: 100,000 packets from" in told.stdout
    assert "{" not in told.stdout


# ---- bad input -------------------------------------------------------------------------------------

SYN = savefile([Packet(T)])[40:]
BAD: list[tuple[str, bytes, int, str]] = [
    ("empty", b"", 1, "it is empty"),
    ("garbage", b"this is no savefile, whatever its name says", 1, "neither a pcap nor a pcapng"),
    ("short", pcap()[:17], 1, "ends inside"),
    ("header-only", pcap(), 1, "no frames"),
    ("pcapng-header-only", section() + interface(), 1, "no frames"),
    ("cut-in-first", (pcap() + record(SYN, 1))[:-3], 1, "cut off"),
    ("cut", (pcap() + record(SYN, 1, 5) + record(SYN, 1, 6) + record(SYN, 1, 7))[:-3], 0, "cut off"),
    ("corrupt", pcap() + record(SYN, 1) + b"\xff" * 200, 0, "corrupt"),
    ("link-type", pcap(link_type=189) + record(SYN, 1), 0, "USB"),
    ("clock-back", pcap() + record(SYN, 10, 5) + record(SYN, 5), 0, "steps back"),
    ("clock-stands", pcap() + record(SYN, 10, 5) * 4, 0, "same time stamp"),
    ("clock-fraction", pcap() + record(SYN, 10, 3_000_000), 0, "fraction of a second or more"),
    ("clock-far", section() + interface() + enhanced(SYN, 2**63) + enhanced(SYN, 2**64 - 1), 0, ""),
]


@pytest.fixture(scope="module")
def bad(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, subprocess.CompletedProcess[str]]]:
    """Every bad file replayed, two processes at a time."""
    folder = tmp_path_factory.mktemp("bad")
    for name, content, *_ in BAD:
        (folder / f"{name}.pcap").write_bytes(content)
    paths = [folder / f"{name}.pcap" for name, *_ in BAD]
    with ThreadPoolExecutor(2) as pool:
        told = list(pool.map(lambda path: run(path, "--json"), paths))
    return {path.stem: (path, one) for path, one in zip(paths, told, strict=True)}


@pytest.mark.parametrize(("name", "content", "code", "says"), BAD, ids=[name for name, *_ in BAD])
def test_a_bad_file_is_one_line(name: str, content: bytes, code: int, says: str, bad: Any) -> None:
    """Each gets one clear line naming the file, the right exit code and no traceback; what can be read is read."""
    path, told = bad[name]
    assert told.returncode == code, told.stderr
    assert "Traceback" not in told.stderr
    if says:
        (line,) = told.stderr.splitlines()
        assert line.startswith(f"edgeguard: {path}: ")
        assert says in line
    found = [json.loads(line) for line in told.stdout.splitlines()]
    if code == 0:
        check_far(found) if name == "clock-far" else check_contract(found)


def check_far(found: list[dict[str, Any]]) -> None:
    """A clock beyond all calendars: still a summary of all frames."""
    assert found[-1]["frames"] == 2


@pytest.mark.parametrize("name", ["missing.pcap", "."])
def test_a_file_that_is_none_is_one_line(name: str, tmp_path: Path) -> None:
    """No file, or a folder: one line, exit code 1."""
    told = run(tmp_path / name, "--json")
    assert (told.returncode, told.stdout) == (1, "")
    assert told.stderr.count("\n") == 1
    assert "cannot be read" in told.stderr


def test_a_wrong_configuration_is_found_before_the_file_is_read(tmp_path: Path) -> None:
    """All findings of the configuration, exit code 3, nothing on standard output."""
    path, settings = tmp_path / "one.pcap", tmp_path / "wrong.toml"
    path.write_bytes(savefile([Packet(T)]))
    settings.write_text('colour = "red"\n[clocks]\nquiet = 15\n')
    told = run(path, "-c", settings, "--json")
    assert (told.returncode, told.stdout, told.stderr.count("\n")) == (3, "", 2)


SMALL = {"limits": {"syn": {"warn": 500, "act": 1_000, "hard": 3_000}}}


def replayed(path: Path, over: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    """The lines of `replay --json`, made in this process."""
    settings = config.build(over or {})
    found: list[dict[str, Any]] = []
    run = Replay(path, settings, inventory.configured(settings.inventory), lambda told: found.append(jsonl.line(told)))
    run.run()
    return [*found, summary.summarise(run)]


@pytest.mark.parametrize("start", [0, 4_102_444_800 * SECOND])
def test_a_flood_far_from_any_calendar_is_one_that_is_told(start: int, tmp_path: Path) -> None:
    """A savefile whose clock stands at 1970, or in the year 2100, is judged like any other."""
    path = tmp_path / "far.pcap"
    path.write_bytes(savefile(Packet(start + n * 100_000) for n in range(4_000)))
    found = replayed(path, SMALL)
    check_contract(found)
    assert [v["band"] for v in of(found, "verdict")] == ["hard"]
    assert found[-1]["peak_syn_1s"]["packets"] == 4_000


def test_a_clock_that_was_set_back_convicts_nobody(tmp_path: Path) -> None:
    """Two captures of 400 SYN a second, the later one of an hour before: nothing is found, as in each alone."""
    path = tmp_path / "back.pcap"
    packets = [Packet(T + start + n * 2_500_000) for start in (3_600 * SECOND, 0) for n in range(4_000)]
    path.write_bytes(savefile(packets))
    found = replayed(path, SMALL)
    assert [line["type"] for line in found] == ["summary"]
    assert found[0]["sources"][0]["syn"] == 8_000
    assert found[0]["peak_syn_1s"]["packets"] <= 800


def test_a_customers_vms_are_added_up_as_they_are_live(tmp_path: Path) -> None:
    """Two VMs of one customer, each below its limits: the sum is a verdict with both shares, a mail to the desk, and
    no more; a VM of nobody is no part of it."""
    macs = ["02:00:00:00:00:02", "02:00:00:00:00:03", "02:00:00:00:00:04"]
    sent = bytearray(savefile(Packet(T + n * MS) for n in range(1_500)))
    frame = 16 + len(savefile([Packet(T)])) - 40  # with its header
    for n in range(1_500):
        at = 24 + n * frame + 16 + 6
        sent[at : at + 6] = bytes.fromhex(macs[n % 3].replace(":", ""))
    path = tmp_path / "sum.pcap"
    path.write_bytes(sent)
    vms = [{"id": f"vm-{n}", "macs": [mac], "taps": [f"tap{n}"]} for n, mac in enumerate(macs)]
    owned = [{**vm, "customer": "Example Ltd"} for vm in vms[:2]]
    limits = {"syn": {"warn": 400, "act": 400, "hard": 500}, "customer": {"syn": {"warn": 500, "hard": 600}}}
    found = replayed(path, {"limits": limits, "inventory": {"vm": [*owned, vms[2]]}})
    check_contract(found)
    (verdict,), (decision,), (notice,) = (of(found, kind) for kind in ("verdict", "decision", "notice"))
    assert (verdict["customer"], verdict["subject"]) == ("Example Ltd", {"vm": None, "tap": None, "source": None})
    assert (verdict["band"], verdict["measured"]) == ("hard", 600)
    assert [(share["vm"], share["packets"]) for share in verdict["shares"]] == [("vm-0", 300), ("vm-1", 300)]
    assert (decision["act"], decision["scope"]) == ("none", "observe")
    assert (notice["kind"], notice["to"]) == ("desk-customer", None)
    assert "- vm-0 at tap0: 300 SYN packets\n- vm-1 at tap1: 300 SYN packets" in notice["text"]


# ---- the real captures -----------------------------------------------------------------------------

COLUMNS = {
    "packets": "frames",
    "packets_other_link": "other_link",
    "ipv4": "ipv4",
    "ipv6": "ipv6",
    "tcp_syn": "tcp_syn",
    "tcp_synack": "tcp_synack",
    "udp": "udp",
    "udp_bytes": "udp_bytes",
    "icmp": "icmp",
    "frag_nonfirst": "fragments",
}


def captures() -> list[dict[str, str]]:
    table = CAPTURES / "totals.tsv"
    if not table.exists():
        return []
    with table.open(newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


@functools.cache
def capture(name: str) -> list[dict[str, Any]]:
    return replayed(CAPTURES / name)


def enclosed(peak: dict[str, Any] | None, exact: str) -> bool:
    if not exact or int(exact) == 0:
        return not exact or peak is None
    return peak is not None and peak["packets"] <= int(exact) <= peak["at_most"]


@pytest.mark.skipif(not captures(), reason="../shared/captures is absent: these are other people's captures")
def test_the_real_captures() -> None:
    """Of 167 captures none crashes, every total is that of the table, and the peaks enclose the exact ones."""
    rows = captures()
    assert len(rows) == 167
    for row in rows:
        found = capture(row["capture"])
        total = found[-1]
        assert {column: total[name] for column, name in COLUMNS.items()} == {c: int(row[c]) for c in COLUMNS}, row
        assert total["truncated_file"] == (row["truncated"] == "1"), row
        if row["odd_clock"] == "0":
            check_contract(found)
            assert enclosed(total["peak_syn_1s"], row["peak_syn"]), row
            assert enclosed(total["peak_udp_1s"], row["peak_udp"]), row


@pytest.mark.skipif(not captures(), reason="../shared/captures is absent: these are other people's captures")
def test_healthy_captures_are_not_acted_upon() -> None:
    """No verdict above warn in any capture that is not itself a flood."""
    quiet: Iterable[dict[str, str]] = [row for row in captures() if row["purpose"].startswith("benign")]
    for row in quiet:
        bands = {line["band"] for line in capture(row["capture"]) if line["type"] == "verdict"}
        assert bands <= {"warn"}, row


def test_a_batch_boundary_is_no_boundary(tmp_path: Path) -> None:
    """A file of many batches gives what one of few records would: totals and peaks over the boundary."""
    path = tmp_path / "many.pcap"
    path.write_bytes(savefile(Packet(T + n * 100_000, "udp", bytes=28) for n in range(20_000)))
    total = replayed(path)[-1]
    assert total["udp"] == total["frames"] == 20_000
    assert total["peak_udp_1s"] == {"source": "192.0.2.1", "packets": 10_000, "at_most": 11_000}
