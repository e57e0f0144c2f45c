"""Where look-alikes are recorded: a VM, its tap on a host, and a world of hosts behind it, in three namespaces.

    VM 192.0.2.10, 2001:db8:10::10  --tap--  relay (relay.c: distance, loss, recording)  --  world

The world answers for all of 198.18.0.0/16 (RFC 2544), 203.0.113.0/24 and 2001:db8:200::/40; nobody answers in
198.19.0.0/17 (dead hosts), and its router says so in 198.19.128.0/17 (ICMP unreachable). One frame is one packet:
segmentation and receive offloads are off. Nothing leaves the namespaces; all of them, and every process
started in them, are gone when `Stage` is left, however it is left.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
VM, VM6, VM_MAC = "192.0.2.10", "2001:db8:10::10", "00:00:5e:00:53:10"
GATEWAY, GATEWAY6, GATEWAY_MAC = "192.0.2.1", "2001:db8:10::1", "00:00:5e:00:53:01"
ALIVE, DEAD, REFUSED, ALIVE6 = "198.18.0.0/16", "198.19.0.0/17", "198.19.128.0/17", "2001:db8:200::/40"
SERVER, SERVER6 = "203.0.113.5", "2001:db8:200::5"

SYSCTLS = {
    "net.ipv4.ip_local_port_range": "1024 65535",
    "net.ipv4.tcp_tw_reuse": "1",
    "net.ipv4.tcp_max_syn_backlog": "65536",
    "net.core.somaxconn": "65535",
    "net.ipv4.conf.all.rp_filter": "0",
    "net.ipv4.conf.default.rp_filter": "0",
    "net.ipv4.tcp_no_metrics_save": "1",
    "net.ipv4.icmp_ratelimit": "0",
    "net.ipv6.conf.all.accept_dad": "0",
    "net.ipv4.ip_nonlocal_bind": "1",
    "net.ipv6.ip_nonlocal_bind": "1",
}
_CLONE_NEWNET = 0x40000000
_ETHTOOL = {"tx checksum": 0x17, "tso": 0x1F, "gso": 0x24, "gro": 0x2C}  # ETHTOOL_S..., linux/ethtool.h
_SIOCETHTOOL = 0x8946
_READY_S = 10


class StageError(Exception):
    """The stage could not be built, or what stood on it ended too early."""


class Stage:
    """Context manager: builds it all, and takes it all down."""

    def __init__(self, rtt_ms: tuple[float, float], loss: float, merge: bool = False) -> None:
        """`rtt_ms`: least and most; `loss`: share of frames lost on the way; `merge`: the world's hosts put
        segments together as they receive them (GRO), and so acknowledge many at once."""
        self.rtt_ms, self.loss, self.merge = rtt_ms, loss, merge
        self.names = {side: f"eg-look-{side}-{os.getpid()}" for side in ("vm", "host", "world")}
        self.window: tuple[int, int] | None = None
        self.commands: list[str] = []
        self._processes: list[subprocess.Popen[bytes]] = []
        self._scratch = tempfile.TemporaryDirectory(prefix="eg-look-")
        self._relay: subprocess.Popen[bytes] | None = None

    @property
    def scratch(self) -> Path:
        return Path(self._scratch.name)

    @property
    def savefile(self) -> Path:
        return self.scratch / "tap.pcap"

    # --- building

    def __enter__(self) -> Self:
        try:
            self._build()
        except BaseException:
            self._leave()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._leave()

    def _build(self) -> None:
        _sweep()
        for name in self.names.values():
            _run(f"ip netns add {name}")
        vm, host, world = (self.names[side] for side in ("vm", "host", "world"))
        _run(f"ip -n {vm} link add eth0 type veth peer name tap0 netns {host}")
        _run(f"ip -n {world} link add eth0 type veth peer name net0 netns {host}")
        for side, mac in (("vm", VM_MAC), ("world", GATEWAY_MAC)):
            self._settle(side)
            _run(f"ip -n {self.names[side]} link set eth0 address {mac}")
        self._quiet_host()
        for name, links in ((vm, ("lo", "eth0")), (host, ("tap0", "net0")), (world, ("lo", "eth0"))):
            for link in links:
                _run(f"ip -n {name} link set {link} up txqueuelen 10000")
        self._offloads()
        if self.merge:  # as a busy receiver's interrupts are moderated
            self.run("world", "cd /sys/class/net/eth0; echo 500000 > gro_flush_timeout; echo 2 > napi_defer_hard_irqs")
        self._addresses()
        self._start_relay()

    def _settle(self, side: str) -> None:
        with self.inside(side):
            for name, value in SYSCTLS.items():
                with suppress(OSError):  # one that this kernel keeps for all namespaces together, or has not
                    Path("/proc/sys", name.replace(".", "/")).write_text(value, encoding="ascii")

    def _quiet_host(self) -> None:
        """The host's own stack says nothing on these links: it is the relay's."""
        with self.inside("host"):
            for what in ("all", "default", "tap0", "net0"):
                Path(f"/proc/sys/net/ipv6/conf/{what}/disable_ipv6").write_text("1", encoding="ascii")

    def _offloads(self) -> None:
        for side, link in (("vm", "eth0"), ("host", "tap0"), ("host", "net0"), ("world", "eth0")):
            with self.inside(side):
                for name, command in _ETHTOOL.items():
                    merging = self.merge and name == "gro" and (side, link) == ("world", "eth0")
                    _ethtool(link, command, int(merging))

    def _addresses(self) -> None:
        vm, world = self.names["vm"], self.names["world"]
        _run(f"ip -n {vm} address add {VM}/24 dev eth0")
        _run(f"ip -n {vm} address add {VM6}/64 dev eth0 nodad")
        _run(f"ip -n {world} address add {GATEWAY}/24 dev eth0")
        _run(f"ip -n {world} address add {GATEWAY6}/64 dev eth0 nodad")
        _run(f"ip -n {vm} route add default via {GATEWAY}")
        _run(f"ip -n {vm} -6 route add default via {GATEWAY6}")
        for prefix in (ALIVE, "203.0.113.0/24", "198.51.100.0/24"):
            _run(f"ip -n {world} route add local {prefix} dev lo table local")
        _run(f"ip -n {world} -6 route add local {ALIVE6} dev lo table local")
        _run(f"ip -n {world} route add blackhole {DEAD} table local")
        _run(f"ip -n {world} route add unreachable {REFUSED} table local")

    def _start_relay(self) -> None:
        binary = self.scratch / "relay"
        _run(f"cc -O2 -o {binary} {HERE / 'relay.c'}")
        least, most = (int(ms * 1000) for ms in self.rtt_ms)
        command = [str(binary), "tap0", "net0", str(least), str(most), str(int(self.loss * 1e6)), str(self.savefile)]
        with self.inside("host"):
            self._relay = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._relay.stdout is not None
        if self._relay.stdout.readline() != b"ready\n":
            raise StageError("the relay between the VM and its world did not start")

    # --- acting

    @contextmanager
    def inside(self, side: str) -> Iterator[None]:
        """This thread in the namespace of `side`: 'vm', 'host' or 'world'."""
        libc = ctypes.CDLL(None, use_errno=True)
        with open("/proc/thread-self/ns/net") as home, open(f"/run/netns/{self.names[side]}") as there:  # noqa: PTH123
            _setns(libc, there.fileno())
            try:
                yield
            finally:
                _setns(libc, home.fileno())

    def start(self, side: str, command: str, cpu: int | None = None) -> subprocess.Popen[bytes]:
        """A program in a namespace, until the stage is left. What it prints goes to a file in the scratch room."""
        if not command.startswith("exec-quiet "):
            self.commands.append(f"{side}: {command}")
        log = self.scratch / f"{side}-{len(self._processes)}.log"
        pinned = f"taskset -c {cpu} " if cpu is not None else ""
        with log.open("wb") as out:
            process = subprocess.Popen(
                [
                    "ip",
                    "netns",
                    "exec",
                    self.names[side],
                    "sh",
                    "-c",
                    f"ulimit -n $(ulimit -Hn); exec {pinned}{command}",
                ],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                cwd=self.scratch,
                env=os.environ | {"PYTHONPATH": str(ROOT)},
                start_new_session=True,
            )
        self._processes.append(process)
        return process

    def actor(self, side: str, call: str) -> subprocess.Popen[bytes]:
        """One of actors.py's own players: 'name arguments'."""
        return self.start(side, f"{sys.executable} -m bench.quality.record.actors {call}")

    def run(self, side: str, command: str, timeout_s: float = 20) -> str:
        """A program in a namespace to its end; StageError if that is not a good one."""
        done = subprocess.run(
            ["ip", "netns", "exec", self.names[side], "sh", "-c", command],
            capture_output=True, text=True, timeout=timeout_s, check=False, cwd=self.scratch,
        )  # fmt: skip
        if done.returncode:
            raise StageError(f"{side}: {command}: {done.stderr.strip()[-400:]}")
        return done.stdout

    def wait(self, side: str, port: int, address: str = "127.0.0.1") -> None:
        """Until somebody listens at a TCP port there."""
        until = time.monotonic() + _READY_S
        while time.monotonic() < until:
            with self.inside(side):
                probe = socket.socket()
            with probe:
                if probe.connect_ex((address, port)) == 0:
                    return
            time.sleep(0.05)
        raise StageError(f"nobody listens at port {port} of the {side}")

    def record(self, seconds: float, settle: float = 0.0) -> None:
        """What passes in the next `seconds`, after `settle` seconds, is the recording."""
        time.sleep(settle)
        start = time.time_ns()
        time.sleep(seconds)
        self.window = start, time.time_ns()

    def finish(self) -> tuple[int, int]:
        """Ends the relay; (frames, lost) of all that it saw."""
        assert self._relay is not None
        out, _ = self._relay.communicate(timeout=_READY_S)
        frames, lost = map(int, out.split())
        return frames, lost

    def logs(self) -> str:
        """The last words of every program, for a recording that failed."""
        return "\n".join(
            f"--- {p.name}\n{p.read_text(errors='replace')[-600:]}" for p in sorted(self.scratch.glob("*.log"))
        )

    # --- leaving

    def _leave(self) -> None:
        if self._relay is not None and self._relay.poll() is None:
            self._relay.kill()
            self._relay.wait()
        for process in self._processes:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        for name in self.names.values():
            _remove(name)
        self._scratch.cleanup()


