"""What passes between the capturing side and the enforcing child: typed, bounded messages.

One message is one SOCK_SEQPACKET datagram holding one JSON object with exactly the keys of its
type. The child acts with the right to change routes, so everything is checked here before anything
looks at it: size, keys, types, numbers, names, counts. What does not fit is refused in one line.

    order     {"kind": "order", "order": {...}}       put or end a null route
    keep      {"kind": "keep", "order": {...}}        stands in the ledger; said before a reconcile
    reconcile {"kind": "reconcile"}                   make the kernel hold what was kept, no more
    close     {"kind": "close", "remove": false}      end; with remove, take everything away first
    outcome   {"kind": "outcome", "outcome": {...}}   back: what happened
    ready     {"kind": "ready", "error": ""}          back, once: the child is up, or why it is not
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any, TypeVar

from edgeguard import clock
from edgeguard.errors import EnforcementError
from edgeguard.model import Act, Happened, Network, Order, Outcome, Scope, Tap, TapKind, Target
from edgeguard.record import Address

MAX_MESSAGE = 64 * 1024  # bytes of one datagram
MAX_TARGETS = 64  # of one order
MAX_PREFIXES = 256  # of one VM
MAX_TEXT = 256  # characters of a VM id or a description
MAX_DETAIL = 1024  # characters of an outcome's sentence
MAX_PROOFS = 16
SHORTEST = {4: 24, 6: 48}  # bits of a target that is a prefix: no wider
MAX_LIFETIME = 366 * 24 * clock.HOUR
_FAR = 2**63 - 1

_DECISION = re.compile(r"[A-Za-z0-9._:-]{1,64}")
_IFNAME = re.compile(r"[^\s/:\x00-\x1f\x7f]{1,15}")  # net/core/dev.c dev_valid_name()

T = TypeVar("T")


class WireError(EnforcementError):
    """A message that was refused; `decision` names the order where it could be read."""

    def __init__(self, reason: str, decision: str = "") -> None:
        super().__init__(f"refused: {reason}")
        self.decision = decision


@dataclass(frozen=True, slots=True)
class Keep:
    """An order that stands in the ledger; it is put back at the next Reconcile."""

    order: Order


@dataclass(frozen=True, slots=True)
class Reconcile:
    """Make the kernel hold what was kept, and nothing else of ours."""


@dataclass(frozen=True, slots=True)
class Close:
    """End the child; the null routes stay unless `remove`."""

    remove: bool


@dataclass(frozen=True, slots=True)
class Ready:
    """The child's first word; `error` says why it cannot work."""

    error: str


Request = Order | Keep | Reconcile | Close
Reply = Outcome | Ready


# ---- writing ------------------------------------------------------------------------------------


def _order_values(order: Order) -> dict[str, Any]:
    tap = order.tap
    return {
        "decision": order.decision,
        "act": str(order.act),
        "scope": str(order.scope),
        "tap": {"ifindex": tap.ifindex, "name": tap.name, "mac": tap.mac, "kind": str(tap.kind)},
        "vm": order.vm,
        "prefixes": [str(prefix) for prefix in order.prefixes],
        "targets": [[str(t.address), t.protocol, t.port, t.length] for t in order.targets],
        "until": order.until,
        "ends": order.ends,
        "boot": order.boot,
    }


def _outcome_values(outcome: Outcome) -> dict[str, Any]:
    return {
        "decision": outcome.decision,
        "at": outcome.at,
        "happened": str(outcome.happened),
        "detail": outcome.detail[:MAX_DETAIL],
        "proofs": [proof[:MAX_DETAIL] for proof in outcome.proofs[:MAX_PROOFS]],
        "dropped": outcome.dropped,
        "leaving": outcome.leaving,
    }


def _values(message: Request | Reply) -> dict[str, Any]:
    match message:
        case Order():
            return {"kind": "order", "order": _order_values(message)}
        case Keep(order):
            return {"kind": "keep", "order": _order_values(order)}
        case Reconcile():
            return {"kind": "reconcile"}
        case Close(remove):
            return {"kind": "close", "remove": remove}
        case Outcome():
            return {"kind": "outcome", "outcome": _outcome_values(message)}
        case Ready(error):
            return {"kind": "ready", "error": error[:MAX_DETAIL]}


