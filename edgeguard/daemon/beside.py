"""What is looked at beside the packets, once a second: the host around the VMs, and what each VM is used to."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

from edgeguard.clock import MINUTE
from edgeguard.counting.counted import Counted
from edgeguard.daemon.attachments import Attachments
from edgeguard.daemon.host import Host
from edgeguard.daemon.mirrored import Mirrored
from edgeguard.daemon.usual import Usual, seconds
from edgeguard.engine import Engine
from edgeguard.model import Verdict
from edgeguard.reading import INTO, Circumstances

AGAIN = 10 * MINUTE

log = logging.getLogger("edgeguard")


class Beside:
    """One per daemon."""

    def __init__(self, counting: Counted, host: Host, usual: Usual) -> None:
        self._counting = counting
        self.host = host
        self.usual = usual
        self._said: dict[str, int] = {}

    def take(self, now: int, attachments: Attachments | Mirrored, engine: Engine) -> None:
        """This second's sample."""
        self.host.take(now, attachments)
        self._say(now)
        rows = [(point, vm) for point, vm in attachments.rows() if vm is not None]
        self.usual.take(now, seconds(self._counting, rows, engine.docket, engine.ledger, engine.policies.limits))

    def _say(self, now: int) -> None:
        """What is wrong with the host, in the log: each cause once, and again only after a while."""
        for cause, words in self.host.troubles().items():
            if not 0 <= now - self._said.get(cause, -AGAIN) < AGAIN:
                log.warning("%s", words)
                self._said[cause] = now

    def circumstances(self, point: int) -> Circumstances:
        return self.host.circumstances(point)

    def compared(self, verdict: Verdict | None) -> Verdict | None:
        """The verdict, saying how it compares with what its VM is used to: packets of the class, answered or not.

        What reaches a VM is not its own doing: nothing is learned of it.
        """
        if verdict is None or verdict.subject.vm is None or verdict.rule in INTO:
            return verdict
        packets = self._counting.within(verdict.point, verdict.rule, 1)
        words = self.usual.compared(verdict.subject.vm, verdict.rule, packets)
        return replace(verdict, baseline=words) if words else verdict

    def told(self) -> dict[str, Any]:
        """For `status`."""
        return {"host": self.host.told(), "care": self.usual.told()}

    def close(self) -> None:
        self.usual.close()
        self.host.close()
