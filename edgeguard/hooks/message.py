"""A recorded document on its way out: as the runner is given it, and as the desk's mail has it."""

from __future__ import annotations

import json
from typing import Any

from edgeguard.hooks import page, wire
from edgeguard.letters import Channel, Delivery, Undelivered
from edgeguard.model import identity

VERSION = 1
ARGUMENTS = ("client_ip", "data_direction", "pps", "action")  # FastNetMon's, in its order


def hand(one: Undelivered, people: tuple[str, ...] = ()) -> wire.Hand:
    """What the runner is given. people: on duty. KeyError, TypeError or ValueError: the row is none of ours."""
    delivery = one.delivery
    document = json.loads(delivery.body)
    if delivery.channel is Channel.PAGE:
        named = {"id": delivery.id, "cause": delivery.cause, "case": delivery.case, "host": document["host"]}
        return wire.Hand(
            delivery.id, delivery.channel, page.text(document, one.grouped), (), _environment(named), people
        )
    if delivery.channel is Channel.WEBHOOK:
        return wire.Hand(delivery.id, delivery.channel, delivery.body)
    arguments = tuple(str(document[name]) for name in ARGUMENTS)
    named = {
        "id": delivery.id,
        "kind": document["kind"],
        "case": delivery.case,
        "scope": document["decision"]["scope"],
        "standing": document["standing"],
    }
    return wire.Hand(delivery.id, delivery.channel, delivery.body, arguments, _environment(named))


def mail(one: Undelivered) -> tuple[str, str, str]:
    """Subject and text of the desk's mail about a page, or about what another channel did not take; and to whom else
    it is instead, if to anybody."""
    document = json.loads(one.delivery.body)
    if one.delivery.channel is Channel.PAGE:
        return page.subject(document), page.text(document, one.grouped), ""
    return str(document["subject"]), str(document["text"]), str(document.get("to") or "")


def undelivered(one: Undelivered, error: str, now: int) -> Delivery:
    """To the desk: a page that its program did not take, or a hook that was given up."""
    lost = one.delivery
    id = identity("desk", lost.id)
    if lost.channel is Channel.PAGE:
        subject, text, _ = mail(one)
        text += f"\nThe page's program did not take it: {error}\n"
    else:
        document = json.loads(lost.body)
        subject = f"[EdgeGuard] {document.get('host', 'this host')}: a {lost.channel} was not delivered"
        text = (
            f"The {lost.channel} of [hooks] was not told of {lost.case or 'this host'}: {error}\n\n"
            f"delivery:  {lost.id}\ndecision:  {lost.decision or '-'}\naction:    {document.get('action', '-')}\n"
            f"address:   {document.get('client_ip', '-')}\n\nTell it by hand where it matters:\n"
            f"  edgeguard case show {lost.case or ''}\n  edgeguard hooks test\n"
        )
    return to_desk(id, lost.case, subject, text, now, lost.decision)


def to_desk(
    id: str, case: str | None, subject: str, text: str, now: int, decision: str | None = None, to: str = ""
) -> Delivery:
    """A mail to the desk that is handed over once; or to somebody of the roster, by address."""
    body = json.dumps({"version": VERSION, "kind": "desk", "id": id, "subject": subject, "text": text, "to": to})
    return Delivery(id, Channel.DESK, case, decision, now, body)


def _environment(named: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    """EDGEGUARD_ID and the like: words of ours, never a name that somebody else chose."""
    return tuple((f"EDGEGUARD_{name.upper()}", _plain(value)) for name, value in named.items() if value is not None)


def _plain(value: object) -> str:
    return "".join(sign if " " <= sign <= "~" else "?" for sign in str(value))[:200]
