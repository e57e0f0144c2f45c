"""A target as people write it: '198.51.100.7', '198.51.100.7:80/tcp', '[2001:db8::7]:53/udp', '203.0.113.0/24'."""

from __future__ import annotations

import re
from ipaddress import ip_address, ip_network

from edgeguard.decision.reach import ANY_PROTOCOL, WIDEST
from edgeguard.grace import Exemption
from edgeguard.model import PROTOCOL_NAMES, Order, Scope, TapKind, Target

_WITH_PORT = re.compile(r"^(?:\[(.*)\]|([^:]*)):(\d{1,5})$")
_PROTOCOLS = {name: number for number, name in PROTOCOL_NAMES.items()}
_HAVE_PORTS = (_PROTOCOLS["tcp"], _PROTOCOLS["udp"])


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


def exempted_text(one: Exemption) -> str:
    """What an exemption leaves alone, in the same words."""
    single = one.target.prefixlen == one.target.max_prefixlen
    return target_text(Target(one.target[0], one.protocol, one.port, length=None if single else one.target.prefixlen))


def target_text(target: Target) -> str:
    """'198.51.100.7:80/tcp', as `nullroute add --target` reads it; a carpet's prefix '203.0.113.0/24 port 53/udp'."""
    if not target.protocol:
        return target.place
    if target.length is not None:
        return f"{target.place} {'any port' if target.port is None else f'port {target.port}'}/{target.protocol_name}"
    if target.port is None:
        return f"{target.address}/{target.protocol_name}"
    host = f"[{target.address}]" if target.address.version == 6 else str(target.address)
    return f"{host}:{target.port}/{target.protocol_name}"


def dropped(order: Order) -> tuple[Target, ...]:
    """What a narrow null route drops; none: it is no narrow one. In a bridge it goes by protocol and port; on a routed
    tap it is a route, which knows neither: everything to the address. The mails say the same (notice/texts/_what.txt).
    """
    if order.scope != Scope.NARROW:
        return ()
    if order.tap.kind == TapKind.BRIDGED:
        return order.targets
    return tuple(dict.fromkeys(Target(one.address, ANY_PROTOCOL, None, length=one.length) for one in order.targets))


def drops(order: Order) -> str:
    """What a null route drops, in words: 'everything to 203.0.113.5', 'what goes to 203.0.113.5:80/tcp', ..."""
    if order.scope != Scope.NARROW:
        return "packets with forged senders" if order.scope == Scope.OWN_ONLY else "all traffic, in and out"
    found = dropped(order)
    everything = ", ".join(target_text(one) for one in found if not one.protocol)
    some = ", ".join(target_text(one) for one in found if one.protocol)
    told = (f"everything to {everything}" if everything else "", f"what goes to {some}" if some else "")
    return " and ".join(filter(None, told))


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
