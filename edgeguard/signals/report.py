"""A XARF 4 report to a Signal, or one line that says all that is wrong with it.

The demands are those of xarf-core.json of github.com/xarf/xarf-spec, checked by hand: what is known must be right,
what is not known is kept. A report is a stranger's text: of its words only those of the standard are ever repeated.
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
import math
import re
import uuid
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, NoReturn

from edgeguard.clock import SECOND
from edgeguard.errors import UsageError
from edgeguard.incoming import Signal

LARGEST = 10 * 2**20  # of a report with its evidence
KEPT = 30_000  # bytes of it without: fits into one request of the control socket, however it is escaped
DEEPEST = 20
AHEAD = 24 * 3600 * SECOND  # a reporter's clock may be wrong, not by more
CATEGORIES = ("messaging", "content", "copyright", "connection", "vulnerability", "infrastructure", "reputation")
# Types that are repeated as they are; any other is 'other'.
TYPES = (
    *("ddos", "port_scan", "login_attack", "ip_spoofing", "brute_force", "scraping", "sql_injection"),
    *("vulnerability_scan", "infected_host", "reconnaissance", "spam", "bot", "compromised_server", "open_service"),
    *("blocklist", "threat_intelligence", "phishing", "malware", "misconfiguration", "cve"),
)
REQUIRED = ("xarf_version", "report_id", "timestamp", "reporter", "sender", "source_identifier", "category", "type")
_CONTACT = {"org": 200, "contact": 254, "domain": 253}
_PORTS = ("source_port", "destination_port")


def read(raw: bytes, now: int) -> Signal:
    """UsageError: what is wrong with it, all in one line."""
    document = _document(raw)
    wrong = list(_wrong(document, now))
    if wrong:
        raise UsageError(f"the report is refused: {'; '.join(wrong[:6])}")
    kept = json.dumps(_without_payloads(document), sort_keys=True)  # ASCII: half a surrogate stays an escape
    if len(kept) > KEPT:
        raise UsageError(f"the report is refused: without its evidence it has {len(kept)} bytes, {KEPT} at most")
    source, is_address = _source(document["source_identifier"])
    times = [at for name in ("first_seen", "timestamp", "last_seen") if (at := _time(document.get(name))) is not None]
    return Signal(document["report_id"], _sort(document), source, is_address, min(times), max(times), kept)


def again(document: str, now: int) -> Signal:
    """A signal that another process read, checked once more."""
    return read(document.encode("utf-8", "replace"), now)


def _document(raw: bytes) -> dict[str, Any]:
    if len(raw) > LARGEST:
        raise UsageError(f"the report is refused: it is larger than {LARGEST // 2**20} MiB")
    try:
        document = json.loads(raw, parse_constant=_no_number, parse_float=_number)
    except (ValueError, RecursionError) as error:
        why = "it is too deep" if isinstance(error, RecursionError) else str(error)[:100]
        raise UsageError(f"the report is refused: it is not JSON: {why}") from None
    if not isinstance(document, dict):
        raise UsageError("the report is refused: it is not one JSON object")
    if _depth(document) > DEEPEST:
        raise UsageError(f"the report is refused: it is deeper than {DEEPEST} levels")
    return document


def _number(word: str) -> float:
    """1e999 is no number that can be written again."""
    return float(word) if math.isfinite(float(word)) else _no_number(word)


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is no number")


def _depth(value: Any) -> int:
    """By level, not by recursion: a report may be as deep as the parser takes it."""
    level, deep = [value], 0
    while level and deep <= DEEPEST:
        deep += 1
        level = [inner for one in level for inner in _inner(one)]
    return deep


def _inner(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, list):
        yield from value


def _wrong(document: Mapping[str, Any], now: int) -> Iterator[str]:
    missing = [name for name in REQUIRED if name not in document]
    if missing:
        yield f"{', '.join(missing)} missing"
        return
    if not _matches(document["xarf_version"], r"4\.[0-9]{1,4}\.[0-9]{1,4}"):
        yield "xarf_version is not 4.x.y"
    if not _is_uuid(document["report_id"]):
        yield "report_id is no UUID"
    if document["category"] not in CATEGORIES:
        yield f"category is none of {', '.join(CATEGORIES)}"
    if not _matches(document["type"], r"[a-z][a-z0-9_]{0,60}"):
        yield "type is no word of small letters"
    for name in ("reporter", "sender"):
        yield from _wrong_contact(name, document[name])
    yield from _wrong_values(document, now)


def _wrong_contact(name: str, value: Any) -> Iterator[str]:
    if not isinstance(value, dict) or not value.keys() >= _CONTACT.keys():
        yield f"{name} lacks one of {', '.join(_CONTACT)}"
        return
    for key, longest in _CONTACT.items():
        if not isinstance(value[key], str) or not 0 < len(value[key]) <= longest:
            yield f"{name}.{key} is no text of 1 to {longest} characters"


def _wrong_values(document: Mapping[str, Any], now: int) -> Iterator[str]:
    for name in ("timestamp", "first_seen", "last_seen"):
        if name in document:
            at = _time(document[name])
            if at is None:
                yield f"{name} is no time with its zone, like 2026-01-31T03:04:05Z"
            elif at > now + AHEAD:
                yield f"{name} lies ahead"
    for name in _PORTS:
        if name in document and (type(document[name]) is not int or not 0 < document[name] < 65_536):
            yield f"{name} is no port"
    if not isinstance(document["source_identifier"], str) or not 0 < len(document["source_identifier"]) <= 253:
        yield "source_identifier is no text of 1 to 253 characters"
    if not isinstance(document.get("description", ""), str) or len(document.get("description", "")) > 1_000:
        yield "description is no text of at most 1000 characters"
    evidence = document.get("evidence", [])
    if not isinstance(evidence, list) or len(evidence) > 50 or not all(isinstance(item, dict) for item in evidence):
        yield "evidence is no list of at most 50 objects"


def _matches(value: Any, pattern: str) -> bool:
    return isinstance(value, str) and re.fullmatch(pattern, value) is not None


def _is_uuid(value: Any) -> bool:
    return _matches(value, r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}") and bool(uuid.UUID(value))


def _time(value: Any) -> int | None:
    if not isinstance(value, str) or len(value) > 40:
        return None
    try:
        at = datetime.fromisoformat(value)
        return None if at.tzinfo is None else int(at.astimezone(UTC).timestamp() * 1_000_000) * 1_000
    except (ValueError, OverflowError):
        return None


def _source(text: str) -> tuple[str, bool]:
    """An address in its usual spelling, or what else stands there."""
    try:
        address = ipaddress.ip_address(text.strip())
    except ValueError:
        return text.encode("ascii", "backslashreplace").decode(), False
    if isinstance(address, ipaddress.IPv6Address) and address.scope_id is not None:
        return "an address with a zone", False  # behind a '%' any word may stand
    return str(address), True


def _sort(document: Mapping[str, Any]) -> str:
    return f"{document['category']}/{document['type'] if document['type'] in TYPES else 'other'}"


def _without_payloads(document: Mapping[str, Any]) -> dict[str, Any]:
    """Evidence by hash and size: what others captured may hold contents, which are not kept here."""
    evidence = [_item(item) for item in document.get("evidence", [])]
    return {**document, **({"evidence": evidence} if evidence else {})}


def _item(item: Mapping[str, Any]) -> dict[str, Any]:
    if "payload" not in item:
        return dict(item)
    payload = json.dumps(item["payload"]).encode()
    told = {"payload_bytes": len(payload), "payload_sha256": hashlib.sha256(payload).hexdigest()}
    return {**{name: value for name, value in item.items() if name != "payload"}, **told}
