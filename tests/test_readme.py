"""The manual and the program must say the same: commands, links, numbers."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from edgeguard.capture.taps import REVERSED_KINDS
from edgeguard.cli import main
from edgeguard.clock import HOUR, MINUTE, SECOND
from edgeguard.config import Config, build
from edgeguard.counting import state
from edgeguard.decision import independent, safeties
from edgeguard.detection import aim, forging, inbound, rule, udp
from edgeguard.enforcement import items
from edgeguard.lab.scenario import SCENARIOS
from edgeguard.lab.topology import KINDS
from edgeguard.model import Band, Kind
from edgeguard.reading import INTO, OUT
from edgeguard.record import REFLECTORS
from edgeguard.replay import SOURCES

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
PAGES = [README, ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
COMMANDS = {
    "main": "python3 -m venv .venv && .venv/bin/pip install -q -e '.[lab]' && .venv/bin/edgeguard lab",
    "test": "python3 -m venv .venv && .venv/bin/pip install -q -e '.[test]' && .venv/bin/pytest",
}
HAS_METAVARS = re.compile(r"\[|\.\.\.|\b(?:SCENARIO|CASE|VM|FILE|TERM|TEXT|COMMAND)\b")


def page(name: str) -> str:
    """A page of the manual in one line, so that a sentence is found wherever it was wrapped."""
    return " ".join((ROOT / "docs" / name).read_text(encoding="utf-8").split())


@pytest.mark.parametrize("name", COMMANDS)
def test_the_readme_has_the_command_to_paste(name: str) -> None:
    """Right behind its mark must stand a fenced block of exactly the one line that CI and people run."""
    block = f"<!-- {name} command -->\n```sh\n{COMMANDS[name]}\n```\n"
    assert block in README.read_text(encoding="utf-8")


# ---- links ------------------------------------------------------------------------------------


def anchors(path: Path) -> set[str]:
    """GitHub's names for the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


LINKS = [(path, target) for path in PAGES for target in re.findall(r"\]\(([^)]+)\)", path.read_text(encoding="utf-8"))]


@pytest.mark.parametrize(("path", "target"), LINKS, ids=lambda value: getattr(value, "name", value))
def test_every_link_leads_somewhere(path: Path, target: str) -> None:
    """A link must name a file of this repository, and a heading that is in it."""
    assert not target.startswith("http"), "the manual stands alone"
    file, _, anchor = target.partition("#")
    there = (path.parent / file).resolve() if file else path
    assert there.is_file()
    assert not anchor or anchor in anchors(there)


# ---- commands ---------------------------------------------------------------------------------


def command_lines() -> Iterator[tuple[str, str]]:
    """Every `edgeguard ...` line in a block or between backticks; those with METAVARS are no commands."""
    for path in PAGES:
        text = path.read_text(encoding="utf-8")
        lines = re.findall(r"^\s*(edgeguard(?: .+)?)$", text, re.MULTILINE) + re.findall(r"`(edgeguard [^`\n]+)`", text)
        for line in lines:
            if not HAS_METAVARS.search(line):
                yield path.name, line.strip()


def parsed(words: list[str]) -> None:
    """Parse a command line as click would, without running it."""
    command: click.Command = main
    context = command.make_context("edgeguard", list(words))
    while isinstance(command, click.Group) and (rest := [*context._protected_args, *context.args]):
        name, below, arguments = command.resolve_command(context, rest)
        assert below is not None
        if not arguments and isinstance(below, click.Group):
            return  # a group named alone, in prose
        command, context = below, below.make_context(name or "", arguments, parent=context)


def test_command_lines_are_found() -> None:
    """The reader must see blocks and prose, or the test below proves nothing."""
    found = {line for _, line in command_lines()}
    assert "edgeguard replay flood.pcap -c flood.toml" in found
    assert "edgeguard nullroute release web1 --as fixed --why 'owner cleaned it, by phone'" in found
    assert len(found) > 20


@pytest.mark.parametrize(("name", "line"), sorted(set(command_lines())))
def test_every_command_line_parses(name: str, line: str) -> None:
    """Whatever the manual says to type must be a command line that the program accepts."""
    words = shlex.split(line.partition(" < ")[0], comments=True)[1:]  # a shell's part of the line is not ours
    try:
        parsed(words)
    except click.exceptions.Exit as done:  # --version and --help are the end of a line
        assert done.exit_code == 0
    except click.MissingParameter:
        if len(words) > 2 or any(word.startswith("-") for word in words):
            raise  # only a bare name, in prose, may lack what the command needs


# ---- numbers and names ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def defaults() -> Config:
    return build({})


def test_detection_names_the_shipped_limits(defaults: Config) -> None:
    """The tables of limits in docs/detection.md must be those of defaults.toml, of all twelve rules."""
    text = (ROOT / "docs" / "detection.md").read_text(encoding="utf-8")
    limits = defaults.limits.by_rule()
    for rules in (OUT, INTO):
        assert f"| limit | {' | '.join(rules)} |\n" in text
        for band in Band:
            assert f"| {band} | {' | '.join(f'{limits[rule].of(band):,}' for rule in rules)} |\n" in text


