"""The real daemon on real taps: what it says of itself, and how null routes end that nobody releases."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from test_runbook import SETTLE_S, Host, host  # noqa: F401 - a fixture

from edgeguard.cases.reader import Reader
from edgeguard.model import Act, Decision, Happened


@pytest.fixture
def running(host: Host) -> Iterator[Host]:  # noqa: F811
    host.start()
    yield host


def until(holds: Callable[[], Any]) -> None:
    deadline = time.monotonic() + SETTLE_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def decisions(folder: Path) -> list[Decision]:
    with Reader(folder / "edgeguard.sqlite") as reader:
        return [decision for case in reader.cases() for decision in reader.decisions(case.id)]


def test_status_shows_loss_and_the_limits_in_force(running: Host) -> None:
    """`edgeguard status` names frames, loss, taps, and the flow memory with its limits and how full it is."""
    told = json.loads(running.edgeguard("status", "--json"))
    assert (told["lost"], told["taps"], told["taps_unknown"], told["null_routes"]) == (0, 2, [], 0)
    assert told["remote"]["effective"] == {"syn": 1_000, "udp": 10_000, "packets": 20_000}
    assert (told["remote"]["entries"], told["remote"]["refused"], told["remote"]["top"]) == (0, 0, [])
    assert "limits in force, packets in any second: syn 1,000" in running.edgeguard("status")


def test_the_end_of_a_lifetime_is_a_decision(running: Host) -> None:
    """A null route for seconds ends by a decision, in kernel, ledger and case, whoever of us was first."""
    running.edgeguard("nullroute", "add", "vm-101", "--full", "--for", "3s", "--why", "a test")
    running.edgeguard("nullroute", "add", "vm-102", "--target", "203.0.113.7", "--for", "3s", "--why", "a test")
    until(lambda: sum(d.act is Act.RELEASE for d in decisions(running.folder)) == 2)
    until(lambda: not running.of_ours())
    assert {d.reason for d in decisions(running.folder) if d.act is Act.RELEASE} == {"its lifetime is over"}
    until(lambda: "nothing is null-routed" in running.edgeguard("nullroute", "list"))


def test_a_tap_that_joins_a_bridge_is_not_left_with_a_rule_that_does_nothing(running: Host) -> None:
    """A null route on a routed tap ends with a decision when the tap becomes a bridge's port."""
    running.edgeguard("nullroute", "add", "vm-101", "--target", "203.0.113.7", "--for", "1h", "--why", "a test")
    running.settles(1)
    running.namespace.run("ip", "link", "set", "tap101", "master", "br0")
    until(lambda: any(d.act is Act.RELEASE for d in decisions(running.folder)))
    (release,) = [d for d in decisions(running.folder) if d.act is Act.RELEASE]
    assert release.reason.startswith("its tap is bridge br0 now")
    until(lambda: not running.of_ours())


def test_a_tap_given_to_another_vm_is_free(running: Host) -> None:
    """The inventory moves a tap to another VM: what stood there for the former ends within seconds."""
    running.edgeguard("nullroute", "add", "vm-101", "--full", "--for", "1h", "--why", "a test")
    running.settles(1)
    inventory = running.folder / "inventory.toml"
    inventory.write_text(inventory.read_text().replace('"vm-101"', '"vm-201"'), encoding="utf-8")
    until(lambda: not running.of_ours())
    (release,) = [d for d in decisions(running.folder) if d.act is Act.RELEASE]
    assert release.reason == "its tap is another VM's now"


def test_adding_returns_when_the_kernel_has_it(running: Host) -> None:
    """`nullroute add` is done when the kernel acknowledged; it refuses what one person may not, or what stands."""
    running.edgeguard("nullroute", "add", "vm-101", "--target", "203.0.113.7", "--for", "1h", "--why", "a test")
    with Reader(running.folder / "edgeguard.sqlite") as reader:
        (decision,) = decisions(running.folder)
        assert [o.happened for o in reader.outcomes(decision.id)][:1] == [Happened.ACKNOWLEDGED]
    for what, why in (
        (("vm-102", "--full", "--for", "365d"), "at most 12h; longer takes two: case uphold"),
        (("vm-101", "--target", "203.0.113.7:80/tcp", "--for", "2h"), "that is null-routed already, until"),
    ):
        words = ("nullroute", "add", *what, "--why", "a test")
        refused = running.namespace.popen(*running._words(*words), stderr=-1, text=True)
        _, said = refused.communicate(timeout=SETTLE_S)
        assert refused.returncode == 1
        assert why in said and said.count("\n") == 1
