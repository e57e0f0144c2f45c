"""The thread that writes evidence, and keeps within the limits. Whatever goes wrong is told in the case and the log."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from edgeguard import clock
from edgeguard.clock import MILLISECOND
from edgeguard.errors import EvidenceError
from edgeguard.evidence import access, bundle, place
from edgeguard.evidence.bundle import Bundle
from edgeguard.evidence.contents import BEFORE as FIRST_FRAMES
from edgeguard.evidence.contents import DURING, DURING_SHARE, Dumps, Facts, before
from edgeguard.evidence.manifest import Manifest, sealed
from edgeguard.evidence.pcap import LONGEST, of_one_link, savefile
from edgeguard.evidence.place import Limits, Place
from edgeguard.logs import about
from edgeguard.native.headers import Frames
from edgeguard.xarf import Reporter

WAITING = 256  # bundles that may wait to be written; more are missing, and said to be
END_S = 10.0
HOUR_S = 3600.0
AUTOMATION = "automation"

Note = Callable[[str, str], None]  # a case, and a line for its story

log = logging.getLogger("edgeguard")


class Settings(Limits, Protocol):
    """As place.Limits, and how large one bundle may be."""

    @property
    def bundle_bytes(self) -> int: ...


@dataclass(frozen=True, slots=True)
class First:
    """A new bundle."""

    facts: Facts
    frames: Frames
    frozen: int


@dataclass(frozen=True, slots=True)
class Later:
    """Frames for a bundle that is there. None: nothing came."""

    decision: str
    frames: Frames | None


class Writer:
    """One thread."""

    def __init__(self, where: Place, settings: Settings, reporter: Reporter, dumps: Dumps, note: Note) -> None:
        """`dumps` writes values of model.py as JSON; `note` writes a line into a case's story, from any thread."""
        self._place, self._settings, self._reporter = where, settings, reporter
        self._dumps, self._note = dumps, note
        self.most_later = settings.bundle_bytes // DURING_SHARE
        self._queue: queue.Queue[First | Later | None] = queue.Queue(WAITING)
        self._thread = threading.Thread(target=self._run, name="evidence", daemon=True)
        self._open: dict[str, Bundle] = {}

    def start(self) -> None:
        self._thread.start()

    def report_as(self, reporter: Reporter) -> None:
        """Who reports, from the next bundle on."""
        self._reporter = reporter

    def put(self, part: First | Later) -> None:
        """Have it written; never waits."""
        try:
            self._queue.put_nowait(part)
        except queue.Full:
            if isinstance(part, First):
                self._missing(part.facts.case, f"{WAITING} bundles wait to be written already")

    def close(self) -> None:
        """End when all is written, or after END_S."""
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join(END_S)

    def _run(self) -> None:
        self._begin()
        while True:
            try:
                part = self._queue.get(timeout=HOUR_S)
            except queue.Empty:
                self._keep_within()
                continue
            if part is None:
                return
            self._write(part)
            if self._queue.empty():
                self._keep_within()

    def _begin(self) -> None:
        try:
            self._place.make()
        except OSError as error:
            log.error("evidence: %s cannot be made: %s: null routes go without", self._place.root, error.strerror)
            return
        self._place.tidy(clock.now())
        self._keep_within()

    def _write(self, part: First | Later) -> None:
        case = part.facts.case if isinstance(part, First) else ""
        try:
            if isinstance(part, First):
                self._write_first(part)
            else:
                case = self._open[part.decision].manifest.case if part.decision in self._open else ""
                self._write_later(part)
        except OSError as error:
            self._missing(case, f"{error.filename or self._place.root}: {error.strerror}")
        except Exception as error:  # whatever it is, the next bundle has its own chance
            log.exception("evidence of %s", case, extra=about(case))
            self._missing(case, f"{type(error).__name__}: {error}")

    def _write_first(self, part: First) -> None:
        facts, most = part.facts, self._settings.bundle_bytes
        files, frames = before(facts, part.frames, part.frozen, self._reporter, self._dumps, most)
        start = self._manifest(part).adding(files, {FIRST_FRAMES: frames}, clock.now())
        self._place.make()
        whole = bundle.write(self._place.root, place.name(part.frozen, facts.decision.id), start, files)
        self._open[facts.decision.id] = whole
        took = (clock.now() - part.frozen) // MILLISECOND
        self._told(whole, f"evidence written {took} ms after it was frozen: {frames} frames from before")

    def _manifest(self, part: First) -> Manifest:
        facts, vm = part.facts, part.facts.vm
        return Manifest(
            case=facts.case,
            decision=facts.decision.id,
            frozen=part.frozen,
            written=0,
            host=self._reporter.org,
            vm=vm.id if vm else None,
            vm_name=vm.name if vm else None,
            tap=facts.tap.name if facts.tap else None,
            rule=facts.verdict.rule if facts.verdict else None,
            scope=str(facts.decision.scope),
            frames={},
        )

    def _write_later(self, part: Later) -> None:
        whole = self._open.pop(part.decision, None)
        if whole is None or part.frames is None:
            return
        frames = of_one_link(part.frames)[: self.most_later // LONGEST]
        files = {DURING: savefile(frames)}
        now = whole.manifest.adding(files, {DURING: len(frames)}, clock.now())
        self._told(bundle.add(whole, files, now), f"evidence: {len(frames)} frames added from after the decision")

    def _told(self, whole: Bundle, what: str) -> None:
        """The case keeps the manifest's hash: so no file of the bundle can be changed unseen."""
        digest = sealed(whole.manifest.text()).sha256
        self._tell(whole.manifest.case, f"{what}, in {whole.name}, manifest SHA-256 {digest}")

    def _missing(self, case: str, why: str) -> None:
        log.error("%s: evidence is missing: %s", case, why, extra=about(case))
        self._tell(case, f"evidence is missing: {why}")

    def _tell(self, case: str, text: str) -> None:
        try:
            self._note(case, text)
        except Exception as error:  # the database's trouble is told by whoever needs it more
            log.error("%s: %s; this could not be noted: %s", case, text, error, extra=about(case))

    def _keep_within(self) -> None:
        try:
            for kept, why in self._place.beyond(self._settings, clock.now()):
                self._place.remove(kept.path)  # first: a full disk takes the line only then
                access.note(self._place.root, AUTOMATION, "removed", kept.path.parent.name, kept.path.name, why=why)
        except EvidenceError as error:
            log.error("%s", error)
