"""A mirror port with real frames: whose they are by MAC and VLAN, in VXLAN, from strangers; what came twice."""

from __future__ import annotations

import contextlib
import random
import struct
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from capturing import Live, send, settings, syn, udp, udp6
from hypothesis import Phase, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from namespaces import Namespace
from oracles.mirror import ONE, TWO, between, changed, inside, number, vxlan

from edgeguard.capture.mirror import MirrorCapture
from edgeguard.capture.taps import Taps
from edgeguard.counting.window import Counting
from edgeguard.daemon.mirrored import STRANGERS, Mirrored
from edgeguard.errors import CaptureError
from edgeguard.inventory import Index
from edgeguard.model import Tap, Vm
from edgeguard.record import NOBODY, Records

PORT = "mirror0"
GATEWAY, UNKNOWN = "02:00:00:00:00:fe", "02:00:00:00:02:01"


def vm(n: int, *macs: str, vlan: int | None = None, taps: tuple[str, ...] = ()) -> Vm:
    return Vm(f"vm-{n}", f"web{n}", f"customer {n}", None, taps, macs, (), vlan=vlan)


@dataclass
class Port:
    """A running capture of one mirror port, and what feeds it."""

    live: Live
    capture: MirrorCapture
    machines: Mirrored
    switch: Namespace

    def copies(self, frames: list[bytes], count: int | None = None, rate: int = 0) -> Records:
        """Send frames into the port as a switch would; what was captured of them."""
        count = len(frames) if count is None else count
        assert send(self.switch, "out", frames, count, rate) == count
        return self.live.rows(count, seconds=3.0)

    def name(self, point: int) -> str:
        if point == NOBODY:
            return "-"
        found = self.machines.vm(point)
        strangers = {p: c.name for p, c in self.machines._cards.items() if c.vm is None}
        return found.id if found else strangers.get(point, "further")

    def ways(self, rows: Records) -> Counter[tuple[str, str]]:
        """How many frames went out of whom, into whom."""
        return Counter((self.name(int(r["out_of"])), self.name(int(r["into"]))) for r in rows)


@contextlib.contextmanager
def port(*vms: Vm, **changes: Any) -> Iterator[Port]:
    with Namespace() as host, Namespace() as switch:
        host.veth(PORT, switch, "out")
        with mirror_of(host, *vms, **changes) as (live, machines):
            assert isinstance(live.capture, MirrorCapture)
            yield Port(live, live.capture, machines, switch)


@contextlib.contextmanager
def mirror_of(host: Namespace, *vms: Vm, **changes: Any) -> Iterator[tuple[Live, Mirrored]]:
    with host.inside():
        taps = Taps((PORT,), ())
        counting = Counting(16, by_source=False)
        machines = Mirrored(counting, Index(vms), taps.current().values())
        capture = MirrorCapture(settings(mirror=[PORT], **changes), taps, machines)
    try:
        yield Live(capture, taps, {}), machines
    finally:
        capture.close()
        taps.close()


# ---- by MAC ----------------------------------------------------------------------------------------


def test_a_frame_is_out_of_its_sender_and_into_its_receiver() -> None:
    """Out of a VM, into a VM, between two VMs both ways; the address it claims plays no part."""
    forged = syn(source="192.0.2.77")
    frames = [
        *[between(ONE, GATEWAY, udp())] * 5,
        *[between(GATEWAY, ONE, udp6())] * 3,
        *[between(ONE, TWO, syn())] * 2,
        *[between(TWO, GATEWAY, forged)] * 4,
    ]
    with port(vm(1, ONE), vm(2, TWO)) as mirror:
        ways = mirror.ways(mirror.copies(frames))
        assert mirror.machines.unknown() == []
    assert ways == {("vm-1", "-"): 5, ("-", "vm-1"): 3, ("vm-1", "vm-2"): 2, ("vm-2", "-"): 4}


def test_a_forged_address_moves_nothing_of_its_owner() -> None:
    """VM 2 floods with VM 1's address: only the row of VM 2's MAC counts."""
    with port(vm(1, ONE), vm(2, TWO)) as mirror:
        rows = mirror.copies([between(TWO, GATEWAY, syn(source="192.0.2.10"))], 3000)
        assert mirror.ways(rows) == {("vm-2", "-"): 3000}
        assert mirror.capture.totals()["tcp_syn"] == 3000


def test_an_unknown_mac_is_counted_from_its_first_frame_and_reported() -> None:
    """A sender nobody knows has a row of its own, whatever else is in the same block; into it counts too."""
    frames = [between(UNKNOWN, GATEWAY, udp())] * 3 + [between(ONE, GATEWAY, udp())] * 2
    with port(vm(1, ONE)) as mirror:
        ways = mirror.ways(mirror.copies(frames * 10))
        again = mirror.ways(mirror.copies([between(GATEWAY, UNKNOWN, udp())]))
        assert [tap.name for tap in mirror.machines.unknown()] == [UNKNOWN, GATEWAY]
    assert ways == {(UNKNOWN, "-"): 30, ("vm-1", "-"): 20}
    assert again == {(GATEWAY, UNKNOWN): 1}


