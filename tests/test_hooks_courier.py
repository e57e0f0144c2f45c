"""The courier: every delivery is handed over, in order, and none again that was taken."""

from __future__ import annotations

import json
import logging
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hooks import script, serving, until
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import CASE, DECISION, ORDER, RELEASE, RELEASE_ORDER, VERDICT, VM, T, happened, notices

from edgeguard import clock
from edgeguard.cases.store import Store
from edgeguard.clock import HOUR, SECOND
from edgeguard.config import Config, build
from edgeguard.daemon.outward import Outward
from edgeguard.errors import DeliveryError, StoreError
from edgeguard.handing import courier as made
from edgeguard.hooks import wire
from edgeguard.hooks.client import Runner
from edgeguard.hooks.courier import Courier
from edgeguard.hooks.mailing import Mailing
from edgeguard.hooks.page import page
from edgeguard.letters import Channel, Delivery
from edgeguard.model import Happened

NOW = clock.now()
BAN = replace(DECISION, at=NOW, until=NOW + HOUR)
UNBAN = replace(RELEASE, at=NOW + SECOND)


def config(tmp_path: Path, **sections: Any) -> Config:
    hooks = {"retry": "20ms", "timeout": "60s", **sections.pop("hooks", {})}
    return build({"hooks": hooks, **sections})


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "cases.sqlite") as opened:
        yield opened


@pytest.fixture
def running() -> Iterator[Callable[..., Courier]]:
    """Starts couriers that are stopped at the end."""
    started: list[Courier] = []

    def start(config: Config, store: Store, mail: Mailing | None = None) -> Courier:
        one = made(config, store)
        one._mail = mail or one._mail
        started.append(one)
        one.start()
        return one

    yield start
    for one in started:
        one.stop()


def idle(store: Store) -> Courier:
    """A courier that is not started."""
    return Courier(store.tray(), build({}).hooks, None, False, None)


def outward(config: Config, store: Store) -> Outward:
    return Outward(store, config.hooks, "hv1", idle(store), lambda id: VM)


def banned(config: Config, store: Store) -> None:
    """One null route."""
    store.record(CASE, VERDICT, BAN, notices(BAN), ORDER, outward(config, store).of_decision(CASE, VERDICT, BAN))


def released(config: Config, store: Store) -> None:
    told = outward(config, store).of_decision(CASE, None, UNBAN)
    store.record(CASE, None, UNBAN, notices(UNBAN), RELEASE_ORDER, told)


def rows(store: Store) -> list[tuple[str, str, int]]:
    """(channel, state, attempts), read as another process would."""
    with sqlite3.connect(store.path) as db:
        return db.execute("SELECT channel, state, attempts FROM deliveries ORDER BY seq").fetchall()


def all_are(store: Store, state: str) -> bool:
    found = rows(store)
    return bool(found) and all(one[1] == state for one in found)


# ---- with a real runner -------------------------------------------------------------------------


def test_a_notify_script_of_fastnetmon_works(tmp_path: Path, store: Store, running: Any) -> None:
    """A null route calls the program with address, direction, rate and 'ban'; its release with 'unban'; in order."""
    out = tmp_path / "out"
    # As the public script is written: it reads its input at a ban and not at an unban.
    hook = script(tmp_path, f'echo "$*" >> {out}\nif [ "$4" = "unban" ]; then exit 0; fi\ncat >> {out}; exit 0')
    settings = config(tmp_path, hooks={"program": [hook]})
    banned(settings, store)
    released(settings, store)
    running(settings, store)
    until(lambda: all_are(store, "sent"), "both calls are made")
    first, document, second = out.read_text().replace("}192", "}\n192").splitlines()
    assert first == "192.0.2.10 outgoing 50012 ban" and second == "192.0.2.10 outgoing 50012 unban"
    told = json.loads(document)
    assert (told["client_ip"], told["data_direction"], told["pps"], told["action"]) == tuple(
        int(part) if part.isdigit() else part for part in first.split()
    )
    assert told["verdict"]["measured"] == 50_012 and told["decision"]["id"] == BAN.id and told["vm"]["name"] == "web1"


