"""Words and quantities as they stand in a mail: the templates' filters, and what cleans a slot value."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Any

from edgeguard import units
from edgeguard.notice.vocabulary import ENGLISH, Phrases

NAME_LENGTH = 40
SUBJECT_NAME_LENGTH = 16  # beside a case id of 24 characters the rest of a subject still fits into 78
TEXT_LENGTH = 300
# Slots that people or other programs fill: words in them are not ours, and they are kept short.
FREE = (
    *("name", "id", "customer", "contact", "next_contact", "tap", "host", "place", "by", "source"),
    *("reason", "error", "detail", "why", "harm", "baseline", "ground", "conditions"),
)
LONG = ("reason", "error", "detail", "why", "harm", "baseline", "ground", "conditions")


def clean(text: str, longest: int = TEXT_LENGTH) -> str:
    """One line of printable ASCII: accents dropped, what has no ASCII a '?', line ends a space."""
    plain = unicodedata.normalize("NFKD", text)
    kept = "".join(c for c in plain if not unicodedata.combining(c))
    spaced = "".join(" " if unicodedata.category(c)[0] in "CZ" else c for c in kept)
    line = " ".join(spaced.encode("ascii", "replace").decode().split())
    return line if len(line) <= longest else line[: longest - 3] + "..."


def cleaned(value: Any, key: str = "") -> Any:
    """A slot value with every text in it cleaned."""
    if isinstance(value, Mapping):
        return {name: cleaned(item, name) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [cleaned(item, key) for item in value]
    if not isinstance(value, str):
        return value
    line = clean(value, NAME_LENGTH if key in FREE and key not in LONG else TEXT_LENGTH)
    # A name without a printable character is still a name.
    return line or ("?" if value and key in FREE else "")


def brief(name: str) -> str:
    """A name for the subject line."""
    return clean(name, SUBJECT_NAME_LENGTH)


def target(value: Mapping[str, Any], say: Phrases = ENGLISH) -> str:
    """'203.0.113.5:80 (tcp)', '[2001:db8::1]:53 (udp)', '203.0.113.5 (udp, any port)', a prefix likewise."""
    address, port, protocol = value["address"], value["port"], value["protocol"]
    if protocol == "any":
        return str(address)
    if port is None:
        return f"{address} ({protocol}, {say.any_port})"
    if value.get("prefix"):
        return f"{address} ({protocol}, {say.port} {port})"
    return f"[{address}]:{port} ({protocol})" if value["version"] == 6 else f"{address}:{port} ({protocol})"


def flow(value: Mapping[str, Any], say: Phrases = ENGLISH) -> str:
    """'udp to 203.0.113.5, port 80': what a narrow null route on a bridged tap drops."""
    if value["protocol"] == "any":
        return f"{say.everything_to} {value['address']}"
    where = say.any_port if value["port"] is None else f"{say.port} {value['port']}"
    return f"{value['protocol']} {say.to} {value['address']}, {where}"


def percent(value: float, say: Phrases = ENGLISH) -> str:
    """'94 %', 'under 1 %'."""
    return units.percent(value).replace("under", say.under).replace("over", say.over)


def share(value: float, say: Phrases = ENGLISH) -> str:
    """'at least 94 %', '100 %'."""
    return "100 %" if value >= 1 else f"{say.at_least} {percent(min(value, 0.99), say)}"


def number(n: int, one: str, many: str | None = None) -> str:
    """'1 packet', '50,000 packets'."""
    return f"{units.count(n)} {one if n == 1 else many or one + 's'}"


def length(octets: float, say: Phrases = ENGLISH) -> str:
    """'40 bytes', '52.5 bytes'."""
    return f"{octets:,.1f}".removesuffix(".0") + f" {say.bytes}"


def listing(items: list[str], most: int = 3, say: Phrases = ENGLISH) -> str:
    """'a', 'a and b', 'a, b and 4 more'."""
    if not items:
        return "none"
    if len(items) > most:
        items = [*items[: most - 1], f"{len(items) - most + 1} {say.more}"]
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} {say.and_} {items[-1]}"
