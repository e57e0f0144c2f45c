"""The lab's sender: it sends what it says, at the rate asked for, and stops."""

from __future__ import annotations

import threading
import time

import pytest
from capturing import live, send, udp
from namespaces import Namespace

from edgeguard.errors import CaptureError
from edgeguard.native import Sender, link_counters


def test_what_it_says_is_what_the_kernel_counts() -> None:
    """The number returned equals the frames the other end of the link received."""
    with Namespace() as host, Namespace() as vm:
        index = host.veth("tap0", vm, "eth0")
        sent = send(vm, "eth0", [udp()], 20_000, 100_000)
        with host.inside():
            assert sent == link_counters()[index].rx_frames == 20_000


def test_frames_are_cycled_in_order_over_all_its_slices() -> None:
    """Each frame of the list is sent in turn, also when one run lasts longer than one slice of C."""
    frames = [udp(n) for n in range(50)]
    with Namespace() as host, Namespace() as vm:
        host.veth("tap0", vm, "eth0")
        with live(host) as running:
            sending = vm.start(send, vm, "eth0", frames, 1000, 1600)
            rows = running.rows(1000)
        assert sending.result() == 1000
    assert [int(b) - 28 for b in rows["bytes"]] == [n % 50 for n in range(1000)]


def test_the_rate_is_kept() -> None:
    """A paced run neither ends early nor sends more than was due by its end."""
    with Namespace() as host, Namespace() as vm:
        host.veth("tap0", vm, "eth0")
        begin = time.monotonic()
        sent = send(vm, "eth0", [udp()], 2000, 4000)
        took = time.monotonic() - begin
    assert sent == 2000 and took >= 0.45


def test_it_ends_at_its_deadline_and_on_stop() -> None:
    """Neither an endless count nor a full queue keeps it beyond its time or a stop."""
    with Namespace() as host, Namespace() as vm:
        host.veth("tap0", vm, "eth0")
        with vm.inside():
            sender = Sender(vm.index("eth0"))
        assert 0 < sender.run([udp()], 10**12, 100, 1.0) < 1000
        done = threading.Event()
        stopping = threading.Thread(target=_stop_until, args=(sender, done))
        stopping.start()
        begin = time.monotonic()
        sender.run([udp()], 10**12, 1000, 600.0)
        assert time.monotonic() - begin < 300
        done.set()
        stopping.join()
        sender.close()


def _stop_until(sender: Sender, done: threading.Event) -> None:
    """Again and again: a stop before the run has begun stops nothing."""
    while not done.wait(0.2):
        sender.stop()


def test_a_link_that_is_down_or_gone_is_one_clear_line() -> None:
    """Sending through a link that is down says so."""
    with Namespace() as host, Namespace() as vm:
        host.veth("tap0", vm, "eth0")
        vm.down("eth0")
        with pytest.raises(CaptureError, match=r"sender: frame 0 of 10 was refused: Network is down"):
            send(vm, "eth0", [udp()], 10)
        with vm.inside(), pytest.raises(CaptureError, match="sender: interface 999 cannot be opened"):
            Sender(999)