def test_a_hostile_name_stays_in_the_document(tmp_path: Path, store: Store, running: Any) -> None:
    """Whatever a VM and its customer are called, no argument and no variable of a program holds it."""
    name = "'; touch x; $(id) `id` \x1b[2J\r\nBcc: y@example.net"
    out, held = tmp_path / "out", tmp_path / "held"
    hook = script(tmp_path, f'printf \'%s\\n\' "$#" "$@" > {out}; env >> {out}; cat > {held}')
    settings = config(tmp_path, hooks={"program": [hook]})
    hostile = replace(VM, name=name, customer=name)
    told = Outward(store, settings.hooks, "hv1", idle(store), lambda id: hostile).of_decision(CASE, VERDICT, BAN)
    store.record(CASE, VERDICT, BAN, notices(BAN), ORDER, told)
    running(settings, store)
    until(lambda: all_are(store, "sent"), "the call is made")
    assert out.read_text().splitlines()[:5] == ["4", "192.0.2.10", "outgoing", "50012", "ban"]
    assert "touch" not in out.read_text()
    assert json.loads(held.read_text())["vm"]["name"] == name and held.read_text().isascii()


def test_a_webhook_is_tried_until_it_is_taken(tmp_path: Path, store: Store, running: Any) -> None:
    """Two errors, then a 200: the same document with the same id three times, and the release only after it."""
    with serving() as web:
        web.answers += [(500, {}, b"no"), (302, {"Location": web.url}, b""), (200, {}, b"")]
        settings = config(tmp_path, hooks={"url": web.url})
        banned(settings, store)
        released(settings, store)
        running(settings, store)
        until(lambda: all_are(store, "sent"), "both are taken")
    ids = [got.headers["Idempotency-Key"] for got in web.got]
    assert ids[0] == ids[1] == ids[2] != ids[3] and len(ids) == 4
    assert [json.loads(got.body)["action"] for got in web.got] == ["ban"] * 3 + ["unban"]
    assert all(json.loads(got.body)["id"] == id for got, id in zip(web.got, ids, strict=True))
    assert rows(store) == [("webhook", "sent", 3), ("webhook", "sent", 1)]


def test_what_became_of_it_is_told(tmp_path: Path, store: Store, running: Any) -> None:
    """A webhook gets outcomes of a null route as documents of their own kind; a program of FastNetMon's gets none."""
    calls = tmp_path / "calls"
    with serving() as web:
        settings = config(tmp_path, hooks={"url": web.url, "program": [script(tmp_path, f"echo $4 >> {calls}")]})
        banned(settings, store)
        for what in (Happened.ACKNOWLEDGED, Happened.NOT_STOPPED, Happened.VERIFIED, Happened.FAILED):
            one = happened(what, NOW + SECOND)
            store.outcome(one, outward(settings, store).of_outcome(one))
        running(settings, store)
        until(lambda: all_are(store, "sent"), "all are taken")
    told = [json.loads(got.body) for got in web.got]
    assert [(one["kind"], one["action"], one["proof"]) for one in told] == [
        ("decision", "ban", "not yet"),
        ("outcome", "not-stopped", "not stopped"),
        ("outcome", "verified", "verified"),
        ("outcome", "failed", "failed"),
    ]
    assert calls.read_text() == "ban\n"


def test_a_program_that_hangs_holds_up_nothing_else(tmp_path: Path, store: Store, running: Any) -> None:
    """While the hook's program hangs, its webhook and a page are handed over."""
    paged = tmp_path / "paged"
    with serving() as web:
        hooks = {"url": web.url, "program": [script(tmp_path, "sleep 1000")]}
        pager = script(tmp_path, f"cat > {paged}.new; mv {paged}.new {paged}", "pager")
        settings = config(tmp_path, hooks=hooks, page={"program": [pager]})
        banned(settings, store)
        store.deliver([page("breaker", "hv1", NOW, CASE.id, ["six customers"], ["edgeguard status"])])
        running(settings, store)
        until(lambda: web.got and paged.exists(), "the others are told")
    assert paged.read_text() == f"[EdgeGuard] hv1: breaker ({CASE.id})\nsix customers\n  edgeguard status\n"
    assert ("program", "ready", 0) in rows(store)


def test_a_page_that_cannot_be_delivered_is_mailed_too(tmp_path: Path, store: Store, running: Any) -> None:
    """Where the page's program fails the desk is mailed once, and the program is tried again until it takes it."""
    mails: list[tuple[str, ...]] = []
    works = tmp_path / "works"
    settings = config(tmp_path, page={"program": [script(tmp_path, f"echo no modem; test -e {works}")]})
    store.deliver([page("breaker", "hv1", NOW, None, ["six customers"])])
    running(settings, store, Mailing(lambda *mail: mails.append(mail)))
    until(lambda: mails and rows(store)[0][2] > 2, "the desk is mailed and the program tried again")
    works.touch()
    until(lambda: all_are(store, "sent"), "the page is taken")
    ((_, subject, text, to),) = mails
    assert to == "" and subject == "[EdgeGuard] hv1: breaker" and "six customers" in text and "no modem" in text


