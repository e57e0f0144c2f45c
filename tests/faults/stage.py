"""The stage of the fault table: hypervisor, VM, neighbour and WAN, a mail server, and the real daemon.

    with Stage("routed", preloaded, folder) as stage:
        stage.start()
        with stage.flood():
            stage.until_null_routed()
        stage.kill()
        stage.start()
        agree(stage)

The hosts are the lab's. Limits are low, so that a flood of a few thousand packets is one, and clocks
short; everything else is as shipped. `daemon` is a process of its own; what faults it has is told
at its start (inside/faults.py).
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import socket
import sqlite3
import struct
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Self

import kernel
from agreement import Ledger, kernel_differs
from postoffice import PORT, Building, PostOffice
from preloaded import Preloaded

from edgeguard import config
from edgeguard.control import ask
from edgeguard.errors import DaemonError
from edgeguard.lab import addresses as plan
from edgeguard.lab import traffic
from edgeguard.lab.addresses import NEIGHBOUR, VM
from edgeguard.lab.topology import Topology
from edgeguard.native import Sender
from edgeguard.request import AddNullRoute, HoldCase, ReleaseNullRoute, Status

RATE = 4_000  # packets a second of a flood
READY_S = 120
END_S = 60
SETTLE_S = 60
SECOND = 1_000_000_000
CONFIG = """
enforce = ["syn.hard"]
uplinks = ["{uplink}"]
[host]
name = "hypervisor.example.net"
[limits.syn]
warn = 500
act = 1000
hard = 1500
[clocks]
quiet = "{quiet}"
notice_wait = "{wait}"
[mail]
server = "127.0.0.1:{port}"
tls = "none"
from = "EdgeGuard <abuse@example.net>"
desk = "desk@example.net"
timeout = "2s"
retry = "100ms"
[inventory]
file = "{folder}/inventory.toml"
[paths]
database = "{folder}/edgeguard.sqlite"
socket = "{folder}/edgeguard.sock"
"""


class Stage:
    """A context manager. `folder` holds the daemon's files."""

    def __init__(
        self,
        kind: str,
        preloaded: Preloaded,
        folder: Path,
        quiet: str = "10m",
        wait: str = "100ms",
        more: str = "",
    ) -> None:
        self.kind, self.preloaded, self.folder = kind, preloaded, folder
        self._undo = contextlib.ExitStack()
        self.topology = Topology(kind)
        self._undo.callback(self.topology.close)
        self.namespace = self.topology.hypervisor.namespace
        settings = config.build({}).enforcement
        self.place = kernel.Place(settings.protocol, settings.table, settings.nft_table, settings.priority)
        self.office = PostOffice(never=VM.contact)
        self.building = Building(self.namespace, self.office)
        self.building.open()
        self._undo.callback(self.building.shut)
        text = CONFIG.format(uplink=plan.UPLINK, quiet=quiet, wait=wait, port=PORT, folder=folder) + more
        self.write("edgeguard.toml", text)
        self.write("inventory.toml", inventory())
        # Of notices that a kill met between the server's 250 and the mark: how many copies there may be.
        self.twice: dict[str, int] = {}
        self.pid = 0
        self._pidfd = -1
        self.clock_offset = 0
        self.recovered: list[float] = []  # seconds from ready to ledger = kernel, of each start after a kill

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            if self.alive():
                self.kill()
        finally:
            self._undo.close()

    @property
    def database(self) -> Path:
        return self.folder / "edgeguard.sqlite"

    @property
    def log(self) -> Path:
        """Always where the disk is well."""
        return self.folder.with_name(self.folder.name + ".log")

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text, encoding="utf-8")

    def now(self) -> int:
        """The wall clock that the daemon goes by."""
        return time.time_ns() + self.clock_offset

    # ---- the daemon ---------------------------------------------------------------------------------

    def launch(self, *faults: dict[str, Any], child: dict[str, Any] | None = None, **more: Any) -> None:
        """Start the daemon and wait for nothing. `child`: a plan for its enforcing child."""
        assert not self.alive(), "one daemon at a time"
        self._said = self.log.stat().st_size if self.log.exists() else 0
        words = ["run", "-c", str(self.folder / "edgeguard.toml")]
        self.pid = self.preloaded.run(words, self.namespace.fd, self.log, {"faults": faults, "child": child, **more})
        self._pidfd = os.pidfd_open(self.pid)

    def start(self, *faults: dict[str, Any], child: dict[str, Any] | None = None, **more: Any) -> None:
        """Start the daemon, and wait until it is ready."""
        self.launch(*faults, child=child, **more)
        self.await_ready()

    def await_ready(self) -> None:
        assert self.survives_start(launched=True), f"the daemon ended at its start{self.last_words()}"

    def survives_start(self, *faults: dict[str, Any], launched: bool = False) -> bool:
        """Start, and whether it became ready before a fault met it."""
        if not launched:
            self.launch(*faults)
        end = time.monotonic() + READY_S
        while "ready: " not in self.said():
            if not self.alive():
                return False
            assert time.monotonic() < end, f"not ready{self.last_words()}"
            time.sleep(0.01)
        return True

    def restart(self, *faults: dict[str, Any], child: dict[str, Any] | None = None, **more: Any) -> float:
        """Start after a death; seconds from 'ready' until ledger and kernel agree."""
        self.start(*faults, child=child, **more)
        began = time.monotonic()
        while wrong := kernel_differs(self):
            if not self.alive():
                break  # a fault of this start met it already
            assert time.monotonic() < began + SETTLE_S, f"{wrong}{self.last_words()}"
            time.sleep(0.01)
        self.recovered.append(time.monotonic() - began)
        return self.recovered[-1]

    def alive(self) -> bool:
        """Whether the daemon runs; a dead one is noted and reaped."""
        if self._pidfd < 0:
            return False
        poll = select.poll()
        poll.register(self._pidfd, select.POLLIN)
        if not poll.poll(0):
            return True
        os.close(self._pidfd)
        self._pidfd = -1
        self.code = self.preloaded.code(self.pid)
        self._note_unmarked()
        return False

    def _note_unmarked(self) -> None:
        """Mails that were taken, and that a dead daemon had not marked: they come once more, as the same mail."""
        with contextlib.suppress(sqlite3.Error):
            ledger, copies = Ledger(self.database), self.office.copies()
            for id in ledger.unmarked():  # each such kill may add one copy to those that arrived
                if arrived := sum(number for key, number in copies.items() if key.startswith(f"<{id}@")):
                    self.twice[id] = arrived + 1

    def kill(self, number: int = signal.SIGKILL) -> int:
        """End the daemon by a signal; its exit code."""
        if self.alive():
            os.kill(self.pid, number)
        return self.dead()

    def dead(self, seconds: float = END_S) -> int:
        """Wait for its end; its exit code."""
        end = time.monotonic() + seconds
        while self.alive():
            assert time.monotonic() < end, f"the daemon lives{self.last_words()}"
            time.sleep(0.002)
        return self.code

    def child(self) -> int:
        """The enforcing child's process id; 0 when there is none."""
        with contextlib.suppress(OSError):
            words = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
            for pid in map(int, words):
                if b"edgeguard.enforcing" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    return pid
        return 0

    def kill_child(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            if pid := self.child():
                os.kill(pid, signal.SIGKILL)

    def said(self) -> str:
        """The log since the last start."""
        return self.log.read_bytes()[self._said :].decode(errors="replace")

    def last_words(self) -> str:
        lines = self.said().splitlines()[-15:] if self.log.exists() else []
        return "\nthe daemon said:\n  " + "\n  ".join(lines)

    # ---- asking it ----------------------------------------------------------------------------------

    def _ask(self, what: Any) -> dict[str, Any]:
        return ask(self.folder / "edgeguard.sock", what, timeout_s=30)

    def status(self) -> dict[str, Any]:
        return self._ask(Status())

    def add(self, targets: Sequence[str] = (), vm: str = VM.id, seconds: float = 3600, **scope: bool) -> list[str]:
        """Null-route by hand; the decisions."""
        for_ns = round(seconds * SECOND)
        told = self._ask(AddNullRoute(vm, "a test", for_ns=for_ns, targets=tuple(targets), **scope))
        decisions: list[str] = told["decisions"]
        return decisions

    def hold(self, term: str = VM.id) -> None:
        self._ask(HoldCase(term, "a test"))

    def release(self, term: str = VM.id) -> None:
        self._ask(ReleaseNullRoute(term, "a test", "fixed"))

    def release_all(self) -> None:
        """Whatever stands, of whomever."""
        for vm in {order["vm"] for order in self.ledger().orders()}:
            self.quietly(self.release, vm)

    def ledger(self) -> Ledger:
        return Ledger(self.database)

    def until(self, condition: Any, what: str, seconds: float = SETTLE_S) -> None:
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, f"not within {seconds} s: {what}{self.last_words()}"
            time.sleep(0.01)

    def until_null_routed(self, number: int = 1) -> None:
        """Until so many stand, acknowledged."""
        self.until(lambda: self.acknowledged() >= number, f"{number} null routes")

    def acknowledged(self) -> int:
        with contextlib.suppress(sqlite3.Error):
            ledger = self.ledger()
            return sum(bool(ledger.happened(one["id"])) for one in ledger.standing)
        return 0

    def quietly(self, what: Any, *arguments: Any, **named: Any) -> None:
        """Ask something of a daemon that may die over it."""
        with contextlib.suppress(DaemonError):
            what(*arguments, **named)

    def wipe(self) -> None:
        """As if nothing had ever happened here."""
        assert not self.alive()
        for path in self.folder.glob("edgeguard.*sqlite*"):
            path.unlink()
        self.flush()
        self.twice.clear()
        self.office.taken.clear()

    def flush(self) -> None:
        """What somebody's hand does: every rule, route and chain of ours goes."""
        number = str(self.place.protocol)
        with self.namespace.inside():
            for family in ("-4", "-6"):
                _run("ip", family, "rule", "flush", "protocol", number)
                _run("ip", family, "route", "flush", "table", "all", "proto", number)
            _run("nft", "delete", "table", "netdev", self.place.nft_table)

    # ---- traffic ------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def flood(self, target: str = plan.TARGETS[0], rate: int = RATE) -> Iterator[None]:
        """The VM floods while the block runs."""
        source = VM.address6 if ":" in target else VM.address
        with self.sending(flood_frames(source, target), rate):
            yield

    @contextlib.contextmanager
    def sending(self, frames: Sequence[bytes], rate: int, who: str = "vm") -> Iterator[None]:
        """Send frames in turn while the block runs. rate 0: as fast as it goes."""
        node = self.topology.vm if who == "vm" else self.topology.neighbour
        stop = threading.Event()

        def body() -> None:
            with node.namespace.inside(), contextlib.closing(Sender(socket.if_nametoindex("eth0"))) as sender:
                while not stop.is_set():
                    sender.run(frames, max(rate, 100_000) // 20, rate, seconds=1)

        thread = threading.Thread(target=body, daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join(END_S)

    @contextlib.contextmanager
    def arriving(self) -> Iterator[dict[str, int]]:
        """Count, by their target, the marked frames that leave by the uplink while the block runs."""
        counts: dict[str, int] = {}
        stop = threading.Event()
        with self.topology.wan.namespace.inside():
            sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
            sock.setsockopt(socket.SOL_SOCKET, 33, 1 << 25)  # SO_RCVBUFFORCE
            sock.bind(("eth0", 3))
        sock.settimeout(0.05)

        def body() -> None:
            while not stop.is_set():
                with contextlib.suppress(TimeoutError):
                    raw, address = sock.recvfrom(2048)
                    if address[2] != socket.PACKET_OUTGOING and (target := _marked(raw)):
                        counts[target] = counts.get(target, 0) + 1

        thread = threading.Thread(target=body, daemon=True)
        thread.start()
        try:
            yield counts
        finally:
            stop.set()
            thread.join(END_S)
            sock.close()

    # ---- links --------------------------------------------------------------------------------------

    def ip(self, *words: str) -> None:
        """ip(8) in the hypervisor; what it refuses is an error."""
        with self.namespace.inside():
            done = _run("ip", *words)
        assert done[0] == 0, (words, done[1])

    def remove_tap(self) -> None:
        self.ip("link", "del", VM.tap)

    def make_tap(self) -> None:
        """The tap again, under its old name: the next customer's at the same place."""
        host, vm = self.topology.hypervisor, self.topology.vm
        peer = {"ifname": "eth0", "net_ns_fd": vm.namespace.fd, "address": VM.mac}
        host.ip.link("add", ifname=VM.tap, kind="veth", peer=peer)
        vm.up("eth0")
        if self.kind == "routed":
            host.up(VM.tap, address=plan.GATEWAY_MAC)
            for address in VM.addresses:
                host.route(address, VM.tap)
                host.neighbour(VM.tap, address, VM.mac)
        else:
            host.up(VM.tap, master=host.index(plan.BRIDGE))


def _run(*words: str) -> tuple[int, str]:
    import subprocess  # noqa: PLC0415

    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=END_S)
    return done.returncode, done.stderr


def _marked(raw: bytes) -> str | None:
    """The target of a frame of the flood; see MARK."""
    (kind,) = struct.unpack_from(">H", raw, 12)
    if kind == 0x0800 and raw[15] == plan.MARK:
        return socket.inet_ntop(socket.AF_INET, raw[30:34])
    if kind == 0x86DD and (raw[14] << 8 | raw[15]) >> 4 & 0xFF == plan.MARK:
        return socket.inet_ntop(socket.AF_INET6, raw[38:54])
    return None


_FRAMES: dict[tuple[str, str], tuple[bytes, ...]] = {}


def flood_frames(source: str, target: str) -> tuple[bytes, ...]:
    """Built once: scapy is slow."""
    if (source, target) not in _FRAMES:
        _FRAMES[source, target] = traffic.syn_flood(source, target)
    return _FRAMES[source, target]


def inventory(extra: str = "") -> str:
    """Both VMs, and whatever else."""
    from edgeguard.lab import settings  # noqa: PLC0415

    return settings.inventory() + extra


def missing() -> str | None:
    """What of the operator's programs is not here."""
    tools = [tool for tool in ("ip", "nft") if not shutil.which(tool)]
    return f"needs {' and '.join(tools)} as witnesses" if tools else None


NEIGHBOUR_ID = NEIGHBOUR.id
