"""The built-in plain text: what a notice says when its template cannot.

No template, no file, no slot that must be set: what is missing is said to be not known. It carries
the same slots in the same order as the templates, in fewer words.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from edgeguard import clock, units
from edgeguard.notice import acknowledged, layout, words
from edgeguard.notice.kinds import STANDS, Kind

UNKNOWN = "not known"

_HAPPENED = {
    Kind.WARNING: "the server sent {flood}. This is a warning; nothing was dropped.",
    Kind.NARROW: "the server sent {flood}. It is null-routed: dropped at our edge.",
    Kind.OWN_ONLY: "the server sent {flood}. Packets with forged senders are null-routed: dropped at our edge.",
    Kind.FULL: "the server sent {flood}. All its traffic is null-routed: dropped at our edge.",
    Kind.MOVED: "the server sent {flood}. It is null-routed, too: dropped at our edge.",
    Kind.GOES_ON: "the server sent {flood}. It is null-routed anew: dropped at our edge.",
    Kind.REPEAT: "again the server sent {flood}. It is null-routed: dropped at our edge.",
    Kind.PROVED: "the proof of what is null-routed (dropped at our edge) was looked at again; it stands below.",
    Kind.HELD: "a person here keeps the null route for a while; nothing new is dropped at our edge.",
    Kind.UPHELD: "two people here keep the null route: still dropped at our edge.",
    Kind.APPEAL_DECIDED: "your appeal was decided by another person; what is in force stands below.",
    Kind.FAILED: "the server sent {flood}. A null route (dropping at our edge) was tried and refused.",
    Kind.RELEASED: "the end of the null route was ordered.",
    Kind.RELEASED_BY_PERSON: "a person here ordered the end of the null route.",
    Kind.OUR_FAULT: "the end of the null route was ordered. It was our mistake; we are sorry.",
    Kind.EXEMPTED: "the end of the null route was ordered; the same traffic is left alone.",
    Kind.DESK_OBSERVE: "the server sent {flood}. Observed only; nothing was dropped.",
    Kind.DESK_INBOUND: "the server receives {flood}. Observed only; nothing was dropped.",
    Kind.DESK_CUSTOMER: "the servers of one customer together passed a limit. Observed only; nothing was dropped.",
    Kind.DESK_NULL_ROUTE: "the server sent {flood}. Null-routed (dropped at our edge), as verified below.",
    Kind.DESK_RELEASED: "the end of the null route was ordered.",
    Kind.DESK_UNDELIVERED: "a mail about this server was refused for good by the mail server.",
}
_NOT_AFFECTED = {
    Kind.NARROW: "all its other traffic, its disks and data.",
    Kind.OWN_ONLY: "all that it sends from its own addresses, its disks and data.",
    Kind.FULL: "its disks and data; it runs on; every other server.",
    Kind.DESK_NULL_ROUTE: "every other server.",
}
_WIDE = {
    "narrow": "narrow: packets to the targets below are dropped, on the host the server runs on; all else works",
    "own-only": "own-only: packets with senders that are not the server's own are dropped; all else works",
    "full": "full: all traffic of this one server is dropped, in and out; the server runs on",
}
_PROOF = {
    "verified": "yes; none of these packets left the host any more",
    "no attempts": "not yet; none of these packets came during the check",
    "not stopped": "not proved yet; what was looked at does not show that none of these packets left the host",
    "leaving": "no; such packets were still seen leaving the host",
    "failed": "no; the host refused it",
    "released": "yes; the end was confirmed",
    "nothing to prove": "nothing was put in place, so there is nothing to verify",
}
_READ_AS = {
    "reflection": "a UDP reflection",
    "connection flood": "a connection flood",
    "scan": "a scan",
    "busy client": "heavy traffic",
}
_STANDS = (*STANDS, Kind.PROVED)
_ENDED = (Kind.RELEASED, Kind.RELEASED_BY_PERSON, Kind.OUR_FAULT, Kind.EXEMPTED, Kind.DESK_RELEASED)


def text(kind: str, slots: Mapping[str, Any]) -> tuple[str, str]:
    """(subject, text). Never fails, whatever is missing or of a wrong type."""
    if kind == Kind.ACKNOWLEDGED:
        return acknowledged.plain(slots)
    server = _said(lambda: str(slots["server"]["name"]))
    case = _said(lambda: str(slots["case"]))
    blocks = [_head(kind, slots, server), _done(kind, slots), _when(slots), _measured(slots), _close(kind, case, slots)]
    matter = _said(lambda: str(slots["matter"]))
    return f"[{matter}] {server}: notice of the edge", layout.fill("\n\n".join(blocks))


def _said(read: Callable[[], str]) -> str:
    """What `read` finds, or that it is not known."""
    try:
        return read()
    except Exception:
        return UNKNOWN


def _lines(*pairs: tuple[str, str]) -> str:
    return "\n".join(f"{label + ':':<16}{value}" for label, value in pairs)


def _head(kind: str, slots: Mapping[str, Any], server: str) -> str:
    flood = _said(lambda: f"{_term(slots['flood'])} to {_targets(slots, 1)}")
    happened = _HAPPENED.get(Kind(kind) if kind in set(Kind) else Kind.DESK_OBSERVE, "")
    if flood == UNKNOWN:
        flood = "traffic that was not measured here"
    address = _said(lambda: str(slots["server"]["addresses"][0]))
    return _lines(
        ("Server", f"{server}, address {address}"),
        ("Time", _said(lambda: clock.utc(slots["acted"] or slots["decided"]))),
        ("What happened", happened.format(flood=flood)),
        ("Not affected", next((t for k, t in _NOT_AFFECTED.items() if k == kind), "its disks and data.")),
        ("Ends", _ends(kind, slots)),
    )


def _term(flood: Mapping[str, Any]) -> str:
    """What it was, by what it was read as; a row of an earlier version does not say that."""
    read_as, rule = flood.get("kind", "flood"), str(flood["rule"]).removesuffix("-in")
    if read_as in _READ_AS:
        return _READ_AS[read_as]
    usual = {"icmp": "an ICMP flood", "fragments": "a fragment flood", "total": "a packet flood"}
    return usual.get(rule, f"a {rule.upper()} flood")


def _ends(kind: str, slots: Mapping[str, Any]) -> str:
    if kind in _STANDS or (kind == Kind.APPEAL_DECIDED and slots.get("act") != "release"):
        return f"by itself, at the latest at {_said(lambda: clock.utc(slots['until']))}."
    if kind in (*_ENDED, Kind.APPEAL_DECIDED):
        return "ordered; whether it is confirmed stands below."
    return "nothing is in force, so nothing has to end."


def _targets(slots: Mapping[str, Any], most: int) -> str:
    return words.listing([words.target(t) for t in slots["flood"]["targets"] or slots["dropped_targets"]], most + 1)


def _done(kind: str, slots: Mapping[str, Any]) -> str:
    stands = kind in _STANDS
    wide = _said(lambda: _WIDE[slots["scope"]])
    ended = "the end of the null route was ordered" if kind in _ENDED else "recorded; nothing is dropped"
    return "WHAT WAS DONE\n" + _lines(
        ("Done", f"null-routed, {wide}" if stands else ended),
        ("Verified", _said(lambda: _PROOF.get(_proof(slots), "not yet when this mail was written"))),
        ("Works", "everything but what is named above" if stands else "everything that worked before"),
        ("Decided", _said(lambda: "automatically" if slots["by"] == "automation" else "by a person here")),
    )


def _proof(slots: Mapping[str, Any]) -> str:
    return "leaving" if slots["proof"] == "not stopped" and slots["leaving"] else str(slots["proof"])


def _when(slots: Mapping[str, Any]) -> str:
    return "WHEN\n" + _lines(
        ("First seen", _said(lambda: clock.utc(slots["flood"]["seen"]))),
        ("Over the limit", _said(lambda: clock.utc(slots["flood"]["crossed"]))),
        ("Acted", _said(lambda: clock.utc(slots["acted"] or slots["decided"]))),
        ("Written", _said(lambda: clock.utc(slots["written"]))),
    )


def _measured(slots: Mapping[str, Any]) -> str:
    def rate(of: str) -> str:
        flood = slots["flood"]
        packets, length = words.number(flood[of], "packet"), words.length(flood["length"] or 0)
        if flood["length"] is None:
            return f"{packets} a second"
        return f"{packets} a second x {length} = {units.bits_per_second(flood[of + '_bits'])}"

    def limit() -> str:
        flood = slots["flood"]
        window, rule = units.duration_text(flood["window"]), f"rule '{flood['rule']}', EdgeGuard {flood['version']}"
        return f"{_amount(flood, 'limit')} in a window of {window} ({rule})"

    return "WHAT WAS SENT\n" + _lines(
        ("Target", _said(lambda: _targets(slots, 5))),
        ("Rate, mean", _said(lambda: rate("mean"))),
        ("Rate, peak", _said(lambda: rate("peak"))),
        ("Limit", _said(limit)),
        ("Counted", _said(lambda: _amount(slots["flood"], "measured"))),
        ("Came back", _said(lambda: words.number(slots["flood"]["came_back"]["packets"], "packet"))),
        ("Counted at", _said(lambda: f"port {slots['flood']['tap'] or UNKNOWN} of host {slots['host'] or UNKNOWN}")),
        ("Forged", _said(lambda: units.percent(slots["flood"]["foreign_share"]))),
    )


def _amount(flood: Mapping[str, Any], of: str) -> str:
    """In the unit of the limit: packets, or bits a second."""
    return units.bits_per_second(flood[of]) if flood.get("unit") == "bits" else words.number(flood[of], "packet")


def _close(kind: str, case: str, slots: Mapping[str, Any]) -> str:
    meaning = (
        "Most often such traffic comes from a program that the owner of the server does not know of; it can also be"
        " meant. We read packet headers only and cannot see which program sent them."
    )
    answer = " Reply to this mail; the answer reaches our desk." if slots.get("reply") is True else ""
    customer = "" if kind.startswith("desk") else meaning + " Take a snapshot first, then look." + answer + " "
    return f"WHAT IT MEANS\n{customer}This text is the short one; the whole record is kept as {case}."
