"""Operating a real daemon: SIGHUP, metrics, the log, `top` and `status`, on real taps under a small flood."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from capturing import VM6, send
from prometheus_client.parser import text_string_to_metric_families
from scapy.layers.inet import TCP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether
from test_rules_file import written
from test_runbook import CONFIG, INVENTORY, SETTLE_S, START_S, Host, host  # noqa: F401 - a fixture

from edgeguard.cases.reader import Reader

RATE = 2_000
CAP_NET_ADMIN = 12
LIMITS = "[limits.syn]\nwarn = 200\nact = 400\nhard = 600\n"
METRICS = '[metrics]\nlisten = "127.0.0.1:9469"\n'


def until(holds: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + SETTLE_S
    while not (found := holds()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return found


class Operated:
    """A daemon with a configuration that can be written anew, and its log."""

    def __init__(self, host: Host) -> None:  # noqa: F811
        self.host, self.log = host, host.folder / "log"
        own = INVENTORY.replace('"192.0.2.10"', f'"192.0.2.10", "{VM6}"')
        (host.folder / "inventory.toml").write_text(own, encoding="utf-8")

    def configure(self, more: str, head: str = "") -> None:
        text = head + CONFIG.format(self.host.folder) + more
        (self.host.folder / "edgeguard.toml").write_text(text, encoding="utf-8")

    def start(self) -> None:
        with self.log.open("wb") as log:
            self.host.daemon = self.host.namespace.popen(*self.host._words("run"), stderr=log)
        deadline = time.monotonic() + START_S
        while "ready: taps" not in self.said():
            assert self.host.daemon.poll() is None, self.said()
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def said(self) -> str:
        return self.log.read_text(encoding="utf-8")

    def hang_up(self) -> None:
        assert self.host.daemon
        self.host.daemon.send_signal(signal.SIGHUP)

    def told(self, *words: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.host.edgeguard(*words, "--json"))
        return found

    def scrape(self) -> str:
        with self.host.namespace.inside():
            connection = socket.create_connection(("127.0.0.1", 9469), SETTLE_S)
        with connection:
            connection.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
            answer = b""
            while part := connection.recv(65_536):
                answer += part
        head, _, body = answer.partition(b"\r\n\r\n")
        assert b" 200 " in head.splitlines()[0]
        return body.decode()

    def value(self, sample: str, **labels: str) -> float | None:
        families = text_string_to_metric_families(self.scrape())
        found = [
            s.value for f in families for s in f.samples if s.name == sample and s.labels.items() >= labels.items()
        ]
        return sum(found) if found else None

    @contextmanager
    def flood(self) -> Iterator[None]:
        """For as long as it takes, however slow the machine is."""
        frame = bytes(Ether(dst="02:00:00:00:00:09") / IPv6(src=VM6, dst="2001:db8:7::7") / TCP(dport=80, flags="S"))
        stopped, end = threading.Event(), time.monotonic() + 3 * SETTLE_S

        def sending() -> None:
            while not stopped.is_set() and time.monotonic() < end:
                send(self.host._outside, "far-tap101", [frame], RATE, RATE)

        with ThreadPoolExecutor(1) as pool:
            done = pool.submit(sending)
            try:
                yield
            finally:
                stopped.set()
            done.result()


@pytest.fixture
def operated(host: Host) -> Operated:  # noqa: F811
    return Operated(host)


def test_sighup_changes_what_can_change(operated: Operated) -> None:
    """A wrong file is refused whole with all findings; a good one is told key by key and judged by from then on;
    what needs a restart is named and stays; the log becomes JSON while the daemon runs."""
    operated.configure("")
    operated.start()
    with operated.flood():
        operated.configure("[mail]\nsevrer = 1\n[clocks]\nquiet = 15\n")
        operated.hang_up()
        until(lambda: "the configuration is refused whole; the running one stays" in operated.said())
        assert "[mail] sevrer: unknown key" in operated.said() and "[clocks] quiet: 15 is not" in operated.said()
        assert "[clocks] quiet: 15 is not" in operated.told("status")["trouble"]["configuration"]
        assert "trouble: configuration " in operated.host.edgeguard("status")
        before = operated.told("status")["received"]
        until(lambda: operated.told("status")["received"] > before + 2 * RATE)
        with Reader(operated.host.folder / "edgeguard.sqlite") as reader:
            assert not reader.cases()
        operated.configure(LIMITS + '[log]\nformat = "json"\n[capture]\nthreads = 2\n', head='enforce = ["syn.hard"]\n')
        operated.hang_up()
        until(lambda: "reload: limits.syn.hard: 50000 -> 600" in operated.said())
        assert "reload: enforce: none -> syn.hard" in operated.said()
        assert "reload: capture.threads: 1 -> 2; needs a restart, 1 stays in force" in operated.said()
        status = until(lambda: (told := operated.told("status"))["ledger"] and told)
    assert status["enforce"] == ["syn.hard"] and "configuration" not in status["trouble"]
    assert "threads" not in status
    (route,) = status["ledger"]
    assert (route["vm"], route["scope"], route["targets"]) == ("vm-101", "narrow", ["2001:db8:7::7"])
    lines = operated.said().splitlines()
    objects = [json.loads(line) for line in lines if line.startswith("{")]
    (narrow,) = [one for one in objects if ": narrow (null-route)" in one["message"]]
    assert (narrow["case"], narrow["decision"]) == (route["case"], route["decision"])
    first = next(n for n, line in enumerate(lines) if line.startswith("{"))
    assert all(line.startswith("{") for line in lines[first:])
    assert operated.host.stop() == 0


def test_sighup_reads_the_inventory_again(operated: Operated) -> None:
    """Which VMs are other ones is in the log, a wrong inventory is refused whole, and the daemon goes on."""
    operated.configure("")
    operated.start()
    inventory = operated.host.folder / "inventory.toml"
    written(inventory, inventory.read_text().replace('"vm-102"', '"vm-202"'))
    operated.hang_up()
    until(lambda: "read again, 2 VMs: new: vm-202; gone: vm-102" in operated.said())
    written(inventory, "[[vm]]\nid = 7\n")
    operated.hang_up()
    until(lambda: "reload: the inventory is refused whole; the last good one stays in use" in operated.said())
    assert "inventory" in operated.told("status")["trouble"]
    assert operated.told("status")["taps_unknown"] == []
    assert operated.host.stop() == 0


@pytest.mark.parametrize("threads", [1, 2])
def test_metrics_and_top_agree_with_the_flood(operated: Operated, threads: int) -> None:
    """A scrape and a frame of `top` name the VM that floods, at its rate, and the null route with its attempts."""
    operated.configure(f"{LIMITS}{METRICS}[capture]\nthreads = {threads}\nblocks = 64\n", 'enforce = ["syn.hard"]\n')
    operated.start()
    with operated.flood():
        until(lambda: (operated.value("edgeguard_null_routes") or 0) == 1)
        until(lambda: operated.value("edgeguard_time_to_null_route_seconds_count") == 1)
        until(lambda: operated.value("edgeguard_outcomes_total", happened="verified"))
        until(lambda: (operated.value("edgeguard_vm_packets", vm="vm-101", rule="syn") or 0) > RATE / 2)
        until(lambda: operated.told("top")["null_routes"]["shown"][0]["attempts"] > RATE / 2)
        told = operated.told("top")
        frame = operated.host.edgeguard("top", "--once").splitlines()
    assert (
        operated.value(
            "edgeguard_received_frames_total",
        )
        >= RATE
    )
    assert operated.value("edgeguard_packets_total", **{"class": "tcp_syn"}) >= RATE
    assert operated.value("edgeguard_loop_age_seconds") < SETTLE_S
    assert operated.value("edgeguard_taps") == 2
    assert told["vms"]["shown"][0]["vm"] == "vm-101" and told["vms"]["shown"][0]["out"]["syn"] > RATE / 2
    assert (told["vms"]["shown"][0]["band"], told["vms"]["shown"][0]["rule"]) == ("hard", "syn")
    assert {"2001:db8:7::7/128"} <= {one["network"] for one in told["remotes"]["shown"]}
    (route,) = [line for line in frame if line.startswith("vm-101") and "2001:db8:7::7" in line]
    assert "2001:db8:7::7 " in route and "80/tcp" not in route
    assert any(line.startswith("vm-101") and "hard syn" in line for line in frame)
    assert max(map(len, frame)) <= 80
    assert operated.host.stop() == 0


@pytest.mark.long  # a whole daemon of its own; the others are looked at by default
def test_the_metrics_have_no_rights_and_no_rival(operated: Operated) -> None:
    """The thread that serves holds no capability; a second listener on the address is refused at start, in a line."""
    operated.configure(METRICS)
    operated.start()
    assert operated.host.daemon
    until(lambda: operated.value("edgeguard_taps") == 2)
    masks = []
    for task in Path(f"/proc/{operated.host.daemon.pid}/task").iterdir():
        with suppress(FileNotFoundError):  # a thread that served one look has ended
            masks.append(re.search(r"^CapEff:\s+(\w+)$", (task / "status").read_text(), re.MULTILINE))
    assert len(masks) > 2 and not any(int(mask[1], 16) & 1 << CAP_NET_ADMIN for mask in masks if mask)
    again = operated.host.folder / "again.toml"
    again.write_text(
        (operated.host.folder / "edgeguard.toml")
        .read_text()
        .replace("edgeguard.sock", "2.sock")
        .replace("edgeguard.sqlite", "2.sqlite"),
        encoding="utf-8",
    )
    words = [sys.executable, "-m", "edgeguard", "run", "-c", str(again)]
    second = operated.host.namespace.popen(*words, stderr=subprocess.PIPE, text=True)
    _, said = second.communicate(timeout=START_S)
    assert second.returncode == 1
    assert "edgeguard: [metrics] listen 127.0.0.1:9469: cannot listen there: Address already in use" in said
    assert operated.host.stop() == 0


@pytest.mark.parametrize("key", [b"q", b"\x03"])
def test_top_in_a_terminal(operated: Operated, key: bytes) -> None:
    """In a terminal of 80x24 it shows frames until q or Ctrl-C, exits 0 and leaves the terminal as it was."""
    operated.configure("")
    operated.start()
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    before = termios.tcgetattr(theirs)
    words = operated.host._words("top")

    def own_terminal() -> None:
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    env = {**os.environ, "TERM": "xterm-256color"}
    top = operated.host.namespace.popen(
        *words, stdin=theirs, stdout=theirs, stderr=theirs, preexec_fn=own_terminal, env=env
    )
    shown = b""

    def more() -> bytes:
        nonlocal shown
        if select.select([ours], [], [], 0.1)[0]:
            shown += os.read(ours, 65_536)
        return shown

    until(lambda: more().count(b"frames/s") >= 2)  # a second frame
    assert b"NULL ROUTES none" in shown and b"2 taps" in shown
    os.write(ours, key)
    until(lambda: more() and top.poll() is not None)
    assert top.returncode == 0
    assert b"\x1b[?1049l" in shown and b"\x1b[?25h" in shown  # the screen as it was, the cursor visible
    assert termios.tcgetattr(theirs)[3] == before[3]
    os.close(ours)
    os.close(theirs)
    assert operated.host.stop() == 0
