"""The end is certain: without the daemon, without the database, whatever became of tap and VM."""

from __future__ import annotations

import dataclasses
import json
import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from enforcement_host import OTHER4, TARGET4, Host, target, to
from samples import BACKGROUND, CASE, DECISION, VM

from edgeguard import config, reaping
from edgeguard.cases.store import Store
from edgeguard.config import Config
from edgeguard.control import ControlServer
from edgeguard.enforcement.boottime import boottime, stamped
from edgeguard.model import Happened, Order, Outcome, Scope, Subject
from edgeguard.notice.values import compose
from edgeguard.reaping import Reaped

SECOND = 1_000_000_000
SOON = 1


@pytest.fixture(scope="module", params=["routed", "bridged"])
def host(request: pytest.FixtureRequest) -> Iterator[Host]:
    with Host(request.param) as host:
        yield host


def _settings(tmp_path: Path, host: Host, **vm: Any) -> Config:
    entry = {"id": "vm-1", "name": "web1", "taps": ["tap0"], "addresses": [host.vm4, host.vm6], "customer": "C-1"}
    paths = {name: str(tmp_path / name) for name in ("database", "socket", "kill")}
    return config.build({"paths": paths, "inventory": {"vm": [{**entry, **vm}]}, "host": {"name": "hv7"}})


def _null_routed(host: Host, settings: Config, *orders: Order) -> Order:
    """A daemon put these, wrote them down, and is gone. The first of them; SOON is two seconds from now."""
    enforcer = host.start()
    orders = tuple(replace(o, until=time.time_ns() + 2 * SECOND) if o.until == SOON else o for o in orders)
    with Store(settings.paths.database) as store:
        for number, order in enumerate(orders):
            made = replace(CASE, id=f"EG-20261129-{number}", tap="tap0", vm="vm-1", state=order.scope)
            decided = replace(DECISION, id=order.decision, case=made.id, verdict=None, scope=order.scope, tap=order.tap)
            decided = replace(decided, targets=order.targets, until=order.until, subject=Subject("vm-1", "tap0", None))
            store.record(made, None, decided, compose(decided, None, VM, BACKGROUND), stamped(order))
            enforcer.order(stamped(order))
            host.until(order.decision, Happened.ACKNOWLEDGED)
            store.outcome(Outcome(order.decision, time.time_ns(), Happened.ACKNOWLEDGED, ""))
    enforcer.close()
    return orders[0]


def _reap(host: Host, settings: Config) -> Reaped:
    with host.host.inside():
        return reaping.reap(settings)


def _gets_out(host: Host, where: str = TARGET4) -> bool:
    sent = to(host.arrived([host.frame(where)], 20), where)
    assert sent in (0, 20)
    return sent == 20


def _ends_soon(host: Host, name: str, **changes: Any) -> Order:
    return host.order(name, targets=(target(TARGET4),), until=SOON, **changes)


def _wait_until_late(order: Order) -> None:
    while time.time_ns() < order.until + 4 * SECOND:
        time.sleep(0.1)


@pytest.mark.parametrize("scope", [Scope.NARROW, pytest.param(Scope.OWN_ONLY, marks=pytest.mark.long), Scope.FULL])
def test_what_is_past_its_end_goes_without_daemon_and_database(host: Host, tmp_path: Path, scope: Scope) -> None:
    """The kernel alone knows the end: with the database gone an overdue null route is ended, a lasting one stays."""
    settings = _settings(tmp_path, host)
    soon = _ends_soon(host, f"d-soon-{scope}", scope=scope)
    lasting = host.order("d-lasting", targets=(target(OTHER4),))
    soon = _null_routed(host, settings, soon, lasting)
    for file in tmp_path.iterdir():
        file.unlink()
    (tmp_path / "database").write_text("no database at all, but a file that stands in the way")
    _wait_until_late(soon)
    done = _reap(host, settings)
    assert done.trouble and "database" in done.trouble[0]
    assert (done.removed > 0) == (host.kind == "routed")  # in a bridge the kernel itself was faster
    assert _gets_out(host) and not _gets_out(host, OTHER4)
    assert reaping.failed(done) is not None
    (tmp_path / "database").unlink()
    Store(settings.paths.database).close()
    _reap(host, settings)  # of no case: it goes, too
    assert _gets_out(host, OTHER4)