def test_without_a_program_a_page_goes_to_the_desk(store: Store, running: Any) -> None:
    """A page is mailed where [page] program is empty, and tried again when the mail server refuses it."""
    mails: list[str] = []

    def send(id: str, subject: str, text: str, to: str) -> None:
        mails.append(text)
        if len(mails) < 3:
            raise OSError("451 later")

    store.deliver([page("breaker", "hv1", NOW, None, ["six customers"])])
    running(build({"hooks": {"retry": "20ms"}}), store, Mailing(send))
    until(lambda: rows(store) == [("page", "sent", 3)], "the mail leaves")
    assert "six customers" in mails[-1]


def test_where_nobody_can_be_told_the_log_is_loud(store: Store, running: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Neither a program nor a desk: the page has failed, and an error line says so."""
    with caplog.at_level(logging.ERROR):
        store.deliver([page("breaker", "hv1", NOW, None, ["six customers"])])
        running(build({}), store)
        until(lambda: rows(store) == [("page", "failed", 0)], "it is given up")
    assert "nobody can be told" in caplog.text


def test_a_page_needs_no_database(store: Store, running: Any) -> None:
    """A page that could not be recorded is handed over while the database refuses every write."""
    mails: list[str] = []
    one = running(build({}), store, Mailing(lambda id, subject, text, to: mails.append(text)))
    with sqlite3.connect(store.path, isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")  # nobody else may write now
        one.at_once(page("not stopped", "hv1", NOW, None, ["the disk is full"]))
        until(lambda: mails, "the page is mailed")
        other.execute("ROLLBACK")
    assert "the disk is full" in mails[0]


def test_the_story_of_a_case_tells_its_hooks(tmp_path: Path, store: Store, running: Any) -> None:
    """`case show` says of each delivery whether it was handed over."""
    settings = config(tmp_path, hooks={"program": ["/bin/true"], "url": "http://127.0.0.1:1/"})
    banned(settings, store)
    running(settings, store)
    until(lambda: rows(store)[0][1] == "sent" and rows(store)[1][2] > 0, "one is taken, the other is not")
    told = [entry.text for entry in store.timeline(CASE.id) if entry.what == "hook"]
    assert "delivery to the program handed over" in told and any(
        one.startswith("delivery to the webhook waits after") for one in told
    )


def test_what_is_too_old_has_failed_and_the_desk_knows(tmp_path: Path, store: Store, running: Any) -> None:
    """A hook that was not taken within [hooks] age is given up after one more try, and the desk is mailed."""
    mails: list[tuple[str, str, str]] = []
    settings = config(tmp_path, hooks={"program": [script(tmp_path, "exit 7")], "age": "1ms"})
    banned(settings, store)
    running(settings, store, Mailing(lambda *mail: mails.append(mail)))
    until(lambda: mails and rows(store)[1:] == [("desk", "sent", 1)], "the desk is mailed")
    assert rows(store)[0][:2] == ("program", "failed")
    assert CASE.id in mails[0][2] and "exit status 7" in mails[0][2]


def test_a_runner_that_dies_loses_nothing(
    tmp_path: Path, store: Store, running: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Killed in the middle of a call, the runner is said to be gone, pages go to the desk, hooks wait for a restart."""
    calls, mails = tmp_path / "calls", []
    hook = script(tmp_path, f"echo call >> {calls}; test $(wc -l < {calls}) -gt 1 || sleep 30")
    settings = config(tmp_path, hooks={"program": [hook]}, page={"program": [hook]})
    banned(settings, store)
    first = running(settings, store, Mailing(lambda *mail: mails.append(mail)))
    until(calls.exists, "the program runs")
    with caplog.at_level(logging.ERROR):
        os.kill(first._runner.pid, signal.SIGKILL)
        until(lambda: first.trouble, "its end is seen")
        store.deliver([page("breaker", "hv1", NOW, None, ["six customers"])])
        until(lambda: ("page", "sent", 1) in rows(store), "the page is mailed")
    assert "restarted" in caplog.text and first.told()["trouble"] and len(mails) == 1
    assert rows(store)[0] == ("program", "ready", 0)
    first.stop()
    running(settings, store)
    until(lambda: all_are(store, "sent"), "the next start hands it over")


def test_a_channel_that_is_no_longer_configured_is_given_up(tmp_path: Path, store: Store, running: Any) -> None:
    """Rows of a program that the configuration names no more fail at the next start, in a sentence."""
    banned(config(tmp_path, hooks={"program": ["/bin/true"]}), store)
    running(build({}), store)
    until(lambda: all_are(store, "failed"), "it is given up")
    with sqlite3.connect(store.path) as db:
        assert "[hooks] program is empty now" in db.execute("SELECT last_error FROM deliveries").fetchone()[0]


def test_a_secret_that_is_missing_keeps_it_from_starting(tmp_path: Path, store: Store) -> None:
    """Nothing is posted unsigned: without its secret file the runner refuses to start."""
    with pytest.raises(DeliveryError, match="secret"):
        made(config(tmp_path, hooks={"url": "http://127.0.0.1:9/", "secret_file": str(tmp_path / "none")}), store)


def test_killed_at_any_moment_it_goes_on_where_it_was(tmp_path: Path, store: Store) -> None:
    """A daemon killed with -9 while it hands over: the next one hands over the rest, each at least once."""
    with serving() as web:
        settings = config(tmp_path, hooks={"url": web.url})
        store.deliver([_delivery(n) for n in range(200)])
        text = (
            "import sys, json, time\nfrom edgeguard.cases.store import Store\nfrom edgeguard.config import build\n"
            "from edgeguard.handing import courier\n"
            "c = courier(build(json.loads(sys.argv[2])), Store(sys.argv[1]))\nc.start()\ntime.sleep(1000)\n"
        )
        wanted = json.dumps({"hooks": {"url": web.url, "retry": "20ms"}})
        for number in (20, 60, 120):
            process = subprocess.Popen([sys.executable, "-c", text, str(store.path), wanted])
            until(lambda number=number: len(web.got) >= number, "some are taken")
            process.kill()
            process.wait()
        last = made(settings, store)
        last.start()
        until(lambda: all_are(store, "sent"), "all are taken")
        last.stop()
    ids = [got.headers["Idempotency-Key"] for got in web.got]
    assert set(ids) == {f"delivery-{n}" for n in range(200)}
    assert len(ids) <= 203  # at most one is under way at each kill


def _delivery(number: int, channel: Channel = Channel.WEBHOOK, case: str | None = None) -> Delivery:
    document = {"id": f"delivery-{number}", "host": "hv1", "kind": "decision", "client_ip": "192.0.2.1"}
    document |= {"data_direction": "outgoing", "pps": 1, "action": "ban", "decision": {"scope": "full"}, "standing": 0}
    return Delivery(f"delivery-{number}", channel, case, None, T, json.dumps(document))


# ---- whatever happens ---------------------------------------------------------------------------


class Played:
    """A runner whose answers a test writes; the real one is above and in test_hooks_runner."""

    def __init__(self, handed: list[str]) -> None:
        self.ended = ""
        self.handed = handed
        self.open: list[str] = []
        self.answers: list[wire.Answer] = []

    def hand(self, hand: wire.Hand) -> bool:
        self.handed.append(hand.id)
        self.open.append(hand.id)
        return True

    def poll(self) -> list[wire.Answer]:
        found, self.answers = self.answers, []
        return found

    def answer(self, taken: bool) -> str | None:
        if not self.open:
            return None
        self.answers.append(wire.Answer(id := self.open.pop(0), taken, "because"))
        return id if taken else None


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("record"), st.sampled_from([Channel.PROGRAM, Channel.WEBHOOK]), st.integers(0, 2)),
        st.sampled_from([("look",), ("take",), ("refuse",), ("die",), ("restart",), ("wait",), ("full",), ("room",)]),
    ),
    max_size=40,
)


