"""Names that want to be more than names: in no template, mail, shell, database, terminal, log, metric or path.

Who names a VM, a customer, a tap or a host may be anybody. Each name below stands in every field that text can
reach, past the checks of the inventory, and in the inventory and the configuration themselves.
"""

from __future__ import annotations

import json
import logging
import re
import sqlite3
import stat
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from email import message_from_bytes
from email.policy import default
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families as parsed
from samples import BACKGROUND, CASE, DECISION, ORDER, RELEASE, SUM_DECISION, SUM_VERDICT, VERDICT, VERIFIED, VM, T
from test_metrics import FIGURES
from test_top import answer as frame_answer
from test_top import listed, remote, route
from test_top import vm as frame_vm

from edgeguard import logs
from edgeguard.cases import codec
from edgeguard.cases.case import Case
from edgeguard.cases.reader import Reader
from edgeguard.cases.store import Store
from edgeguard.cli import main, output, replay
from edgeguard.config import Mail, build
from edgeguard.control import ControlServer
from edgeguard.daemon.readiness import _line
from edgeguard.errors import ConfigError, DaemonError
from edgeguard.evidence import manifest, place
from edgeguard.evidence.contents import Facts
from edgeguard.evidence.place import Place
from edgeguard.evidence.writer import First, Writer
from edgeguard.glance import frame, lines, screen
from edgeguard.hooks import document, message, paging
from edgeguard.hooks.program import Programs
from edgeguard.inventory.entries import checked
from edgeguard.letters import Channel, Notice, Queued, Undelivered
from edgeguard.metrics.collector import Collected
from edgeguard.metrics.figures import Busy
from edgeguard.model import Act, Decision, Happened, Outcome, SafetyAnswer, Subject, Tap, TapKind, Verdict, Vm
from edgeguard.native.headers import Headers
from edgeguard.notice.kinds import Kind
from edgeguard.notice.message import write
from edgeguard.notice.refusal import Refusal
from edgeguard.notice.render import render
from edgeguard.notice.values import Background, compose
from edgeguard.request import Request, Status, read_request
from edgeguard.xarf import Reporter

NAMES = {
    "crlf": "web1\r\nBcc: everybody@example.net\r\n\r\nOther text",
    "line feed": "web1\n2026-01-01 00:00:00 INFO d-1: verified: nothing left",
    "lone return": "web1\rBcc: x@example.net",
    "unicode lines": "web1\u2028one\u2029two\x85three\x0bfour\x0cfive",
    "escape": "web1\x1b[2J\x1b[31mred\x1b]0;title\x07",
    "c1 escape": "web1\x9b2J\x9d0;title\x9c",
    "backspaces": "web1\x08\x08\x08\x08root",
    "template": "web1{{ 7*7 }}{% for x in range(9) %}x{% endfor %}{{ config }}{{ ''.__class__.__mro__ }}{# gone #}",
    "format": "web1{0.__class__}%s%n%(name)s$name",
    "quotes": "web1'\"`\\",
    "sql": "web1'; DROP TABLE cases; --",
    "sql wildcard": "%_' OR '1'='1",
    "shell": "web1; touch /tmp/owned $(touch /tmp/owned) `touch /tmp/owned` | touch /tmp/owned && touch /tmp/owned",
    "option": "--config=/etc/passwd",
    "long": "w" * 5000,
    "bidi": "web1\u202egnp.\u2066exe\u200f\u2069",
    "zero width": "web\u200b1\ufeff\u00ad",
    "nul": "web1\x00root",
    "surrogate": "web1\udc80",
    "markup": "[red]web1[/red]<b>web1</b>",
    "path": "../../../../tmp/owned",
    "prometheus": 'web1"} 1\nedgeguard_lost_frames_total 9\n# EOF',
    "json": '"}, "enforced": false, "x": {"y": "',
    "mail": '"evil" <evil@example.net>, other@example.net',
}
LONGER = 400  # characters of a line that holds a name


