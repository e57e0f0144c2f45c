"""SIGHUP: the configuration and the inventory are read again while the daemon runs.

    reload = Reload(live, read, [live.configure, ...])
    signal.signal(signal.SIGHUP, reload.ask)          # the daemon's loop looks once a second

What differs is told key by key. A wrong file is refused whole, with every finding, and the running one stays in
force; what only a restart changes is named, and stays as it is.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

from edgeguard.config import Config
from edgeguard.config.changes import changes, followed
from edgeguard.config.rules_file import RulesFile
from edgeguard.daemon.live import Live
from edgeguard.errors import ConfigError

log = logging.getLogger("edgeguard")


def _nobody() -> None:
    """Nobody needs to know."""


class Reload:
    """One per daemon. `trouble`: why the configuration file was refused the last time; None: it was not."""

    def __init__(self, live: Live, read: Callable[[], Config], followers: Iterable[Callable[[Config], None]]) -> None:
        """`read` gives the configuration as its files are now; `followers` are told of one that holds from now on."""
        self._live, self._read, self._followers = live, read, tuple(followers)
        self._asked = self._under_way = False
        self.trouble: str | None = None
        self.began: Callable[[], None] = _nobody  # called before anything is read: who supervises us may be told
        self.ended: Callable[[], None] = _nobody  # and after all of it, whatever came of it
        live.chores.append(self.look)

    def ask(self, *_: object) -> None:
        """Read again, at the next second of the daemon's loop. A signal handler: it does nothing else."""
        self._asked = True

    def look(self, now: int) -> None:
        """About once a second. It is over when the inventory was read, too."""
        if self._under_way and not self._live.following.busy:
            self._under_way = False
            self.ended()
        if not self._asked:
            return
        self._asked, self._under_way = False, True
        self.began()
        self._live.following.ask()
        self._follow_configuration()

    def _follow_configuration(self) -> None:
        try:
            read = self._read()
        except ConfigError as error:
            self._refuse(error.findings)
            return
        self.trouble = None
        found = changes(self._live.config, read)
        for change in found:
            log.warning("reload: %s", change)
        if not found:
            log.info("reload: the configuration is as the running one")
        self._live.rules = RulesFile(read)
        config = followed(self._live.config, read)
        for follow in self._followers:
            follow(config)

    def _refuse(self, findings: list[str]) -> None:
        for finding in findings:
            log.error("reload: %s", finding)
        log.error("reload: the configuration is refused whole; the running one stays in force")
        more = f" (and {len(findings) - 1} more: run 'edgeguard check')" if len(findings) > 1 else ""
        self.trouble = f"configuration {findings[0]}{more}; refused whole at the reload, the running one stays in force"
