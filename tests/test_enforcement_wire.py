"""The messages between the capturing side and the enforcing child."""

from __future__ import annotations

import json
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeguard.enforcement import wire
from edgeguard.model import Act, Happened, Order, Outcome, Scope, Tap, TapKind, Target

names = st.text("abcdefghijklmnopqrstuvwxyz0123456789.-_", min_size=1, max_size=15).filter(
    lambda n: n not in (".", "..")
)
addresses = st.ip_addresses()
hosts = addresses.map(lambda address: ip_network(int(address).to_bytes(len(address.packed), "big")))


@st.composite
def some_targets(draw: st.DrawFn) -> Target:
    """An address, or a prefix as wide as is allowed at most."""
    address = draw(addresses)
    bits = address.max_prefixlen
    length = draw(st.none() | st.integers(wire.SHORTEST[address.version], bits))
    if length is not None:
        first = int(address) >> (bits - length) << (bits - length)
        address = ip_network(first.to_bytes(bits // 8, "big")).network_address
    protocol, port = draw(st.integers(1, 255)), draw(st.none() | st.integers(0, 65535))
    return Target(address, protocol, port, length=length)


targets = some_targets()
taps = st.builds(
    Tap,
    ifindex=st.integers(1, 2**31 - 1),
    name=names,
    mac=st.just("02:00:00:00:00:01"),
    kind=st.sampled_from(TapKind),
)
orders = st.builds(
    Order,
    decision=st.text("abcdefghij-0123456789", min_size=1, max_size=64),
    act=st.sampled_from([Act.NULL_ROUTE, Act.RELEASE]),
    scope=st.sampled_from([Scope.NARROW, Scope.OWN_ONLY, Scope.FULL]),
    tap=taps,
    vm=st.text(max_size=64),
    prefixes=st.lists(hosts, min_size=1, max_size=8).map(tuple),
    targets=st.lists(targets, min_size=1, max_size=wire.MAX_TARGETS).map(tuple),
    until=st.integers(0, 2**62),
)
outcomes = st.builds(
    Outcome,
    decision=st.text(max_size=64),
    at=st.integers(0, 2**62),
    happened=st.sampled_from(Happened),
    detail=st.text(max_size=wire.MAX_DETAIL),
    proofs=st.lists(st.text(max_size=100), max_size=wire.MAX_PROOFS).map(tuple),
    dropped=st.none() | st.integers(0, 2**62),
)
ORDER = Order(
    decision="d-1",
    act=Act.NULL_ROUTE,
    scope=Scope.NARROW,
    tap=Tap(7, "tap0", "02:00:00:00:00:01", TapKind.ROUTED),
    vm="vm-1",
    prefixes=(ip_network("192.0.2.2/32"), ip_network("2001:db8::/64")),
    targets=(Target(ip_address("198.51.100.1"), 17, 53),),
    until=2**60,
)


@given(orders)
def test_an_order_survives_the_wire(order: Order) -> None:
    """What is read is what was written, for every order that can be made."""
    assert wire.decode_request(wire.encode(order)) == order
    assert wire.decode_request(wire.encode(wire.Keep(order))) == wire.Keep(order)


@given(outcomes)
def test_an_outcome_survives_the_wire(outcome: Outcome) -> None:
    """What the child says is what the parent reads."""
    assert wire.decode_reply(wire.encode(outcome)) == outcome


@pytest.mark.parametrize("request_", [wire.Reconcile(), wire.Close(True), wire.Close(False)])
def test_the_short_requests_survive(request_: wire.Request) -> None:
    """Reconcile and close come through."""
    assert wire.decode_request(wire.encode(request_)) == request_


def test_the_largest_order_fits() -> None:
    """As many targets and prefixes as are allowed, of the longest texts, are one message."""
    long = IPv6Address("2001:db8:1111:2222:3333:4444:5555:6666")
    order = replace(
        ORDER,
        decision="d" * 64,
        vm="v" * wire.MAX_TEXT,
        targets=(Target(long, 255, 65535, length=128),) * wire.MAX_TARGETS,
        prefixes=(ip_network(f"{long}/128"),) * wire.MAX_PREFIXES,
    )
    assert wire.decode_request(wire.encode(order)) == order


@given(st.binary(max_size=300))
def test_garbage_is_refused(raw: bytes) -> None:
    """Any bytes are either a message or refused with WireError, nothing else."""
    for decode in (wire.decode_request, wire.decode_reply):
        try:
            decode(raw)
        except wire.WireError as error:
            assert "\n" not in str(error)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.just("192.0.2.1")
    | st.just("narrow"),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=10,
)


@given(st.sampled_from(["decision", "act", "scope", "tap", "vm", "prefixes", "targets", "until"]), json_values)
def test_a_field_of_another_kind_is_refused(field: str, value: Any) -> None:
    """An order with one field replaced by anything is that order, another valid one, or refused."""
    message = json.loads(wire.encode(ORDER))
    message["order"][field] = value
    try:
        read = wire.decode_request(json.dumps(message).encode())
    except wire.WireError:
        return
    assert isinstance(read, Order)
    assert wire.decode_request(wire.encode(read)) == read


def _changed(**changes: Any) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(wire.encode(ORDER))
    message["order"].update(changes)
    return message


def _tap(**changes: Any) -> dict[str, Any]:
    return _changed(tap={**json.loads(wire.encode(ORDER))["order"]["tap"], **changes})


TARGET = ["198.51.100.1", 17, 53, None]
REFUSED = {
    "no object": [],
    "no kind": {},
    "unknown kind": {"kind": "reboot"},
    "extra key": {**_changed(), "more": 1},
    "extra field": _changed(shell="rm"),
    "too many targets": _changed(targets=[TARGET] * 65),
    "too many prefixes": _changed(prefixes=["192.0.2.2/32"] * 257),
    "no target": _changed(targets=[]),
    "port too high": _changed(targets=[["198.51.100.1", 17, 65536, None]]),
    "protocol too high": _changed(targets=[["198.51.100.1", 256, None, None]]),
    "port without protocol": _changed(targets=[["198.51.100.1", 0, 53, None]]),
    "boolean for a number": _changed(targets=[["198.51.100.1", True, 53, None]]),
    "number for an address": _changed(targets=[[3325256705, 17, 53, None]]),
    "address with a zone": _changed(targets=[["fe80::1%eth0", 17, 53, None]]),
    "a network as address": _changed(targets=[["198.51.100.0/24", 17, 53, None]]),
    "a target without length": _changed(targets=[["198.51.100.1", 17, 53]]),
    "a prefix that is too wide": _changed(targets=[["198.51.0.0", 17, 53, 23]]),
    "an IPv6 prefix that is too wide": _changed(targets=[["2001:db8::", 17, 53, 47]]),
    "a length beyond the address": _changed(targets=[["198.51.100.1", 17, 53, 33]]),
    "a length as text": _changed(targets=[["198.51.100.0", 17, 53, "24"]]),
    "host bits in a target": _changed(targets=[["198.51.100.1", 17, 53, 24]]),
    "own-only of unknown addresses": _changed(scope="own-only", prefixes=[]),
    "everything as prefix": _changed(prefixes=["0.0.0.0/0"]),
    "host bits in a prefix": _changed(prefixes=["192.0.2.2/24"]),
    "act none": _changed(act="none"),
    "scope observe": _changed(scope="observe"),
    "negative end": _changed(until=-1),
    "end as float": _changed(until=1.5),
    "name with a slash": _tap(name="../x"),
    "name with a blank": _tap(name="a b"),
    "name with a newline": _tap(name="tap0\n"),
    "name too long": _tap(name="a" * 16),
    "dots as name": _tap(name=".."),
    "ifindex zero": _tap(ifindex=0),
    "ifindex too high": _tap(ifindex=2**31),
    "unknown kind of tap": _tap(kind="magic"),
    "decision with a blank": _changed(decision="d 1"),
    "decision too long": _changed(decision="d" * 65),
    "close without answer": {"kind": "close"},
    "close with a number": {"kind": "close", "remove": 1},
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_wrong_order_is_refused(what: str) -> None:
    """What is malformed, oversized or senseless never becomes an order."""
    with pytest.raises(wire.WireError):
        wire.decode_request(json.dumps(REFUSED[what]).encode())


def test_the_refusal_names_its_decision() -> None:
    """Whoever sent a wrong order is told which."""
    with pytest.raises(wire.WireError) as caught:
        wire.decode_request(json.dumps(_changed(until=-1)).encode())
    assert caught.value.decision == "d-1"


@pytest.mark.parametrize(
    "raw", [b"", b"[" * 60_000, b"x" * (wire.MAX_MESSAGE + 1), b'{"kind":"order","order":' + b"[" * 30_000]
)
def test_hostile_sizes(raw: bytes) -> None:
    """Depth and length are no way to hurt the reader."""
    with pytest.raises(wire.WireError):
        wire.decode_request(raw)


def test_addresses_keep_their_family() -> None:
    """A small IPv6 address does not come back as IPv4."""
    order = replace(ORDER, targets=(Target(IPv6Address(1), 6, 1), Target(IPv4Address(1), 6, 1)))
    assert wire.decode_request(wire.encode(order)) == order