@pytest.fixture(params=NAMES.values(), ids=NAMES.keys())
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def named(name: str) -> tuple[Case, Verdict, Decision, Vm]:
    """One flood in which every text that comes from outside is the name."""
    subject = Subject(name, name, None)
    vm = Vm(name, name, name, name, (name,), VM.macs, VM.addresses, name)
    tap = Tap(7, name, name, TapKind.ROUTED, name)
    verdict = replace(VERDICT, subject=subject, harm=f"{name} suffers", baseline=f"used to {name}", sustain="at once")
    safeties = (SafetyAnswer("reachable", "unknown", f"the contact {name} is not known"),)
    decision = replace(
        DECISION, subject=subject, tap=tap, safeties=safeties, reason=f"over the limit at {name}", by=name
    )
    case = replace(CASE, vm=name, vm_name=name, tap=name, mac=name, customer=name)
    return case, verdict, decision, vm


def is_plain(text: str) -> bool:
    """Lines of what prints, and nothing else."""
    return all(line.isprintable() for line in text.split("\n"))


# ---- inventory and configuration ------------------------------------------------------------------


@pytest.mark.parametrize("field", ["id", "name", "customer", "contact", "place", "taps", "macs", "addresses"])
def test_an_inventory_holds_names_alone(name: str, field: str) -> None:
    """A field of the inventory is refused in lines that are safe to print, or it is one line that prints."""
    row = {"id": "vm-1", "addresses": ["192.0.2.1"], field: [name] if field in ("taps", "macs", "addresses") else name}
    try:
        (vm,) = checked([row], "inventory.toml")
    except ConfigError as error:
        assert is_plain(output.told(str(error).replace("\n", " ")))
        return
    value = getattr(vm, field)
    texts = value if isinstance(value, tuple) else (value,)
    assert all(str(text).isprintable() and len(str(text)) <= 254 for text in texts)


def test_a_line_end_behind_a_name_is_seen() -> None:
    """What ends in a line break is no interface, no MAC and no address, although it looks like one."""
    for field, text in (("taps", "tap0\n"), ("macs", "02:00:5e:10:00:01\n"), ("contact", "a@example.net\n")):
        value = text if field == "contact" else [text]
        with pytest.raises(ConfigError):
            checked([{"id": "vm-1", "addresses": ["192.0.2.1"], field: value}], "inventory.toml")


TEXTS = (
    *(("host", "name"), ("host", "place"), ("mail", "server"), ("mail", "from"), ("mail", "reply_to")),
    *(("mail", "desk"), ("mail", "user"), ("enforcement", "nft_table"), ("hooks", "url"), ("log", "format")),
)


@pytest.mark.parametrize("section, key", TEXTS)
def test_a_configuration_holds_lines_alone(name: str, section: str, key: str) -> None:
    """What goes into mails, logs and kernels is refused in words that are safe to print, or is one line that prints."""
    try:
        settings = build({section: {key: name}}, "edgeguard.toml")
    except ConfigError as error:
        assert is_plain(output.told(str(error).replace("\n", " ")))
        return
    value = settings.model_dump(by_alias=True)[section][key]
    assert value.isprintable(), f"[{section}] {key} is {value!r}"


# ---- mail ------------------------------------------------------------------------------------------

MAIL: Mail = build(
    {"mail": {"server": "mail.example.net:25", "from": "EdgeGuard <abuse@example.net>", "desk": "desk@example.net"}}
).mail
HEADERS = {
    *("From", "To", "Reply-To", "Subject", "Date", "Message-ID", "Auto-Submitted", "X-EdgeGuard-Case"),
    *("Content-Type", "MIME-Version"),
}


def letters(name: str) -> Iterator[Notice]:
    """Every notice that a decision can have, with the name in all its slots."""
    _, verdict, decision, vm = named(name)
    background = Background(name, name, BACKGROUND.quiet, BACKGROUND.warn, reply=True)
    release = replace(RELEASE, subject=decision.subject, reason=name, by=name)
    summed = replace(SUM_DECISION, subject=Subject(None, None, None, name), reason=name)
    summed_verdict = replace(SUM_VERDICT, subject=summed.subject)
    reached = replace(vm, contact="owner@example.net")
    for one, why, who in (
        (decision, verdict, reached),
        (decision, verdict, None),
        (replace(decision, act=Act.NONE, enforced=False, until=None), verdict, reached),
        (release, None, reached),
        (summed, summed_verdict, None),
    ):
        for made in compose(one, why, who, background, (decision,) if one.releases else ()):
            yield made
            yield replace(made, kind=Kind.DESK_UNDELIVERED, to=None, values={**made.values, **undelivered(name, made)})