def test_the_host_itself_is_no_attachment_point() -> None:
    """What a link of the host sends goes only into the VM it is for; to nobody known it is passed over."""
    with port(vm(1, ONE)) as mirror:
        own = next(mac for mac in mirror.live.taps.macs() if mac != "00:00:00:00:00:00")  # not the loopback's
        frames = [between(own, ONE, udp()), between(own, GATEWAY, udp()), between(ONE, own, udp())]
        send(mirror.switch, "out", frames, 3)
        assert mirror.ways(mirror.live.rows(2)) == {("-", "vm-1"): 1, ("vm-1", "-"): 1}
        assert (mirror.capture.passed_over(), mirror.machines.unknown()) == (1, [])


def test_random_macs_are_bounded_and_all_counted() -> None:
    """Beyond the table senders share one row; a group MAC and the empty one are senders like others."""
    macs = [f"02:00:00:01:{n >> 8:02x}:{n & 255:02x}" for n in range(300)]
    odd = ["00:00:00:00:00:00", "03:00:00:00:00:01"]
    with port(vm(1, ONE)) as mirror:
        ways = mirror.ways(mirror.copies([between(mac, GATEWAY, udp()) for mac in [*odd, *macs]]))
        more = mirror.ways(mirror.copies([between(ONE, GATEWAY, udp()), between("02:00:00:09:00:00", ONE, udp())]))
        assert len(mirror.machines.unknown()) == STRANGERS
        assert mirror.capture.overflowed() == ways["further", "-"]
    assert sum(ways.values()) == 302
    assert ways["further", "-"] == 302 - STRANGERS
    assert all(ways[mac, "-"] == 1 for mac in macs[: STRANGERS - 1])
    assert more == {("vm-1", "-"): 1, ("-", "vm-1"): 1}


# ---- by VLAN ---------------------------------------------------------------------------------------


def test_one_mac_in_two_vlans_is_two_machines() -> None:
    """Where the inventory gives a VLAN it must be that one; without one any VLAN is as good as none."""
    vms = (vm(1, ONE, vlan=10), vm(2, ONE, vlan=20), vm(3, TWO))
    frames = [between(ONE, GATEWAY, udp(), (vlan,)) for vlan in (10, 10, 20, 30)]
    frames += [between(ONE, GATEWAY, udp()), between(TWO, GATEWAY, udp6(), (40,)), between(TWO, GATEWAY, udp())]
    frames += [between(GATEWAY, ONE, udp(), (20,)), between(ONE, TWO, udp(), (10,))]
    with port(*vms) as mirror:
        rows = mirror.copies(frames)
        assert {int(vlan) for vlan in rows["vlan"]} == {0, 10, 20, 30, 40}
        assert mirror.ways(rows) == {
            ("vm-1", "-"): 2,
            ("vm-2", "-"): 1,
            (f"{ONE} vlan 30", "-"): 1,
            (ONE, "-"): 1,
            ("vm-3", "-"): 2,
            ("-", "vm-2"): 1,
            ("vm-1", "vm-3"): 1,
        }
        assert mirror.capture.totals()["udp"] == len(frames)


# ---- in VXLAN --------------------------------------------------------------------------------------


@pytest.mark.parametrize("outer6", [False, True])
@pytest.mark.parametrize("vlans", [(), (7,), (7, 8)])
def test_vxlan_is_opened_where_it_was_declared(outer6: bool, vlans: tuple[int, ...]) -> None:
    """The inner frame says whose it is and is what is counted, its own tag included."""
    inner = [between(ONE, GATEWAY, syn()), between(GATEWAY, TWO, udp(400), (20,)), between(ONE, TWO, udp6(), (9,))]
    with port(vm(1, ONE), vm(2, TWO), vxlan=True) as mirror:
        rows = mirror.copies([vxlan(frame, outer6, vlans=vlans) for frame in inner])
        assert mirror.ways(rows) == {("vm-1", "-"): 1, ("-", "vm-2"): 1, ("vm-1", "vm-2"): 1}
        totals = mirror.capture.totals()
        assert mirror.capture.opened() == 3
    assert (totals["frames"], totals["tcp_syn"], totals["udp"], totals["ipv6"]) == (3, 1, 2, 1)
    assert [int(v) for v in rows["vlan"]] == [0, 20, 9]
    assert [int(b) for b in rows["bytes"]] == [len(f) - 14 - 4 * t for f, t in zip(inner, (0, 1, 1), strict=True)]


