"""The flood of `bench/live.py`: who sends it, how fast, and the frames it is made of.

    python -m bench.parts.flood IFINDEX TARGETS      the fallback sender, which speaks flooder.c's language

Documentation addresses (RFC 5737) and the benchmarking network (RFC 2544) only, and only inside
namespaces that the bench made.
"""

from __future__ import annotations

import random
import struct
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from edgeguard.errors import CaptureError
from edgeguard.native import Sender

PARTS = Path(__file__).parent
ROOT = PARTS.parents[1]
VMS = ("192.0.2.10", "192.0.2.11")  # also their MACs end in 0x10 and 0x11
TARGETS = 32768  # at most so many; a power of two
LONGEST_S = 60.0
TCP, UDP = 6, 17
VARIETY = 4096  # different frames of the fallback
PROGRAM = "BPF_PROG_TEST_RUN, live frames"
SOCKET = "AF_PACKET socket"


class NoFloodError(Exception):
    """The frames cannot be sent; why."""


@dataclass(frozen=True, slots=True)
class Sent:
    """One flood, as its sender saw it."""

    frames: int
    seconds: float


def mac(vm: int) -> str:
    return f"00:00:5e:00:53:{0x10 + vm:02x}"


def frame(vm: int = 0, target: int = 0, protocol: int = TCP, port: int = 0, identification: int = 0xFFFF) -> bytes:
    """60 bytes out of a VM: a SYN or a datagram, by the protocol alone: their headers' other fields agree."""
    source = bytes(map(int, VMS[vm].split(".")))
    to = bytes((198, 18)) + struct.pack("<H", target)
    header = struct.pack("!BBHHHBBH", 0x45, 0, 46, identification, 0, 64, protocol, 0) + source + to
    header = header[:10] + struct.pack("!H", _checksum(header)) + header[12:]
    # as TCP: sequence 0x001a0000, data offset 5, SYN, a checksum that no observer looks at; as UDP: length 26,
    # no checksum
    transport = struct.pack("!HHIIBBHHH", port, 443, 0x001A0000, 0, 0x50, 0x02, 0xFFFF, 0, 0)
    ethernet = bytes.fromhex("00005e005301" + mac(vm).replace(":", "") + "0800")
    return ethernet + header + transport.ljust(26, b"\0")


def _checksum(header: bytes) -> int:
    """RFC 1071."""
    total: int = sum(struct.unpack(f"!{len(header) // 2}H", header))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def compiled(name: str, directory: Path) -> Path:
    """One of the C parts as a program. NoFloodError where there is no compiler."""
    program = directory / name
    try:
        command = ["gcc", "-O2", "-o", str(program), str(PARTS / f"{name}.c")]
        told = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise NoFloodError("gcc is not installed here") from None
    if told.returncode:
        raise NoFloodError(f"{name}.c was not compiled: {told.stderr.strip().splitlines()[-1]}")
    return program


class Flooder:
    """A process that floods on request. Starts in the caller's namespace and on the caller's core."""

    def __init__(self, directory: Path, ifindexes: tuple[int, int], targets: int = TARGETS) -> None:
        self.why = ""  # the kernel's sender is not the one in use because ...
        self.name = PROGRAM
        try:
            self._start([str(compiled("flooder", directory)), frame().hex(), *map(str, (*ifindexes, targets))])
            self.run(1000, 0.01)  # only now it is known whether live frames are permitted
        except NoFloodError as error:
            self.why, self.name = str(error), SOCKET
            self._start([sys.executable, "-m", "bench.parts.flood", str(ifindexes[0]), str(targets)])

    def _start(self, command: list[str]) -> None:
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=ROOT
        )
        self._answer("ready")

    def _answer(self, wanted: str = "") -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline().strip()
        if not line or line.startswith("refused") or (wanted and line != wanted):
            self._process.kill()
            self._process.wait()
            raise NoFloodError(line or "the sender ended")
        return line

    def run(self, rate: float, seconds: float) -> Sent:
        """`rate` frames a second, 0 as fast as it goes."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{rate:.0f} {min(seconds, LONGEST_S):.3f}\n")
        self._process.stdin.flush()
        frames, took = self._answer().split()
        return Sent(int(frames), float(took))

    def close(self) -> None:
        self._process.kill()
        self._process.wait()


def _fallback(ifindex: int, targets: int) -> None:
    chance = random.Random(1)
    frames = [
        frame(0, chance.randrange(targets), chance.choice((TCP, UDP)), chance.randrange(32768)) for _ in range(VARIETY)
    ]
    sender = Sender(ifindex)
    print("ready", flush=True)
    for line in sys.stdin:
        rate, seconds = map(float, line.split())
        sent = sender.run(frames, 1 << 40, int(rate), seconds)
        print(sent, seconds, flush=True)


if __name__ == "__main__":
    try:
        _fallback(*map(int, sys.argv[1:]))
    except CaptureError as refusal:
        print(f"refused: {refusal}", flush=True)
