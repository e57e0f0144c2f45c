"""What people do in an incident, at virtual times, by the same ways as over a socket or a mailbox."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage

from edgeguard import intake
from edgeguard.claims.check import check
from edgeguard.claims.claim import Claim
from edgeguard.clock import SECOND
from edgeguard.daemon.releasing import release
from edgeguard.daemon.working import Ask, work
from edgeguard.errors import DaemonError, EdgeGuardError, UsageError
from edgeguard.lab.incidents.host import Host
from edgeguard.lab.incidents.incident import Line, Seen
from edgeguard.lab.incidents.stage import Stage
from edgeguard.outside import Outside
from edgeguard.replies.mail import read
from edgeguard.request import ReleaseNullRoute, read_request, verb_of, written
from edgeguard.signals import report
from edgeguard.urgent import urgent


@dataclass(frozen=True, slots=True)
class Look:
    """A person looks at what there is to do, as `edgeguard next` and `edgeguard case list --open` read it."""

    at: int
    by: str
    host: int = 0

    def do(self, stage: Stage) -> None:
        host = stage.hosts[self.host]
        found = urgent(host.store, host.config, stage.now())
        cut = len({one.order.vm for one in found[0].standing}) if found else 0
        seen = Seen(self.by, tuple(host.store.heads(only_open=True)), tuple(one.id for one in found), cut)
        stage.looks.append(seen)
        most = f": {found[0].id}, {cut} VMs null-routed" if found else ""
        stage.lines.append(Line(self.at, f"{self.by} looks: {len(found)} open in 'edgeguard next'{most}"))


@dataclass(frozen=True, slots=True)
class Release:
    """A person frees VMs by one command each and says what was found. Whoever says nothing of that is refused first."""

    at: int
    vms: tuple[str, ...]
    by: str
    disposition: str
    why: str
    together: bool = False  # and whatever goes with them
    host: int = 0

    def do(self, stage: Stage) -> None:
        host = stage.hosts[self.host]
        for vm in self.vms:
            self._refused_without(vm, host)
            asked = ReleaseNullRoute(vm, self.why, self.disposition, together=self.together)
            ask = read_request(written(asked), self.by).ask
            assert isinstance(ask, ReleaseNullRoute), "it was written as one"
            self._release(stage, host, ask)

    def _refused_without(self, vm: str, host: Host) -> None:
        """The same, without saying what was found."""
        line = json.dumps({"verb": "nullroute.release", "term": vm, "why": self.why, "disposition": ""}).encode()
        try:
            read_request(line, self.by)
        except DaemonError:
            return
        host.troubles.append(f"{vm}: a release without a disposition was taken")

    def _release(self, stage: Stage, host: Host, ask: ReleaseNullRoute) -> None:
        """As the daemon answers it."""
        try:
            told = release(host, ask, self.by, stage.now())
        except EdgeGuardError as refused:
            host.troubles.append(f"{ask.term}: it was not released: {refused}")
            return
        host.troubles += [f"{one['case']}: it was not released: {one['why']}" for one in told["failed"]]
        also = " and what goes with it" if ask.together else ""
        text = f"{self.by} frees {ask.term}{also} by one command: {len(told['cases'])} cases, as {self.disposition}"
        stage.lines.append(Line(self.at, text))


@dataclass(frozen=True, slots=True)
class Answer:
    """The owner of a VM answers the last mail about it."""

    at: int
    vm: int
    text: str  # its first word is the keyword
    host: int = 0

    def do(self, stage: Stage) -> None:
        host = stage.hosts[self.host]
        contact = host.vms[self.vm].contact or ""
        last = next((mail for mail in reversed(stage.post.mails) if contact in mail.to), None)
        if last is None:
            host.troubles.append(f"{contact} has no mail to answer")
            return
        headers = dict(last.headers)
        mail = EmailMessage()
        mail["From"], mail["To"] = contact, headers["Reply-To"]
        mail["Subject"], mail["Message-ID"] = f"Re: {last.subject}", f"<answer-{self.at}-{self.vm}@example.net>"
        mail["In-Reply-To"] = headers["Message-ID"]
        mail.set_content(f"{self.text}\n\n> {last.text.splitlines()[0]}\n")
        taking = intake.Intake(host.store, host.config.mail, host.config.roster)
        taking.take(read(bytes(mail), intake.own(host.config.mail)), stage.now())


@dataclass(frozen=True, slots=True)
class Report:
    """Somebody outside, a CPU monitor say, reports a VM's address."""

    at: int
    vm: int
    category: str
    type: str
    text: str
    host: int = 0

    def do(self, stage: Stage) -> None:
        host, now = stage.hosts[self.host], stage.now()
        who = {"org": "Monitoring", "contact": "monitor@example.net", "domain": "example.net"}
        document = {
            "xarf_version": "4.0.0",
            "report_id": str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{self.vm}.{self.at}.example.net")),
            "timestamp": datetime.fromtimestamp(now // SECOND, UTC).isoformat(),
            "reporter": who,
            "sender": who,
            "source_identifier": str(host.vms[self.vm].addresses[0].network_address),
            "category": self.category,
            "type": self.type,
            "description": self.text,
        }
        signal = report.read(json.dumps(document).encode(), now)
        outside = Outside(host.store, host.inventory, host.config.host.name, host.config.mail)
        outside.take(signal, now, "monitoring")


@dataclass(frozen=True, slots=True)
class Works:
    """A person works a case, or keeps what is null-routed, by one command, as the daemon answers it."""

    at: int
    by: str
    ask: Ask
    refused: str = ""  # it has to be, in these words
    host: int = 0

    def do(self, stage: Stage) -> None:
        host = stage.hosts[self.host]
        ask = read_request(written(self.ask), self.by).ask
        assert isinstance(ask, type(self.ask)), "it was written as one"
        try:
            told = work(host, ask, self.by, stage.now())["text"]
            wrong = bool(self.refused)
        except UsageError as refused:
            told = f"refused: {refused}"
            wrong = not self.refused or self.refused not in told
        host.follow()
        if wrong:
            host.troubles.append(f"{self.by}, {verb_of(self.ask)} {self.ask.term}: {told}")


@dataclass(frozen=True, slots=True)
class Claimed:
    """What the owner says the traffic was is laid beside what was measured."""

    at: int
    vm: str
    claim: Claim
    by: str
    host: int = 0

    def do(self, stage: Stage) -> None:
        store = stage.hosts[self.host].store
        case = next((case for case in store.find(self.vm) if store.verdicts(case.id)), None)
        if case is None:
            raise EdgeGuardError(f"lab incident: nothing was measured of {self.vm}, so no claim can be checked")
        findings = check(self.claim, store.verdicts(case.id))
        stage.claims += findings
        told = "; ".join(f"{one.field} {one.said}: {one.answer} ({one.why})" for one in findings)
        store.note(case.id, stage.now(), self.by, f"claim checked: {told}")
