"""Which links are attachment points, how each can be enforced, and that changes are followed."""

from __future__ import annotations

import contextlib
import select
import socket
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule
from namespaces import Namespace

from edgeguard.capture.taps import Change, Taps
from edgeguard.model import TapKind


@contextlib.contextmanager
def followed(host: Namespace, exclude: tuple[str, ...] = (), uplinks: tuple[str, ...] = ("up0",)) -> Iterator[Taps]:
    """Taps of a namespace; polled from this thread."""
    with host.inside():
        taps = Taps(exclude, uplinks)
    try:
        yield taps
    finally:
        taps.close()


def _names(taps: Taps) -> dict[str, tuple[TapKind, str]]:
    return {tap.name: (tap.kind, tap.kind_detail) for tap in taps.current().values()}


def _poll(host: Namespace, taps: Taps) -> list[tuple[str, str]]:
    with host.inside():
        return [(change.what, change.tap.name) for change in taps.poll()]


def test_kinds_of_host() -> None:
    """Routed, bridged and routed-bridge taps are told apart; uplinks, bridges and inner pairs are no taps."""
    with Namespace() as host, Namespace() as other:
        for name in ("tap0", "tap1", "tap2", "up0", "mgmt0"):
            host.veth(name, other, f"x{name}")
        host.tap("vnet3")
        host.veth("fwln1", host, "fwpr1")
        host.bridge("br0", "tap1", "fwpr1")
        host.bridge("br1", "tap2")
        host.address("br1", "192.0.2.1/24")
        with followed(host, exclude=("mgmt0",)) as taps:
            kinds, excluded = _names(taps), {*taps.excluded()}
        assert kinds == {
            "tap0": (TapKind.ROUTED, "routed"),
            "vnet3": (TapKind.ROUTED, "routed"),
            "tap1": (TapKind.BRIDGED, "bridge br0"),
            "tap2": (TapKind.BRIDGED, "routed bridge br1"),
        }
        assert excluded == {host.index(n) for n in ("lo", "up0", "mgmt0", "fwln1", "fwpr1", "br0", "br1")}


def test_a_tap_says_what_the_kernel_says() -> None:
    """Ifindex, name and MAC are the link's own."""
    with Namespace() as host, Namespace() as vm:
        index = host.veth("tap0", vm, "eth0")
        with followed(host) as taps:
            tap = taps.current()[index]
        assert (tap.ifindex, tap.name, tap.mac) == (index, "tap0", host.mac("tap0"))


def test_macvtap_cannot_be_enforced_and_is_reversed() -> None:
    """A macvtap is counted the other way round and says why nothing can be null-routed there."""
    with Namespace() as host, Namespace() as wan:
        host.veth("up0", wan, "eth0")
        try:
            index = host.link("mv0", "macvtap", link=host.index("up0"))
        except Exception as error:  # the kernel may lack the module
            pytest.skip(f"no macvtap here: {error}")
        with followed(host) as taps:
            assert _names(taps)["mv0"][0] is TapKind.NONE and "macvtap" in _names(taps)["mv0"][1]
            assert taps.reversed(index) and not taps.reversed(host.index("up0"))


def test_the_default_route_s_device_is_the_uplink() -> None:
    """Without configured uplinks, the devices that default routes of both families leave by are uplinks."""
    with Namespace(ipv6=True) as host, Namespace(ipv6=True) as wan:
        for name, own, gateway in (("up0", "192.0.2.1/24", "192.0.2.2"), ("up1", "2001:db8::1/64", "2001:db8::2")):
            host.veth(name, wan, name)
            host.address(name, own)
            host.route("0.0.0.0/0" if "." in own else "::/0", gateway)
        host.veth("tap0", wan, "eth0")
        with followed(host, uplinks=()) as taps:
            assert sorted(taps.uplinks) == ["up0", "up1"] and list(_names(taps)) == ["tap0"]


def test_changes_of_a_tap() -> None:
    """Into a bridge, the bridge's address, out again, a new name, removal: each is one change."""
    with Namespace(ipv6=True) as host, Namespace() as vm:
        host.veth("tap0", vm, "eth0")
        host.bridge("br0")
        with followed(host) as taps:
            assert _poll(host, taps) == []
            host.master("tap0", "br0")
            assert _poll(host, taps) == [("changed", "tap0")]
            host.address("br0", "2001:db8::1/64")
            assert _poll(host, taps) == [("changed", "tap0")]
            assert _names(taps)["tap0"] == (TapKind.BRIDGED, "routed bridge br0")
            host.master("tap0", None)
            assert _poll(host, taps) == [("changed", "tap0")]
            host.rename("tap0", "tap9")
            assert _poll(host, taps) == [("changed", "tap9")]
            host.remove("tap9")
            assert _poll(host, taps) == [("gone", "tap9")]


