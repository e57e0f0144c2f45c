"""The kinds of values a configuration holds; each refuses what it cannot be in one clear sentence."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.fields import FieldInfo

from edgeguard import units
from edgeguard.model import Network

MOST_PACKETS = 2**31 - 1  # a second: three times what a link of 1 Tbit/s can carry of the smallest frames
MOST_ARGUMENTS, LONGEST_ARGUMENT = 32, 4096
MOST_BITS = 10**13  # 10 Tbit/s: no port of a host or of a switch has as much


def _duration(value: object) -> int:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not a duration: write it with its unit, like '15m'")
    ns = units.duration(value)
    if ns <= 0:
        raise ValueError(f"{value!r} is no time at all: a duration is longer than zero")
    return ns


def _promise(value: object) -> int:
    return 0 if value == "" else _duration(value)


def _network(value: object) -> Network:
    try:
        return ipaddress.ip_network(str(value))
    except ValueError as error:
        raise ValueError(f"{value!r} is not an address or prefix: {error}") from None


def _kept(value: object) -> Network:
    network = _network(value)
    shortest = {4: 24, 6: 48}[network.version]
    if network.prefixlen < shortest:
        raise ValueError(f"{network} is too wide to be kept: a /{shortest} at most, better single addresses")
    return network


def _line(value: str) -> str:
    """It goes into mails, logs and onto terminals."""
    if not value.isprintable():
        raise ValueError(f"{value!r} holds a line break or another sign that does not print")
    return value


def _copy(value: str) -> str:
    """An address that mails are copied to: a wrong one would be found out only by a mail that is missing."""
    if value and not re.fullmatch(r"[^\s,;<>@]+@[A-Za-z0-9.-]+", value, re.ASCII):
        raise ValueError(f"{value!r} is not one plain mail address, like 'desk@example.net'")
    return value


def _server(value: str) -> str:
    host, colon, port = value.rpartition(":")
    if value and (not colon or not host or not port.isdigit() or not 0 < int(port) < 65536):
        raise ValueError(f"{value!r} is not host:port, like 'mail.example.net:587'")
    return value


def _program(value: object) -> object:
    """A program and its first arguments: started as they stand, by no shell."""
    if not isinstance(value, (list, tuple)) or not all(isinstance(part, str) for part in value):
        raise ValueError('write the program and its arguments as a list, like ["/usr/local/bin/notify", "--quietly"]')
    if value and not value[0].startswith("/"):
        raise ValueError(f"{value[0]!r}: name the program by its whole path, like '/usr/local/bin/notify'")
    if len(value) > MOST_ARGUMENTS or any("\0" in part or len(part) > LONGEST_ARGUMENT for part in value):
        raise ValueError(f"at most {MOST_ARGUMENTS} arguments of {LONGEST_ARGUMENT} characters, none with a zero byte")
    return tuple(value)


def _url(value: str) -> str:
    """Where documents are posted. Not quoted in full anywhere: it may hold a token."""
    if not value:
        return value
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        raise ValueError("is no address like 'https://hooks.example.net/edgeguard'") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise ValueError("is no address like 'https://hooks.example.net/edgeguard'")
    if parts.username is not None or parts.fragment or not value.isascii() or not value.isprintable() or " " in value:
        raise ValueError("may hold no user, no password, no '#' and nothing but printable ASCII")
    return value


def _whole(value: object, what: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(f"{value!r} is no number of {what} a second: write it in whole digits, without a unit")
    return value


def _packets(value: object) -> int:
    packets = _whole(value, "packets")
    if packets <= 0:
        raise ValueError(f"{packets} is no limit: at least 1 packet a second; a rule is switched off by judged = false")
    if packets > MOST_PACKETS:
        raise ValueError(f"{packets} is more packets a second than any link can carry; {MOST_PACKETS} at most")
    return packets


def _bits(value: object) -> int:
    bits = _whole(value, "bits")
    if bits < 0:
        raise ValueError(f"{bits} is no limit: 0 (none) or more bits a second")
    if bits > MOST_BITS:
        raise ValueError(f"{bits} is more bits a second than any link can carry; {MOST_BITS} (10 Tbit/s) at most")
    return bits


def _bit_limit(value: object) -> int | None:
    return None if value is None else _bits(value) or None


Duration = Annotated[int, BeforeValidator(_duration)]
Promise = Annotated[int, BeforeValidator(_promise)]  # a duration; "" in the file is 0 here: nothing is promised
Prefix = Annotated[Any, BeforeValidator(_network)]
KeptPrefix = Annotated[Any, BeforeValidator(_kept)]
Line = Annotated[str, AfterValidator(_line)]
Copy = Annotated[Line, AfterValidator(_copy)]
Server = Annotated[Line, AfterValidator(_server)]
Program = Annotated[tuple[str, ...], BeforeValidator(_program)]
Url = Annotated[str, AfterValidator(_url)]
Packets = Annotated[int, BeforeValidator(_packets)]  # a second; a limit
Bits = Annotated[int, BeforeValidator(_bits)]  # a second; 0: none
BitLimit = Annotated[int | None, BeforeValidator(_bit_limit)]  # bits a second; 0 in the file is None here: not judged
Share = Annotated[float, Field(gt=0, le=1)]


def is_duration(field: FieldInfo) -> bool:
    """Whether the values of a field are lengths of time."""
    return any(getattr(part, "func", None) in (_duration, _promise) for part in field.metadata)


class Section(BaseModel):
    """A table of the file: frozen, and an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)
