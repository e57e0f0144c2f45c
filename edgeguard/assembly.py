"""Builds the stages of the daemon, in dependency order, and unwinds them in exact reverse."""

from __future__ import annotations

import functools
import logging
import secrets
import signal
import socket
import sys
from contextlib import ExitStack
from email.utils import parseaddr

from edgeguard import clock, native
from edgeguard.answers import Answers
from edgeguard.attachments import ROWS
from edgeguard.beside import Beside
from edgeguard.capture.fanout import FanoutCapture
from edgeguard.capture.mirror import MirrorCapture
from edgeguard.capture.points import Points
from edgeguard.capture.taps import Taps
from edgeguard.capture.tpacket import RingCapture
from edgeguard.cases import baseline_file, codec
from edgeguard.cases.store import Store
from edgeguard.config import Config
from edgeguard.control import ControlServer
from edgeguard.counting.counted import Counted
from edgeguard.counting.distinct import Distinct
from edgeguard.counting.flow_memory import FlowMemory
from edgeguard.counting.flow_shards import FlowShards
from edgeguard.counting.readings import ratios
from edgeguard.counting.shards import Shards
from edgeguard.counting.state import POINTS
from edgeguard.counting.window import Counting
from edgeguard.decision.decide import AUTOMATION
from edgeguard.enforcement.client import Enforcer
from edgeguard.evidence.place import Place
from edgeguard.evidence.recorder import Recorder
from edgeguard.evidence.writer import Writer
from edgeguard.evidence.xarf import Reporter
from edgeguard.host import Host
from edgeguard.inventory import Inventory, configured
from edgeguard.live import Live
from edgeguard.mirrored import Mirrored
from edgeguard.native.headers import Headers
from edgeguard.notice import lint
from edgeguard.notice.outbox import Outbox
from edgeguard.notice.values import background
from edgeguard.readers import Readers
from edgeguard.usual import Usual

log = logging.getLogger("edgeguard")


def run(config: Config) -> None:
    """The daemon, until SIGTERM or Ctrl-C. Null routes stay when it stops: each has its end.

    The enforcing child comes first, before anything that parses packets; when all sockets are open
    this process gives up every capability, CAP_NET_ADMIN with them.
    """
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    with ExitStack() as stack:
        inventory = configured(config.inventory)
        enforcer = Enforcer.start(config.enforcement, config.uplinks, config.clocks.verify)
        stack.callback(enforcer.close)
        store = Store(config.paths.database, config.clocks.notice_wait)
        stack.callback(store.close)
        control = ControlServer(config.paths.socket)
        stack.callback(control.close)
        taps = Taps(config.capture.exclude + config.capture.mirror, config.uplinks)
        stack.callback(taps.close)
        taps.require_uplinks()
        counting = _counting(config)
        outbox = Outbox(store.box(), config.mail)
        headers, writer = Headers(ROWS), _writer(config, store)
        evidence = Recorder(headers, writer, config.evidence.during)
        stack.callback(evidence.close)
        beside = _beside(config, counting, taps)
        stack.callback(beside.close)
        live = Live(
            config,
            inventory,
            counting,
            store,
            enforcer,
            outbox,
            background(config, _host(config)),
            functools.partial(_required, taps, config),
            _mirrored(config, counting, inventory, taps, evidence),
            evidence,
            beside,
        )
        capture = _capture(config, live, taps)
        stack.callback(capture.close)
        capture.keep(headers)
        live.resume()
        native.rights_keep()
        writer.start()
        outbox.start()
        stack.callback(outbox.stop)
        for finding in lint.at_start():
            log.warning("notice texts: %s", finding)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: live.stop())
        log.info("ready: taps: %d, VMs in the inventory: %d", len(taps.current()), len(inventory.vms()))
        answer = Answers(live, capture).answer
        if isinstance(capture, FanoutCapture) and isinstance(counting, Shards):
            live.run_threads(capture, Readers(counting, capture.channels), control, answer)
        else:
            live.run(capture, control, answer)
    log.info("stopped; null routes that stand stay in place, and the next start takes them up")


def _beside(config: Config, counting: Counted, taps: Taps) -> Beside:
    usual = Usual(baseline_file.beside(config.paths.database), clock.now())
    return Beside(counting, Host(counting, taps.carriers, config.uplink_bits), usual)


def _required(taps: Taps, config: Config) -> None:
    """CaptureError unless the uplinks and the mirror ports are there and up."""
    taps.require_uplinks()
    taps.require_mirrors(config.capture.mirror)


def _counting(config: Config) -> Counting | Shards:
    """One counter, or one for each thread."""
    answered, distinct, settings = ratios(config.judging), Distinct(_key(), ROWS), config.counting
    limits = {"syn": settings.remote_syn, "udp": settings.remote_udp, "packets": settings.remote_packets}
    threads = config.capture.threads
    if threads == 1:
        remote = FlowMemory(limits, _key())
        return Counting(0, ratios=answered, by_source=False, points=ROWS, remote=remote, distinct=distinct)
    shares = FlowShards(limits, [_key() for _ in range(threads)])
    return Shards(threads, ratios=answered, points=ROWS, remote=shares, distinct=distinct)


def _writer(config: Config, store: Store) -> Writer:
    """Of evidence; a line of the case's story says what became of it."""
    contact = parseaddr(config.mail.sender or config.mail.desk)[1] or f"abuse@{_host(config)}"
    reporter = Reporter(_host(config), contact, contact.rpartition("@")[2])

    def note(case: str, text: str) -> None:
        store.note(case, clock.now(), AUTOMATION, text)

    return Writer(Place(config.paths.bundles), config.evidence, reporter, codec.dumps, note)


def _mirrored(
    config: Config, counting: Counted, inventory: Inventory, taps: Taps, evidence: Recorder
) -> Mirrored | None:
    if not config.capture.mirror:
        return None
    return Mirrored(counting, inventory, taps.current().values(), began=evidence.forget)


def _capture(config: Config, live: Live, taps: Taps) -> RingCapture:
    """At the mirror ports where any are named, else at every tap."""
    if isinstance(live.attachments, Mirrored):
        return MirrorCapture(config.capture, taps, live.attachments)
    kind = FanoutCapture if config.capture.threads > 1 else RingCapture
    return kind(config.capture, taps, Points(POINTS), live.attachments.assign)


def _key() -> tuple[int, int]:
    """A key for hashes that nobody who sends packets can know."""
    return secrets.randbits(64), secrets.randbits(64)


def _host(config: Config) -> str:
    return config.host.name or socket.gethostname()