class World:
    """A database that may refuse, a clock, and couriers one after the other."""

    def __init__(self, path: Path) -> None:
        self.store, self.now, self.full = Store(path), T, False
        self.recorded: list[tuple[str, Channel, int]] = []
        self.handed: list[str] = []
        self.known: set[str] = set()  # acknowledged, and the courier has heard it
        self.start()

    def start(self) -> None:
        self.runner = Played(self.handed)
        settings = build({"hooks": {"program": ["/bin/true"], "url": "http://127.0.0.1/", "age": "3650d"}}).hooks
        tray = self.store.tray()
        for name in ("sent", "postponed", "failed"):
            setattr(tray, name, self._unless_full(getattr(tray, name)))
        self.courier = Courier(tray, settings, self.runner, False, None, lambda: self.now)  # type: ignore[arg-type]

    def _unless_full(self, write: Callable[..., None]) -> Callable[..., None]:
        def refusing(*values: Any) -> None:
            if self.full:
                raise StoreError("the disk is full")
            write(*values)

        return refusing

    def do(self, step: tuple[Any, ...]) -> None:
        match step:
            case ("record", channel, case):
                number = len(self.recorded)
                self.store.deliver([_delivery(number, channel, f"case-{case}")])
                self.recorded.append((f"delivery-{number}", channel, case))
            case ("look",):
                self.look()
            case ("take" | "refuse",):
                id = self.runner.answer(step == ("take",))
                self.look()
                if id and not self.runner.ended:
                    self.known.add(id)
            case ("die",):
                self.runner.ended = "the runner has ended"
                self.look()
            case ("restart",):
                self._killed()
                self.start()
            case ("wait",):
                self.now += 2 * HOUR
            case ("full" | "room",):
                self.full = step == ("full",)

    def _killed(self) -> None:
        """What only the courier knew is lost: those may be handed over again."""
        self.known = {id for id, state in self.states() if state == "sent"}
        self.courier._tray.close()

    def look(self) -> None:
        before = len(self.handed)
        self.courier._look()
        again = self.known & set(self.handed[before:])
        assert not again, f"handed over again although it was taken: {again}"

    def states(self) -> list[tuple[str, str]]:
        return self.store._db.execute("SELECT id, state FROM deliveries").fetchall()

    def finish(self) -> None:
        """From now on all is well."""
        self.full = False
        self.do(("restart",))
        while any(state == "ready" for _, state in self.states()):
            self.do(("wait",))
            self.do(("look",))
            for _ in range(len(self.runner.open)):
                self.do(("take",))


