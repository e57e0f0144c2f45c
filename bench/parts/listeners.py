"""Those who listen in `bench/live.py`, each a fresh process in the hypervisor's namespace.

nobody       the kernel's own work with the frames, without any capture
edgeguard    the daemon, `edgeguard run`: capture, count, judge, decide; it enforces nothing
bare_ring    walker.c, a ring of the same size whose frames are only walked
fastnetmon   Debian's, by AF_PACKET, with its bans and its connection tracking off
fastnetmon_tracking   the same with its connection tracking on, as the package ships it
tcpdump      -i any -w /dev/null
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import tomllib
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from bench.parts.flood import ROOT, VMS, NoFloodError, compiled, mac
from bench.parts.host import TAPS, Host, on_core
from edgeguard import control
from edgeguard.errors import DaemonError
from edgeguard.request import Status

READY_S = 120.0  # the first start of the daemon compiles its kernels
METRICS = "http://127.0.0.1:9209/metrics"


class NotReadyError(Exception):
    """A listener did not come up; its last words."""


@dataclass(frozen=True, slots=True)
class Heard:
    """Totals so far, in a listener's own words. `lost` None: it does not tell."""

    counted: int
    lost: int | None

    def __sub__(self, before: Heard) -> Heard:
        unknown = self.lost is None or before.lost is None
        return Heard(self.counted - before.counted, None if unknown else (self.lost or 0) - (before.lost or 0))


class Listener:
    """A process on a core of its own. `pid` None: there is none."""

    holds_s = 0.1  # the longest that a frame waits for others to come
    pid: int | None

    def __init__(self, host: Host, directory: Path, core: int) -> None:
        self._host, self._directory, self._core = host, directory, core
        self._process: subprocess.Popen[bytes] | None = None
        self.pid = None

    def heard(self) -> Heard | None:
        """None: it cannot say now, or nobody listens."""
        return None

    def close(self) -> None:
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _start(self, command: Sequence[str], output: IO[bytes] | int | None = None) -> subprocess.Popen[bytes]:
        """What it says goes to `output`; none: to a file, for its last words."""
        with self._host.hypervisor.namespace.inside(), on_core(self._core), self._words().open("wb") as words:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=words if output is None else output,
                stderr=words,
                cwd=ROOT,
            )
        self.pid = self._process.pid
        return self._process

    def _words(self) -> Path:
        return self._directory / f"{type(self).__name__}.output"

    def _said(self) -> str:
        return self._words().read_text(encoding="utf-8", errors="replace")

    def _await(self, ready: Callable[[], object]) -> None:
        deadline = time.monotonic() + READY_S
        while not ready():
            ended = self._process is not None and self._process.poll() is not None
            if ended or time.monotonic() > deadline:
                self.close()
                raise NotReadyError(self._said().strip()[-600:] or "it said nothing")
            time.sleep(0.1)


class EdgeGuard(Listener):
    """The daemon as an operator runs it, with two VMs in its inventory and an `enforce` list that is empty."""

    def __init__(self, host: Host, directory: Path, core: int) -> None:
        super().__init__(host, directory, core)
        self._socket = directory / "edgeguard.sock"
        (directory / "edgeguard.sqlite").unlink(missing_ok=True)
        config = directory / "edgeguard.toml"
        config.write_text(_configuration(directory), encoding="utf-8")
        (directory / "inventory.toml").write_text(_inventory(), encoding="utf-8")
        self._start([sys.executable, "-m", "edgeguard", "run", "-c", str(config)])
        self._await(self.heard)

    def heard(self) -> Heard | None:
        try:
            told = control.ask(self._socket, Status())
        except DaemonError:
            return None
        return Heard(told["totals"]["frames"], told["lost"])


def _configuration(directory: Path) -> str:
    paths = {"database": "edgeguard.sqlite", "socket": "edgeguard.sock"}
    lines = [f"{key} = {json.dumps(str(directory / name))}" for key, name in paths.items()]
    return "\n".join(["[inventory]", f"file = {json.dumps(str(directory / 'inventory.toml'))}", "[paths]", *lines, ""])


def _inventory() -> str:
    vms = []
    for number, (address, tap) in enumerate(zip(VMS, TAPS, strict=True)):
        entry = {"id": f"vm{number}", "taps": [tap], "macs": [mac(number)], "addresses": [address]}
        vms.append("\n".join(["[[vm]]", *(f"{key} = {json.dumps(value)}" for key, value in entry.items()), ""]))
    return "\n".join(vms)


