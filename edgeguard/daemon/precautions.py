"""What holds automation back from outside, live: the kill file, the fleet, texts of mails; and the host's customers."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from edgeguard import kill_file
from edgeguard.daemon.attachments import Attachments
from edgeguard.daemon.mirrored import Mirrored
from edgeguard.decision.writing import Writing
from edgeguard.fleet import Permit

log = logging.getLogger("edgeguard")


class Precautions:
    """One per daemon. `look` is called about once a second."""

    def __init__(
        self,
        kill: str,
        attachments: Attachments | Mirrored,
        permit: Permit | None = None,
        loud: Callable[[], bool] = lambda: False,
    ) -> None:
        """`loud`: whether a decision may be near, so that the fleet is asked before there is one."""
        self._kill = kill
        self._attachments = attachments
        self._permit = permit
        self._loud = loud
        self._said: str | None = None
        self._customers = 0
        self.writing = Writing()

    def look(self, now: int) -> None:
        """This second's state: the kill file's in the log when it changes, the customers, the fleet's answer."""
        killed = self.killed()
        if killed != self._said:
            log.warning("%s", f"observe only: {killed}" if killed else "the kill file is gone: automation acts again")
        self._said = killed
        self._customers = self._count()
        if self._permit is not None:
            self._permit.look(time.monotonic_ns(), self._loud())

    def _count(self) -> int:
        here = {point for point, _ in self._attachments.taps()}
        return len({vm.customer for point, vm in self._attachments.rows() if vm and vm.customer and point in here})

    @property
    def trouble(self) -> str | None:
        """What is wrong with the fleet, in words; None: it answers, or nobody is asked."""
        return None if self._permit is None else self._permit.trouble

    def take(self, writing: Writing) -> None:
        """How the texts of mails fared, when they were read."""
        self.writing = writing

    def killed(self) -> str | None:
        return kill_file.reason(self._kill)

    def customers(self) -> int:
        return self._customers

    def permit(self) -> bool | None:
        return None if self._permit is None else self._permit.answer(time.monotonic_ns())
