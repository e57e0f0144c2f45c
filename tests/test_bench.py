"""The benches: their traffic is what it says, their arithmetic is right, and the page holds their results."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import dpkt
import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))  # the benches are no part of the package

from bench import reaction, replay
from bench.parts import report, traffic
from bench.parts.readers import READERS
from bench.table import __main__ as table

ROOT = Path(__file__).parents[1]
PACKETS = 20_000
CONTRACT = {"bench", "value", "unit", "ratios", "spread", "machine", "commit"}


@pytest.fixture(scope="module")
def plan() -> traffic.Plan:
    return traffic.plan(PACKETS)


@pytest.fixture(scope="module")
def savefile(plan: traffic.Plan, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bench") / "small.pcap"
    traffic.write(path, plan)
    return path


# ---- the traffic --------------------------------------------------------------------------------


def test_the_traffic_is_the_same_every_time(plan: traffic.Plan, savefile: Path, tmp_path: Path) -> None:
    """Two runs of a bench must measure the same bytes."""
    traffic.write(tmp_path / "again.pcap", traffic.plan(PACKETS))
    assert (tmp_path / "again.pcap").read_bytes() == savefile.read_bytes()


def test_the_frames_are_whole(savefile: Path) -> None:
    """Each frame must be 60 bytes, IPv6 74, in order of time, with the lengths that its headers claim."""
    last = 0.0
    with savefile.open("rb") as file:
        for at, frame in dpkt.pcap.Reader(file):
            network = dpkt.ethernet.Ethernet(frame).data
            six = isinstance(network, dpkt.ip6.IP6)
            assert len(frame) == (74 if six else 60)
            assert at >= last
            last = at
            inside = network.data
            assert isinstance(inside, dpkt.tcp.TCP | dpkt.udp.UDP)
            length = network.plen if six else network.len - 20
            assert length == (inside.ulen if isinstance(inside, dpkt.udp.UDP) else 20 + len(inside.data))


def test_the_traffic_is_that_of_a_hypervisor(plan: traffic.Plan) -> None:
    """Some thousand sources of very different busyness, both ways, with two floods of the stated share."""
    truth = plan.truth(PACKETS)
    floods = round(0.08 * PACKETS), round(0.12 * PACKETS)
    assert truth.frames == PACKETS
    assert floods[0] < truth.tcp_syn < floods[0] + 0.02 * PACKETS
    assert floods[1] < truth.udp < 0.5 * PACKETS
    assert 0 < truth.tcp_synack < 0.02 * PACKETS
    assert 0.02 * PACKETS < truth.ipv6 < 0.2 * PACKETS
    assert len(set(plan.vm[plan.flow].tolist())) > 1000
    assert 0.3 < plan.into.mean() < 0.5


@pytest.mark.parametrize("name", READERS)
def test_every_reader_counts_what_is_there(name: str, savefile: Path, plan: traffic.Plan) -> None:
    """Ours and the rivals must count the file's own truth, or their speeds mean nothing."""
    found = READERS[name](savefile, 2_000 if name in replay.SAMPLES else PACKETS)
    read = plan.truth(int(found["frames"]))
    assert {key: found[key] for key in asdict(read) if key in found}.items() <= asdict(read).items()
    assert found["seconds"] > 0


def test_a_wrong_count_ends_the_bench(plan: traffic.Plan) -> None:
    """A reader that missed a packet must not get a speed."""
    truth = plan.truth(PACKETS)
    with pytest.raises(replay.WrongCountError, match="dpkt counted"):
        replay._check("dpkt", {**asdict(truth), "udp": truth.udp - 1}, truth)


# ---- what is printed ----------------------------------------------------------------------------


def test_contenders_run_as_processes_of_their_own(savefile: Path, plan: traffic.Plan) -> None:
    """A reader, the whole command, and tcpdump where there is one must run, be checked, and take time."""
    who = replay.contenders(savefile, plan)
    assert set(who) | {"tcpdump"} == set(replay.TITLES)
    for name in {"dpkt", "command", "tcpdump"} & set(who):
        assert who[name].run() > 0


def test_replay_prints_the_contract(capsys: pytest.CaptureFixture[str]) -> None:
    """The last line must be the contract's object, with a ratio to each rival and limit by name."""
    found = replay.result({name: [1.0, 3.0, 2.0] for name in replay.TITLES}, PACKETS)
    replay.show(found)
    report.deliver(found, as_json=True, save=False)
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == found
    assert found.keys() > CONTRACT
    assert (found["bench"], found["value"], found["unit"], found["rounds"]) == ("replay", 2.0, "Mpps", 3)
    assert found["spread"] == {"min": 1.0, "median": 2.0, "max": 3.0}
    assert {f"edgeguard/{rival}" for rival in ("tcpdump", "scapy", "dpkt", "limit")} <= found["ratios"].keys()
    assert found["mpps"].keys() == replay.TITLES.keys()


def test_a_missing_rival_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    """Without tcpdump the ratio is null and one line says so."""
    speeds = {name: [2.0, 4.0, 3.0] for name in ("edgeguard", "command", "count", "decode", "walk", "dpkt", "scapy")}
    found = replay.result(speeds, PACKETS)
    replay.show(found)
    assert found["ratios"]["edgeguard/tcpdump"] is None
    assert found["ratios"]["command/tcpdump"] is None
    assert capsys.readouterr().out.count("tcpdump is not installed here") == 1