def undelivered(name: str, lost: Notice) -> dict[str, Any]:
    return {"refused_at": T, "notice": lost.id, "kind_refused": lost.kind, "contact_refused": name, "error": name}


def test_no_template_runs_a_name(name: str) -> None:
    """A text is rendered by its template, in ASCII and lines of ours, and nothing in it is worked out."""
    plain = {(n.kind, n.to is None): len(_rendered(n).splitlines()) for n in letters("web1")}
    for made in letters(name):
        text = _rendered(made)
        assert text.isascii() and is_plain(text)
        assert all(len(line) <= 78 for line in text.splitlines())
        assert "49" not in text or "7*7" not in name
        assert "xxxxxxxxx" not in text
        if "{{ 7*7 }}" in name:
            assert "{{ 7*7 }}" in text  # as it stands
        assert len(text.splitlines()) <= plain[made.kind, made.to is None] + 40  # longer lines break, no more


def _rendered(made: Notice) -> str:
    rendered = render(made.kind, made.values, replace(VERIFIED, detail=str(made.values["reason"])), T)
    assert rendered.fallback is None
    assert rendered.subject.isascii() and rendered.subject.isprintable() and len(rendered.subject) <= 78
    return rendered.text


def test_no_name_becomes_a_header(name: str) -> None:
    """The mail that leaves has exactly our headers and one recipient, whatever anything is called."""
    for made in letters(name):
        written, _ = write(Queued(made, replace(VERIFIED, detail=name), 0), MAIL, T)
        raw = written.as_bytes()
        got = message_from_bytes(raw, policy=default)
        assert set(got.keys()) - {"Auto-Submitted"} == HEADERS - {"Auto-Submitted"} and len(got.keys()) == len(set(got))
        assert [one.addr_spec for one in got["To"].addresses] == [made.to or "desk@example.net"]
        assert not got.defects and got["Bcc"] is None
        assert all(len(line) <= 998 for line in raw.split(b"\r\n"))


def test_a_contact_is_an_address_or_refused(name: str) -> None:
    """A contact that is no address reaches no server; the inventory takes no list of them either."""
    with pytest.raises(ConfigError):
        checked([{"id": "vm-1", "addresses": ["192.0.2.1"], "contact": name}], "inventory.toml")
    made = replace(next(letters("web1")), to=name)
    if name == NAMES["mail"]:  # two addresses: who writes past the inventory may mean two
        assert len(write(Queued(made, VERIFIED, 0), MAIL, T)[0]["To"].addresses) == 2
        return
    with pytest.raises(Refusal) as refused:
        write(Queued(made, VERIFIED, 0), MAIL, T)
    assert str(refused.value).isprintable() and len(str(refused.value)) < 500


# ---- database --------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path, name: str) -> Path:
    """A configuration, and a database with one case in which everything has the name."""
    database = tmp_path / "edgeguard.sqlite"
    (tmp_path / "edgeguard.toml").write_text(
        f'[paths]\ndatabase = "{database}"\nsocket = "{tmp_path}/edgeguard.sock"\nevidence = "{tmp_path}/evidence"\n'
    )
    case, verdict, decision, vm = named(name)
    order = replace(ORDER, tap=decision.tap or ORDER.tap, vm=name)
    with Store(database) as store:
        notices = compose(decision, verdict, replace(vm, contact="owner@example.net"), BACKGROUND)
        store.record(case, verdict, decision, notices, order)
        store.outcome(Outcome(decision.id, T + 1, Happened.VERIFIED, name, (name,)))
        store.note(case.id, T + 2, name, name)
    return tmp_path


