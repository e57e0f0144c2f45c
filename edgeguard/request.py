"""What a command may ask of the running daemon: typed, bounded, one line of JSON each.

{"verb": "nullroute.add", "term": "vm-101", "targets": ["198.51.100.7:80/tcp"], "for_ns": ..., "why": "..."}
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, fields
from ipaddress import ip_address, ip_network

from edgeguard.decision.reach import WIDEST
from edgeguard.errors import DaemonError
from edgeguard.model import PROTOCOL_NAMES, Scope, Target

MAX_TARGETS = 64  # of one request
MAX_TEXT = 1_000  # characters of a reason or a term
MAX_NS = 365 * 24 * 3_600_000_000_000
ANY_PROTOCOL = 0  # of a target: whatever goes to its address

_WITH_PORT = re.compile(r"^(?:\[(.*)\]|([^:]*)):(\d{1,5})$")
_PROTOCOLS = {name: number for number, name in PROTOCOL_NAMES.items()}
_HAVE_PORTS = (_PROTOCOLS["tcp"], _PROTOCOLS["udp"])


@dataclass(frozen=True, slots=True)
class AddNullRoute:
    """Null-route a VM by hand: these targets (`address[:port/protocol]`), its forged packets, or all of it."""

    term: str
    why: str
    for_ns: int
    targets: tuple[str, ...] = ()
    full: bool = False
    own_only: bool = False

    @property
    def scope(self) -> Scope:
        return Scope.FULL if self.full else Scope.OWN_ONLY if self.own_only else Scope.NARROW


@dataclass(frozen=True, slots=True)
class ReleaseNullRoute:
    """End a VM's null routes, or the one of a decision."""

    term: str
    why: str


@dataclass(frozen=True, slots=True)
class Status:
    """How the daemon is."""


Ask = AddNullRoute | ReleaseNullRoute | Status
VERBS: dict[str, type[Ask]] = {
    "nullroute.add": AddNullRoute,
    "nullroute.release": ReleaseNullRoute,
    "status": Status,
}


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked, and the principal who asks it."""

    by: str
    ask: Ask

    @property
    def verb(self) -> str:
        return verb_of(self.ask)


def _checked_target(text: object) -> None:
    if not isinstance(text, str) or len(text) > MAX_TEXT:
        raise DaemonError("a target must be text like '198.51.100.7:80/tcp'")
    try:
        target(text)
    except ValueError as error:
        raise DaemonError(str(error)) from None


def verb_of(ask: Ask) -> str:
    """The word on the wire for a kind of request."""
    return next(verb for verb, kind in VERBS.items() if isinstance(ask, kind))


def read_request(line: bytes, by: str) -> Request:
    """The request in one line of JSON. DaemonError says what is wrong with it."""
    try:
        document = json.loads(line)
    except (ValueError, RecursionError):
        raise DaemonError("the request is not one line of JSON") from None
    if not isinstance(document, dict):
        raise DaemonError("the request is not a JSON object")
    verb = document.pop("verb", None)
    kind = VERBS.get(verb) if isinstance(verb, str) else None
    if kind is None:
        raise DaemonError(f"no such verb: {str(verb)[:40]!r}; known are {', '.join(VERBS)}")
    try:
        ask = kind(**document)
    except TypeError:
        known = ", ".join(f.name for f in fields(kind)) or "none"
        raise DaemonError(f"{verb}: wrong or missing fields; known are {known}") from None
    return Request(by, _checked(ask))


def _checked(ask: Ask) -> Ask:
    """The same request, once its types and sizes are what they say."""
    if isinstance(ask, Status):
        return ask
    for name in ("term", "why"):
        text = getattr(ask, name)
        if not isinstance(text, str) or not text.strip() or len(text) > MAX_TEXT or not text.isprintable():
            raise DaemonError(f"{name} must be a line of 1 to {MAX_TEXT} characters")
    return _checked_add(ask) if isinstance(ask, AddNullRoute) else ask


def _checked_add(ask: AddNullRoute) -> AddNullRoute:
    if type(ask.for_ns) is not int or not 0 < ask.for_ns <= MAX_NS:
        raise DaemonError("the duration must be above zero and at most 365d")
    if not isinstance(ask.targets, (list, tuple)) or len(ask.targets) > MAX_TARGETS:
        raise DaemonError(f"targets must be a list of at most {MAX_TARGETS}")
    for text in ask.targets:
        _checked_target(text)
    if type(ask.full) is not bool or type(ask.own_only) is not bool or not _one_width(ask):
        raise DaemonError("name targets, own_only or full, one of the three")
    return AddNullRoute(ask.term, ask.why, ask.for_ns, tuple(ask.targets), ask.full, ask.own_only)


def _one_width(ask: AddNullRoute) -> bool:
    return (bool(ask.targets), ask.own_only, ask.full).count(True) == 1


def written(ask: Ask) -> bytes:
    """The line that `read_request` reads."""
    return json.dumps({"verb": verb_of(ask), **asdict(ask)}).encode() + b"\n"


def target(text: str) -> Target:
    """The target in 'ADDRESS', 'ADDRESS/PROTOCOL' or 'ADDRESS:PORT/PROTOCOL' ('[IPv6]:PORT/PROTOCOL'), or a prefix.

    ValueError says what is accepted.
    """
    where, slash, name = text.partition("/")
    if name.isdecimal() and name.isascii():
        return _prefix(text)
    with_port = _WITH_PORT.match(where)
    host = (with_port[1] or with_port[2]) if with_port else re.sub(r"^\[(.*)\]$", r"\1", where)
    if not _is_address(host) or (slash and name not in _PROTOCOLS):
        raise ValueError(
            f"{text!r} is no target: write '198.51.100.7', '198.51.100.7:80/tcp', '[2001:db8::7]:53/udp' or "
            "'203.0.113.0/24'"
        )
    protocol = _PROTOCOLS.get(name, ANY_PROTOCOL)
    port = int(with_port[3]) if with_port else None
    if port is not None and (protocol not in _HAVE_PORTS or not 0 < port < 65_536):
        raise ValueError(f"{text!r} is no target: a port is 1 to 65535 and followed by /tcp or /udp")
    return Target(ip_address(host), protocol, port)


def _prefix(text: str) -> Target:
    """Everything to a prefix, no wider than any null route may be; one of a single address is that address."""
    try:
        network = ip_network(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is no target: {error}") from None
    if network.num_addresses == 1:
        return Target(network.network_address, ANY_PROTOCOL, None)
    if network.prefixlen < WIDEST[network.version]:
        raise ValueError(f"{text!r} is too wide: a null route names at most a /{WIDEST[network.version]}")
    return Target(network.network_address, ANY_PROTOCOL, None, length=network.prefixlen)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return "%" not in text  # a zone is this host's word, not the wire's