def test_vxlan_is_never_guessed() -> None:
    """Without the setting, at another port, without the valid flag, cut, and in what a VM itself sends,
    it is a frame like any other: its outer sender's."""
    inner = between(TWO, GATEWAY, syn())
    host = "02:00:00:00:00:0a"
    own = between(ONE, GATEWAY, vxlan(inner))
    fragment = bytearray(vxlan(inner))
    fragment[20] |= 0x20
    with port(vm(1, ONE), vm(2, TWO)) as mirror:
        assert mirror.ways(mirror.copies([vxlan(inner)])) == {(host, "-"): 1}
    with port(vm(1, ONE), vm(2, TWO), vxlan=True, vxlan_port=8472) as mirror:
        closed = [vxlan(inner), vxlan(inner, port=8472, flags=0), vxlan(inner[:13], port=8472), bytes(fragment)]
        assert mirror.ways(mirror.copies(closed)) == {(host, "-"): 4}
        assert mirror.ways(mirror.copies([own, vxlan(inner, port=8472)])) == {("vm-1", "-"): 1, ("vm-2", "-"): 1}


@pytest.fixture(scope="module")
def tunnelled() -> Iterator[Port]:
    with port(vm(1, ONE), vxlan=True) as mirror:
        for n in range(STRANGERS):  # whoever comes now shares one row
            mirror.copies([between(f"02:00:00:02:00:{n:02x}", GATEWAY, udp())])
        yield mirror


LIES = [
    (16, b"\0\x31"),  # IP: 49 bytes, one too few for an Ethernet header inside
    (16, b"\0\x14"),  # IP: a header alone
    (38, b"\0\x1d"),  # UDP: 29 bytes
    (38, b"\0\x08"),  # UDP: a header alone
    (38, b"\0\x07"),
]


@pytest.mark.parametrize(("at", "length"), LIES)
def test_what_its_lengths_leave_out_is_no_vxlan(at: int, length: bytes) -> None:
    """Bytes behind the end that IP or UDP gives itself are a trailer: an inner frame there moves nobody's counters."""
    inner = between(ONE, GATEWAY, syn())
    with port(vm(1, ONE), vxlan=True) as mirror:
        assert mirror.ways(mirror.copies([changed(vxlan(inner), at, length)] * 3)) == {("02:00:00:00:00:0a", "-"): 3}
        assert mirror.capture.opened() == 0
        unsaid = [changed(vxlan(inner), 16, b"\0\0"), changed(vxlan(inner), 38, b"\0\0")]  # offload, jumbograms
        assert mirror.ways(mirror.copies(unsaid)) == {("vm-1", "-"): 2}


FRAMES = [vxlan(between(ONE, GATEWAY, syn()), outer6, vlans=vlans) for outer6 in (False, True) for vlans in ((), (5,))]


@hypothesis_settings(
    max_examples=25,
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
)
@given(
    st.lists(
        st.tuples(st.sampled_from(FRAMES), st.integers(20, 200), st.integers(0, 120), st.integers(0, 255)),
        min_size=1,
        max_size=30,
    )
)
def test_any_bytes_get_the_sender_that_they_carry(tunnelled: Port, made: list[tuple[bytes, int, int, int]]) -> None:
    """Cut anywhere, one byte changed anywhere: each frame is counted once, at its sender by the oracle."""
    frames = []
    for frame, length, at, value in made:
        changed = bytearray(frame[:length])
        if at >= 12:  # the outer MACs stay: whose it is must come from inside
            changed[at : at + 1] = bytes([value])[: len(changed[at : at + 1])]
        frames.append(bytes(changed))
    expected = Counter("vm-1" if inside(frame)[6:12] == number(ONE) else "further" for frame in frames)
    into = [inside(frame)[:6] == number(ONE) for frame in frames]
    ways = tunnelled.ways(tunnelled.copies(frames))
    assert not any(into)
    assert Counter({who: n for (who, _), n in ways.items()}) == expected


# ---- sensor health ---------------------------------------------------------------------------------


def many(count: int, seed: int) -> list[bytes]:
    """Different frames of UDP, as a VM that works sends them."""
    dice, frame = random.Random(seed), between(ONE, GATEWAY, udp(26))
    return [frame[:18] + dice.randbytes(2) + frame[20:40] + dice.randbytes(len(frame) - 40) for _ in range(count)]


def share(mirror: Port) -> float:
    health = mirror.capture.health()
    assert health.looked >= 50
    return health.twice / health.looked


def test_frames_that_come_twice_are_found() -> None:
    """Half of the frames are copies where a tap and its bridge are both mirrored, and none where each comes once."""
    frames = many(20_000, 1)
    with port(vm(1, ONE)) as mirror:
        mirror.copies(frames)
        assert share(mirror) == 0
    with port(vm(1, ONE)) as mirror:
        mirror.copies([frame for frame in frames for _ in range(2)])
        assert share(mirror) == pytest.approx(0.5, abs=0.02)