@settings(max_examples=150)
@given(STEPS)
def test_whatever_happens_each_is_handed_over_and_none_again(steps: list[tuple[Any, ...]]) -> None:
    """Over every sequence of failures, full disks, dead runners and restarts: each delivery is handed over, in the
    order of its channel and case, and none that was acknowledged is handed over again."""
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder) / "cases.sqlite")
        for step in steps:
            world.do(step)
        world.finish()
        world.courier._tray.close()
        world.store.close()
    assert set(world.handed) == {id for id, _, _ in world.recorded}
    for channel in (Channel.PROGRAM, Channel.WEBHOOK):
        for case in range(3):
            wanted = [id for id, at, of in world.recorded if (at, of) == (channel, case)]
            assert list(dict.fromkeys(id for id in world.handed if id in wanted)) == wanted


def test_the_runner_takes_only_what_fits(tmp_path: Path) -> None:
    """Wrong, oversized and untyped messages are refused, a second set of programs too, and the runner goes on."""
    out = tmp_path / "out"
    settings = wire.Settings((script(tmp_path, f"cat >> {out}"),), (), "", "", 60 * SECOND, 60 * SECOND)
    runner = Runner.start(settings)
    try:
        evil = replace(settings, program=("/bin/sh", "-c", f"touch {tmp_path}/evil"))
        for raw in (b"{", b"[]", b'{"kind":"hand","hand":{}}', b"x" * wire.MAX_MESSAGE, wire.encode(evil)):
            runner._channel.send(raw)
        runner.hand(wire.Hand("delivery-1", Channel.PROGRAM, '"' * wire.MAX_BODY, ("192.0.2.1", "::1", "unban")))
        (answer,) = until(runner.poll, "the runner answers")
        assert answer.taken and out.read_text() == '"' * wire.MAX_BODY
        assert not (tmp_path / "evil").exists()
    finally:
        runner.close()


@pytest.mark.parametrize(
    "argument", ["-rf", "/etc/passwd", "a b", "$(id)", "a\nb", "", "x" * 65, "../x", "'", "ü", "web1;id"]
)
def test_no_argument_can_be_an_option_or_a_path(argument: str) -> None:
    """Only plain words and addresses pass as arguments to a program."""
    raw = wire.encode(wire.Hand("delivery-1", Channel.PROGRAM, "", (argument,)))
    with pytest.raises(wire.WireError):
        wire.decode(raw)


def test_the_runner_has_no_rights(tmp_path: Path) -> None:
    """Neither the runner nor what it starts has a capability, or can gain one."""
    out = tmp_path / "out"
    hook = script(tmp_path, f"grep -E 'Cap(Prm|Eff|Inh|Amb)|NoNewPrivs' /proc/self/status > {out}")
    runner = Runner.start(wire.Settings((hook,), (), "", "", 60 * SECOND, 60 * SECOND))
    try:
        runner.hand(wire.Hand("delivery-1", Channel.PROGRAM, ""))
        assert until(runner.poll, "the program ends")[0].taken
        told = dict(line.split(":\t") for line in out.read_text().splitlines())
        assert told.pop("NoNewPrivs") == "1" and len(told) == 4 and not any(int(v, 16) for v in told.values())
    finally:
        runner.close()
