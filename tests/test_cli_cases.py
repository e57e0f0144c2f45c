"""Commands that look: case list, case show, explain, nullroute list, over a real database without a daemon."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from edgeguard.cases.case import Case
from edgeguard.cases.store import Store
from edgeguard.cli import main
from edgeguard.clock import SECOND
from edgeguard.letters import Notice
from edgeguard.model import (
    Act,
    Alternative,
    Band,
    CameBack,
    Decision,
    Happened,
    Kind,
    Order,
    Outcome,
    SafetyAnswer,
    Scope,
    Subject,
    Tap,
    TapKind,
    Target,
    Verdict,
)

AT = 1_769_828_645 * SECOND  # 2026-01-31 03:04:05 UTC
TAP = Tap(7, "tap101", "02:00:5e:10:00:01", TapKind.ROUTED, "routed")
SUBJECT = Subject("vm-101", "tap101", None)
TARGET = Target(ip_address("198.51.100.7"), 6, 80, share=0.98, packets=50_960)
VERDICT = Verdict(
    id="ver-1", at=AT, rule="syn", band=Band.HARD, subject=SUBJECT, point=0, window_s=1, measured=52_000,
    at_least=51_500, limit=50_000, since=AT - SECOND, crossed=AT - 1_000_000, targets=(TARGET,), target_error=12,
    came_back=CameBack(3, 2, 1), bytes=2_080_000, peak=52_000, mean=40_000.0, foreign=520, sustain="at once",
)  # fmt: skip
DECISION = Decision(
    id="dec-1", case="case-1", verdict="ver-1", at=AT + 1_000_000, act=Act.NULL_ROUTE, scope=Scope.NARROW,
    subject=SUBJECT, tap=TAP, targets=(TARGET,), until=AT + 14_400 * SECOND, enforced=True,
    safeties=(
        SafetyAnswer("enforce", "pass", "syn.hard is listed"), SafetyAnswer("reachable", "unknown", "no contact"),
    ),
    reason="syn hard from vm-101",
)  # fmt: skip
ORDER = Order("dec-1", Act.NULL_ROUTE, Scope.NARROW, TAP, "vm-101", (), (TARGET,), AT + 14_400 * SECOND)
CASE = Case(
    "case-1", "vm-101", "web1", "tap101", 7, TAP.mac, "C-7", AT, "narrow",
    addresses=(ip_network("192.0.2.10/32"), ip_network("2001:db8:101::/64")),
)  # fmt: skip
OLD = Case("case-0", "vm-101", "web1", "tap101", 5, TAP.mac, "C-7", AT - 86_400 * SECOND, "closed")
OTHER = Case("case-2", "vm-102", "db[red]1\x1b[2J", None, None, None, None, AT + 5 * SECOND, "observed")

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """The command line with a configuration whose database holds three cases."""
    file = tmp_path / "edgeguard.toml"
    file.write_text(f'[paths]\ndatabase = "{tmp_path}/cases.sqlite"\nsocket = "{tmp_path}/none.sock"\n')
    with Store(tmp_path / "cases.sqlite") as store:
        store.put_case(OLD)
        store.close_case("case-0", AT - 80_000 * SECOND, "quiet")
        notice = Notice("not-1", "case-1", "dec-1", "narrow", "owner@example.net", {})
        store.record(CASE, VERDICT, DECISION, [notice], ORDER)
        store.outcome(Outcome("dec-1", AT + 2_000_000, Happened.ACKNOWLEDGED, "2 messages"))
        store.outcome(Outcome("dec-1", AT + SECOND, Happened.VERIFIED, "nothing leaves", ("EINVAL behind it",), 4_000))
        store.put_case(OTHER)

    def invoke(*words: str) -> Result:
        return CliRunner().invoke(main, [*words, "-c", str(file)], prog_name="edgeguard")

    return invoke


def ids(told: Result) -> list[str]:
    assert told.exit_code == 0, told.output
    return [json.loads(line)["id"] for line in told.stdout.splitlines()]


def test_cases_are_listed_youngest_first(run: Run) -> None:
    """All, the open ones, so many, and those of a term must be what is listed."""
    assert ids(run("case", "list", "--json")) == ["case-2", "case-1", "case-0"]
    assert ids(run("case", "list", "--json", "--open")) == ["case-2", "case-1"]
    assert ids(run("case", "list", "--json", "--limit", "1")) == ["case-2"]
    for term in ("vm-101", "web1", "tap101", "192.0.2.10", "2001:db8:101::5"):
        expected = ["case-1"] if ":" in term or "." in term else ["case-1", "case-0"]
        assert ids(run("case", "list", term, "--json")) == expected
    assert ids(run("case", "list", "web1", "--open", "--json")) == ["case-1"]
    assert run("case", "list", "nobody").stdout == "no cases\n"


def test_a_wrong_configuration_keeps_nobody_from_looking(run: Run, tmp_path: Path) -> None:
    """Of the configuration only the database's path is read: what else is wrong in it is `check`'s to tell."""
    file = tmp_path / "edgeguard.toml"
    file.write_text(f"{file.read_text()}[clocks]\nquiet = 15\n")
    assert ids(run("case", "list", "--json", "--open")) == ["case-2", "case-1"]
    file.write_text("[paths]\ndatabase = 7\n")
    assert run("case", "list").exit_code == 3


def test_a_piped_list_is_plain_text_with_whole_columns(run: Run) -> None:
    """Without a terminal a list must be uncoloured, uncut, and safe whatever a VM is called."""
    told = run("case", "list").stdout
    heads = ["case", "opened", "state", "vm", "name", "tap", "customer", "cases", "outcome"]
    assert told.splitlines()[0].split() == heads
    assert "db[red]1?[2J" in told
    assert "\x1b" not in told
    assert "2026-01-31 03:04:05 UTC" in told


def test_a_case_is_shown_with_its_story(run: Run) -> None:
    """The open case of a term must be shown from opening to proof, with what else there is."""
    told = run("case", "show", "web1").stdout
    assert told.startswith("case case-1: web1 (vm-101) at tap101, narrow\n")
    for part in ("opened", "verdict", "decision", "verified: nothing leaves", "notice 'narrow' for owner@example.net"):
        assert part in told
    assert told.endswith("1 more for web1: edgeguard case list web1\n")
    shown = json.loads(run("case", "show", "case-1", "--json").stdout)
    assert shown["id"] == "case-1"
    assert [entry["what"] for entry in shown["story"]][:2] == ["opened", "verdict"]
    assert shown["notices"][0]["to"] == "owner@example.net"


def test_an_explanation_shows_every_number(run: Run) -> None:
    """Measured, certain, limit, window, targets with share and error, came back, forged, safeties, outcomes."""
    told = " ".join(run("explain", "tap101").stdout.split())
    for part in (
        "case case-1: web1 (vm-101) at tap101, opened 2026-01-31 03:04:05 UTC, narrow",
        "dec-1: null-route narrow to 198.51.100.7:80/tcp until 2026-01-31 07:04:05 UTC, by automation",
        "syn, band hard",
        "52,000 packets in 1 s, for certain 51,500",
        "50,000 packets in 1 s, at once; 51,500 - 50,000 = 1,500 above it",
        "mean 40,000 packets a second since then, peak 52,000 in 1 s",
        "16.6 Mbit/s (2,080,000 bytes of IP in 1 s)",
        "198.51.100.7:80/tcp: 50,960 / 52,000 = 98 % for certain",
        "each may have up to 12 packets more",
        "3 packets from the same targets in the same time, 2 SYN-ACK, 1 RST",
        "520 of 52,000 packets (1 %) carried a source that is not the VM's",
        "enforce pass syn.hard is listed",
        "reachable unknown no contact",
        "verified nothing leaves; EINVAL behind it; 4,000 frames dropped",
    ):
        assert part in told
    assert "limit by the configuration" in told and "taken for flood" in told
    explained = json.loads(run("explain", "web1", "--json").stdout)
    assert explained["policy"] == "the configuration" and explained["enforce"] == []
    (one,) = explained["decisions"]
    assert one["verdict"]["at_least"] == 51_500
    assert (one["limits"]["from"], one["limits"]["hard"]) == ("the configuration", 50_000)
    assert set(one) == {"decision", "verdict", "limits", "outcomes"}
    assert one["decision"]["targets"][0]["address"] == "198.51.100.7"
    assert [outcome["happened"] for outcome in one["outcomes"]] == ["acknowledged", "verified"]


MANUAL = (Path(__file__).parents[1] / "docs" / "commands.md").read_text(encoding="utf-8")
CARPET = Target(ip_address("198.51.100.0"), 17, None, share=0.9, packets=250_000, length=24)
IN_BITS = replace(
    VERDICT, id="ver-9", rule="udp", kind=Kind.CARPET, unit="bits", measured=2_400_000_000, at_least=2_390_000_000,
    limit=2_000_000_000, targets=(CARPET,), came_back=CameBack(None), forging=True, harm="uplink eth0 drops",
    baseline="3 times the P95 of 7 days",
    alternatives=(Alternative("carpet", True, "198.51.100.0/24 got most"), Alternative("scan", False, "too many each")),
)  # fmt: skip
OWN_ONLY = replace(
    DECISION, id="dec-9", case="case-9", verdict="ver-9", scope=Scope.OWN_ONLY, targets=(), enforced=False
)


@pytest.fixture
def own_only(run: Run, tmp_path: Path) -> Run:
    """The same with a case about a carpet in bits, and forged senders."""
    with Store(tmp_path / "cases.sqlite") as store:
        store.record(replace(CASE, id="case-9", vm="vm-109", vm_name="web9", tap="tap109"), IN_BITS, OWN_ONLY, [], None)
        only = replace(DECISION, id="dec-8", case="case-9", verdict="ver-8", act=Act.NONE, enforced=False, until=None)
        store.record(replace(CASE, id="case-9"), replace(VERDICT, id="ver-8"), only, [], None)
    return run


def test_an_explanation_tells_every_reading(own_only: Run) -> None:
    """What it was taken for, each reading kept or dropped with its arithmetic, bits as bits, unknown as unknown."""
    told = " ".join(own_only("explain", "ver-9").stdout.split())
    for part in (
        "dec-9: null-route own-only until",
        "2.4 Gbit/s, for certain 2.39 Gbit/s",
        "2 Gbit/s, at once; 2.39 Gbit/s - 2 Gbit/s = 390 Mbit/s above it",
        "198.51.100.0/24 any port/udp: 250,000 packets, 90 % for certain",
        "not known, which supports nothing",
        "520 packets carried a source that is not the VM's",
        "harm uplink eth0 drops",
        "used to 3 times the P95 of 7 days",
        "taken for carpet with forged senders: own-only would stop it",
        "carpet kept 198.51.100.0/24 got most",
        "scan dropped too many each",
        "limit by the configuration, where it is none now",
    ):
        assert part in told
    assert "dec-8" not in told
    assert "dec-8" in own_only("explain", "case-9").stdout


def test_the_manual_names_every_key_of_an_explanation(own_only: Run) -> None:
    """docs/commands.md lists each key of the JSON, at every level; the document keeps them whatever is known."""
    document = json.loads(own_only("explain", "ver-9", "--json").stdout)
    (one,) = document["decisions"]
    assert one["verdict"]["alternatives"][1] == {"kind": "scan", "holds": False, "why": "too many each"}
    found = {*document, *one, *one["decision"], *one["verdict"], *one["verdict"]["targets"][0], *one["limits"]}
    found |= {*one["verdict"]["came_back"], *one["verdict"]["alternatives"][0], *one["decision"]["safeties"][0]}
    missing = [key for key in found if f"`{key}`" not in MANUAL]
    assert missing == []


def test_null_routes_are_listed_until_they_end(run: Run, tmp_path: Path) -> None:
    """What stands must be listed with target, end and proof; after its release nothing."""
    told = run("nullroute", "list").stdout
    for part in ("dec-1", "  198.51.100.7  ", "2026-01-31 07:04:05 UTC", "verified", "automation"):
        assert part in told
    (line,) = run("nullroute", "list", "--json").stdout.splitlines()
    assert json.loads(line)["decision"]["id"] == "dec-1"
    with Store(tmp_path / "cases.sqlite") as store:
        store.outcome(Outcome("dec-1", AT + 60 * SECOND, Happened.RELEASED, "quiet"))
    assert run("nullroute", "list").stdout == "nothing is null-routed\n"
    assert run("nullroute", "list", "--json").stdout == ""


@pytest.mark.parametrize("words", [("case", "show", "nobody"), ("explain", "192.0.2.99")])
def test_a_term_without_a_case_is_one_sentence(run: Run, words: tuple[str, ...]) -> None:
    """A term that fits no case must exit 1 and say what to do."""
    told = run(*words)
    assert told.exit_code == 1
    assert told.stderr == f"edgeguard: no case for {words[-1]!r}; 'edgeguard case list' shows the cases there are\n"


def test_without_a_database_looking_says_so(tmp_path: Path) -> None:
    """A host where the daemon never ran must be told so in one line, with nothing created."""
    file = tmp_path / "edgeguard.toml"
    file.write_text(f'[paths]\ndatabase = "{tmp_path}/none.sqlite"\n')
    for words in (["case", "list"], ["nullroute", "list"], ["explain", "web1"]):
        told = CliRunner().invoke(main, [*words, "-c", str(file)])
        assert told.exit_code == 1
        assert told.stderr.startswith(f"edgeguard: {tmp_path}/none.sqlite: there is no case database")
    assert list(tmp_path.iterdir()) == [file]
