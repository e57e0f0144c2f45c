"""Builds the stages of the daemon, in dependency order, and unwinds them in exact reverse."""

from __future__ import annotations

import functools
import logging
import secrets
import signal
import socket
import sys
from contextlib import ExitStack

from edgeguard import native
from edgeguard.answers import Answers
from edgeguard.capture.mirror import MirrorCapture
from edgeguard.capture.points import Points
from edgeguard.capture.taps import Taps
from edgeguard.capture.tpacket import RingCapture
from edgeguard.cases.store import Store
from edgeguard.config import Config, CountingSettings
from edgeguard.control import ControlServer
from edgeguard.counting.distinct import Distinct
from edgeguard.counting.flow_memory import FlowMemory
from edgeguard.counting.state import POINTS
from edgeguard.counting.window import Counting
from edgeguard.enforcement.client import Enforcer
from edgeguard.inventory import Inventory, configured
from edgeguard.live import Live
from edgeguard.mirrored import Mirrored
from edgeguard.notice import lint
from edgeguard.notice.outbox import Outbox
from edgeguard.notice.values import background

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
        counting = Counting(
            0,
            one_way_ratio=config.judging.one_way_ratio,
            by_source=False,
            remote=_remote(config.counting),
            distinct=Distinct(_key()),
        )
        outbox = Outbox(store.box(), config.mail)
        live = Live(
            config,
            inventory,
            counting,
            store,
            enforcer,
            outbox,
            background(config, _host(config)),
            functools.partial(_required, taps, config),
            _mirrored(config, counting, inventory, taps),
        )
        capture = _capture(config, live, taps)
        stack.callback(capture.close)
        live.resume()
        native.rights_keep()
        outbox.start()
        stack.callback(outbox.stop)
        for finding in lint.at_start():
            log.warning("notice texts: %s", finding)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: live.stop())
        log.info("ready: taps: %d, VMs in the inventory: %d", len(taps.current()), len(inventory.vms()))
        live.run(capture, control, Answers(live, capture).answer)
    log.info("stopped; null routes that stand stay in place, and the next start takes them up")


def _required(taps: Taps, config: Config) -> None:
    """CaptureError unless the uplinks and the mirror ports are there and up."""
    taps.require_uplinks()
    taps.require_mirrors(config.capture.mirror)


def _mirrored(config: Config, counting: Counting, inventory: Inventory, taps: Taps) -> Mirrored | None:
    return Mirrored(counting, inventory, taps.current().values()) if config.capture.mirror else None


def _capture(config: Config, live: Live, taps: Taps) -> RingCapture:
    """At the mirror ports where any are named, else at every tap."""
    if isinstance(live.attachments, Mirrored):
        return MirrorCapture(config.capture, taps, live.attachments)
    return RingCapture(config.capture, taps, Points(POINTS), live.attachments.assign)


def _remote(settings: CountingSettings) -> FlowMemory:
    """The flow memory."""
    limits = {"syn": settings.remote_syn, "udp": settings.remote_udp, "packets": settings.remote_packets}
    return FlowMemory(limits, _key())


def _key() -> tuple[int, int]:
    """A key for hashes that nobody who sends packets can know."""
    return secrets.randbits(64), secrets.randbits(64)


def _host(config: Config) -> str:
    return config.host.name or socket.gethostname()