def test_detection_names_every_kind_and_what_tells_them_apart(defaults: Config) -> None:
    """The numbers of kinds, forging and reflection in docs/detection.md must be the program's own."""
    text, judging = page("detection.md"), defaults.judging
    assert [kind for kind in Kind if f"| {kind} |" not in text] == []
    sentences = (
        f"third ACKs to it < {judging.completed_share} x SYNs to it",
        f"packets back x {judging.tcp_ratio} < packets sent",
        f"packets from ports of services >= {udp.SERVICE} x all UDP",
        f"bytes to it >= {udp.AMPLIFIED} x bytes from it",
        ", ".join(map(str, REFLECTORS)),
        f"fewer than {aim.FEW} SYNs",
        f"about {forging.ADDRESSES} different ones",
        f"*stands out* with {judging.target_share} of",
        f"| udp-in | {judging.one_way_ratio} x UDP out |",
        f"| tcp-in | {judging.tcp_ratio} x TCP out",
    )
    assert [sentence for sentence in sentences if sentence not in text] == []
    assert forging.SHARE == 0.5, "docs/detection.md says half"
    assert inbound.OF_A_CONNECTION == 2, "docs/detection.md says half"


def test_detection_names_the_shipped_numbers(defaults: Config) -> None:
    """Every other number in docs/detection.md must be the program's own."""
    text, judging, clocks = page("detection.md"), defaults.judging, defaults.clocks
    sentences = (
        f"packets back from it x {judging.one_way_ratio} < packets sent to it",
        f"at least {judging.sustain_seconds} of the last {judging.sustain_of} whole seconds",
        f"a share of {judging.target_share} of the window",
        f"quiet: {clocks.quiet // MINUTE} minutes without",
        f"lifetime: {clocks.lifetime // HOUR} hours after",
        f"third target of the case within {clocks.moves // MINUTE} minutes",
        f"at most {defaults.capture.lag // SECOND} s old, and at most {defaults.capture.loss} of the frames",
        f"at least {independent.CONFIRMED} of the frames",
        f"there are {state.PLACES} places",
        f"more than {state.PREFIXES} prefixes",
        f"up to {SOURCES:,} of them",
        f"The {state.JUDGED_SOURCES:,} that first send",
        f"More than {state.POINTS:,} taps",
        "A window is ten slots, one second",
    )
    assert [sentence for sentence in sentences if sentence not in text] == []
    assert rule.PORT_SHARE == 0.9, "docs/detection.md says nine tenths"
    assert state.WINDOW == 10
    assert REVERSED_KINDS == ("macvtap",)


def test_detection_names_every_safety() -> None:
    """The table of safeties must have a row for each, in the order in which they are asked."""
    text = (ROOT / "docs" / "detection.md").read_text(encoding="utf-8")
    table = text.partition("## The safeties")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| ([a-z][a-z ]+) \|", table, re.MULTILINE)
    assert rows[1:] == [safety.__name__.replace("_", " ") for safety in safeties.ALL]


def test_the_lab_page_names_every_scenario_and_host() -> None:
    """docs/lab.md must have a row for each scenario and for each kind of host."""
    text = (ROOT / "docs" / "lab.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([a-z][a-z-]+)` \|", text, re.MULTILINE)
    assert [name for name in (*KINDS, *SCENARIOS) if name not in rows] == []


def test_the_runbook_names_where_null_routes_live(defaults: Config) -> None:
    """Protocol, priorities, tables and the nftables table in docs/runbook.md must be the configured ones."""
    text, place = page("runbook.md"), defaults.enforcement
    for line in ("ip -4 rule flush protocol", "ip -6 rule flush protocol"):
        assert f"{line} {place.protocol} " in text
    for line in ("ip -4 route flush table all proto", "ip -6 route flush table all proto"):
        assert f"{line} {place.protocol} " in text
    assert f"nft delete table netdev {place.nft_table} " in text
    assert f"rules of priority {place.priority + items._KEPT} (what is kept" in text
    assert f"{place.priority + items._IN} (way in of that VM)" in text
    assert f"and {place.priority + items._OUT} (way out of a tap)" in text
    assert f"numbered {place.table} plus the tap's interface index" in text


def test_readme_enforces_only_after_watching() -> None:
    """The one `enforce` line of the README must be valid, and stand behind the dry run."""
    text = README.read_text(encoding="utf-8")
    line = re.findall(r"^ *(enforce = .+)$", text, re.MULTILINE)
    values: dict[str, Any] = tomllib.loads(line[0])
    assert len(line) == 1
    assert build(values).enforce == tuple(values["enforce"])
    assert text.index("`enforce` is empty as shipped") < text.index(line[0])
