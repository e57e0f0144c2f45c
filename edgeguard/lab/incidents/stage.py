"""An incident in virtual time: hosts, mail server, packets, people; every step is as long as something can happen in.

played = play(incident)
"""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from edgeguard.claims.claim import Finding
from edgeguard.clock import SECOND, SLOT
from edgeguard.lab import account
from edgeguard.lab.incidents import story, streams
from edgeguard.lab.incidents.guests import address, configured
from edgeguard.lab.incidents.host import Host
from edgeguard.lab.incidents.incident import Incident, Line, Played, Seen
from edgeguard.lab.incidents.post import Post

BEGIN = 1_767_225_600 * SECOND  # 2026-01-01 00:00:00 UTC


@dataclass
class Now:
    """Virtual time, ns since 1970. The threads that send read it."""

    at: int = BEGIN

    def __call__(self) -> int:
        return self.at


@dataclass
class Stage:
    """What people act on."""

    incident: Incident
    now: Now
    hosts: list[Host]
    post: Post
    claims: list[Finding] = field(default_factory=list)
    looks: list[Seen] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)  # of what people do that no case's story has

    def run(self) -> Played:
        """The story from its beginning to its end."""
        for act in sorted(self.incident.acts, key=lambda act: act.at):
            self._until(BEGIN + act.at)
            act.do(self)
            self._settle(acted=True)
        self._until(BEGIN + self.incident.lasts)
        return self._played()

    # ---- time ----------------------------------------------------------------------------------

    def _until(self, end: int) -> None:
        while self.now() < end:
            at, running = self.now(), self._running(self.now())
            then = min(end, at + SLOT if running else self._idle(at))
            self.now.at = then  # before anything happens: the threads that send see one time in each step
            if running:
                self._feed(running, at, then)
            for host in self.hosts:
                host.look(then)
            self._settle()

    def _running(self, at: int) -> list[streams.Stream]:
        return [stream for stream in self.incident.streams if stream.runs(at - BEGIN)]

    def _idle(self, at: int) -> int:
        """Without packets: the next second while a clock runs, else as far as packets begin."""
        if any(host.busy for host in self.hosts):
            return at - at % SECOND + SECOND
        coming = [begin for stream in self.incident.streams if (begin := _next(stream, at - BEGIN)) is not None]
        return BEGIN + min(coming, default=self.incident.lasts)

    def _feed(self, running: list[streams.Stream], since: int, until: int) -> None:
        for number, host in enumerate(self.hosts):
            own = [stream for stream in running if stream.host == number]
            made = [
                (stream, streams.records(stream, address(stream.vm), since - BEGIN, until - BEGIN, BEGIN))
                for stream in own
            ]
            every = streams.merged([rows for _, rows in made])
            host.feed(every, streams.merged([rows for stream, rows in made if stream.phantom]))

    def _settle(self, acted: bool = False) -> None:
        for host in self.hosts:
            host.settle(acted)

    # ---- the end -------------------------------------------------------------------------------

    def _played(self) -> Played:
        cases = [(host, case) for host in self.hosts for case in host.store.cases()]
        told = story.lines([(host.config.host.name, host.store.timeline(c.id)) for host, c in cases], BEGIN)
        return Played(
            begin=BEGIN,
            accounts=tuple(account.read(host.path) for host in self.hosts),
            states={id: tuple(path) for host in self.hosts for id, path in host.states.items()},
            whose={case.id: case.vm for _, case in cases},
            mails=tuple(self.post.mails),
            lines=tuple(sorted([*self.lines, *told], key=lambda line: line.at)),
            claims=tuple(self.claims),
            troubles=tuple(trouble for host in self.hosts for trouble in host.troubles),
            leaders={case.id: case.leader for _, case in cases},
            looks=tuple(self.looks),
            words=tuple(word for host, case in cases for word in host.store.words(case.id)),
        )


def _next(stream: streams.Stream, at: int) -> int | None:
    """When any of a stream comes next."""
    start, end = stream.span
    if at < start:
        return start
    if not stream.every:
        return at if at < end else None
    then = start + -(-(at - start) // stream.every) * stream.every
    return then if then < end else None


def play(incident: Incident) -> Played:
    """The whole incident, in a directory of its own that goes with it."""
    now = Now()
    with ExitStack() as undo:
        folder = Path(undo.enter_context(tempfile.TemporaryDirectory(prefix="edgeguard-incident-")))
        post = undo.enter_context(Post(now))
        hosts = []
        for number, vms in enumerate(incident.hosts):
            host = Host(configured(number, vms, post.server), folder / f"hv{number + 1}.sqlite", now)
            undo.callback(host.close)
            hosts.append(host)
        return Stage(incident, now, hosts, post).run()
