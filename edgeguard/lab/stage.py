"""Everything a scenario needs, set up in order and taken down in reverse."""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from pyroute2.netlink.exceptions import NetlinkError

from edgeguard.check.finding import Grade
from edgeguard.check.rights import back_ends
from edgeguard.errors import EdgeGuardError, RightsError
from edgeguard.lab import addresses as plan
from edgeguard.lab import exchange, mirror, observer, wan
from edgeguard.lab.daemon import Daemon
from edgeguard.lab.exchange import Exchange, Question
from edgeguard.lab.namespace import private_directory
from edgeguard.lab.topology import Node, Topology
from edgeguard.lab.wan import Mail
from edgeguard.lab.worker import Worker

SETTLED_S = 60  # a bound; a tenth of a second is usual


def needed() -> None:
    """RightsError, a line for each part of the kernel that the lab and the daemon cannot do without."""
    missing = [finding for finding in back_ends() if finding.grade is Grade.WRONG]
    if missing:
        raise RightsError("lab: " + "\nlab: ".join(f"{finding.what}, {finding.text}" for finding in missing))


def _topology(kind: str) -> Topology:
    try:
        return Topology(kind)
    except NetlinkError as error:
        needs = "veth, bridge, IPv6 and namespaces"
        raise RightsError(f"lab: the kernel cannot build a {kind} host: {error}; it needs {needs}") from None


def ask(node: Node, question: Question) -> bool:
    """Whether a real socket in `node` gets its answer."""
    with node.namespace.inside():
        return exchange.exchange(question, 0).answered


def settle(topology: Topology) -> None:
    """Wait until every way works: a new port of a bridge forwards only after a moment."""
    deadline = time.monotonic() + SETTLED_S
    for node, questions in ((topology.vm, exchange.SERVICE), (topology.neighbour, exchange.WITH_TARGETS)):
        for question in questions:
            while not ask(node, question):
                if time.monotonic() > deadline:
                    raise EdgeGuardError(f"lab: {question.address} does not answer by {question.protocol}")


class Stage:
    """Hosts, WAN services, observer, daemon and the two VMs at their ordinary work."""

    def __init__(self, kind: str, tick: Callable[[], None] = lambda: None, mirrored: bool = False) -> None:
        """`mirrored`: the daemon reads a mirror port that carries copies of the taps."""
        self._undo = contextlib.ExitStack()
        self._tick = tick
        try:
            self._set_up(kind, mirrored)
        except BaseException:
            self.close()
            raise

    def _set_up(self, kind: str, mirrored: bool) -> None:
        self.directory = private_directory()
        os.environ["TMPDIR"] = tempfile.tempdir = str(self.directory)
        needed()
        self.topology = _topology(kind)
        self._undo.callback(self.topology.close)
        if mirrored:
            mirror.make(self.topology.hypervisor)
        self._wan = self._worker(self.topology.wan, wan.serve)
        self._await(self._wan, "the WAN host's services")
        settle(self.topology)
        self._observer = self._worker(self.topology.hypervisor, observer.observe, plan.UPLINK)
        self._await(self._observer, "the observer on the uplink")
        self.daemon = Daemon(self.directory, self.topology.hypervisor.namespace, mirrored)
        self._undo.callback(self.daemon.end)
        self.daemon.await_ready(self._tick)
        self._vm = self._worker(self.topology.vm, exchange.work, exchange.SERVICE)
        self._neighbour = self._worker(self.topology.neighbour, exchange.work, exchange.WITH_TARGETS)

    def _worker(self, node: Node, body: Callable[..., None], *arguments: Any) -> Worker:
        worker = Worker(node.namespace, body, *arguments)
        self._undo.callback(worker.finish)
        return worker

    def start(self, node: Node, body: Callable[..., None], *arguments: Any) -> Worker:
        """One more worker, ended with the stage at the latest."""
        return self._worker(node, body, *arguments)

    def _await(self, worker: Worker, what: str) -> None:
        if not (worker.wait(SETTLED_S) and worker.received()):
            raise EdgeGuardError(f"lab: {what} did not start")

    def mails(self) -> list[Mail]:
        """Mails the server has taken since the last call."""
        return [mail for mail in self._wan.received() if isinstance(mail, Mail)]

    def exchanges(self) -> tuple[list[Exchange], list[Exchange]]:
        """The VM's and the neighbour's exchanges since the last call."""
        return self._vm.received(), self._neighbour.received()

    def finish_exchanges(self) -> tuple[list[Exchange], list[Exchange]]:
        return self._vm.finish(), self._neighbour.finish()

    def seen(self) -> list[observer.Seen]:
        """Marked frames that left the host since the last call."""
        return self._observer.received()

    def finish_observer(self) -> tuple[list[observer.Seen], int]:
        """The last of them, and how many frames the observer lost."""
        *seen, lost = self._observer.finish()
        return seen, lost

    def close(self) -> None:
        self._undo.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()
