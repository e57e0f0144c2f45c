"""Who hands deliveries over, as it is configured: the runner, the desk's mail, and the courier between them; and what
mails enclose."""

from __future__ import annotations

import functools
import logging
import socket
from collections.abc import Callable

from edgeguard import roster
from edgeguard.cases.protocol import CaseStore
from edgeguard.config import Config
from edgeguard.errors import EvidenceError
from edgeguard.evidence.contents import BEFORE
from edgeguard.evidence.manifest import sealed
from edgeguard.evidence.place import Place
from edgeguard.hooks.client import Runner
from edgeguard.hooks.courier import Courier
from edgeguard.hooks.mailing import Mailing
from edgeguard.hooks.wire import Settings
from edgeguard.logs import about
from edgeguard.notice import desk
from edgeguard.notice.enclosure import Proofs

LARGEST_ENCLOSED = 262_144  # bytes of a savefile: what no mail server minds

log = logging.getLogger("edgeguard")


def courier(config: Config, store: CaseStore) -> Courier:
    """Not started yet, its runner is: it must be before rights are given up. DeliveryError where it cannot be."""
    paging = bool(config.page.program or any(shift.page for shift in config.roster.shift))
    runner = Runner.start(settings(config)) if config.hooks.program or config.hooks.url or paging else None
    return Courier(store.tray(), config.hooks, runner, paging, mailing(config), on_duty=names_of(config))


def names_of(config: Config) -> Callable[[int], tuple[str, ...]]:
    """Who is on duty at a time, by name, by this configuration."""
    return lambda at: tuple(dict.fromkeys(shift.name for shift in roster.on_duty(config.roster, at)))


def settings(config: Config) -> Settings:
    """What the runner is told."""
    hooks, page = config.hooks, config.page
    people = tuple({shift.name: shift.page for shift in config.roster.shift if shift.page}.items())
    return Settings(hooks.program, page.program, hooks.url, hooks.secret_file, hooks.timeout, page.timeout, people)


def host(config: Config) -> str:
    """This hypervisor's name, as it is told to others."""
    return config.host.name or socket.gethostname()


def mailing(config: Config) -> Mailing | None:
    """None: nobody reads mails here."""
    mail = config.mail
    if not (mail.server and mail.desk and mail.sender):
        return None
    return Mailing(functools.partial(desk.tell, mail))


def proofs(where: Place, case: str, decision: str) -> Proofs | None:
    """A decision's evidence for its mails, as it is on the disk now. What is wrong with it holds up no mail."""
    try:
        bundle = where.of_decision(case, decision)
        if bundle is None:
            return None
        frames = bundle.read(BEFORE) if BEFORE in bundle.manifest.files else None
    except (EvidenceError, OSError) as error:
        log.error("%s: its mail goes without evidence: %s", case, error, extra=about(case, decision))
        return None
    small = frames is not None and len(frames) <= LARGEST_ENCLOSED
    files = {name: one.sha256 for name, one in bundle.manifest.files.items()}
    return Proofs(bundle.name, sealed(bundle.manifest.text()).sha256, files, frames if small else None)
