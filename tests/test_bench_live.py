"""The live bench: its frames are whole, its search finds what is there, and it hears what it sent."""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import dpkt
import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))  # the benches are no part of the package

from bench import live
from bench.live import Flood, Turn
from bench.parts.flood import TARGETS, TCP, UDP, VMS, compiled, frame
from bench.parts.host import Spent

ROOT = Path(__file__).parents[1]
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: network namespaces and BPF")
needs_compiler = pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed here")


def arrived(rate: float, most: float) -> Flood:
    """A second of a listener that takes in `most` frames a second."""
    counted = int(min(rate, most))
    return Flood(int(rate), int(rate), counted, int(rate) - counted, rate <= most, 1.0, Spent(counted * 50, 0, 0))


@pytest.mark.parametrize("protocol", [TCP, UDP])
def test_frames_are_whole(protocol: int) -> None:
    """60 bytes with a right IP checksum, from a VM's own MAC and address, a SYN or a datagram."""
    made = frame(vm=1, target=TARGETS - 1, protocol=protocol, port=4711)
    assert len(made) == 60
    ethernet = dpkt.ethernet.Ethernet(made)
    network = ethernet.data
    assert (ethernet.src[-1], bytes(network.src)) == (0x11, bytes(map(int, VMS[1].split("."))))
    assert sum(struct.unpack("!10H", made[14:34])) % 0xFFFF == 0
    inside = network.data
    assert (inside.sport, inside.dport) == (4711, 443)
    assert inside.flags == dpkt.tcp.TH_SYN if protocol == TCP else inside.ulen == 26


@pytest.mark.parametrize("most", [0.05e6, 0.7e6, 1.9e6, 3e6])
def test_the_search_finds_the_highest_rate(most: float) -> None:
    """Never above what the listener bears, and within a tenth of it or of where the search began."""
    fast, common = arrived(2e6, most), arrived(0.2e6, most)
    found = live.search(lambda rate: arrived(rate, most), fast, common)
    assert found <= min(most, 2e6)
    assert found >= 0.9 * min(most, 2e6)


def test_ratios_are_of_the_same_round() -> None:
    """What slows a round slows both, and a rival that is not there has no ratio."""
    rounds = {
        "edgeguard": [Turn(arrived(1e6, 2e6), arrived(1e5, 2e6), highest) for highest in (1e6, 2e6, 1e6)],
        "bare_ring": [Turn(arrived(1e6, 2e6), arrived(1e5, 2e6), highest) for highest in (2e6, 4e6, 1e6)],
    }
    assert live.ratio(rounds, "highest", "bare_ring") == 0.5
    assert live.ratio(rounds, "user_ns", "bare_ring") == 1.0
    assert live.ratio(rounds, "highest", "fastnetmon") is None


@needs_compiler
@pytest.mark.parametrize("name", ["flooder", "walker"])
def test_the_parts_compile(name: str, tmp_path: Path) -> None:
    """The C parts are compiled when the bench runs: on this machine they must."""
    assert compiled(name, tmp_path).exists()


@needs_root
@needs_compiler
def test_what_is_sent_is_counted() -> None:
    """At a low rate everything that arrives must be counted, by the daemon and by the bare ring alike."""
    command = [sys.executable, "bench/live.py", "--json", "--rounds", "1", "--seconds", "0.3", "--top", "20000"]
    command += ["--only", "edgeguard,bare_ring"]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr
    found = json.loads(told.stdout.splitlines()[-1])
    assert (found["bench"], found["unit"], found["rounds"]) == ("live", "Mpps", 1)
    assert found["ratios"].keys() >= {"af_packet/bare_ring", "user_ns/fastnetmon"}
    assert found["ratios"]["user_ns/fastnetmon"] is None
    assert found["value"] == found["spread"]["median"]
    assert {row["max"] for row in found["lost_share"].values()} == {0.0}
    assert found["not_delivered_to_the_taps"] == 0
