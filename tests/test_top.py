"""A frame of `edgeguard top`: what stands where, and that nothing is wider, longer or rawer than the terminal."""

from __future__ import annotations

import json
from dataclasses import replace
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from readings import reading
from samples import DECISION

from edgeguard.cli import main
from edgeguard.clock import HOUR, MINUTE, SECOND
from edgeguard.counting.flow_memory import FlowMemory, Heavy
from edgeguard.daemon.behind import attempts
from edgeguard.daemon.overview import folded
from edgeguard.glance import client, command, screen
from edgeguard.glance import frame as frames
from edgeguard.glance.frame import columns, frame, left, plain, shared, short
from edgeguard.model import Scope, Target
from edgeguard.reading import OUT, Flow
from edgeguard.record import RECORD
from edgeguard.request import Status, Top, written

T = 1_767_225_845 * SECOND
HOSTILE = "vm\x1b[2J\n\u202e\x07\udc80"


def way(**counts: int) -> dict[str, int]:
    return {**dict.fromkeys(OUT, 0), "bits": 0, **counts}


def vm(name: str | None, **more: Any) -> dict[str, Any]:
    usual = {"name": name, "customer": None, "tap": "tap101", "out": way(syn=812_000, total=812_400), "into": way()}
    return {"vm": name, **usual, "band": None, "rule": None, "null_routed": False, **more}


def route(name: str, **more: Any) -> dict[str, Any]:
    usual = {"decision": "d-1", "case": "EG-1", "tap": "tap101", "scope": "narrow", "by": "automation"}
    targets = ["198.51.100.7:80/tcp"]
    times = {"since": T - MINUTE, "until": T + 4 * HOUR - SECOND}
    return {"vm": name, **usual, "targets": targets, **times, "proof": "verified", "attempts": 812_344, **more}


def remote(network: str, **more: Any) -> dict[str, Any]:
    return {"network": network, "direction": "out", "class": "syn", "at_least": 5, "at_most": 5, "tap": None, **more}


def listed(*shown: Any, number: int | None = None, **more: Any) -> dict[str, Any]:
    return {"number": len(shown) if number is None else number, "shown": list(shown), **more}


def answer(**more: Any) -> dict[str, Any]:
    usual: dict[str, Any] = {
        "at": T,
        "version": "1.2.3",
        "host_name": "hv7",
        "uptime_s": 1_051_200.5,
        "enforce": ["syn.hard"],
        "received": 10_000,
        "received_rate": 1_204_331,
        "lost": 0,
        "lost_rate": 0,
        "loss": 0.0,
        "lag_ns": 3_000_000,
        "clock_steps": 0,
        "taps": 112,
        "taps_unknown": 0,
        "trouble": {},
        "unsent": {"mail": {"number": 0, "oldest": None}},
        "null_routes": listed(),
        "vms": listed(),
        "remotes": listed(limits={"syn": 1_000, "udp": 10_000}),
    }
    return {**usual, **more}


def told(found: dict[str, Any], width: int = 80, height: int = 24) -> list[str]:
    return plain(frame(found, width, height)).split("\n")


def test_a_quiet_host_is_said_to_be_quiet() -> None:
    """Who it is, since when, what it does and that nothing is wrong, in words instead of empty tables."""
    assert told(answer()) == [
        "EdgeGuard hv7  2026-01-01 00:04:05 UTC  up 12 d 4 h  1.2.3  enforces syn.hard",
        "1.2M frames/s  lost none (0 so far)  lag 3 ms  112 taps",
        "",
        "NULL ROUTES none",
        "",
        "VMs none sends or receives",
        "",
        "REMOTE none above syn 1k, udp 10k a second",
    ]
    assert told(answer(enforce=[]))[0].endswith("observes only")


def test_a_flood_stands_where_it_is_looked_for() -> None:
    """The null route with the attempts behind it, its end and proof; then the VM with its rates; then the target."""
    found = answer(
        lost_rate=1_500,
        loss=0.012,
        null_routes=listed(route("vm-101"), route("vm-102", targets=[], scope="full", proof="not stopped")),
        vms=listed(vm("vm-101", band="hard", rule="syn"), vm(None, tap="tap9"), vm("vm-102", null_routed=True)),
        remotes=listed(
            remote("198.51.100.7/32", at_least=811_000, at_most=812_000, tap="tap101"), limits={"syn": 1000}
        ),
    )
    lines = told(found)
    assert "lost 1.5k a second (1 %)" in lines[1]
    assert lines[3].split() == ["NULL", "ROUTES", "2", "dropped", "tries/s", "ends", "proof"]
    assert lines[4].split() == ["vm-101", "198.51.100.7:80/tcp", "812k", "3h59m", "verified"]
    assert lines[5].split() == ["vm-102", "everything", "812k", "3h59m", "not", "stopped"]
    assert lines[7].split()[:3] == ["VMs", "3", "tap"]
    assert lines[8].split() == ["vm-101", "tap101", "812k", "0", "812k", "0", "0", "hard", "syn"]
    assert lines[9].split()[:2] == ["(unknown)", "tap9"]
    assert lines[10].endswith("null-routed")
    assert lines[12] == "REMOTE 1 above syn 1k a second"
    assert lines[13].split() == ["to", "198.51.100.7", "811k", "to", "812k", "syn", "at", "tap101"]
    assert all(len(line) <= 80 for line in lines)


