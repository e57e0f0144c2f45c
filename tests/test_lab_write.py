"""`edgeguard lab write`: deterministic savefiles and the configuration beside them."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path

import dpkt
import pytest

from edgeguard import config
from edgeguard.clock import SECOND
from edgeguard.errors import SavefileError
from edgeguard.lab import addresses as plan
from edgeguard.lab import write
from edgeguard.lab.addresses import NEIGHBOUR, VM
from edgeguard.lab.scenario import MOVING, SCENARIOS


def _read(path: Path) -> list[tuple[int, bytes]]:
    with path.open("rb") as file:
        return [(round(at * SECOND), frame) for at, frame in dpkt.pcap.Reader(file)]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("lab") / "moving.pcap"
    write.write(SCENARIOS["moving-flood"], path)
    return path


@pytest.fixture(scope="module")
def frames(written: Path) -> list[tuple[int, bytes]]:
    return _read(written)


def test_the_same_bytes_every_time(written: Path, tmp_path: Path) -> None:
    """Two runs of `lab write` give one savefile."""
    again = tmp_path / "again.pcap"
    write.write(SCENARIOS["moving-flood"], again)
    digests = {hashlib.sha256(path.read_bytes()).digest() for path in (written, again)}
    assert len(digests) == 1


def test_the_flood_moves_at_fixed_times(frames: list[tuple[int, bytes]]) -> None:
    """The file holds 100,000 marked frames a second, two seconds to each target, in their order."""
    first = {}
    counts: Counter[str] = Counter()
    for at, frame in frames:
        v6 = frame[14] >> 4 == 6
        if (int.from_bytes(frame[14:16], "big") >> 4 & 0xFF if v6 else frame[15]) == plan.MARK:
            target = dpkt.utils.inet_to_str(frame[38:54] if v6 else frame[30:34])
            first.setdefault(target, at)
            counts[target] += 1
    begins = write.START + write.BEFORE
    assert list(first) == list(MOVING)
    assert [at - begins for at in first.values()] == pytest.approx([0, 2 * SECOND, 4 * SECOND], abs=1000)
    assert set(counts.values()) == {200_000}


def test_times_never_go_back() -> None:
    """Frames of all streams are merged in the order of their times."""
    stamps = [at for at, _ in write.frames(SCENARIOS["syn-flood"])]
    assert stamps == sorted(stamps)
    assert len(set(stamps)) == len(stamps)


def test_both_directions_of_both_taps(frames: list[tuple[int, bytes]]) -> None:
    """A frame comes from or goes to the MAC of the VM or its neighbour, and all four occur."""
    links = Counter((frame[6:12].hex(":"), frame[:6].hex(":")) for _, frame in frames)
    gateway = plan.GATEWAY_MAC
    assert set(links) == {(a, b) for vm in (VM, NEIGHBOUR) for a, b in ((vm.mac, gateway), (gateway, vm.mac))}


def test_the_configuration_beside_it_is_valid(written: Path) -> None:
    """OUT.toml loads as a configuration with the lab's limits."""
    settings = config.load(written.with_suffix(".toml"))
    assert settings.limits.udp.hard == 50_000
    assert settings.clocks.quiet == 3 * SECOND
    assert set(settings.enforce) == {"syn.hard", "udp.hard"}


def test_a_forged_source_is_only_in_the_ip_header() -> None:
    """The frames leave the VM's own MAC with the neighbour's address."""
    frames = (f for _, f in write.frames(SCENARIOS["forged-source"]) if f[15] == plan.MARK)
    frame = next(frames)
    packet = dpkt.ethernet.Ethernet(frame)
    assert packet.src.hex(":") == VM.mac
    assert dpkt.utils.inet_to_str(packet.data.src) == NEIGHBOUR.address


def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    """A missing directory is told with its path and reason."""
    with pytest.raises(SavefileError, match=r"missing/x\.pcap: cannot be written: No such file"):
        write.write(SCENARIOS["syn-flood"], tmp_path / "missing" / "x.pcap")


def test_the_savefile_may_not_be_named_toml(tmp_path: Path) -> None:
    """The configuration would overwrite it."""
    with pytest.raises(SavefileError, match="same name"):
        write.write(SCENARIOS["syn-flood"], tmp_path / "x.toml")
