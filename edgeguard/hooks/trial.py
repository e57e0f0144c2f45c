"""One test document for each configured channel, handed over at once by whoever asks, with what each answered."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network

from edgeguard.clock import SECOND
from edgeguard.errors import DeliveryError
from edgeguard.hooks import document, webhook
from edgeguard.hooks.message import hand
from edgeguard.hooks.page import page
from edgeguard.hooks.program import Programs
from edgeguard.hooks.wire import Hand, Settings
from edgeguard.letters import Channel, Delivery, Undelivered
from edgeguard.model import Act, Decision, Scope, Subject, Vm, identity

KIND = "test"
ADDRESS = ip_network("192.0.2.1/32")  # of documentation (RFC 5737): nobody's
WHO = "edgeguard-test"


@dataclass(frozen=True, slots=True)
class _Case:
    """A case that is none."""

    id: str
    opened: int
    state: str = KIND
    vm: str | None = WHO
    vm_name: str | None = WHO
    tap: str | None = None
    mac: str | None = None
    customer: str | None = None
    source: str | None = None
    addresses: tuple[IPv4Network | IPv6Network, ...] = (ADDRESS,)


@dataclass(frozen=True, slots=True)
class Tried:
    """What a channel answered."""

    channel: Channel
    taken: bool
    detail: str


def tried(settings: Settings, host: str, action: str, now: int) -> Iterator[Tried]:
    """Each configured channel in turn; a webhook's secret that cannot be read is its answer."""
    if settings.program:
        yield _run(settings.program, settings.timeout, _hook(Channel.PROGRAM, host, action, now))
    if settings.url:
        yield _post(settings, _hook(Channel.WEBHOOK, host, action, now))
    if settings.page:
        lines = ["This is a test: nothing is wrong.", "A page has up to five lines, and commands to paste."]
        made = page(KIND, host, now, None, lines, ["edgeguard status"])
        yield _run(settings.page, settings.page_timeout, made)


def _hook(channel: Channel, host: str, action: str, now: int) -> Delivery:
    vm = Vm(WHO, WHO, None, None, addresses=(ADDRESS,))
    case = _Case(identity("EG-test", now), now)
    decision = Decision(
        id=identity("d-test", now),
        case=case.id,
        verdict=None,
        at=now,
        act=Act.NONE,
        scope=Scope.OBSERVE,
        subject=Subject(WHO, None, None),
        tap=None,
        targets=(),
        until=None,
        enforced=False,
        safeties=(),
        reason="edgeguard hooks test",
    )
    made = {**document.of_decision(case, decision, None, vm, host, action), "kind": KIND}
    return document.deliveries(made, [channel], now)[0]


def _run(program: tuple[str, ...], timeout: int, delivery: Delivery) -> Tried:
    made: Hand = hand(Undelivered(delivery, 0))
    ended = Programs().run([*program, *made.arguments], made.body, timeout / SECOND, dict(made.environment))
    return Tried(delivery.channel, ended.well, f"{program[0]}: {ended.detail}")


def _post(settings: Settings, delivery: Delivery) -> Tried:
    try:
        target = webhook.Target.of(settings.url, webhook.secret(settings.secret_file))
    except DeliveryError as error:
        return Tried(delivery.channel, False, str(error))
    id = json.loads(delivery.body)["id"]
    return Tried(delivery.channel, *webhook.post(target, id, delivery.body, settings.timeout / SECOND))