def test_an_end_without_a_daemon_is_recorded_and_told(host: Host, tmp_path: Path) -> None:
    """What the reaper ends is a decision with its notice and its outcome, once, as if the daemon had ended it."""
    settings = _settings(tmp_path, host, contact="owner@example.net")
    order = _null_routed(host, settings, _ends_soon(host, "d-told"))
    _wait_until_late(order)
    done = _reap(host, settings)
    assert [line.endswith("its lifetime is over") for line in done.ended] == [True]
    assert _reap(host, settings) == Reaped(0)
    with Store(settings.paths.database) as store:
        assert store.standing() == []
        (found,) = store.cases()
        assert found.state == "probation"
        assert [d.act for d in store.decisions(found.id)] == ["null-route", "release"]
        assert [letter.kind for letter in store.letters(found.id)][-1] == "released"
        assert [letter.to for letter in store.letters(found.id)][-1] == "owner@example.net"


def test_what_lasts_is_left_alone(host: Host, tmp_path: Path) -> None:
    """A null route with a live case and an end to come stands as before, the operator's own rules too."""
    settings = _settings(tmp_path, host)
    order = host.order("d-lasts", targets=(target(TARGET4),))
    _null_routed(host, settings, order)
    host.host.run("ip", "rule", "add", "from", "192.0.2.99", "lookup", "main", "priority", "700")
    assert _reap(host, settings) == Reaped(0)
    assert not _gets_out(host)
    assert "192.0.2.99" in host.host.run("ip", "rule").stdout
    host.host.run("ip", "rule", "del", "priority", "700")
    Path(settings.paths.database).unlink()
    Store(settings.paths.database).close()
    assert _reap(host, settings).removed > 0
    assert _gets_out(host)


def test_the_next_owner_of_a_tap_meets_nothing(host: Host, tmp_path: Path) -> None:
    """While no daemon runs the tap is given to another customer: the null route ends with the first."""
    settings = _settings(tmp_path, host)
    _null_routed(host, settings, host.order("d-former", targets=(target(TARGET4),)))
    given = _settings(tmp_path, host, id="vm-2", customer="C-2")
    done = _reap(host, given)
    assert done.ended == ("EG-20261129-0: vm-1 (narrow) at tap0: its tap is not this VM's any more",)
    assert _gets_out(host)


def test_an_address_given_away_is_let_in(host: Host, tmp_path: Path) -> None:
    """An address of a fully null-routed VM that the inventory gives to another one is reached again."""
    if host.kind != "routed":
        pytest.skip("in a bridge full drops by the tap, not by addresses")
    settings = _settings(tmp_path, host)
    prefixes = (*host.prefixes(host.vm4), ip_network("198.18.7.0/24"))
    _null_routed(host, settings, host.order("d-given", scope=Scope.FULL, prefixes=prefixes))
    assert "to 198.18.7.0/24" in host.host.run("ip", "rule").stdout
    assert _reap(host, settings).removed == 2  # the way in, and the way in for DHCP
    listed = host.host.run("ip", "rule").stdout
    assert "198.18.7.0/24" not in listed and f"to {host.vm4}" in listed
    with host.host.inside():
        reaping.panic(settings, "test", "root")


def test_panic_records_the_ends_or_says_what_is_left_to_do(host: Host, tmp_path: Path) -> None:
    """With the database each case ends once, and its owner is told; with a damaged one the kernel is emptied all the
    same, and one line says what has to be done before the kill file goes."""
    settings = _settings(tmp_path, host, contact="owner@example.net")
    _null_routed(host, settings, host.order("d-panic", targets=(target(TARGET4),)))
    with host.host.inside():
        done = reaping.panic(settings, "wrong servers are cut", "alex")
    told = "EG-20261129-0: vm-1 (narrow) at tap0: alex ended all null routes: wrong servers are cut"
    assert done.ended == (told,) and done.trouble == () and _gets_out(host)
    with Store(settings.paths.database) as store:
        assert store.standing() == [] and store.cases()[0].state == "probation"
        letter = store.letters(store.cases()[0].id)[-1]
        assert (letter.kind, letter.to) == ("released", "owner@example.net")
    _null_routed(host, settings, host.order("d-damaged", targets=(target(TARGET4),)))
    Path(settings.paths.database).write_text("no database at all")
    with host.host.inside():
        done = reaping.panic(settings, "again", "alex")
    assert _gets_out(host) and done.removed > 0 and done.ended == ()
    (line,) = done.trouble
    assert "the ends are not recorded" in line and f"reap' before you remove {settings.paths.kill}" in line
    assert "\n" not in line