class BareRing(Listener):
    """walker.c with EdgeGuard's own block size, number of blocks and time to retire one."""

    def __init__(self, host: Host, directory: Path, core: int) -> None:
        super().__init__(host, directory, core)
        with (ROOT / "edgeguard" / "defaults.toml").open("rb") as file:
            ring = tomllib.load(file)["capture"]
        words = [str(ring["block_bytes"]), str(ring["blocks"]), ring["retire"].removesuffix("ms")]
        process = self._start([str(compiled("walker", directory)), *words], subprocess.PIPE)
        self._answers = process.stdout
        if self._line() != "ready":
            self.close()
            raise NotReadyError(self._said().strip())

    def _line(self) -> str:
        assert self._answers is not None
        return self._answers.readline().decode().strip()

    def heard(self) -> Heard | None:
        assert self._process is not None and self._process.stdin is not None
        self._process.stdin.write(b"\n")
        self._process.stdin.flush()
        _, lost, walked, _ = map(int, self._line().split())
        return Heard(walked, lost)


class FastNetMon(Listener):
    """The Debian package's program. Its rings are 256 MiB for each tap and core, four times ours."""

    holds_s = 0.2
    tracking = "off"  # "very CPU intensive and not recommended in big networks", says its configuration

    def __init__(self, host: Host, directory: Path, core: int) -> None:
        super().__init__(host, directory, core)
        networks = directory / "networks"
        networks.write_text("192.0.2.0/24\n", encoding="ascii")
        config = directory / "fastnetmon.conf"
        config.write_text(_fastnetmon(directory, networks, self.tracking), encoding="ascii")
        command = [_program("fastnetmon"), "--configuration_file", str(config), "--disable_pid_logic"]
        self._start([*command, "--log_file", str(directory / "fastnetmon.log")])
        self._await(self.heard)

    def heard(self) -> Heard | None:
        """By its own metrics; of what its rings lost it says nothing."""
        try:
            with self._host.hypervisor.namespace.inside():
                text = urllib.request.urlopen(METRICS, timeout=5).read().decode()
        except (OSError, urllib.error.URLError):
            return None
        read = re.search(r"^fastnetmon_total_simple_packets_processed (\d+)", text, re.MULTILINE)
        return Heard(int(read[1]), None) if read else None


class FastNetMonTracking(FastNetMon):
    tracking = "on"


def _fastnetmon(directory: Path, networks: Path, tracking: str) -> str:
    """In the order that matters to nobody: what is observed, where its files are, and what is left out."""
    settings = {
        "mirror_afpacket": "on",
        "interfaces": ",".join(TAPS),
        "networks_list_path": networks,
        "white_list_path": directory / "nobody",
        "monitor_local_ip_addresses": "off",
        "process_incoming_traffic": "on",
        "process_outgoing_traffic": "on",
        "average_calculation_time": "5",
        "enable_connection_tracking": tracking,
        "enable_ban": "off",
        "enable_ban_ipv6": "off",
        "disable_usage_report": "on",
        "enable_api": "off",
        "prometheus": "on",
        "cli_stats_file_path": directory / "fastnetmon.dat",
        "cli_stats_ipv6_file_path": directory / "fastnetmon6.dat",
    }
    (directory / "nobody").write_text("", encoding="ascii")
    return "".join(f"{key} = {value}\n" for key, value in settings.items())


class Tcpdump(Listener):
    """Writes what it captures to /dev/null; SIGUSR1 makes it say how much that is (tcpdump(1))."""

    holds_s = 1.2  # pcap's timeout

    def __init__(self, host: Host, directory: Path, core: int) -> None:
        super().__init__(host, directory, core)
        self._start([_program("tcpdump"), "-i", "any", "-w", "/dev/null"])
        self._await(lambda: "listening on" in self._said())

    def heard(self) -> Heard | None:
        assert self.pid is not None
        before = len(self._reports())
        os.kill(self.pid, signal.SIGUSR1)
        deadline = time.monotonic() + 5
        while len(reports := self._reports()) == before:
            if time.monotonic() > deadline:
                return None
            time.sleep(0.01)
        captured, dropped = reports[-1]
        return Heard(int(captured), int(dropped))

    def _reports(self) -> list[tuple[str, str]]:
        said = self._said()
        return re.findall(r"(\d+) packets? captured.*?(\d+) packets? dropped by kernel", said, re.DOTALL)


def _program(name: str) -> str:
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") or name


LISTENERS: dict[str, type[Listener]] = {
    "nobody": Listener,
    "edgeguard": EdgeGuard,
    "bare_ring": BareRing,
    "fastnetmon": FastNetMon,
    "fastnetmon_tracking": FastNetMonTracking,
    "tcpdump": Tcpdump,
}


def missing(name: str, directory: Path) -> str | None:
    """Why a listener cannot be had on this machine."""
    if name == "bare_ring":
        try:
            compiled("walker", directory)
        except NoFloodError as error:
            return str(error)
    elif (program := name.removesuffix("_tracking")) in ("fastnetmon", "tcpdump"):
        return None if Path(_program(program)).exists() else f"{program} is not installed here"
    return None
