"""The kinds of values a configuration holds; each refuses what it cannot be in one clear sentence."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from edgeguard import units
from edgeguard.model import Network

MOST_PACKETS = 2**31 - 1  # a second: three times what a link of 1 Tbit/s can carry of the smallest frames
MOST_BITS = 10**13  # 10 Tbit/s: no port of a host or of a switch has as much


def _duration(value: object) -> int:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not a duration: write it with its unit, like '15m'")
    ns = units.duration(value)
    if ns <= 0:
        raise ValueError(f"{value!r} is no time at all: a duration is longer than zero")
    return ns


def _network(value: object) -> Network:
    try:
        return ipaddress.ip_network(str(value))
    except ValueError as error:
        raise ValueError(f"{value!r} is not an address or prefix: {error}") from None


def _server(value: str) -> str:
    host, colon, port = value.rpartition(":")
    if value and (not colon or not host or not port.isdigit() or not 0 < int(port) < 65536):
        raise ValueError(f"{value!r} is not host:port, like 'mail.example.net:587'")
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
Prefix = Annotated[Any, BeforeValidator(_network)]
Server = Annotated[str, AfterValidator(_server)]
Packets = Annotated[int, BeforeValidator(_packets)]  # a second; a limit
Bits = Annotated[int, BeforeValidator(_bits)]  # a second; 0: none
BitLimit = Annotated[int | None, BeforeValidator(_bit_limit)]  # bits a second; 0 in the file is None here: not judged
Share = Annotated[float, Field(gt=0, le=1)]


class Section(BaseModel):
    """A table of the file: frozen, and an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)