def encode(message: Request | Reply) -> bytes:
    """The datagram of a message. WireError when it is too large to be sent."""
    raw = json.dumps(_values(message), separators=(",", ":")).encode()
    if len(raw) > MAX_MESSAGE:
        raise WireError(f"the message has {len(raw)} bytes, more than {MAX_MESSAGE}")
    return raw


# ---- reading ------------------------------------------------------------------------------------


def _refuse(what: str, value: object) -> WireError:
    return WireError(f"{what}: {repr(value)[:80]}")


def _keys(value: object, what: str, *names: str) -> dict[str, Any]:
    if not isinstance(value, dict) or set(value) != set(names):
        raise _refuse(f"{what} does not have exactly the keys {', '.join(names)}", value)
    return value


def _integer(value: object, low: int, high: int, what: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise _refuse(f"{what} is no integer from {low} to {high}", value)
    return value


def _text(value: object, limit: int, what: str) -> str:
    if not isinstance(value, str) or len(value) > limit:
        raise _refuse(f"{what} is no text of at most {limit} characters", value)
    return value


def _shaped(value: object, shape: re.Pattern[str], what: str) -> str:
    if not isinstance(value, str) or not shape.fullmatch(value):
        raise _refuse(f"{what} has a wrong form", value)
    return value


def _one_of(value: object, kind: Callable[[str], T], what: str) -> T:
    if not isinstance(value, str):
        raise _refuse(f"{what} is unknown", value)
    try:
        return kind(value)
    except ValueError:
        raise _refuse(f"{what} is unknown", value) from None


def _sequence(value: object, limit: int, what: str) -> list[Any]:
    if not isinstance(value, list) or len(value) > limit:
        raise _refuse(f"{what} are no list of at most {limit}", value)
    return value


def _scoped(address: object) -> bool:
    return isinstance(address, IPv6Address) and address.scope_id is not None


def _address(value: object) -> Address:
    address = _one_of(value, ip_address, "the target's address")
    if _scoped(address):
        raise _refuse("the target's address has a zone", value)
    return address


def _prefix(value: object) -> Network:
    network = _one_of(value, ip_network, "a prefix of the VM")
    if network.prefixlen == 0 or _scoped(network.network_address):
        raise _refuse("a prefix of the VM holds everything or has a zone", value)
    return network


def _target(value: object) -> Target:
    if not isinstance(value, list) or len(value) != 4:
        raise _refuse("a target is not [address, protocol, port, length]", value)
    where, protocol, port, length = value
    address = _address(where)
    port = None if port is None else _integer(port, 0, 65535, "the target's port")
    protocol = _integer(protocol, 0, 255, "the target's protocol")
    return Target(address, protocol, port, length=_length(length, address))


def _length(value: object, address: Address) -> int | None:
    """Bits of a target that is a prefix; None: one address."""
    if value is None:
        return None
    length = _integer(value, SHORTEST[address.version], address.max_prefixlen, "the target's length")
    if int(address) & ((1 << (address.max_prefixlen - length)) - 1):
        raise _refuse("the target's address does not begin its prefix", f"{address}/{length}")
    return length


def _tap(value: object) -> Tap:
    tap = _keys(value, "the tap", "ifindex", "name", "mac", "kind")
    name = _shaped(tap["name"], _IFNAME, "the tap's name")
    if name in (".", ".."):
        raise _refuse("the tap's name has a wrong form", name)
    return Tap(
        ifindex=_integer(tap["ifindex"], 1, 2**31 - 1, "the tap's ifindex"),
        name=name,
        mac=_text(tap["mac"], 64, "the tap's MAC"),
        kind=_one_of(tap["kind"], TapKind, "the tap's kind"),
    )


def _order_of(values: dict[str, Any]) -> Order:
    return Order(
        decision=_shaped(values["decision"], _DECISION, "the decision's id"),
        act=_one_of(values["act"], Act, "the act"),
        scope=_one_of(values["scope"], Scope, "the scope"),
        tap=_tap(values["tap"]),
        vm=_text(values["vm"], MAX_TEXT, "the VM's id"),
        prefixes=tuple(map(_prefix, _sequence(values["prefixes"], MAX_PREFIXES, "the prefixes"))),
        targets=tuple(map(_target, _sequence(values["targets"], MAX_TARGETS, "the targets"))),
        until=_integer(values["until"], 0, _FAR, "the end"),
        ends=_integer(values["ends"], 0, _FAR, "the end by boot time"),
        boot=_text(values["boot"], 64, "the boot"),
    )


def _order(value: object) -> Order:
    names = ("decision", "act", "scope", "tap", "vm", "prefixes", "targets", "until", "ends", "boot")
    values = _keys(value, "the order", *names)
    try:
        order = _order_of(values)
        _sensible(order)
    except WireError as error:
        decision = values["decision"]
        known = isinstance(decision, str) and _DECISION.fullmatch(decision)
        error.decision = decision if known else ""
        raise
    return order


def _sensible(order: Order) -> None:
    """Refuse what is well formed but says nothing that can be done."""
    if order.act == Act.NONE:
        raise WireError("the act 'none' changes no routes")
    if order.act == Act.RELEASE:
        return
    if order.scope not in (Scope.NARROW, Scope.OWN_ONLY, Scope.FULL):
        raise WireError(f"a null route is narrow, own-only or full, not {order.scope}")
    if order.scope == Scope.OWN_ONLY and not order.prefixes:
        raise WireError("own-only drops what has a foreign source, and the addresses of this VM are not known")
    if order.scope == Scope.NARROW and not order.targets:
        raise WireError("a narrow null route needs a target")
    if any(t.port is not None and t.protocol == 0 for t in order.targets):
        raise WireError("a target with a port needs its protocol")


def _json(raw: bytes) -> dict[str, Any]:
    if len(raw) > MAX_MESSAGE:
        raise WireError(f"the message has {len(raw)} bytes, more than {MAX_MESSAGE}")
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError):
        raise WireError("the message is not JSON") from None
    if not isinstance(value, dict):
        raise _refuse("the message is no object", value)
    return value