def test_a_container_s_pair_made_here_and_moved() -> None:
    """A veth pair is no attachment point until its other end moves away, and not again when it comes back."""
    with Namespace() as host, Namespace() as container, followed(host) as taps:
        host.veth("ve0", host, "ve1")
        assert _poll(host, taps) == []
        host.move("ve1", container)
        assert _poll(host, taps) == [("appeared", "ve0")]
        container.move("ve1", host)
        assert _poll(host, taps) == [("gone", "ve0")]


def test_events_lost_by_the_kernel_are_made_good() -> None:
    """When the event socket overflows, everything is listed again and no tap is missing."""
    with Namespace() as host, Namespace() as vm:
        with followed(host) as taps:
            taps._links._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            for number in range(40):
                host.veth(f"tap{number}", vm, f"eth{number}")
            appeared = _poll(host, taps)
        assert sorted(appeared) == sorted(("appeared", f"tap{number}") for number in range(40))


def test_the_descriptor_wakes_a_waiting_reader() -> None:
    """fileno() becomes readable when a link appears, and only then."""
    with Namespace() as host, Namespace() as vm, followed(host) as taps:
        assert select.select([taps.fileno()], [], [], 0)[0] == []
        host.veth("tap0", vm, "eth0")
        assert select.select([taps.fileno()], [], [], 60)[0] == [taps.fileno()]


class Following(RuleBasedStateMachine):
    """Whatever happens to links, what was followed equals what a fresh listing finds."""

    def __init__(self) -> None:
        super().__init__()
        self.host, self.vm = Namespace(), Namespace()
        self.made = 0
        self.taps: list[str] = []
        self.bridges: list[str] = []
        with self.host.inside():
            self.followed = Taps((), ("up0",))

    @rule(inside=st.booleans())
    @precondition(lambda self: self.made < 6)
    def make_veth(self, inside: bool) -> None:
        self.made += 1
        self.host.veth(f"t{self.made}", self.host if inside else self.vm, f"p{self.made}")
        self.taps.append(f"t{self.made}")

    @rule()
    @precondition(lambda self: len(self.bridges) < 2)
    def make_bridge(self) -> None:
        self.made += 1
        self.host.bridge(f"b{self.made}")
        self.bridges.append(f"b{self.made}")

    @rule(data=st.data(), into=st.booleans())
    @precondition(lambda self: self.taps and self.bridges)
    def bridge(self, data: st.DataObject, into: bool) -> None:
        master = data.draw(st.sampled_from(self.bridges)) if into else None
        self.host.master(data.draw(st.sampled_from(self.taps)), master)

    @rule(data=st.data())
    @precondition(lambda self: self.taps or self.bridges)
    def remove(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(self.taps + self.bridges))
        (self.taps if name in self.taps else self.bridges).remove(name)
        self.host.remove(name)

    @rule()
    def compare(self) -> None:
        before = self.followed.current()
        with self.host.inside():
            changes = self.followed.poll()
            fresh = Taps((), ("up0",))
        expected = fresh.current()
        fresh.close()
        assert self.followed.current() == expected
        assert sorted(self.followed.excluded()) == sorted(fresh.excluded())
        assert _applied(before, changes) == expected

    def teardown(self) -> None:
        self.compare()
        self.followed.close()
        self.host.close()
        self.vm.close()


def _applied(taps: dict[int, object], changes: list[Change]) -> dict[int, object]:
    """The taps after the changes, as the engine would keep them."""
    after = dict(taps)
    for change in changes:
        if change.what == "gone":
            del after[change.tap.ifindex]
        else:
            assert (change.tap.ifindex in after) == (change.what == "changed")
            after[change.tap.ifindex] = change.tap
    return after


TestFollowing = Following.TestCase
TestFollowing.settings = settings(
    max_examples=15, stateful_step_count=15, deadline=None, suppress_health_check=list(HealthCheck)
)


def test_a_new_link_with_the_number_of_a_far_peer_takes_no_tap_away() -> None:
    """Numbers count in each namespace by themselves: a link made here with that of a VM's end is not that end, not
    even in the first event about it, which names no peer."""
    with Namespace() as host, Namespace() as vm:
        vm.bridge("br0")
        host.veth("tap0", vm, "eth0")
        far = vm.index("eth0")
        with host.inside():
            taps = Taps((), ("lo",))
            first = {tap.name for tap in taps.current().values()}
            with host.routes() as ip:
                ip.link("add", ifname="a", kind="veth", peer={"ifname": "b"})
            assert host.index("b") == far, "the next number that is free"
            lost = [change.tap.name for _ in range(3) for change in taps.poll() if change.what == "gone"]
            taps.close()
    assert first == {"tap0"} and lost == []