def test_no_name_is_sql(folder: Path, name: str) -> None:
    """It is stored as it is, found by itself and by nothing else, and every table is still there."""
    database = folder / "edgeguard.sqlite"
    with Reader(database) as reader:
        (case,) = reader.cases(10)
        found = reader.find(case.vm or "")
        assert [one.id for one in found] == [CASE.id]
        assert reader.find("web") == reader.find("%") == reader.find("' OR '1'='1") == [] or "OR" in name
        assert reader.timeline(CASE.id)
    with sqlite3.connect(database) as db:
        tables = {row[0] for row in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
        assert {"cases", "verdicts", "decisions", "outcomes", "outbox", "notes"} <= tables
        assert db.execute("SELECT count(*) FROM cases").fetchone() == (1,)
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)


# ---- terminal --------------------------------------------------------------------------------------

COMMANDS = (
    *(("case", "list"), ("case", "list", "--open"), ("case", "show", CASE.id), ("explain", CASE.id)),
    *(("explain", DECISION.id), ("nullroute", "list")),
)


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_no_name_reaches_a_terminal_raw(folder: Path, name: str, words: tuple[str, ...]) -> None:
    """Commands print what prints; a name adds no line, moves no cursor and turns no text around."""
    told = CliRunner().invoke(main, [*words, "-c", str(folder / "edgeguard.toml")])
    assert told.exit_code == 0, told.output
    assert is_plain(told.stdout) and is_plain(told.stderr)
    for document_line in (
        CliRunner().invoke(main, [*words, "--json", "-c", str(folder / "edgeguard.toml")]).stdout.splitlines()
    ):
        assert document_line.isascii() and json.loads(document_line)


@pytest.mark.parametrize("words", [("case", "list"), ("case", "show"), ("explain",), ("nullroute", "release")])
def test_no_term_reaches_a_terminal_raw(folder: Path, name: str, words: tuple[str, ...]) -> None:
    """What is asked for and not found is said without what it holds."""
    more = ("--why", name, "--as", "fixed") if "release" in words else ()
    told = CliRunner().invoke(main, [*words, *more, "-c", str(folder / "edgeguard.toml"), "--", "no-" + name])
    assert is_plain(told.stdout) and is_plain(told.stderr)