def test_ratios_are_of_the_same_round() -> None:
    """What slows a round slows both: the median of the rounds' ratios, not the ratio of the medians."""
    speeds = {"edgeguard": [10.0, 20.0, 2.0], "tcpdump": [5.0, 10.0, 2.0]}
    assert replay.ratio(speeds, "edgeguard", "tcpdump") == 2.0


def test_every_round_begins_with_another(capsys: pytest.CaptureFixture[str]) -> None:
    """The contenders take turns at being first, and the first round is not counted."""
    order: list[str] = []

    def runs(name: str) -> replay.Contender:
        return replay.Contender(1_000_000, lambda: order.append(name) or 0.5)  # type: ignore[func-returns-value]

    speeds = replay.measure({name: runs(name) for name in "abc"}, 2, print)
    assert "".join(order) == "abcbcacab"
    assert speeds == {name: [2.0, 2.0] for name in "abc"}


def lab(number: int, **changed: Any) -> dict[str, Any]:
    """A lab's object: crossed after 400 ms, null-routed after `number` ms more."""
    start = 1_767_225_600_000_000_000
    times = {"flood_started": 0, "crossed": 400, "routed": 400 + number, "verified": 1600, "notice": 1700}
    left = {"packets_before_route": 9, "packets_leaked_after_route": 0, "packets_leaked_after_verified": 0}
    stamped = {f"{name}_ns": start + ms * 1_000_000 for name, ms in times.items()}
    return {**stamped, **left, "offered_pps": 100_000, "ok": True, **changed}


def test_reaction_measures_the_spans() -> None:
    """Median, the largest of twenty as the 99th percentile, and the limit as their ratio."""
    found = reaction.result([lab(number) for number in range(1, 21)], "routed")
    assert found.keys() > CONTRACT
    assert (found["value"], found["unit"], found["p99"]) == (10.5, "ms", 20.0)
    assert found["spread"] == {"min": 1.0, "median": 10.5, "max": 20.0}
    assert found["ratios"]["p99/limit"] == 0.8
    assert found["milliseconds"]["flood start to mail"]["median"] == 1700.0
    assert (found["runs"], found["runs_not_ok"]) == (20, 0)


def test_each_mail_has_the_limit_of_its_kind() -> None:
    """From the verification where the mail could tell it, else from the null route; never both."""
    early = lab(10, notice_ns=1_767_225_600_000_000_000 + 910 * 1_000_000)
    found = reaction.result([lab(10), early, lab(10, verified_ns=None)], "routed")
    assert found["milliseconds"]["verified to mail"]["max"] == 100.0
    assert found["milliseconds"]["routed to mail, not yet verified"]["min"] == 500.0
    assert found["milliseconds"]["routed to mail, not yet verified"]["max"] == 1290.0
    assert found["ratios"]["verified to mail, p99/limit"] == 0.1
    assert found["ratios"]["routed to mail, not yet verified, p99/limit"] == 0.258


def test_reaction_tells_runs_that_failed(capsys: pytest.CaptureFixture[str]) -> None:
    """A run that was not ok is counted and told; what never happened has no time."""
    runs = [lab(5), lab(7, ok=False, verified_ns=None, notice_ns=None)]
    found = reaction.result(runs, "bridged")
    reaction.show(found)
    assert found["runs_not_ok"] == 1
    assert found["milliseconds"]["flood start to mail"]["max"] == 1700.0
    assert "1 of 2 runs were NOT ok" in capsys.readouterr().out
    with pytest.raises(reaction.NoResultError):
        reaction.result([lab(5, routed_ns=None)], "routed")


def test_quoted_rivals_are_called_quoted() -> None:
    """What was not measured in the run must say so where it stands."""
    ratios = reaction.result([lab(10)], "routed")["ratios"]
    assert [name for name in ratios if "FastNetMon" in name and not name.endswith("(quoted)")] == []


# ---- the page -----------------------------------------------------------------------------------


def test_the_page_is_what_the_results_say() -> None:
    """docs/measured.md must be written from bench/results: no number is typed by hand."""
    assert table.PAGE.read_text(encoding="utf-8") == table.page()


def test_the_page_holds_every_number(tmp_path: Path) -> None:
    """Value, spread, machine, commit and all named measurements must reach the page."""
    found = reaction.result([lab(number) for number in (3, 4, 5)], "routed")
    (tmp_path / "reaction.json").write_text(json.dumps(found), encoding="utf-8")
    text = table.page(tmp_path)
    assert "## How long until a flood is stopped, and until its owner knows?" in text
    assert "**4 ms**, from 3 to 5" in text
    assert "| crossed to routed | 3 | 4 | 5 | 5 |" in text
    assert found["machine"]["kernel"] in text
    assert str(found["commit"] or "unknown") in text


@pytest.mark.parametrize("bench", sorted((ROOT / "bench").glob("*.py")), ids=lambda path: path.stem)
def test_every_bench_takes_json(bench: Path) -> None:
    """Each file in bench/ must take --json, and its first line must be a question."""
    told = subprocess.run([sys.executable, str(bench), "--help"], capture_output=True, text=True, check=True)
    assert "--json" in told.stdout
    assert table.question(bench.stem).endswith("?")


def test_saved_results_name_their_machine_and_commit() -> None:
    """A figure without its machine and commit proves nothing."""
    for file in report.RESULTS.glob("*.json"):
        found = json.loads(file.read_text(encoding="utf-8"))
        assert found.keys() >= CONTRACT
        assert found["bench"] == file.stem
        assert found["machine"]["cpu"]
        assert found["commit"]