def _remove(namespace: str) -> None:
    """A namespace of ours, with every process in it."""
    pids = subprocess.run(["ip", "netns", "pids", namespace], capture_output=True, text=True, check=False).stdout
    for pid in pids.split():
        with suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGKILL)
    subprocess.run(["ip", "netns", "del", namespace], capture_output=True, check=False)


def _sweep() -> None:
    """What a stage left whose process was killed before it could."""
    listed = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=False).stdout
    for name in (line.split()[0] for line in listed.splitlines()):
        if name.startswith("eg-look-") and not Path("/proc", name.rsplit("-", 1)[1]).exists():
            _remove(name)


def _run(command: str) -> None:
    done = subprocess.run(command.split(), capture_output=True, text=True, check=False)
    if done.returncode:
        raise StageError(f"{command}: {done.stderr.strip()}")


def _setns(libc: ctypes.CDLL, descriptor: int) -> None:
    if libc.setns(descriptor, _CLONE_NEWNET):
        raise StageError(f"setns: {os.strerror(ctypes.get_errno())}")


def _ethtool(link: str, command: int, value: int) -> None:
    """Linux ethtool ioctl with one value (struct ethtool_value)."""
    buffer = ctypes.create_string_buffer(struct.pack("II", command, value))
    request = struct.pack("16sP", link.encode(), ctypes.addressof(buffer))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s, suppress(OSError):
        fcntl.ioctl(s, _SIOCETHTOOL, request)
