"""The text of an inventory file as VMs; every finding of the file is reported together.

The format, TOML or JSON: a list `vm` of tables with `id`, and where known `name`, `customer`,
`contact`, `contacts`, `taps`, `macs`, `addresses`, `place`, `vlan`.
"""

from __future__ import annotations

import ipaddress
import json
import re
import tomllib
from collections.abc import Iterable, Iterator
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from edgeguard.errors import ConfigError
from edgeguard.model import Network, Vm

_MAC = re.compile(r"[0-9a-f]{2}([:-][0-9a-f]{2}){5}")
_INTERFACE = re.compile(r"[^\s/:]{1,15}")  # dev_valid_name() in the kernel's net/core/dev.c
_CONTACT = re.compile(r"[^\s@<>,;\"]+@[^\s@<>,;\"]+")
_GROUP_BIT = 0x01  # of a MAC's first byte: a group has no owner


def _plain(value: str) -> str:
    if not value.isprintable():
        raise ValueError(f"{value!r} holds a line break or another sign that does not print")
    return value


def _interface(value: str) -> str:
    if not _INTERFACE.fullmatch(value) or value in (".", ".."):
        raise ValueError(f"{value!r} is no interface name: 1 to 15 signs without blanks, '/' and ':'")
    return value


def _mac(value: str) -> str:
    text = value.lower()
    if not _MAC.fullmatch(text):
        raise ValueError(f"{value!r} is no MAC address: write it like '02:00:5e:10:00:01'")
    number = int(text[:2], 16)
    if number & _GROUP_BIT or not text.strip("0:-"):
        raise ValueError(f"{value!r} is a group or empty MAC address, which no VM can own")
    return text.replace("-", ":")


def _network(value: object) -> Network:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not an address: write it in quotes, like '192.0.2.10'")
    try:
        network = ipaddress.ip_network(value)
    except ValueError as error:
        raise ValueError(f"{value!r} is not an address or prefix: {error}") from None
    if not network.prefixlen or network.is_multicast:
        raise ValueError(f"{value!r} is not an address or prefix that one VM can own")
    return network


def _customer(value: str) -> str:
    if value != value.strip():
        raise ValueError(f"{value!r} begins or ends with a blank, so it would not be the same customer as without")
    return value


def _contact(value: str) -> str:
    if not _CONTACT.fullmatch(value):
        raise ValueError(f"{value!r} is no mail address, like 'owner@example.net'")
    return value


Text = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_plain)]
Interface = Annotated[str, AfterValidator(_plain), AfterValidator(_interface)]
Mac = Annotated[str, AfterValidator(_mac)]
Prefix = Annotated[Any, BeforeValidator(_network)]
Vlan = Annotated[int, Field(ge=1, le=4094, strict=True)]
Customer = Annotated[Text, AfterValidator(_customer)]  # its VMs are added up: the same text is the same customer
Contact = Annotated[str, Field(max_length=254), AfterValidator(_plain), AfterValidator(_contact)]


class Entry(BaseModel):
    """One VM as the file gives it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: Text
    name: Text | None = None
    customer: Customer | None = None
    contact: Contact | None = None
    contacts: Annotated[tuple[Contact, ...], Field(max_length=8)] = ()
    taps: tuple[Interface, ...] = ()
    macs: tuple[Mac, ...] = ()
    addresses: tuple[Prefix, ...] = ()
    place: Text | None = None
    vlan: Vlan | None = None

    @model_validator(mode="after")
    def _first_things_first(self) -> Entry:
        if self.contacts and self.contact is None:
            raise ValueError("contacts: are tried after 'contact', and there is none; name the first one there")
        return self

    def vm(self) -> Vm:
        values = self.model_dump()
        return Vm(**{**values, "name": self.name or self.id})


def parse(text: str, source: str) -> tuple[Vm, ...]:
    """The VMs of a file's text. ConfigError holds every finding, each beginning with `source`."""
    return checked(_rows(_document(text, source), source), source)


def checked(rows: Iterable[Any], source: str) -> tuple[Vm, ...]:
    """The VMs of rows that were parsed already. ConfigError as above."""
    findings: list[str] = []
    entries: list[tuple[str, Entry]] = []
    for number, row in enumerate(rows, 1):
        where = _where(source, number, row)
        try:
            entries.append((where, Entry.model_validate(row)))
        except ValidationError as error:
            findings += [_sentence(where, finding) for finding in error.errors()]
    findings += _claimed_twice(entries)
    if findings:
        raise ConfigError(findings)
    return tuple(entry.vm() for _, entry in entries)


def _document(text: str, source: str) -> Any:
    """JSON where the text begins as JSON does, else TOML (whose tables also begin with '[')."""
    is_json = source.endswith(".json") or text.lstrip()[:1] == "{"
    try:
        return json.loads(text) if is_json else tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError([f"{source}: is not {'JSON' if is_json else 'TOML'}: {error}"]) from None


def _rows(document: Any, source: str) -> list[Any]:
    if isinstance(document, list):
        return document
    unknown = sorted(set(document) - {"vm"}) if isinstance(document, dict) else ["this"]
    if unknown:
        raise ConfigError([f"{source}: {', '.join(unknown)}: unknown; an inventory is a list of [[vm]] tables"])
    rows = document.get("vm", [])
    if not isinstance(rows, list):
        raise ConfigError([f"{source}: vm: must be a list of tables: write [[vm]] before each VM"])
    return rows


def _where(source: str, number: int, row: object) -> str:
    name = row.get("id") if isinstance(row, dict) else None
    return f"{source}: vm {number} ({name})" if isinstance(name, str) else f"{source}: vm {number}"


def _sentence(where: str, finding: Any) -> str:
    key = ".".join(str(part) for part in finding["loc"])
    if finding["type"] == "extra_forbidden":
        return f"{where}: {key}: unknown key; known are {', '.join(Entry.model_fields)}"
    return f"{where}: {key}: {finding['msg'].removeprefix('Value error, ')}".replace(": : ", ": ")


def _claims(entry: Entry) -> Iterator[tuple[str, str]]:
    """Everything that only one VM may say of itself."""
    yield "id", entry.id
    yield from (("tap", tap) for tap in entry.taps)
    inside = f" in VLAN {entry.vlan}" if entry.vlan else ""
    yield from (("MAC", f"{mac}{inside}") for mac in entry.macs)
    yield from (("address", str(prefix)) for prefix in entry.addresses)


def _claimed_twice(entries: list[tuple[str, Entry]]) -> list[str]:
    first: dict[tuple[str, str], str] = {}
    findings = []
    for where, entry in entries:
        for claim in _claims(entry):
            owner = first.setdefault(claim, where)
            if owner is not where:
                findings.append(f"{where}: {claim[0]} {claim[1]} already belongs to {owner.partition(': ')[2]}")
        if not (entry.taps or entry.macs or entry.addresses):
            findings.append(f"{where}: has no tap, MAC or address, so nothing can ever be attributed to it")
    return findings
