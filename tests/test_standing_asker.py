"""The process that asks for standings; and what the configuration refuses, `check` says and a replay asks of them."""

from __future__ import annotations

import json
import logging
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from test_standing import AS_OF, CUSTOMER, NIL, NOW, PATIENCE_S, QUERY, Answering, service, settings_of, until  # noqa: F401

from edgeguard import config
from edgeguard.check.standing import standing
from edgeguard.clock import HOUR, SECOND
from edgeguard.context import Told
from edgeguard.errors import ConfigError
from edgeguard.inventory import configured
from edgeguard.inventory.entries import parse
from edgeguard.lab.scenario import SCENARIOS
from edgeguard.lab.write import write
from edgeguard.model import Act, Decision, Scope
from edgeguard.replay import Replay
from edgeguard.standing import asker
from edgeguard.standing.asker import Asker


class Ticks:
    """A clock that never goes back, moved by the test."""

    def __init__(self) -> None:
        self.now = 1_000 * SECOND

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def start() -> Iterator[Callable[..., tuple[Asker, Ticks]]]:
    """Starts processes that ask; they are ended with the test."""
    started = []

    def begin(**values: Any) -> tuple[Asker, Ticks]:
        made, ticks = Asker.start(settings_of(**values)), Ticks()
        made._ticks = ticks
        started.append(made)
        return made, ticks

    yield begin
    for one in started:
        one.close()


@pytest.fixture
def listed(tmp_path: Path) -> Callable[..., str]:
    """A file of customers in good standing."""

    def write(*customers: str, **entry: Any) -> str:
        document = {"as_of": AS_OF, "customer": {name: {"standing": "good", **entry} for name in customers}}
        new, file = tmp_path / "new.json", tmp_path / "customers.json"
        new.write_text(json.dumps(document))
        new.rename(file)
        return str(file)

    return write


Start = Callable[..., tuple[Asker, Ticks]]
Listed = Callable[..., str]


def test_it_never_waits_and_is_unknown_until_it_knows(start: Start, listed: Listed) -> None:
    """The first question is answered at once: unknown, not yet answered; a later one as the provider said."""
    made, _ = start(file=listed("a"))
    os.kill(made.pid, signal.SIGSTOP)  # nothing can answer now
    try:
        assert [made.of("a", NOW) for _ in range(3)] == [Told(False, "the provider has not answered yet")] * 3
        assert made.trouble is None
    finally:
        os.kill(made.pid, signal.SIGCONT)
    assert until(lambda: made.of("a", NOW).good)
    assert made.of("a", AS_OF * SECOND + 7 * 24 * HOUR).why.startswith("the provider's answer is of")


def test_customers_are_known_before_they_are_needed(start: Start, listed: Listed) -> None:
    """Looked at every second, everybody here is asked for, whoever is named first before the others."""
    names = [f"c{n}" for n in range(40)]
    made, _ = start(file=listed(*names))
    made.customers = lambda: names
    until(lambda: made.look() or len(made._kept) == 40)
    assert all(made._kept[name].told.good for name in names)
    made.customers = lambda: names[:3]
    made.look()
    assert sorted(made._kept) == names[:3]


def test_an_answer_is_asked_for_anew(start: Start, listed: Listed) -> None:
    """At half of `keep` it is asked for again, beside; at the whole of it it holds no more."""
    made, ticks = start(file=listed("a"), keep="100s")
    made.customers = lambda: ["a"]
    until(lambda: made.of("a", NOW).good)
    listed("a", standing="unknown")
    ticks.now += 49 * SECOND
    made.look()
    assert made._asked == {} and made.of("a", NOW).good
    ticks.now += SECOND
    made.look()
    assert until(lambda: not made.of("a", NOW).good)
    os.kill(made.pid, signal.SIGSTOP)
    try:
        ticks.now += 100 * SECOND
        assert made.of("a", NOW) == Told(False, "the provider has not answered yet")
        ticks.now += asker.STUCK
        assert made.of("a", NOW) == Told(False, "the process that asks for it does not answer")
        assert "does not answer" in str(made.trouble)
    finally:
        os.kill(made.pid, signal.SIGCONT)


def test_a_provider_that_stops_answering(start: Start, listed: Listed, caplog: pytest.LogCaptureFixture) -> None:
    """What it said holds as long as it may; then unknown with the reason; one line in the log, one when it is back."""
    caplog.set_level(logging.INFO)
    file = Path(listed("a"))
    made, ticks = start(file=str(file), keep="100s")
    made.customers = lambda: ["a"]
    until(lambda: made.of("a", NOW).good)
    file.write_text("{")
    ticks.now += 60 * SECOND
    until(lambda: made.look() or made.trouble)
    assert made.of("a", NOW).good
    ticks.now += 40 * SECOND
    until(lambda: made.look() or "cannot be understood" in made.of("a", NOW).why)
    assert not made.of("a", NOW).good
    listed("a")

    def is_back() -> bool:
        ticks.now += asker.RETRY
        made.look()
        return made.of("a", NOW).good

    until(is_back)
    made.look()
    assert made.trouble is None
    told = [record.getMessage() for record in caplog.records]
    assert [line.partition(":")[0] for line in told] == [
        "no standing of 1 customers, who are unknown",
        "the provider of standings answers",
    ]


def test_a_name_that_is_too_long_is_asked_of_nobody(start: Start, listed: Listed) -> None:
    """It is unknown, with the reason, and nothing is sent."""
    made, _ = start(file=listed("a"))
    assert made.of("x" * 1_025, NOW) == Told(False, "no answer: a name of 1,025 characters cannot be asked for")
    assert made._asked == {}


