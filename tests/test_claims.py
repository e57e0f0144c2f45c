"""What customers say beside what was measured: a table of claims, and that any claim gets an honest answer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from samples import CASE, DECISION, ORDER, VERDICT, notices

from edgeguard.cases.store import Store
from edgeguard.claims.check import check
from edgeguard.claims.claim import Answer, Claim
from edgeguard.claims.programs import known, usual
from edgeguard.cli import main
from edgeguard.model import CameBack, Target, Verdict

YES, NO, UNKNOWN = Answer.CONSISTENT, Answer.INCONSISTENT, Answer.CANNOT_TELL
SYN = VERDICT  # tcp to 203.0.113.5:80, 94 %, and to [2001:db8::99]:443; 31,000 a second, 50,012 at most
TO_443 = (Target(ip_address("198.51.100.7"), 17, 443, 0.97, 48_000),)
QUIC = replace(VERDICT, rule="udp", targets=TO_443, peak=60_000, mean=40_000.0)
CARPET = replace(QUIC, targets=(Target(ip_address("198.51.100.0"), 17, None, 0.9, 45_000, 24),))
SPRAY = replace(QUIC, targets=())
TOTAL = replace(QUIC, rule="total", targets=(Target(ip_address("198.51.100.7"), 0, None, 1.0, 50_000),))
IN_BITS = replace(QUIC, unit="bits", measured=9_000_000_000)
RECEIVED = replace(SYN, rule="syn-in")


@pytest.mark.parametrize(
    ("verdict", "field", "said", "answer"),
    [
        (SYN, "protocol", {"protocol": 6}, YES),
        (SYN, "protocol", {"protocol": 17}, NO),
        (SPRAY, "protocol", {"protocol": 17}, YES),
        (SPRAY, "protocol", {"protocol": 6}, NO),
        (TOTAL, "protocol", {"protocol": 17}, UNKNOWN),
        (SYN, "target", {"target": "203.0.113.5"}, YES),
        (SYN, "target", {"target": "203.0.113.0/24"}, YES),
        (SYN, "target", {"target": "203.0.113.6"}, NO),
        (SYN, "target", {"target": "2001:db8::99"}, NO),
        (SPRAY, "target", {"target": "203.0.113.5"}, UNKNOWN),
        (CARPET, "target", {"target": "198.51.100.9"}, UNKNOWN),
        (CARPET, "target", {"target": "198.51.0.0/16"}, YES),
        (CARPET, "target", {"target": "203.0.113.5"}, NO),
        (SYN, "port", {"port": 80}, YES),
        (SYN, "port", {"port": 443}, NO),
        (CARPET, "port", {"port": 443}, UNKNOWN),
        (SYN, "rate", {"rate": 20_000}, YES),
        (SYN, "rate", {"rate": 1_000}, NO),
        (SYN, "rate", {"rate": 200_000}, NO),
        (IN_BITS, "rate", {"rate": 20_000}, UNKNOWN),
        (QUIC, "program", {"program": "HTTP/3"}, YES),
        (QUIC, "program", {"program": "quic"}, YES),
        (QUIC, "program", {"program": "https"}, YES),
        (QUIC, "program", {"program": "mysqldump"}, NO),
        (QUIC, "program", {"program": "dns"}, UNKNOWN),
        (QUIC, "program", {"program": "bittorrent"}, YES),
        (QUIC, "program", {"program": "our-own-tool"}, UNKNOWN),
        (SYN, "program", {"program": "rsync"}, UNKNOWN),
        (SYN, "connections", {"program": "rsync"}, UNKNOWN),
        (replace(SYN, came_back=CameBack(9, 3, 3, 0)), "connections", {"program": "rsync"}, NO),
        (replace(SYN, came_back=CameBack(90_000, 45_000, 0, 40_000)), "connections", {"protocol": 6}, YES),
    ],
)
def test_a_claim_gets_its_answer(verdict: Verdict, field: str, said: dict[str, Any], answer: Answer) -> None:
    """Each kind of claim, against a flood that it fits, that it does not fit, and that says nothing about it."""
    values = {**said, **({"target": ip_network(said["target"])} if "target" in said else {})}
    (finding,) = [one for one in check(Claim(**values), [verdict]) if one.field == field]
    assert finding.answer is answer, finding
    assert finding.why and finding.measured


def test_the_dump_that_was_udp() -> None:
    """The claim of 2013, a database dump over TLS, is shown to contradict the UDP that was measured."""
    claim = Claim("mysqldump", 6, ip_network("198.51.100.7"), 443)
    told = {one.field: one.answer for one in check(claim, [QUIC])}
    assert told == {"program": NO, "protocol": NO, "target": YES, "port": YES}
    assert "QUIC and HTTP/3 are UDP" in next(one.why for one in check(claim, [QUIC]) if one.field == "protocol")


@pytest.mark.parametrize("verdicts", [[], [RECEIVED]])
def test_nothing_measured_tells_nothing(verdicts: list[Verdict]) -> None:
    """Without a verdict about what the VM sent no claim is contradicted; what it received is no ground."""
    claim = Claim("rsync", 17, ip_network("203.0.113.5"), 80, 9)
    found = check(claim, verdicts)
    assert len(found) == 5 and all(one.answer is UNKNOWN for one in found)


def test_two_floods_are_weighed() -> None:
    """A claim that explains one of two floods of a size is neither consistent nor inconsistent."""
    assert check(Claim(protocol=17), [SYN, QUIC])[0].answer is UNKNOWN
    assert check(Claim(protocol=17), [replace(SYN, measured=10, targets=()), QUIC])[0].answer is YES


TARGETS = st.builds(
    Target,
    st.sampled_from([ip_address("198.51.100.7"), ip_address("203.0.113.5"), ip_address("2001:db8::99")]),
    st.sampled_from([0, 6, 17, 1, 47]),
    st.none() | st.integers(1, 65_535),
    st.floats(0, 0.3),
    st.integers(0, 10_000),
)
VERDICTS = st.builds(
    replace,
    st.just(VERDICT),
    rule=st.sampled_from(["syn", "udp", "icmp", "tcp", "total", "fragments", "syn-in"]),
    targets=st.lists(TARGETS, max_size=4).map(tuple),
    measured=st.integers(0, 10**6),
    unit=st.sampled_from(["packets", "bits"]),
)
CLAIMS = st.builds(
    Claim,
    st.none() | st.sampled_from(sorted(known())) | st.text(max_size=20),
    st.none() | st.sampled_from([1, 6, 17, 58]),
    st.none() | st.sampled_from([ip_network("198.51.100.0/24"), ip_network("2001:db8::/32"), ip_network("0.0.0.0/0")]),
    st.none() | st.integers(1, 65_535),
    st.none() | st.integers(1, 10**9),
)


@given(CLAIMS, st.lists(VERDICTS, max_size=3))
def test_any_claim_is_answered(claim: Claim, verdicts: list[Verdict]) -> None:
    """Every field that is said gets one answer with a sentence, the same whatever the order of the verdicts."""
    found = check(claim, verdicts)
    said = [name for name in ("program", "protocol", "target", "port", "rate") if getattr(claim, name) is not None]
    assert [one.field for one in found if one.field != "connections"] == said
    assert all(one.why for one in found)
    assert [one.answer for one in check(claim, verdicts[::-1])] == [one.answer for one in found]


def test_the_list_of_programs_is_sound() -> None:
    """A few dozen programs, each with ways that exist, and found however they are spelled."""
    assert len(known()) > 50
    assert usual("MySQL") == usual("mysql") and usual("http3") == usual("HTTP/3") and usual("nonesuch") is None
    assert all(ways and all(way.port is None or 0 < way.port < 65_536 for way in ways) for ways in known().values())


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Path]:
    with Store(tmp_path / "cases.sqlite") as store:
        store.record(CASE, VERDICT, DECISION, notices(), ORDER)
    path = tmp_path / "edgeguard.toml"
    path.write_text(f'[paths]\ndatabase = "{tmp_path}/cases.sqlite"\n')
    yield path


def test_the_command_prints_and_notes_it(file: Path, tmp_path: Path) -> None:
    """It prints claim and measurement one below the other, and the case keeps the answer."""
    words = ["case", "claim-check", "web1", "--program", "ntp", "--rate", "20000", "-c", str(file)]
    told = CliRunner().invoke(main, words)
    assert told.exit_code == 0, told.output
    for part in ("program: inconsistent", "tcp to 203.0.113.5 port 80 (94 %)", "rate: consistent", "31,000 on average"):
        assert part in told.stdout
    document = json.loads(CliRunner().invoke(main, [*words, "--json"]).stdout)
    assert [one["answer"] for one in document["findings"]] == ["inconsistent", "consistent"]
    with Store(tmp_path / "cases.sqlite") as store:
        notes = [entry.text for entry in store.timeline(CASE.id) if entry.what == "note"]
    assert len(notes) == 2 and "claim checked: program ntp" in notes[0] and "inconsistent" in notes[0]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "say what is claimed"),
        (["--target", "rsync.example.net"], "write an address like"),
        (["--rate", "0"], "--rate"),
        (["--protocol", "smoke"], "--protocol"),
    ],
)
def test_what_cannot_be_checked_is_one_line(file: Path, words: list[str], said: str) -> None:
    """A claim that says nothing, or nothing that can be measured, is refused."""
    told = CliRunner().invoke(main, ["case", "claim-check", "web1", *words, "-c", str(file)])
    assert told.exit_code == 2 and said in told.stderr