def test_a_replay_tells_names_safely(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What `replay` prints of a verdict, a decision and a mail is made of what prints."""
    _, verdict, decision, _ = named(name)
    story = replay._Story()
    for found in (verdict, decision, next(letters(name))):
        story.tell(found)
    assert is_plain(capsys.readouterr().out)


def test_a_table_on_a_terminal_has_no_markup(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal, where tables are drawn by rich, brackets are no colours and escapes are none."""
    written = StringIO()
    monkeypatch.setattr(written, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(sys, "stdout", written)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "200")
    output.print_table(("case", "vm"), [(name, name)], "none")
    drawn = re.sub(r"\x1b\[[0-9;]*m", "", written.getvalue())  # rich's own styles: of the headings
    assert is_plain(drawn)
    styles = set(re.findall(r"\x1b\[[0-9;]*m", written.getvalue()))
    assert styles <= {"\x1b[1m", "\x1b[0m"}
    if name == NAMES["markup"]:
        assert "[red]" in drawn


def test_top_is_safe(name: str) -> None:
    """A frame is as wide as the terminal and made of what prints; what is drawn has our own escapes and no others."""
    vms = listed(frame_vm(name, tap=name, band=name, rule=name))
    routes = listed(route(name, tap=name, scope=name, case=name, proof=name, targets=[name]))
    remotes = listed(remote("192.0.2.1/32", tap=name), limits={"syn": 1})
    told = frame_answer(host_name=name, vms=vms, null_routes=routes, remotes=remotes, trouble={"mail": name})
    shown = frame.frame(told, 80, 24)
    assert all(frame.columns("".join(text for text, _ in line)) <= 80 for line in shown)
    assert is_plain(frame.plain(shown))
    usual = screen.drawn([(("web1", "bold red"),)], colours=True)
    known = {*re.findall(r"\x1b\[[0-9;?]*[a-zA-Z]", usual), *(f"\x1b[{code}m" for code in screen.CODES.values())}
    assert set(re.findall(r"\x1b[^a-zA-Z]*[a-zA-Z]", screen.drawn(shown, colours=True))) <= known


def test_status_is_safe(name: str) -> None:
    """Each line of `status` is one line that prints, whoever has named host, VM, tap, customer or trouble."""
    answer = {
        "version": name,
        "host_name": name,
        "uptime_s": 5.0,
        "enforce": [name],
        "text": name,
        "trouble": {"mail": name},
        "unsent": {},
        "ledger": [route(name, tap=name, case=name, targets=[name])],
        "overflow": {"taps": [name], "out": 1, "into": 1},
        "loud": [{"vm": name, "tap": name, "packets": {name: {"1": 9}}, "about_targets": {name: 2}}],
        "customers": {"top": [{"customer": name, "points": 1, "syn": 1, "udp": 1, "udp_one_way": 1}]},
        "remote": {"entries": 1, "capacity": 2, "refused": 0, "effective": {"syn": 1}, "top": []},
        "care": [{"vm": name, "rule": "syn", "packets": 5, "why": name}],
    }
    text = lines.status(answer)
    assert is_plain(text)
    assert text.count("\n") == lines.status(json.loads(json.dumps(answer).replace(json.dumps(name), '"x"'))).count("\n")


def test_a_daemon_is_believed_no_more_than_a_name(name: str, tmp_path: Path) -> None:
    """An error that the daemon answers is printed in what prints."""

    def refuse(request: Request) -> dict[str, Any]:
        raise DaemonError(f"no such thing as {name}")

    server = ControlServer(tmp_path / "edgeguard.sock")
    stop = threading.Event()
    serving = threading.Thread(target=lambda: _serve(server, refuse, stop))
    serving.start()
    (tmp_path / "edgeguard.toml").write_text(f'[paths]\nsocket = "{tmp_path}/edgeguard.sock"\n')
    try:
        told = CliRunner().invoke(main, ["status", "-c", str(tmp_path / "edgeguard.toml")])
    finally:
        stop.set()
        serving.join()
        server.close()
    assert told.exit_code == 1 and "no such thing as" in told.stderr
    assert is_plain(told.stderr)


def _serve(server: ControlServer, reply: Callable[[Request], dict[str, Any]], stop: threading.Event) -> None:
    while not stop.wait(0.005):
        server.poll(reply)


def test_a_request_holds_lines(name: str) -> None:
    """A term or a reason that is more than one line that prints is refused before anything is done."""
    line = json.dumps({"verb": "nullroute.release", "term": name, "why": name, "disposition": "fixed"}).encode()
    try:
        asked = read_request(line, "somebody")
    except DaemonError as refused:
        assert str(refused).isprintable()
        assert not name.isprintable() or len(name) > 200
        return
    assert not isinstance(asked.ask, Status) and name.isprintable()


# ---- log, metrics, systemd ---------------------------------------------------------------------------


@pytest.mark.parametrize("shape", ["text", "json"])
def test_a_line_of_the_log_stays_one(name: str, shape: str) -> None:
    """A message with the name is one line that prints; its JSON has the name as it is."""
    handler = logs.Lines(shape)
    handler.setStream(written := StringIO())
    handler.emit(logging.LogRecord("edgeguard", logging.WARNING, "", 0, "%s: null-routed %s", (name, name), None))
    text = written.getvalue()
    assert text.endswith("\n") and text.count("\n") == 1 and text[:-1].isprintable()
    if shape == "json":
        assert json.loads(text)["message"] == f"{name}: null-routed {name}"


def test_a_metric_stays_one(name: str) -> None:
    """A scrape has the same samples whatever a VM is called, and its label is a line that prints."""
    usual = _samples("web1")
    found = _samples(name)
    assert {(n, k) for n, k, _ in found} == {(n, k) for n, k, _ in usual}
    labels = [labels["vm"] for n, _, labels in found if n == "edgeguard_vm_packets"]
    assert len(labels) == 1 and labels[0].isprintable() and len(labels[0]) <= 64


def _samples(name: str) -> list[tuple[str, tuple[str, ...], dict[str, str]]]:
    registry = CollectorRegistry()
    registry.register(Collected(lambda: replace(FIGURES, busy=(Busy(name, name, "syn", 5, 6),))))
    text = generate_latest(registry).decode()
    return [(s.name, tuple(sorted(s.labels)), s.labels) for family in parsed(text) for s in family.samples]


def test_a_status_for_systemd_is_one_word(name: str) -> None:
    """No name begins another assignment in what systemd is told."""
    assert "\n" not in _line(f"taps: {name}")


# ---- programs --------------------------------------------------------------------------------------

RECORDER = """#!{python}
import json, os, sys
text = sys.stdin.buffer.read().decode()
json.dump([sys.argv[1:], text, dict(os.environ)], open({record!r}, "w"))
"""


def test_no_name_is_shell(name: str, tmp_path: Path) -> None:
    """A program gets four plain arguments and a document that has the name as it is; no shell sees it."""
    script, record = tmp_path / "notify", tmp_path / "record.json"
    script.write_text(RECORDER.format(python=sys.executable, record=str(record)))
    script.chmod(stat.S_IRWXU)
    case, verdict, decision, vm = named(name)
    made = document.of_decision(case, decision, verdict, vm, name)
    (delivery,) = document.deliveries(made, [Channel.PROGRAM], T)
    hand = message.hand(Undelivered(delivery, 0))
    ended = Programs().run([str(script), *hand.arguments], hand.body, 60.0, dict(hand.environment))
    assert ended.well, ended
    arguments, text, environment = json.loads(record.read_text())
    assert arguments == ["192.0.2.10", "outgoing", "50012", "ban"]
    assert text.isascii() and text.count("\n") <= 1
    assert json.loads(text)["vm"]["name"] == name and json.loads(text)["host"] == name
    ours = {key: value for key, value in environment.items() if key.startswith("EDGEGUARD_")}
    assert ours and all(value.isprintable() for value in ours.values())
    assert not Path("/tmp/owned").exists()


def test_a_page_is_safe_to_read_and_its_commands_to_paste(name: str) -> None:
    """A page is lines that print, and its commands name the case and nothing that anybody chose."""
    case, verdict, decision, vm = named(name)
    page = paging.of_decision(case, replace(decision, page="not stopped"), verdict, vm, name)
    assert page is not None
    hand = message.hand(Undelivered(page, 0))
    assert is_plain(hand.body) and all(len(line) <= LONGER for line in hand.body.splitlines())
    commands = json.loads(page.body)["commands"]
    assert commands and all(
        re.fullmatch(r"edgeguard [a-z ]+" + CASE.id + r"( --as DISPOSITION --why \"\.\.\.\")?", one) for one in commands
    )


# ---- evidence --------------------------------------------------------------------------------------


def test_no_name_is_a_path(name: str, tmp_path: Path) -> None:
    """Evidence lies below its folder under names of ours, its JSON holds the name as it is, and it is shown safely."""
    case, verdict, decision, vm = named(name)
    root = tmp_path / "state" / "evidence"
    reporter = Reporter("hv1.example.net", "abuse@example.net", "example.net")
    writer = Writer(Place(root), build({}).evidence, reporter, codec.dumps, lambda *_: None)
    writer.start()
    writer.put(First(Facts(case.id, decision, verdict, vm, decision.tap), Headers(2).frames(0), T))
    writer.close()
    files = [path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()]
    assert files and all(path.parts[:3] == ("state", "evidence", CASE.id) for path in files)
    assert {path.parent.name for path in files} == {place.name(T, DECISION.id)}
    (found,) = Place(root).find(CASE.id)
    assert manifest.sealed(found.manifest.text()) and found.manifest.vm_name == name
    (tmp_path / "edgeguard.toml").write_text(f'[paths]\ndatabase = "{tmp_path}/db"\nevidence = "{root}"\n')
    for words in (("evidence", "list"), ("evidence", "show", CASE.id)):
        told = CliRunner().invoke(main, [*words, "-c", str(tmp_path / "edgeguard.toml")])
        assert told.exit_code == 0, told.output
        assert is_plain(told.stdout)


def test_nothing_was_owned() -> None:
    """After all of it no name has run anything."""
    assert not Path("/tmp/owned").exists()