def test_beside_a_daemon_only_what_is_overdue_goes(host: Host, tmp_path: Path) -> None:
    """While a daemon holds its socket nothing but what is past its end is touched, whatever the database says."""
    settings = _settings(tmp_path, host)
    order = host.order("d-daemon", targets=(target(TARGET4),))
    _null_routed(host, settings, order)
    Path(settings.paths.database).unlink()
    control = ControlServer(settings.paths.socket)
    try:
        assert _reap(host, settings) == Reaped(0, daemon=True)
        assert not _gets_out(host)
    finally:
        control.close()
    Store(settings.paths.database).close()
    _reap(host, settings)
    assert _gets_out(host)


@pytest.mark.long
@pytest.mark.parametrize("hours", [1, -1])
def test_no_clock_ends_it_sooner_or_later(
    host: Host, tmp_path: Path, hours: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The wall clock says that it was over an hour ago, or ends in an hour: the reaper goes by the boot's."""
    settings = _settings(tmp_path, host)
    order = host.order("d-clock", targets=(target(TARGET4),))
    if hours < 0:
        order = replace(order, until=SOON)
    order = _null_routed(host, settings, order)
    ended = boottime() + order.until - time.time_ns()
    real = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: real() + 2 * hours * 3600 * SECOND)
    if hours > 0:
        assert _reap(host, settings) == Reaped(0)
        assert not _gets_out(host)
    else:
        while boottime() < ended + 4 * SECOND:
            time.sleep(0.1)
        assert len(_reap(host, settings).ended) == 1
        assert _gets_out(host)
    monkeypatch.undo()
    with host.host.inside():
        reaping.panic(settings, "test", "root")


@pytest.mark.parametrize("daemon", [True, False])
def test_panic_ends_everything(host: Host, tmp_path: Path, daemon: bool) -> None:
    """Narrow, own-only and full at once: nothing of ours is left in the kernel, and the kill file says who and why;
    an enforcing child that lives puts nothing back and takes no order."""
    if not shutil.which("ip") or not shutil.which("nft"):
        pytest.skip("needs ip and nft as witnesses")
    settings = _settings(tmp_path, host)
    orders = [
        host.order(f"d-panic-{daemon}-{scope}", scope=scope, targets=(target(TARGET4),))
        for scope in (Scope.NARROW, Scope.OWN_ONLY, Scope.FULL)
    ]
    _null_routed(host, settings, *orders)
    enforcer = None
    if daemon:
        enforcer = host.start(kill=settings.paths.kill)
        enforcer.reconcile([stamped(order) for order in orders])
        for order in orders:
            host.until(order.decision, Happened.RECONCILED)
    with host.host.inside():
        done = reaping.panic(settings, "wrong servers are cut", "alice")
    assert done.removed > 0 and not done.trouble
    assert Path(settings.paths.kill).read_text().startswith("alice: wrong servers are cut")
    assert _gets_out(host) and _gets_out(host, OTHER4)
    listing = host.host.run("ip", "rule").stdout + host.host.run("ip", "-6", "rule").stdout
    assert "proto 78" not in listing
    assert "edgeguard" not in host.host.run("nft", "list", "tables").stdout
    if enforcer:
        for order in orders:
            assert "alice: wrong servers are cut" in host.until(order.decision, Happened.RELEASED).detail
        again = host.order(f"d-again-{daemon}", targets=(target(TARGET4),))
        enforcer.order(again)
        assert "alice: wrong servers are cut" in host.until(again.decision, Happened.FAILED).detail
        enforcer.close()
    assert len(done.ended) == 3 and _reap(host, settings) == Reaped(0)
    assert json.dumps(dataclasses.asdict(done))
