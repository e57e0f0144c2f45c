"""What one read of the live ring takes: all blocks that are ready, as far as there is room, and link changes."""

from __future__ import annotations

import time

import numpy as np
import pytest
from capturing import Live, live, send, udp
from namespaces import Namespace

from edgeguard.capture import tpacket

FRAMES = 3000
IN_A_BLOCK = 65_536 // 128  # at most: a frame takes 128 bytes of a block at least


def _received(running: Live, count: int) -> None:
    """Until the kernel has put `count` frames into the ring."""
    deadline = time.monotonic() + 30
    while running.capture.health().received < count:
        assert time.monotonic() < deadline, running.capture.health()
        time.sleep(0.01)


def test_one_read_takes_every_block_that_is_ready() -> None:
    """Frames that fill several blocks come in one batch, each once and in order."""
    with Namespace() as host, Namespace() as vm:
        host.veth("tap0", vm, "eth0")
        with live(host) as running:
            send(vm, "eth0", [udp()], FRAMES)
            _received(running, FRAMES)
            first = running.capture.read(1).copy()
            rows = np.concatenate([first, running.rows(FRAMES - len(first))])
    assert len(first) > IN_A_BLOCK
    assert len(rows) == FRAMES and (np.diff(rows["ts"]) >= 0).all()


def test_more_than_there_is_room_for_is_read_without_a_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """A read ends in the middle of a block when its rows are full; the next ones go on there, and lose nothing."""
    monkeypatch.setattr(tpacket, "ROOM", 700)
    monkeypatch.setattr(tpacket, "BUSY", 100)
    monkeypatch.setattr(tpacket, "PAUSE_MS", 60_000)  # a pause that should not be made would end the test
    with Namespace() as host, Namespace() as vm:
        host.veth("tap0", vm, "eth0")
        with live(host) as running:
            send(vm, "eth0", [udp()], 1400)
            _received(running, 1400)
            lengths = [len(running.capture.read(1))]
            while sum(lengths) < 1400 and len(lengths) < 10:  # the last block may be handed over later
                lengths.append(len(running.capture.read(1)))
    assert lengths[0] == 700 and sum(lengths) == 1400


def test_a_pause_ends_when_a_link_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tap that appears while a busy ring waits for more is followed at once, not after the pause."""
    monkeypatch.setattr(tpacket, "BUSY", 1)
    monkeypatch.setattr(tpacket, "PAUSE_MS", 600_000)
    with Namespace() as host, Namespace() as vm, Namespace() as other:
        host.veth("tap0", vm, "eth0")
        with live(host) as running:
            running.capture.changes()
            send(vm, "eth0", [udp()], 10)
            _received(running, 10)
            while len(running.capture.read(1)) == 0:
                pass
            host.veth("tap1", other, "eth0")
            begun, appeared = time.monotonic(), set[str]()
            while not appeared and time.monotonic() < begun + 60:
                running.capture.read(0.1)
                appeared = {change.tap.name for change in running.capture.changes()}
    assert appeared == {"tap1"}
