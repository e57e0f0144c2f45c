"""What is told: one ban, one unban, every key in the manual, nothing in a null route's way."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from hooks import script, serving
from samples import (
    CASE,
    DECISION,
    ORDER,
    RELEASE,
    RELEASE_ORDER,
    SUM_DECISION,
    SUM_VERDICT,
    VERDICT,
    VM,
    T,
    happened,
    notices,
)

from edgeguard.cases.store import Store
from edgeguard.check import findings
from edgeguard.cli import main
from edgeguard.clock import SECOND
from edgeguard.config import build
from edgeguard.daemon.outward import Outward
from edgeguard.errors import ConfigError
from edgeguard.hooks import document
from edgeguard.hooks.courier import Courier
from edgeguard.hooks.webhook import Target, post
from edgeguard.letters import Channel, Delivery
from edgeguard.model import Act, Alternative, CameBack, Decision, Happened, SafetyAnswer, Scope, Share, Spread

MANUAL = (Path(__file__).parents[1] / "docs" / "hooks.md").read_text(encoding="utf-8")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "cases.sqlite") as opened:
        yield opened


def idle(store: Store) -> Courier:
    """A courier that is not started."""
    return Courier(store.tray(), build({}).hooks, None, False, None)


def telling(store: Store, **hooks: Any) -> Outward:
    settings = build({"hooks": {"program": ["/bin/true"], **hooks}}).hooks
    return Outward(store, settings, "hv1", idle(store), lambda id: VM)


def actions(deliveries: tuple[Delivery, ...]) -> list[str]:
    return [json.loads(one.body)["action"] for one in deliveries]


def record(store: Store, decision: Decision, **hooks: Any) -> list[str]:
    """Decides, and says which actions the program is told."""
    told = telling(store, **hooks).of_decision(CASE, VERDICT, decision)
    order = {Act.NULL_ROUTE: ORDER, Act.RELEASE: RELEASE_ORDER}.get(decision.act)
    order = replace(order, decision=decision.id) if order else None
    store.record(CASE, VERDICT, decision, notices(decision), order, told)
    return actions(told)


def report(store: Store, what: Happened, decision: str = DECISION.id, **hooks: Any) -> list[str]:
    outcome = happened(what, T + SECOND, decision)
    told = telling(store, **hooks).of_outcome(outcome)
    store.outcome(outcome, told)
    return actions(told)


SECOND_BAN = replace(DECISION, id="decision-3", scope=Scope.FULL, targets=())


def test_one_unban_for_all_bans(store: Store) -> None:
    """Two null routes of a VM are two bans; the release of the first says nothing, that of the last unbans."""
    assert record(store, DECISION) == ["ban"]
    assert record(store, SECOND_BAN) == ["ban"]
    assert record(store, RELEASE) == []
    assert record(store, replace(RELEASE, id="decision-4", releases=("decision-3",))) == ["unban"]
    assert report(store, Happened.RELEASED) == []


@pytest.mark.parametrize("how", [Happened.RELEASED, Happened.LINK_GONE, Happened.FAILED])
def test_what_ends_by_itself_is_unbanned_once(store: Store, how: Happened) -> None:
    """A null route that its lifetime or its tap ends, or that never stood, is unbanned although nobody decided it; the
    release that is decided afterwards says nothing more."""
    record(store, DECISION)
    assert report(store, how) == ["unban"]
    assert report(store, how) == []
    assert record(store, RELEASE) == []


def test_a_failure_of_what_stands_is_no_unban(store: Store) -> None:
    """A null route that the kernel once acknowledged goes on, whatever failed later."""
    record(store, DECISION)
    report(store, Happened.ACKNOWLEDGED)
    assert report(store, Happened.FAILED) == []
    assert report(store, Happened.FAILED, all=True) == ["failed"]


def test_other_decisions_only_where_all_is_set(store: Store) -> None:
    """What drops nothing is not told to a script made for FastNetMon; with `all` it is, by another word."""
    watched = replace(DECISION, act=Act.NONE, scope=Scope.OBSERVE, enforced=False, until=None)
    assert record(store, watched) == []
    assert record(store, replace(watched, id="decision-5"), all=True) == ["observe"]
    assert record(store, replace(watched, id="decision-6", scope=Scope.WARN), all=True) == ["warn"]


def test_a_customer_s_sum_is_told_without_an_address(store: Store) -> None:
    """A sum has no VM: its address is a word that no tool takes for one."""
    whole = replace(CASE, id=SUM_DECISION.case, vm=None, vm_name=None, tap=None, addresses=())
    told = Outward(
        store,
        build({"hooks": {"program": ["/x"], "all": True}}).hooks,
        "hv1",
        idle(store),
        lambda id: None,
    )
    (one,) = told.of_decision(whole, SUM_VERDICT, SUM_DECISION)
    assert json.loads(one.body)["client_ip"] == "unknown"


@pytest.mark.parametrize(
    ("addresses", "wanted"),
    [
        (("2001:db8:1::/64", "192.0.2.10/32", "192.0.2.11/32"), "192.0.2.10"),
        (("2001:db8::1/128", "192.0.2.10/32"), "2001:db8::1"),
        (("2001:db8:1::/64",), "2001:db8:1::"),
        ((), "unknown"),
    ],
)
def test_the_address_is_the_vm_s_own_first_one(addresses: tuple[str, ...], wanted: str) -> None:
    """A host comes before a prefix, in the order of the inventory."""
    vm = replace(VM, addresses=tuple(map(ip_network, addresses)))
    assert document.of_decision(CASE, DECISION, VERDICT, vm, "hv1")["client_ip"] == wanted


def test_into_a_vm_is_incoming() -> None:
    """A verdict about what reaches a VM has the other direction."""
    made = document.of_decision(CASE, DECISION, replace(VERDICT, rule="udp-in"), VM, "hv1")
    assert made["data_direction"] == "incoming" and "total_incoming_pps" in made["attack_details"]


def test_what_cannot_be_told_stops_nothing(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    """A verdict that has no JSON is an error in the log; the decision is recorded all the same."""
    told = telling(store).of_decision(CASE, replace(VERDICT, mean=float("nan")), DECISION)
    assert told == () and "nobody is told" in caplog.text


def test_numpy_s_numbers_are_numbers() -> None:
    """Counts come from arrays."""
    verdict = replace(VERDICT, measured=np.int64(7), bytes=np.uint64(9), mean=np.float64(1.5))  # type: ignore[arg-type]
    made = document.of_decision(CASE, DECISION, verdict, VM, "hv1")
    assert json.loads(document.written(made))["verdict"]["measured"] == 7


def test_a_document_is_never_too_large() -> None:
    """What would be beyond the bound goes without its details, and says so; everything needed to act is there."""
    decision = replace(DECISION, safeties=(SafetyAnswer("x", "pass", "y" * 1000),) * 100)
    text = document.written(document.of_decision(CASE, decision, VERDICT, VM, "hv1"))
    told = json.loads(text)
    assert len(text) < document.LARGEST and told["cut"] is True and told["verdict"] is None
    assert told["action"] == "ban" and told["decision"]["targets"]


def keys(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, below in value.items():
            yield name
            yield from keys(below)
    elif isinstance(value, list):
        for below in value:
            yield from keys(below)


def test_every_key_is_in_the_manual(store: Store) -> None:
    """docs/hooks.md must name each key that a document can hold."""
    full = replace(
        VERDICT,
        longer=((5, 10),),
        shares=(Share("vm-1", "tap1", 5),),
        spread=Spread(1, 2, 3),
        alternatives=(Alternative("flood", True, "because"),),
        came_back=CameBack(1, 2, 3, 4, 5),
    )
    made = document.of_outcome(CASE, DECISION, full, VM, "hv1", happened(Happened.VERIFIED))
    (one,) = document.deliveries({**made, "cut": True}, [Channel.WEBHOOK], T)
    named = set(re.findall(r"`([a-z_]+)`", MANUAL.partition("## The document")[2]))
    assert set(keys(json.loads(one.body))) <= named


def test_the_manual_s_check_accepts_what_is_posted() -> None:
    """The five lines that the manual gives to receivers accept a real post and refuse a changed one."""
    lines = re.search(r"```python\n(.*?)```", MANUAL, re.DOTALL)
    assert lines
    with serving() as web:
        assert post(Target.of(web.url, b"s3cret"), "delivery-1", '{"a":1}', 60)[0]
    (got,) = web.got
    exec(lines[1], {"headers": got.headers, "body": got.body, "secret": b"s3cret"})
    for changed in ({"body": b'{"a":2}'}, {"secret": b"other"}):
        with pytest.raises(PermissionError):
            exec(lines[1], {"headers": got.headers, "body": got.body, "secret": b"s3cret", **changed})


def test_a_page_comes_with_its_decision(store: Store) -> None:
    """A decision that wakes somebody leaves a page of five lines, with commands that hold no name."""
    decision = replace(DECISION, page="not stopped", safeties=(SafetyAnswer("pace", "refuse", "too many"),))
    told = Outward(
        store,
        build({}).hooks,
        "hv1",
        idle(store),
        lambda id: replace(VM, name="'; rm -rf /'"),
    )
    (one,) = told.of_decision(CASE, VERDICT, decision)
    page = json.loads(one.body)
    assert one.channel is Channel.PAGE and one.cause == "not stopped" and len(page["lines"]) == 5
    assert "50,012 packets" in page["lines"][1] and "pace (too many)" in page["lines"][4]
    assert not any("rm" in command for command in page["commands"])
    assert any("case release" in command for command in page["commands"])


# ---- the command, and what check says -----------------------------------------------------------


def config_file(tmp_path: Path, text: str) -> str:
    file = tmp_path / "edgeguard.toml"
    file.write_text(text)
    return str(file)


def hooks_test(*words: str) -> Any:
    """In a process of its own: the command gives up its rights."""
    command = [sys.executable, "-m", "edgeguard", "hooks", "test", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_hooks_test_tells_what_each_answered(tmp_path: Path) -> None:
    """Program, webhook and page are tried with a test document, and the exit code says whether all have taken it."""
    out = tmp_path / "out"
    hook = script(tmp_path, f"echo $* >> {out}; cat >> {out}; echo got it; grep CapEff /proc/self/status >> {out}")
    pager = script(tmp_path, f"cat >> {out}; exit 9", "pager")
    secret = tmp_path / "secret"
    secret.write_text("s3cret\n")
    with serving() as web:
        hooks = f'[hooks]\nprogram = ["{hook}"]\nurl = "{web.url}"\nsecret_file = "{secret}"\n'
        told = hooks_test("--json", "-c", config_file(tmp_path, f'{hooks}[page]\nprogram = ["{pager}"]\n'))
        assert hooks_test("-c", config_file(tmp_path, hooks), "--action", "ban").returncode == 0
    found = [json.loads(line) for line in told.stdout.splitlines()]
    assert told.returncode == 1
    assert [(one["channel"], one["taken"]) for one in found] == [("program", True), ("webhook", True), ("page", False)]
    assert "got it" in found[0]["detail"] and "exit status 9" in found[2]["detail"]
    text = out.read_text()
    assert text.startswith("192.0.2.1 outgoing 0 test\n") and "nothing is wrong" in text and "outgoing 0 ban" in text
    assert "CapEff:\t0000000000000000" in text
    assert json.loads(web.got[0].body)["kind"] == "test" and "X-EdgeGuard-Signature" in web.got[0].headers


def test_hooks_test_without_hooks_is_a_mistake(tmp_path: Path) -> None:
    """Nothing configured is nothing tested: said, with an exit code."""
    told = CliRunner().invoke(main, ["hooks", "test", "-c", config_file(tmp_path, "")])
    assert told.exit_code == 2 and "nothing to test" in told.output


def test_check_looks_at_hooks(tmp_path: Path) -> None:
    """A program that is not there and a secret that others may read are findings; nothing is started."""
    secret, started = tmp_path / "secret", tmp_path / "started"
    secret.write_text("s3cret")
    secret.chmod(0o644)
    pager = script(tmp_path, f"touch {started}")

    def found(text: str) -> dict[tuple[str, str], str]:
        told = findings(Path(config_file(tmp_path, text)))
        return {(one.area, one.what): f"{one.grade}: {one.text}" for one in told if one.area in ("hooks", "page")}

    first = found(
        '[hooks]\nprogram = ["/nonexistent"]\nurl = "https://hooks.example.net/x/token"\n'
        f'secret_file = "{secret}"\n[page]\nprogram = ["{pager}"]\n'
    )
    assert first["hooks", "program"].startswith("wrong: /nonexistent: is no file")
    assert first["hooks", "secret_file"].startswith("warning") and "chmod 600" in first["hooks", "secret_file"]
    assert first["page", "program"].startswith("ok") and not started.exists()
    second = found('[hooks]\nurl = "https://hooks.example.net/x/token"\n')
    assert "nothing is signed" in second["hooks", "url"] and "token" not in str(second)
    assert second["page", "program"].startswith("warning")


@pytest.mark.parametrize(
    "hooks",
    [
        {"program": "/bin/sh -c id"},
        {"program": ["notify"]},
        {"program": ["/bin/sh", 1]},
        {"url": "ftp://hooks.example.net/"},
        {"url": "https://user:pass@hooks.example.net/"},
        {"url": "https://hooks.example.net/\r\nX: y"},
        {"secret_file": "/etc/secret"},
        {"timeout": "6m"},
        {"all": "yes"},
    ],
)
def test_a_wrong_setting_is_refused(hooks: dict[str, Any]) -> None:
    """A shell line, a program without its path, another scheme, a password in the URL: refused in one line."""
    with pytest.raises(ConfigError, match="hooks") as refused:
        build({"hooks": hooks})
    assert len(refused.value.findings) == 1
