"""What a run came to: the measured facts, judged, and as the JSON contract has them."""

from __future__ import annotations

import email
import email.policy
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeguard.clock import SECOND
from edgeguard.lab import observer, settings
from edgeguard.lab.account import Account, NullRoute
from edgeguard.lab.addresses import VM
from edgeguard.lab.exchange import WAIT_S, Exchange
from edgeguard.lab.observer import Seen
from edgeguard.lab.scenario import Finding, Scenario
from edgeguard.lab.traffic import SEGMENT
from edgeguard.lab.wan import Mail

FEWEST_EXCHANGES = 10  # fewer prove nothing


@dataclass(frozen=True, slots=True)
class Measured:
    """The raw facts of one run. Times in ns since 1970; None: did not happen, or benign-mix."""

    scenario: Scenario
    host: str
    offered_pps: int
    flood_started: int | None
    account: Account
    seen: Seen  # marked frames that left the host
    unseen: int  # of them, lost by the observer
    mails: tuple[Mail, ...]
    vm: tuple[Exchange, ...]
    neighbour: tuple[Exchange, ...]
    reaches_again: bool  # after the release the VM reaches the targets
    troubles: tuple[str, ...] = ()  # senders that failed
    daemon_said: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    """The contract's object, and for people what is not as it must be."""

    values: dict[str, Any]
    wrong: tuple[str, ...]

    @property
    def ok(self) -> bool:
        return not self.wrong


def _packets(measured: Measured, seen: Seen) -> int:
    flood = measured.scenario.flood
    return observer.packets(seen, SEGMENT if flood and flood.super_frames else 0)


def _stops(route: NullRoute, seen: Seen) -> npt.NDArray[np.bool_]:
    """Which frames of a flood a null route must stop, whenever they came. Own-only is for one that is all forged."""
    wanted = np.full(len(seen), route.full or route.own_only)
    for place in route.places:
        wanted |= observer.is_to(seen, place)
    return wanted


def leaked(measured: Measured, after: str) -> int | None:
    """Packets of the VM's flood that left against a null route that stood: after its 'acknowledged' or
    'verified' and before its end. None: no route got so far."""
    starts = [(route, getattr(route, after)) for route in measured.account.null_routes()]
    standing = [(route, start) for route, start in starts if start is not None]
    leaks = np.zeros(len(measured.seen), bool)
    for route, start in standing:
        at = measured.seen["at"]
        before_end = True if route.ended is None else at < route.ended
        leaks |= _stops(route, measured.seen) & (at > start) & before_end
    return _packets(measured, measured.seen[leaks]) if standing else None


def before_route(measured: Measured) -> int | None:
    """Packets of the flood that left before the first acknowledgement."""
    routed = _first(measured.account, "acknowledged")
    return None if routed is None else _packets(measured, measured.seen[measured.seen["at"] <= routed])


def _first(account: Account, what: str) -> int | None:
    routes = account.null_routes()
    return getattr(routes[0], what) if routes else None


def whole_vm_null_routed(exchange: Exchange, account: Account) -> bool:
    """Whether an exchange fell into a full null route, where it cannot be answered."""
    for route in account.null_routes():
        if route.full and route.acknowledged:
            end = route.ended or exchange.at
            if exchange.at + WAIT_S * SECOND >= route.acknowledged and exchange.at <= end:
                return True
    return False


def working(exchanges: Sequence[Exchange]) -> bool:
    """Whether every exchange was answered, and there were enough to say so."""
    return len(exchanges) >= FEWEST_EXCHANGES and all(exchange.answered for exchange in exchanges)


def of_null_route(mails: Sequence[Mail]) -> Mail | None:
    """The first mail to the VM's contact that tells of a null route.

    Where a machine is so slow that the flood is below the hard limit at first, a warning comes before it.
    """
    theirs = (mail for mail in mails if VM.contact in mail.recipients)
    return next((mail for mail in theirs if "null-routed" in str(_message(mail)["Subject"])), None)