def test_what_is_wrong_is_red_and_first() -> None:
    """Troubles come right below the head, three lines of them at most, a mail that waits for a minute among them."""
    unsent = {"mail": {"number": 3, "oldest": T - 12 * MINUTE}, "page": {"number": 1, "oldest": T - SECOND}}
    lines = frame(answer(trouble={"mail": "refused", "rules": "rules /x: wrong"}, unsent=unsent))
    assert lines[2:5] == [
        (("! mail: refused", frames.WRONG),),
        (("! rules /x: wrong", frames.WRONG),),
        (("! unsent: 3 by mail, the oldest for 12 min", frames.WRONG),),
    ]
    many = {str(n): "x" for n in range(7)}
    assert told(answer(trouble=many))[4] == "! 5 more troubles: see 'edgeguard status'"


def test_what_does_not_fit_is_counted() -> None:
    """A title names how many there are when not all are shown, also those that the daemon left out."""
    vms = [vm(f"vm-{n}") for n in range(50)]
    lines = told(answer(vms=listed(*vms, number=900)), height=24)
    assert len(lines) == 24
    (title,) = [line for line in lines if line.startswith("VMs")]
    assert title.split()[:4] == ["VMs", str(sum("tap101" in line for line in lines)), "of", "900"]


@given(room=st.integers(0, 60), wants=st.lists(st.integers(0, 60), min_size=3, max_size=3))
def test_lines_are_shared_fairly(room: int, wants: list[int]) -> None:
    """Nobody gets more than wanted, all room is used while somebody wants it, and each has at least its third."""
    shares = shared(room, wants)
    assert sum(shares) == min(room, sum(wants))
    assert all(min(want, room // 3) <= share <= want for share, want in zip(shares, wants, strict=True))


NAMES = st.one_of(st.text(alphabet=st.characters(), max_size=40), st.just(HOSTILE), st.just("維" * 30))


@given(name=NAMES, words=NAMES, width=st.integers(80, 200), height=st.integers(5, 60), many=st.integers(0, 60))
def test_no_frame_breaks_out_of_its_terminal(name: str, words: str, width: int, height: int, many: int) -> None:
    """Whatever names are, each line prints and is not wider than the terminal, and there are not too many."""
    found = answer(
        host_name=name,
        trouble={"mail": words},
        null_routes=listed(*(route(name, targets=[words], proof=words) for _ in range(many))),
        vms=listed(*(vm(name, tap=words, band="warn", rule="udp") for _ in range(many))),
        remotes=listed(*(remote("2001:db8::/48", tap=name) for _ in range(many)), limits={"syn": 1_000}),
    )
    lines = told(found, width, height)
    assert len(lines) <= height
    for line in lines:
        assert line.isprintable()
        assert columns(line) <= width


@pytest.mark.parametrize(
    ("n", "text"),
    [
        *((0, "0"), (950, "950"), (999.6, "1k"), (1_200, "1.2k"), (12_345, "12.3k"), (812_344, "812k")),
        *((999_600, "1M"), (1_240_000, "1.24M"), (10**9, "1G"), (2.5e12, "2.5T")),
    ],
)
def test_numbers_have_three_digits(n: float, text: str) -> None:
    """Short enough for a column, and never in a notation that nobody reads at night."""
    assert short(n) == text


@given(st.floats(0, 9.9e14))
def test_every_number_fits_its_column(n: float) -> None:
    """No rate is wider than a column of six."""
    assert len(short(n)) <= 6 and "e" not in short(n)


@pytest.mark.parametrize(
    ("ns", "text"),
    [(4 * HOUR - SECOND, "3h59m"), (750 * SECOND, "12m30s"), (9 * SECOND, "9s"), (SECOND // 2, "0s"), (-SECOND, "0s")],
)
def test_what_is_left_is_short(ns: int, text: str) -> None:
    """Two parts at most, and nothing below zero."""
    assert left(ns) == text


# ---- the commands ------------------------------------------------------------------------------------


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[tuple[str, bytes]]:
    """What was asked of which socket; the answer is a frame of fifty VMs."""
    found: list[tuple[str, bytes]] = []

    def exchange(path: str, request: bytes, timeout_s: float = 10.0) -> dict[str, Any]:
        found.append((path, request))
        return FIFTY

    monkeypatch.setattr(client, "exchange", exchange)
    file = tmp_path / "edgeguard.toml"
    file.write_text(f'[paths]\nsocket = "{tmp_path}/sock"\n')
    monkeypatch.setenv("EDGEGUARD_CONFIG", str(file))
    return found


FIFTY = answer(vms=listed(*(vm(f"vm-{n}") for n in range(50))))


def test_once_prints_a_frame_and_json_the_data(
    asked: list[tuple[str, bytes]], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Where the output is no terminal, all rows are printed; --json is the daemon's answer in one line."""
    for words in (["top", "--once"], ["top"]):
        assert command.answered(words) == 0
        assert capsys.readouterr().out.count("tap101") == 50
    assert command.answered(["top", "--json", "--once"]) == 0
    assert json.loads(capsys.readouterr().out) == FIFTY
    assert asked == [(f"{tmp_path}/sock", client.TOP)] * 3


@pytest.mark.parametrize("words", [["top", "--once"], ["top", "--json"], ["top"]])
def test_both_ways_in_say_the_same(
    asked: list[tuple[str, bytes]], capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    """The short way of a plain command and the whole command line must print the same text."""
    assert command.answered(words) == 0
    assert CliRunner().invoke(main, words).output == capsys.readouterr().out


@pytest.mark.parametrize(
    "words",
    [
        *([], [""], ["top", "--help"], ["top", "--colour"], ["status", "--once"], ["top", "-c"], ["case", "list"]),
        *(["top", "x"], ["top", "--config=x"], ["run"], ["--version"]),
    ],
)
def test_everything_else_is_for_the_whole_command_line(asked: list[tuple[str, bytes]], words: list[str]) -> None:
    """Help, other commands and whatever is not understood must be left to those who can refuse it in words."""
    assert command.answered(words) is None
    assert not asked


def test_a_configuration_that_cannot_be_read_is_for_those_who_say_why(tmp_path: Path) -> None:
    """No socket is guessed where the file does not say it."""
    file = tmp_path / "edgeguard.toml"
    file.write_text("[paths]\nsocket = 7\n")
    assert command.answered(["top", "-c", str(file)]) is None
    assert command.answered(["top", "--config", str(tmp_path / "missing.toml")]) is None


def test_no_daemon_is_one_line_and_exit_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As every command says it."""
    file = tmp_path / "edgeguard.toml"
    file.write_text(f'[paths]\nsocket = "{tmp_path}/sock"\n')
    assert command.answered(["status", "-c", str(file)]) == 1
    told = capsys.readouterr().err
    assert told == (
        f"edgeguard: {tmp_path}/sock: no daemon answers here; start it with 'edgeguard run', "
        "or name its configuration with -c\n"
    )


def test_the_lines_on_the_wire_are_the_requests() -> None:
    """What is written without request.py must be what it writes."""
    assert json.loads(client.TOP) == json.loads(written(Top()))
    assert json.loads(client.STATUS) == json.loads(written(Status()))


def test_a_daemon_that_is_away_is_a_frame_of_its_own(tmp_path: Path) -> None:
    """While nobody answers the reason stands there, made safe and cut, and how to end."""
    lines = plain(screen.lines(str(tmp_path / HOSTILE.replace("\udc80", "")) + "x" * 20, 80, 24)).split("\n")
    assert lines[0].startswith("! ") and lines[0].isprintable() and len(lines[0]) <= 80
    assert lines[2] == "asked again every second; q ends"


def test_a_frame_is_drawn_over_the_last_one() -> None:
    """From the corner, each line cleared to its end, the rest of the screen too; colours only where wanted."""
    shown = frame(answer(trouble={"mail": "refused"}))
    drawn = screen.drawn(shown, colours=True)
    assert drawn.startswith("\x1b[H") and drawn.endswith("\x1b[K\x1b[J")
    assert "\x1b[1;31m! mail: refused\x1b[0m\x1b[K\r\n" in drawn
    without = screen.drawn(shown, colours=False)
    assert without.replace("\x1b[H", "").replace("\x1b[K\r\n", "\n").replace("\x1b[K\x1b[J", "") == plain(shown)
    assert {style for line in shown for _, style in line} <= {"", *screen.CODES}


@pytest.mark.parametrize(
    ("columns", "rows", "expected"),
    [("", "", (80, 24)), ("120", "", (120, 24)), ("0", "x", (80, 24)), ("7", "1", (40, 2)), ("200", "60", (200, 60))],
)
def test_the_size_is_the_terminals(
    monkeypatch: pytest.MonkeyPatch, columns: str, rows: str, expected: tuple[int, int]
) -> None:
    """$COLUMNS and $LINES go first; nonsense in them is passed over, and no frame is narrower than 40."""
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setenv("LINES", rows)
    assert frames.size() == expected


# ---- what the daemon puts into it ----------------------------------------------------------------------


def flow(address: str, packets: int, protocol: int = 6, port: int | None = 80, **more: Any) -> Flow:
    return Flow(ip_address(address), protocol, port, packets, packets if port else 0, 0, **more)


FLOWS = (
    flow("203.0.113.5", 900),
    flow("203.0.113.5", 70, port=None),
    flow("203.0.113.5", 50, protocol=17, port=53),
    flow("203.0.113.9", 30),
    flow("203.0.113.0", 1_000, length=24),
    flow("2001:db8::9", 7),
)


@pytest.mark.parametrize(
    ("targets", "expected"),
    [
        ([Target(ip_address("203.0.113.5"), 6, 80)], 900),
        ([Target(ip_address("203.0.113.5"), 6, None)], 970),
        ([Target(ip_address("203.0.113.5"), 0, None)], 1_020),
        ([Target(ip_address("203.0.113.0"), 6, None, length=24)], 1_000),
        ([Target(ip_address("203.0.113.5"), 6, 80), Target(ip_address("203.0.113.5"), 6, None)], 970),
        ([Target(ip_address("198.51.100.1"), 6, 80)], 0),
        ([Target(ip_address("2001:db8::9"), 6, 80)], 7),
    ],
)
def test_attempts_are_of_the_targets(targets: list[Target], expected: int) -> None:
    """What goes to a target, by protocol and port where the null route has them; each flow once, no prefix twice."""
    decision = replace(DECISION, targets=tuple(targets))
    assert attempts(decision, reading(flows=FLOWS)) == expected


def test_attempts_of_the_wider_scopes() -> None:
    """Everything that leaves a VM is behind a full null route; only forged packets are behind own-only."""
    one = replace(reading(), packets={**reading().packets, "total": 77}, foreign={"total": 5})
    assert attempts(replace(DECISION, scope=Scope.FULL, targets=()), one) == 77
    assert attempts(replace(DECISION, scope=Scope.OWN_ONLY, targets=()), one) == 5
    assert attempts(replace(DECISION, scope=Scope.OWN_ONLY, targets=()), replace(one, foreign=None)) is None


def heavy(network: str, at_least: int, out: bool = True) -> tuple[Heavy, str]:
    return Heavy(ip_network(network), out, at_least, 1_000, 0), "syn"


def test_a_prefix_that_one_address_fills_is_left_out() -> None:
    """The address says it all; a prefix of many stays, and so does one of the other direction."""
    host, six = heavy("198.51.100.7/32", 950), heavy("2001:db8::7/128", 990)
    of_many, others = heavy("203.0.113.0/24", 1_000), heavy("198.51.100.0/24", 1_000, out=False)
    filled = [heavy("198.51.100.0/24", 1_000), heavy("2001:db8::/64", 1_000), heavy("2001:db8::/48", 1_000)]
    assert folded([*filled, host, six, of_many, others]) == [host, six, of_many, others]
    some = heavy("203.0.113.9/32", 800)
    assert folded([of_many, some]) == [of_many, some]


def test_the_largest_keys_are_the_ones_that_are_cut_to() -> None:
    """Of many keys above a limit, as many as are wanted are given, and none that is left out is larger."""
    memory = FlowMemory({"syn": 100, "udp": 100, "packets": 100}, (1, 2))
    rows = np.zeros(60_000, RECORD)
    rows["ts"] = T + np.arange(len(rows)) * 10_000
    rows["family"], rows["protocol"], rows["packets"], rows["bytes"] = 4, 6, 1, 60
    rows["dst_lo"] = 0xC6336401 + np.minimum(np.arange(len(rows)) % 97, np.arange(len(rows)) % 61) * 256
    memory.add(rows, 0, len(rows))
    every, some = memory.heavy("packets", 100), memory.heavy("packets", 100, 7)
    assert len(every) > 7 == len(some)
    assert [one.at_most for one in some] == [one.at_most for one in every[:7]]
