"""The provider of standings: asked for one customer of the inventory, as the daemon would."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from edgeguard import clock
from edgeguard.check.finding import Finding, ok, warning, wrong
from edgeguard.config import Config
from edgeguard.exchange import NoAnswerError, origin
from edgeguard.model import Vm
from edgeguard.standing.child import ask
from edgeguard.standing.provider import provider
from edgeguard.standing.wire import Whom


def standing(config: Config, vms: Sequence[Vm]) -> Iterator[Finding]:
    settings = config.standing
    if not settings.is_asked:
        return
    what = "file" if settings.file else "database" if settings.database else "url"
    name = settings.file or settings.database or origin(settings.url)
    customer = next((vm.customer for vm in vms if vm.customer), None)
    if customer is None:
        yield warning("standing", what, f"{name}: not asked, as the inventory names no customer")
        return
    whom = Whom.of(settings)
    try:
        told = ask(provider(whom), customer, whom.seconds)
    except NoAnswerError as error:
        why = str(error).removeprefix(f"{name}: ")
        yield wrong("standing", what, f"{name}: asked for customer {customer}: {why}; every customer is unknown so")
        return
    now = clock.now()
    said = told.at(now, settings.age).words(now)
    yield ok("standing", what, f"{name}: answers; customer {customer} is {said}")