def decode_request(raw: bytes) -> Request:
    """What the capturing side asks. WireError says why it is refused; nothing else is raised."""
    value = _json(raw)
    match value.get("kind"):
        case "order":
            return _order(_keys(value, "the message", "kind", "order")["order"])
        case "keep":
            return Keep(_order(_keys(value, "the message", "kind", "order")["order"]))
        case "reconcile":
            _keys(value, "the message", "kind")
            return Reconcile()
        case "close":
            remove = _keys(value, "the message", "kind", "remove")["remove"]
            return Close(_flag(remove))
    raise _refuse("the message's kind is unknown", value.get("kind"))


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise _refuse("a flag is neither true nor false", value)
    return value


def _texts(values: Iterable[object]) -> tuple[str, ...]:
    return tuple(_text(value, MAX_DETAIL, "a proof") for value in values)


def _outcome(value: object) -> Outcome:
    names = ("decision", "at", "happened", "detail", "proofs", "dropped", "leaving")
    values = _keys(value, "the outcome", *names)
    dropped, leaving = values["dropped"], values["leaving"]
    return Outcome(
        decision=_text(values["decision"], 64, "the decision's id"),
        at=_integer(values["at"], 0, _FAR, "the time"),
        happened=_one_of(values["happened"], Happened, "what happened"),
        detail=_text(values["detail"], MAX_DETAIL, "the detail"),
        proofs=_texts(_sequence(values["proofs"], MAX_PROOFS, "the proofs")),
        dropped=None if dropped is None else _integer(dropped, 0, _FAR, "the drops"),
        leaving=None if leaving is None else _integer(leaving, 0, _FAR, "what leaves"),
    )


def decode_reply(raw: bytes) -> Reply:
    """What the child says. WireError when it is not one of its messages."""
    value = _json(raw)
    match value.get("kind"):
        case "outcome":
            return _outcome(_keys(value, "the message", "kind", "outcome")["outcome"])
        case "ready":
            return Ready(_text(_keys(value, "the message", "kind", "error")["error"], MAX_DETAIL, "the error"))
    raise _refuse("the message's kind is unknown", value.get("kind"))