def test_a_sender_that_repeats_itself_is_no_duplicate() -> None:
    """A flood of the same few frames over and over must not look like a fault of the mirror port."""
    with port(vm(1, ONE)) as mirror:
        mirror.copies(many(700, 2), 40_000)
        health = mirror.capture.health()
        assert health.twice <= 0.01 * 40_000 / 256 + 6


def test_sampled_frames_stand_for_as_many() -> None:
    """With a declared factor packets and bytes are multiplied, and no bytes overflow."""
    with port(vm(1, ONE), sampling=100) as mirror:
        rows = mirror.copies([between(ONE, GATEWAY, udp(18))], 50)
        assert (int(rows["packets"].sum()), int(rows["bytes"].sum())) == (5000, 50 * 46 * 100)
        assert mirror.capture.totals()["udp"] == 50


# ---- taps and ports ----------------------------------------------------------------------------------


def test_taps_are_followed_but_not_captured() -> None:
    """The row of a MAC leads to the tap that the inventory names, as taps come and go; nothing is read there."""
    with Namespace() as host, Namespace() as switch, Namespace() as guest:
        host.veth(PORT, switch, "out")
        one = vm(1, ONE, taps=("tap1",))
        with mirror_of(host, one) as (live, machines):
            capture = live.capture
            assert machines.of_vm("vm-1") == []
            index = host.veth("tap1", guest, "eth0")
            live.collect(lambda _: False, 0.2)
            [(point, tap)] = machines.of_vm("vm-1")
            assert (tap.ifindex, tap.name, machines.vm(point)) == (index, "tap1", one)
            assert machines.point_of(tap) == point
            send(guest, "eth0", [between(ONE, GATEWAY, udp())], 20)
            send(switch, "out", [between(ONE, GATEWAY, udp())], 10)
            rows = live.rows(10)
            assert [int(p) for p in rows["out_of"]] == [point] * 10
            host.remove("tap1")
            live.collect(lambda _: False, 0.2)
            *_, last = capture.changes()
            assert (last.what, machines.gone(last.tap)) == ("gone", point)
            assert machines.of_vm("vm-1") == []


def test_a_port_that_comes_back_is_captured_again() -> None:
    """A mirror port made anew under its name is listened to; meanwhile its absence is one clear sentence."""
    with Namespace() as host, Namespace() as switch:
        host.veth(PORT, switch, "out")
        with mirror_of(host, vm(1, ONE)) as (live, _):
            host.remove(PORT)
            live.collect(lambda _: False, 0.1)
            with pytest.raises(CaptureError, match="mirror port mirror0: there is no such interface; correct `mirror`"):
                live.taps.require_mirrors((PORT,))
            host.veth(PORT, switch, "out")
            live.collect(lambda _: False, 0.2)
            send(switch, "out", [between(ONE, GATEWAY, udp())], 7)
            assert len(live.rows(7)) == 7


def test_a_port_that_is_down_or_missing_is_one_sentence() -> None:
    """Starting without the mirror port is refused with what to do."""
    with Namespace() as host, Namespace() as switch:
        with pytest.raises(CaptureError, match="there is no such interface"), mirror_of(host):
            pass
        host.veth(PORT, switch, "out")
        host.down(PORT)
        with pytest.raises(CaptureError, match="is down; run 'ip link set mirror0 up'"), mirror_of(host):
            pass


def test_super_frames_of_a_mirror_are_wire_packets() -> None:
    """A segmentation-offload frame that the host mirrors itself counts as the packets it becomes."""
    with port(vm(1, ONE)) as mirror:
        frame = between(ONE, GATEWAY, udp(2000))
        header = struct.pack("<BBHHHH", 1, 5, 42, 200, 34, 6)  # virtio_net.h: NEEDS_CSUM, GSO_UDP_L4
        try:
            send(mirror.switch, "out", [header + frame], 5, offload=True)
        except CaptureError:
            pytest.skip("this kernel takes no UDP super-frames (VIRTIO_NET_HDR_GSO_UDP_L4)")
        rows = mirror.live.rows(5)
        assert [int(p) for p in rows["packets"]] == [10] * len(rows) and len(rows) == 5


def test_strangers_are_told_as_taps_that_cannot_be_enforced() -> None:
    """A MAC nobody knows has the name it is reported by, and no kind of null route."""
    machines = Mirrored(Counting(16, by_source=False), Index([vm(1, ONE)]), ())
    assert machines.meet(int.from_bytes(number(UNKNOWN), "big") | 12 << 48)
    [stranger] = machines.unknown()
    assert isinstance(stranger, Tap)
    assert (stranger.name, stranger.kind) == (f"{UNKNOWN} vlan 12", "none")
