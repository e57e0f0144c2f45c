"""Bad input through real rings: at a tap and at a mirror port the same frames count as they do in a savefile."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator

import pytest
from capturing import Live, live, send
from namespaces import Namespace
from oracles import decode as oracle
from oracles.hostile import MACS, UDP4, UDP6, hostile, of_size
from oracles.mirror import HOST, ONE, ROUTER, TAGS, TWO, between, inside, number, vxlan
from test_bad_input import KINDS
from test_mirror import PORT, mirror_of, vm

from edgeguard.daemon.mirrored import Mirrored
from edgeguard.record import NOBODY, Records, address

ETHERNET, MTU = 14, 65535
COPIED = 2048  # bytes of a frame that may hold more headers than usual: native/ring_filter.c
SIZES = [*range(ETHERNET, 1600), *range(1600, MTU, 97), MTU]


def sendable() -> list[bytes]:
    """What the kernel takes from a sender: a whole link header, and of a tagged frame a whole tag."""
    return [frame for frame in hostile() if len(frame) >= ETHERNET + 4]


def said(frame: bytes) -> tuple[object, ...]:
    """What a record holds by the oracle. The kernel takes the outermost tag off, so a ninth one is opened."""
    tag = int.from_bytes(frame[14:16], "big") & 0xFFF if frame[12:14] in TAGS else None
    left = frame if tag is None else frame[:12] + frame[16:]
    found = oracle.decode(left[:COPIED], len(left), 1)
    vlan = found.vlan if tag is None else tag
    return found.kind, found.family, str(found.src), found.bytes, found.protocol, found.ports or (0, 0), vlan


def told(row: Records) -> tuple[object, ...]:
    """The same of a record."""
    family = int(row["family"])
    source = str(address(family, row["src_hi"], row["src_lo"])) if family else "None"
    ports = int(row["src_port"]), int(row["dst_port"])
    return KINDS[row["kind"]], family, source, int(row["bytes"]), int(row["protocol"]), ports, int(row["vlan"])


def sizes() -> list[bytes]:
    return [of_size(n) for n in SIZES]


def widen(where: Namespace, name: str) -> None:
    with where.routes() as ip:
        ip.link("set", index=where.index(name), mtu=MTU)


def whole(running: Live, frames: list[bytes], where: Namespace, name: str) -> Records:
    """Send frames and read them all, none lost."""
    assert send(where, name, frames, len(frames), 50_000) == len(frames)
    rows = running.rows(len(frames))
    assert (len(rows), running.capture.health().lost) == (len(frames), 0)
    return rows


@pytest.mark.parametrize("make", [sendable, sizes])
def test_at_a_tap(make: Callable[[], list[bytes]]) -> None:
    """Every frame is out of the tap that it came from, and what the oracle says of it."""
    frames = make()
    with Namespace() as host, Namespace() as one, Namespace() as two:
        host.veth("tap1", one, "eth0")
        host.veth("tap2", two, "eth0")
        widen(host, "tap1")
        widen(one, "eth0")
        with live(host) as running:
            rows = whole(running, frames, one, "eth0")
    assert (rows["out_of"] == running.indexes["tap1"]).all() and (rows["into"] == NOBODY).all()
    for row, frame in zip(rows, frames, strict=True):
        assert told(row) == said(frame)


Port = tuple[Live, Mirrored, Namespace]


@pytest.fixture(params=[False, True], ids=["plain", "vxlan"])
def port(request: pytest.FixtureRequest) -> Iterator[tuple[bool, Port]]:
    """A mirror port of two VMs, and what feeds it."""
    with Namespace() as host, Namespace() as switch:
        host.veth(PORT, switch, "out")
        widen(host, PORT)
        widen(switch, "out")
        with mirror_of(host, vm(1, ONE), vm(2, TWO), vxlan=request.param) as (running, machines):
            yield request.param, (running, machines, switch)


@pytest.mark.parametrize("make", [sendable, sizes])
def test_at_a_mirror_port(port: tuple[bool, Port], make: Callable[[], list[bytes]]) -> None:
    """Every frame is of the VM of its MAC, none of the VM whose address it carries, and what the oracle says of it.

    Where VXLAN is opened it is copied less far, so what is said of chains of headers is not compared there.
    """
    opens, (running, machines, switch) = port
    frames = make()
    rows = whole(running, frames, switch, "out")
    assert {machines.vm(int(point)).id for point in set(rows["out_of"].tolist())} == {"vm-1"}  # type: ignore[union-attr]
    assert (rows["into"] == NOBODY).all() and machines.unknown() == []
    for row, frame in zip(rows, frames, strict=True):
        if not opens:
            assert told(row) == said(frame)
        assert told(row)[-1] == said(frame)[-1]


@pytest.mark.parametrize("port", [True], indirect=True, ids=["vxlan"])
def test_inside_vxlan(port: tuple[bool, Port]) -> None:
    """Hostile frames inside VXLAN are of the VM of the inner MAC; hostile headers around it are of their sender,
    unless they carry VXLAN all the same by RFC 7348: never of a VM that the oracle does not name."""
    _, (running, machines, switch) = port
    inner = [frame for frame in sendable() if len(frame) < 9000]
    rows = whole(running, [vxlan(frame) for frame in inner], switch, "out")
    assert {machines.vm(int(point)).id for point in set(rows["out_of"].tolist())} == {"vm-1"}  # type: ignore[union-attr]
    good = vxlan(between(ONE, ROUTER, UDP4))
    outer = [
        good[:at] + bytes([value]) + good[at + 1 :] for at in range(14, 60) for value in (0, 1, 8, 69, 95, 127, 255)
    ]
    outer += [between(HOST, ROUTER, frame) for frame in (UDP4, UDP6)]
    rows = whole(running, outer, switch, "out")
    sent_by_one = [inside(frame)[6:12] == number(ONE) for frame in outer]
    found = [machines.vm(int(point)) is not None for point in rows["out_of"]]
    assert found == sent_by_one and 0 < sum(found) < len(found)


def test_the_smallest_that_a_tap_takes() -> None:
    """A TAP refuses less than a link header; what a TUN takes of 1 to 60 bytes is counted, at its own interface."""
    with Namespace() as host:
        tap, tun = host.tap("tap0"), host.tap("tun0", layer3=True)
        with live(host) as running:
            for size in range(1, ETHERNET):
                with pytest.raises(OSError) as refused:
                    os.write(tap, MACS[:size])
                assert refused.value.errno == errno.EINVAL
            packets = [packet[ETHERNET:][:size] for packet in (UDP4, UDP6) for size in range(1, 60)]
            for packet in packets:
                os.write(tun, packet)
            rows = running.rows(len(packets))
    assert (rows["out_of"] == running.indexes["tun0"]).all()
    expected = [oracle.decode(packet, len(packet), 101) for packet in packets]
    assert [KINDS[row["kind"]] for row in rows] == [frame.kind for frame in expected]
    assert [int(row["bytes"]) for row in rows] == [frame.bytes for frame in expected]
