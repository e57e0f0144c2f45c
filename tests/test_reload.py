"""SIGHUP: what differs is told key by key, what cannot change stays and is named, a wrong file is refused whole."""

from __future__ import annotations

import gc
import logging
import re
import threading
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from edgeguard import config
from edgeguard.config import Config
from edgeguard.config.changes import FOLLOWED, MASK, SECRET, changes, followed
from edgeguard.daemon.following import Following
from edgeguard.daemon.reload import Reload
from edgeguard.inventory import FileInventory, Index
from edgeguard.inventory.difference import difference
from edgeguard.model import Vm

MANUAL = Path(__file__).parents[1] / "docs" / "configuration.md"
LONG_S = 120  # a bound for machines that are slow
VM = Vm("vm-1", "one", None, None, ("tap1",))


def told(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    return [str(change) for change in changes(config.build(old), config.build(new))]


def test_each_key_that_differs_is_told(tmp_path: Path) -> None:
    """Old and new value of every key, as people write them, in the order of the file; of all others nothing."""
    assert told({}, {}) == []
    new = {"enforce": ["syn.hard"], "clocks": {"quiet": "30m"}, "limits": {"in": {"udp": {"warn": 60_000}}}}
    assert told({}, new) == [
        "enforce: none -> syn.hard",
        "limits.in.udp.warn: 50000 -> 60000",
        "clocks.quiet: 15 min -> 30 min",
    ]
    assert told(new, {})[0] == "enforce: syn.hard -> none"


def test_what_needs_a_restart_says_so() -> None:
    """A key that was read at the start only must be named with what stays in force."""
    new = {"capture": {"threads": 2, "loss": 0.02}, "metrics": {"listen": "127.0.0.1:9469", "top": 3}}
    assert told({}, new) == [
        "capture.threads: 1 -> 2; needs a restart, 1 stays in force",
        "capture.loss: 0.01 -> 0.02",
        "metrics.listen: none -> 127.0.0.1:9469; needs a restart, none stays in force",
        "metrics.top: 10 -> 3",
    ]


def test_groups_and_vms_are_told_by_name() -> None:
    """Groups that come, go or change places, and single VMs, with nothing of what they do not say."""
    one, two = {"name": "one", "vms": ["vm-1"]}, {"name": "two", "limits": {"udp": {"warn": 30_000}}}
    assert told({"group": [one]}, {"group": [two, one]}) == [
        "group: 'one' -> 'two', 'one'",
        "group 'two' limits.udp.warn: none -> 30000",
        "group 'two' limits.udp.act: none -> 50000",
        "group 'two' limits.udp.hard: none -> 250000",
        "group 'two' limits.udp.judged: none -> True",
        "group 'two' name: none -> two",
    ]
    assert told({"group": [one, two]}, {"group": [two, one]}) == ["group: 'one', 'two' -> 'two', 'one'"]
    setting = {"enforce": {"syn": "observe"}}
    assert told({"vm": {"vm-1": setting}}, {}) == ["vm 'vm-1' enforce: syn observe -> none"]


def test_a_secret_is_never_in_the_log() -> None:
    """A key that holds a secret is told to have changed, and not to what; a file that holds one is only a path."""
    for key in ("hooks.secret", "hooks.url", "webhook.token", "mail.password", "hooks.secrets.one"):
        assert SECRET.search(key), key
    assert not SECRET.search("mail.password_file")
    assert told({}, {"mail": {"password_file": "/etc/x"}}) == ["mail.password_file: none -> /etc/x"]


def test_a_secret_is_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both values are hidden, and that it changed is told all the same."""
    monkeypatch.setattr("edgeguard.config.changes.SECRET", re.compile("desk"))
    both = {"mail": {"desk": "a@example.net"}}, {"mail": {"desk": "b@example.net"}}
    assert told(*both) == [f"mail.desk: {MASK} -> {MASK}"]


def test_what_needs_a_restart_stays() -> None:
    """The running configuration takes what can hold at once and keeps everything else, key by key."""
    old = config.build({"capture": {"threads": 2}, "host": {"name": "hv1"}})
    new = config.build(
        {
            "enforce": ["syn.hard"],
            "host": {"name": "hv2", "place": "rack 12"},
            "capture": {"threads": 3, "lag": "5s"},
            "clocks": {"verify": "3s", "moves": "20m"},
            "paths": {"socket": "/x"},
        }
    )
    holds = followed(old, new)
    assert (holds.enforce, holds.host.name, holds.host.place) == (("syn.hard",), "hv1", "rack 12")
    assert (holds.capture.threads, holds.capture.lag) == (2, new.capture.lag)
    assert (holds.clocks.verify, holds.clocks.moves) == (old.clocks.verify, new.clocks.moves)
    assert holds.paths == old.paths
    assert not any(change.follows for change in changes(holds, new))
    assert followed(old, old) == old
    assert followed(new, new) == new


def test_the_manual_says_what_is_followed() -> None:
    """The list in docs/configuration.md must be the program's own."""
    text = MANUAL.read_text(encoding="utf-8")
    after = text.partition("<!-- followed -->")[2].partition("<!-- end -->")[0]
    assert sorted(after.replace("`", "").replace(".\n", "").replace(",", " ").split()) == sorted(FOLLOWED)


# ---- the daemon's side -------------------------------------------------------------------------------


class Surroundings:
    """A daemon's parts that a reload touches."""

    def __init__(self, inventory: FileInventory | Index, file: Path) -> None:
        self.given: list[Config] = []
        self.looked = 0
        self.live = SimpleNamespace(
            chores=[],
            config=config.load(file),
            rules=None,
            inventory=inventory,
            look_up_again=self._look,
            configure=self._take,
        )
        self.live.following = Following(inventory, self._look)
        self.file = file
        self.reload = Reload(self.live, lambda: config.load(file), [self._take])  # type: ignore[arg-type]

    def _look(self) -> None:
        self.looked += 1

    def _take(self, taken: Config) -> None:
        self.live.config = taken
        self.given.append(taken)

    def hang_up(self) -> None:
        """And as many seconds of the loop as it takes."""
        self.reload.ask(1, None)
        self.second()
        deadline = time.monotonic() + LONG_S
        while self.live.following.busy:
            assert time.monotonic() < deadline
            self.second()
        self.second()

    def second(self) -> None:
        self.reload.look(0)
        self.live.following.look()


@pytest.fixture
def around(tmp_path: Path) -> Surroundings:
    file, vms = tmp_path / "edgeguard.toml", tmp_path / "inventory.toml"
    file.write_text('[mail]\ndesk = "noc@example.net"\n')
    vms.write_text('[[vm]]\nid = "vm-1"\ntaps = ["tap1"]\n')
    return Surroundings(FileInventory(vms), file)


def test_nothing_is_read_unasked(around: Surroundings) -> None:
    """A second without a SIGHUP reads nothing, and a SIGHUP is served once."""
    around.file.write_text("[[[")
    around.reload.look(0)
    assert around.reload.trouble is None and not around.given
    around.hang_up()
    said = around.reload.trouble
    around.file.unlink()
    around.reload.look(0)
    assert around.reload.trouble == said is not None


def test_a_good_file_holds(around: Surroundings, caplog: pytest.LogCaptureFixture) -> None:
    """What differs is in the log and reaches everybody; what is the same is said to be."""
    around.file.write_text('enforce = ["udp.hard"]\n[paths]\nsocket = "/x"\n')
    with caplog.at_level(logging.INFO, "edgeguard"):
        around.hang_up()
    assert caplog.messages[:3] == [
        "reload: enforce: none -> udp.hard",
        "reload: mail.desk: noc@example.net -> none",
        "reload: paths.socket: /run/edgeguard/edgeguard.sock -> /x; needs a restart, /run/edgeguard/edgeguard.sock "
        "stays in force",
    ]
    assert caplog.messages[3].endswith("inventory.toml: read again, 1 VMs: nothing is different")
    (given,) = around.given
    assert given.enforce == ("udp.hard",) and given.paths.socket != "/x"
    caplog.clear()
    around.file.write_text('enforce = ["udp.hard"]\n')
    with caplog.at_level(logging.INFO, "edgeguard"):
        around.hang_up()
    assert "reload: the configuration is as the running one" in caplog.messages


def test_a_wrong_file_is_refused_whole(around: Surroundings, caplog: pytest.LogCaptureFixture) -> None:
    """Every finding is in the log, the old configuration stays, `trouble` says so until a good one is read."""
    before = around.live.config
    around.file.write_text('enforce = ["udp.hard"]\n[mail]\nsevrer = "x"\n[clocks]\nquiet = 15\n')
    around.hang_up()
    assert around.live.config is before and not around.given
    assert sum("sevrer" in text or "quiet" in text for text in caplog.messages) == 2
    assert "reload: the configuration is refused whole; the running one stays in force" in caplog.messages
    trouble = around.reload.trouble
    assert trouble and "(and 1 more: run 'edgeguard check')" in trouble and "\n" not in trouble
    around.file.write_text("")
    around.hang_up()
    assert around.reload.trouble is None and around.given


def test_the_inventory_is_read_again(around: Surroundings, caplog: pytest.LogCaptureFixture) -> None:
    """A good one is looked up again; a wrong one is refused whole with every finding, and the last good one stays."""
    path = around.live.inventory.path
    path.write_text('[[vm]]\nid = "vm-2"\ntaps = ["tap1"]\n')
    with caplog.at_level(logging.INFO, "edgeguard"):
        around.hang_up()
    assert caplog.messages[-1].endswith("read again, 1 VMs: new: vm-2; gone: vm-1")
    assert around.looked == 1
    path.write_text('[[vm]]\nid = "vm-3"\ntaps = ["a b"]\nmac = 1\n')
    caplog.clear()
    around.hang_up()
    findings = [text for text in caplog.messages if text.startswith(f"reload: inventory: {path}")]
    assert len(findings) == 2
    assert caplog.messages[-1] == "reload: the inventory is refused whole; the last good one stays in use"
    assert around.looked == 1 and [vm.id for vm in around.live.inventory.vms()] == ["vm-2"]


def test_a_fixed_inventory_needs_a_restart(tmp_path: Path) -> None:
    """VMs that are written in the configuration are said to be read at the start only."""
    file = tmp_path / "edgeguard.toml"
    file.write_text("")
    around = Surroundings(Index([VM]), file)
    around.hang_up()
    assert around.live.inventory.vms() == (VM,)


def test_who_supervises_is_told(around: Surroundings) -> None:
    """Begun is told before anything is read, ended once the inventory was read too."""
    said: list[str] = []
    around.reload.began, around.reload.ended = lambda: said.append("began"), lambda: said.append("ended")
    around.reload.ask()
    around.reload.look(0)
    around.reload.look(0)
    assert said == ["began"] and around.live.following.busy
    around.hang_up()
    assert said[-1] == "ended" and said.count("began") == 2


def test_differences_of_inventories_are_words() -> None:
    """Which VMs are new, gone, or other and in what; at most five of each by name."""
    assert difference([VM], [VM]) == "nothing is different"
    other = replace(VM, taps=("tap2",), customer="C")
    assert difference([VM], [other]) == "other: vm-1 (customer, taps)"
    many = [replace(VM, id=f"vm-{n}") for n in range(2, 9)]
    assert difference([VM], [VM, *many]) == "new: vm-2, vm-3, vm-4, vm-5, vm-6 and 2 more"
    assert difference(many, [VM]) == "new: vm-1; gone: vm-2, vm-3, vm-4, vm-5, vm-6 and 2 more"


def test_the_loop_turns_while_a_long_inventory_is_read(
    around: Surroundings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A look returns although the file is still being read; the old VMs hold until all new ones do at once."""
    may_end, inventory = threading.Event(), around.live.inventory
    slow = inventory._read

    def reading() -> Index:
        assert may_end.wait(LONG_S)
        found: Index = slow()
        return found

    monkeypatch.setattr(inventory, "_read", reading)
    inventory.path.write_text('[[vm]]\nid = "vm-9"\ntaps = ["tap1"]\n')
    following = around.live.following
    following.look()
    following.look()
    assert following.busy and [vm.id for vm in inventory.vms()] == ["vm-1"] and not around.looked
    assert not gc.isenabled()  # a collection of ten thousand VMs stops everything
    may_end.set()
    deadline = time.monotonic() + LONG_S
    while following.busy:
        assert time.monotonic() < deadline
        following.look()
    assert [vm.id for vm in inventory.vms()] == ["vm-9"] and around.looked == 1
    assert gc.isenabled() and "new: vm-9; gone: vm-1" in caplog.text
    following.look()
    assert not following.busy and around.looked == 1


def test_reading_that_breaks_keeps_the_last_good_one(
    around: Surroundings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An error that nobody foresaw is in the log; the next SIGHUP reads again."""

    def broken() -> Index:
        raise RuntimeError("nobody foresaw this")

    monkeypatch.setattr(around.live.inventory, "_read", broken)
    around.hang_up()
    assert "nobody foresaw this" in caplog.text and around.live.inventory.vms() and not around.looked
    monkeypatch.undo()
    around.hang_up()
    assert around.looked == 1
