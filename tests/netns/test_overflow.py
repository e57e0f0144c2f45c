"""More taps than rows: counted together, and given a row of their own when another tap goes."""

from __future__ import annotations

import time
from unittest.mock import MagicMock

import numpy as np
import pytest
from capturing import TO_MAC, VM, WAN, send, settings
from namespaces import Namespace
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether

from edgeguard.capture.fanout import FanoutCapture
from edgeguard.capture.points import Points
from edgeguard.capture.taps import Taps
from edgeguard.capture.tpacket import RingCapture
from edgeguard.config import build
from edgeguard.counting.shards import Shards
from edgeguard.counting.window import Counting
from edgeguard.daemon.answers import Answers
from edgeguard.daemon.attachments import Attachments
from edgeguard.daemon.live import Live
from edgeguard.errors import UsageError
from edgeguard.inventory import Index
from edgeguard.model import Vm
from edgeguard.notice.values import Background
from edgeguard.record import NOBODY

FRAME = bytes(Ether(src=TO_MAC, dst="02:00:00:00:00:09") / IP(src=VM, dst=WAN) / UDP(sport=9, dport=99))
OWN, LATE = Vm("vm-0", "web0", None, None, ("tap0",)), Vm("vm-1", "web1", None, None, ("tap1",))
LONG_S = 60.0


def points(capture: RingCapture, count: int) -> set[int]:
    """The points that the next `count` of our frames came out of."""
    got: list[int] = []
    end = time.monotonic() + LONG_S
    while len(got) < count and time.monotonic() < end:
        if isinstance(capture, FanoutCapture):
            batch = np.concatenate([channel.read().copy() for channel in capture.channels])
        else:
            batch = capture.read(0.05)
        got += batch["out_of"][(batch["dst_port"] == 99) & (batch["out_of"] != NOBODY)].tolist()
    assert len(got) == count
    return set(got)


def follow(live: Live, capture: RingCapture, gone: str) -> None:
    """As the daemon's loop does it, until the tap is known to be gone."""
    end = time.monotonic() + LONG_S
    while any(tap.name == gone for _, tap in live.attachments.taps()):
        assert time.monotonic() < end
        if isinstance(capture, FanoutCapture):
            capture.follow()
        else:
            capture.read(0.05)
        live._follow(capture.changes())


@pytest.mark.parametrize("threads", [1, 2])
def test_a_waiting_tap_gets_the_row_of_one_that_goes(threads: int) -> None:
    """With one row for two taps, the second's frames are at the overflow row; when the first goes, at its row."""
    inventory, config = Index([OWN, LATE]), build({})
    counting: Counting | Shards = Counting(0, by_source=False, points=2)
    if threads > 1:
        counting = Shards(threads, points=2)
    live = Live(config, inventory, counting, *(MagicMock() for _ in range(4)), Background("host"), lambda: None)  # type: ignore[arg-type]
    live.attachments = Attachments(counting, inventory, points=1)  # type: ignore[arg-type]
    with Namespace() as namespace, Namespace() as vm:
        namespace.veth("tap0", vm, "eth0")
        namespace.veth("tap1", vm, "eth1")
        with namespace.inside():
            taps = Taps((), ())
            kind = FanoutCapture if threads > 1 else RingCapture
            capture = live._capture = kind(settings(threads=threads), taps, Points(2), live.attachments.assign)
        try:
            live._follow(capture.changes())
            assert (live.attachments.vm(0), live.attachments.refused) == (OWN, 1)
            assert points(capture, send(vm, "eth1", [FRAME], 20)) == {1}
            answers = Answers(live, capture, MagicMock())
            assert answers._overflow()["overflow"]["taps"] == ["tap1"]
            with pytest.raises(UsageError, match="VM vm-1: tap tap1 shares the overflow row"):
                answers._taps(LATE)
            namespace.remove("tap0")
            follow(live, capture, "tap0")
            assert (live.attachments.vm(0), live.attachments.refused) == (LATE, 0)
            assert points(capture, send(vm, "eth1", [FRAME], 20)) == {0}
            assert answers._overflow() == {}
            assert [tap.name for _, tap in answers._taps(LATE)] == ["tap1"]
        finally:
            capture.close()
            taps.close()