def _message(mail: Mail) -> EmailMessage:
    message = email.message_from_bytes(mail.raw, policy=email.policy.default)
    assert isinstance(message, EmailMessage), "the policy makes these"
    return message


def parsed(mail: Mail) -> dict[str, Any]:
    """A mail as `headers` and `text`."""
    message = _message(mail)
    body = message.get_body(("plain",))
    return {
        "headers": {name: str(value).strip() for name, value in message.items()},  # a folded header begins with a blank
        "text": body.get_content() if body else "",
    }


def _contract(measured: Measured) -> dict[str, Any]:
    account, mail = measured.account, of_null_route(measured.mails)
    routes = account.null_routes()
    verdict = routes[0].verdict if routes else None
    flood = measured.scenario.flood is not None
    vm = [e for e in measured.vm if not whole_vm_null_routed(e, account)]
    return {
        "scenario": measured.scenario.name,
        "host": measured.host,
        "ok": False,
        "offered_pps": measured.offered_pps,
        "flood_started_ns": measured.flood_started,
        "crossed_ns": verdict.crossed if verdict else None,
        "routed_ns": _first(account, "acknowledged"),
        "verified_ns": _first(account, "verified"),
        "notice_ns": mail.at if mail else None,
        "packets_before_route": before_route(measured) if flood else 0,
        "packets_leaked_after_route": leaked(measured, "acknowledged") if flood else 0,
        "packets_leaked_after_verified": leaked(measured, "verified") if flood else 0,
        "other_traffic_ok": working(vm),
        "neighbour_ok": working(measured.neighbour),
        "released": _released(measured) if flood else None,
        "mail": parsed(mail) if mail else None,
        "expected": measured.scenario.expected.as_json(),
        "got": account.finding().as_json(),
    }


def _released(measured: Measured) -> bool:
    routes = measured.account.null_routes()
    return bool(routes) and all(route.ended for route in routes) and measured.reaches_again


def _differences(expected: Finding, got: Finding) -> list[str]:
    pairs = zip(expected.as_json().items(), got.as_json().values(), strict=True)
    return [f"{name} is {found!r}, expected {wanted!r}" for (name, wanted), found in pairs if found != wanted]


def _flood_findings(measured: Measured, values: dict[str, Any]) -> list[str]:
    """What a flood must also have come to."""
    wrong = []
    routes = measured.account.null_routes()
    if not all(route.verified for route in routes):
        wrong.append("a null route was never verified")
    if values["packets_leaked_after_verified"]:
        wrong.append(f"{values['packets_leaked_after_verified']} packets leaked after the verification")
    if not values["released"]:
        wrong.append("the null routes were not all released, or the VM does not reach the targets again")
    if values["mail"] is None:
        wrong.append(f"no mail to {VM.contact} arrived")
    elif "Reply-To" not in values["mail"]["headers"]:
        wrong.append("the mail has no Reply-To")
    strangers = {r for mail in measured.mails for r in mail.recipients} - {VM.contact, settings.DESK}
    if strangers:
        wrong.append(f"mail went to {', '.join(sorted(strangers))}")
    return wrong


def judge(measured: Measured) -> Result:
    """The result: ok when everything is as it must be."""
    values = _contract(measured)
    wrong = [*measured.troubles, *_differences(measured.scenario.expected, measured.account.finding())]
    if measured.scenario.flood:
        wrong += _flood_findings(measured, values)
    elif measured.mails:
        wrong.append(f"{len(measured.mails)} mails were sent")
    if measured.unseen:
        wrong.append(f"the observer lost {measured.unseen} frames, so its counts prove nothing")
    wrong += [
        f"{who} did not all get through"
        for who, key in (
            ("the VM's other exchanges", "other_traffic_ok"),
            ("the neighbour's exchanges", "neighbour_ok"),
        )
        if not values[key]
    ]
    values["ok"] = not wrong
    return Result(values, tuple(wrong))