def test_its_end_makes_everybody_unknown(start: Start, listed: Listed, caplog: pytest.LogCaptureFixture) -> None:
    """Killed, it answers nothing any more, without waiting; the log says so once."""
    made, _ = start(file=listed("a"))
    until(lambda: made.of("a", NOW).good)
    os.kill(made.pid, signal.SIGKILL)
    until(lambda: not made.of("a", NOW).good)
    for _ in range(5):
        made.look()
        assert made.of("b", NOW) == Told(False, "the process that asks for it does not answer")
    assert sum("has ended" in record.getMessage() for record in caplog.records) == 1


def test_the_process_has_no_rights_and_shows_no_secret(start: Start, service: str) -> None:  # noqa: F811
    """It holds no capability, and the URL's path stands in no argument."""
    made, _ = start(url=f"{service}/good/s3cret/{{customer}}")
    status = Path(f"/proc/{made.pid}/status").read_text()
    rights = dict(line.split(":\t") for line in status.splitlines() if ":\t" in line)
    assert {int(rights[name], 16) for name in ("CapEff", "CapPrm", "CapInh", "CapAmb")} == {0}
    assert rights["NoNewPrivs"].strip() == "1"
    assert b"s3cret" not in Path(f"/proc/{made.pid}/cmdline").read_bytes()
    assert until(lambda: made.of(CUSTOMER, NOW).good)
    made.close()
    assert made._companion.process.returncode == 0


def test_a_url_that_hangs_holds_up_nothing_but_itself(start: Start, service: str) -> None:  # noqa: F811
    """Answers keep coming, one timeout apart, and the daemon's end never waits: a thousand questions in no time."""
    made, _ = start(url=f"{service}/hangs/{{customer}}", timeout="100ms")
    made.customers = lambda: [CUSTOMER]
    began = time.monotonic()
    assert all(not made.of(CUSTOMER, NOW).good for _ in range(1_000))
    assert time.monotonic() - began < PATIENCE_S / 2
    assert until(lambda: "did not answer within 100 ms" in made.of(CUSTOMER, NOW).why)


# ---- configuration and check ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"file": "/a", "url": "http://crm.example.net/{customer}"}, "one of the three"),
        ({"database": "/a"}, "belong together"),
        ({"query": QUERY}, "belong together"),
        ({"database": "/a", "query": "DELETE FROM a WHERE b = :customer"}, "must be a SELECT"),
        ({"database": "/a", "query": "SELECT 1 WHERE a = :name"}, "the one named parameter :customer"),
        ({"database": "/a", "query": "SELECT :customer, :other"}, "the one named parameter :customer"),
        ({"url": "http://crm.example.net/"}, "a GET has {customer}"),
        ({"url": "http://crm.example.net/{customer}", "method": "POST"}, "a POST has not"),
        ({"url": "ftp://crm.example.net/{customer}"}, "[standing] url"),
        ({"method": "PUT"}, "[standing] method"),
        ({"token_file": "/a"}, "is sent to `url`, which is empty"),
        ({"timeout": "31s"}, "timeout: 30s at most"),
        ({"patience": "11m"}, "patience: 10m at most"),
        ({"patience": "5s"}, "patience_fast: no longer than patience"),
        ({"patience_hard": "6s"}, "patience_hard: 5s at most"),
        ({"payment": "x"}, "[standing] payment: unknown key"),
    ],
)
def test_what_the_configuration_refuses(values: dict[str, Any], why: str) -> None:
    """In one line each that says what is wrong."""
    with pytest.raises(ConfigError) as caught:
        config.build({"standing": values})
    (finding,) = caught.value.findings
    assert why in finding


VMS = parse("[[vm]]\nid = 'vm-1'\ncustomer = 'a'\ntaps = ['tap1']\n", "inventory.toml")


def test_check_asks_the_provider(listed: Listed, tmp_path: Path, service: str) -> None:  # noqa: F811
    """Whether it answers, and what of the first customer; wrong where it does not; nothing where none is configured."""

    def found(**values: Any) -> list[tuple[str, str]]:
        built = config.build({"standing": {"timeout": "1s", **values}})
        return [(one.grade, one.text) for one in standing(built, VMS)]

    assert found() == []
    ((grade, text),) = found(file=listed("a"))
    assert grade == "ok" and "answers; customer a is good by the provider" in text
    ((grade, text),) = found(file=listed("b"))
    assert (grade, text.partition("; ")[2]) == ("ok", f"customer a is unknown, which is not bad: {NIL}")
    ((grade, text),) = found(file=str(tmp_path / "none.json"))
    assert grade == "wrong" and "none.json: asked for customer a: cannot be read: No such file" in text
    ((grade, text),) = found(url=f"{service}/fails/s3cret/{{customer}}")
    assert grade == "wrong" and "status 500" in text and "s3cret" not in text
    built = config.build({"standing": {"file": listed("a")}})
    assert [one.grade for one in standing(built, ())] == ["warning"]


def test_a_replay_asks_nobody(service: str, tmp_path: Path) -> None:  # noqa: F811
    """With a provider configured a savefile is judged as ever: no question leaves, and the answer says why."""
    beside = write(SCENARIOS["syn-flood"], tmp_path / "flood.pcap")[0]
    text = beside.read_text() + f'\n[standing]\nurl = "{service}/good/{{customer}}"\n'
    beside.write_text(text)
    settings, told = config.load(beside), []
    Replay(tmp_path / "flood.pcap", settings, configured(settings.inventory), told.append).run()
    (decision,) = (one for one in told if isinstance(one, Decision) and one.act is Act.NULL_ROUTE)
    (said,) = (one for one in decision.safeties if one.name == "standing")
    assert (decision.scope, said.answer) == (Scope.NARROW, "unknown")
    assert said.reason == "unknown, which is not bad: a replay asks nobody, and knows no history"
    assert Answering.heard == []
