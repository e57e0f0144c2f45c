"""The provider of standings: asked for one customer of the inventory, as the daemon would."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from edgeguard import clock
from edgeguard.check.finding import Finding, ok, warning, wrong
from edgeguard.check.password import password
from edgeguard.clock import SECOND
from edgeguard.config import Config
from edgeguard.exchange import NoAnswerError, origin
from edgeguard.model import Vm
from edgeguard.standing.child import ask
from edgeguard.standing.driver import NoDriverError
from edgeguard.standing.provider import Provider, provider
from edgeguard.standing.wire import Whom


def standing(config: Config, vms: Sequence[Vm]) -> Iterator[Finding]:
    settings = config.standing
    if not settings.is_asked:
        return
    if settings.password_file:
        yield password("standing", Path(settings.password_file))
    try:
        asked = provider(Whom.of(settings))
    except NoDriverError as error:
        yield wrong("standing", "driver", str(error).removeprefix("driver "))
        return
    yield _answers(config, asked, vms)


def _answers(config: Config, asked: Provider, vms: Sequence[Vm]) -> Finding:
    settings = config.standing
    what = "file" if settings.file else "database" if settings.database else "url"
    name = settings.file or settings.driver or settings.database or origin(settings.url)
    customer = next((vm.customer for vm in vms if vm.customer), None)
    if customer is None:
        return warning("standing", what, f"{name}: not asked, as the inventory names no customer")
    try:
        told = ask(asked, customer, settings.timeout / SECOND)
    except NoAnswerError as error:
        why = str(error).removeprefix(f"{name}: ")
        return wrong("standing", what, f"{name}: asked for customer {customer}: {why}; every customer is unknown so")
    now = clock.now()
    return ok("standing", what, f"{name}: answers; customer {customer} is {told.at(now, settings.age).words(now)}")
