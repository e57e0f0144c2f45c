"""Builds the stages of the daemon, in dependency order, and unwinds them in exact reverse."""

from __future__ import annotations

import functools
import gc
import logging
import secrets
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from edgeguard import clock, enforcing, logs, native
from edgeguard.capture.fanout import FanoutCapture
from edgeguard.capture.mirror import MirrorCapture
from edgeguard.capture.points import Points
from edgeguard.capture.taps import Taps
from edgeguard.capture.tpacket import RingCapture
from edgeguard.cases import baseline_file, codec
from edgeguard.cases.protocol import CaseStore
from edgeguard.cases.store import Store
from edgeguard.config import Config, load
from edgeguard.control import ControlServer
from edgeguard.counting.counted import Counted
from edgeguard.counting.distinct import Distinct
from edgeguard.counting.flow_memory import FlowMemory
from edgeguard.counting.flow_shards import FlowShards
from edgeguard.counting.readings import ratios
from edgeguard.counting.shards import Shards
from edgeguard.counting.state import POINTS
from edgeguard.counting.window import Counting
from edgeguard.daemon import panicked
from edgeguard.daemon.answers import Answers
from edgeguard.daemon.attachments import ROWS
from edgeguard.daemon.beside import Beside
from edgeguard.daemon.gauges import Gauges
from edgeguard.daemon.hearing import Hearing
from edgeguard.daemon.host import Host
from edgeguard.daemon.live import Live
from edgeguard.daemon.mirrored import Mirrored
from edgeguard.daemon.overview import Overview
from edgeguard.daemon.precautions import Precautions
from edgeguard.daemon.readers import Readers
from edgeguard.daemon.readiness import Readiness
from edgeguard.daemon.reload import Reload
from edgeguard.daemon.resuming import resume
from edgeguard.daemon.usual import Usual
from edgeguard.decision.decide import AUTOMATION
from edgeguard.evidence.place import Place
from edgeguard.evidence.recorder import Recorder
from edgeguard.evidence.writer import Writer
from edgeguard.fleet import Facts
from edgeguard.fleet.asker import Asker
from edgeguard.handing import courier, host, mailing, names_of
from edgeguard.hooks.courier import Courier
from edgeguard.inventory import Inventory, configured
from edgeguard.logs import Lines
from edgeguard.native import confinement
from edgeguard.native.headers import Headers
from edgeguard.notice.outbox import Outbox
from edgeguard.notice.values import background
from edgeguard.reminding import Reminding
from edgeguard.standing.asker import Asker as Standings
from edgeguard.wordbook import Wordbook
from edgeguard.xarf import reporter

if TYPE_CHECKING:
    from edgeguard.metrics.listener import Listener

log = logging.getLogger("edgeguard")


def run(config: Config, path: Path | None) -> None:
    """The daemon, until SIGTERM or Ctrl-C. Null routes stay when it stops: each has its end.

    `path`: the configuration's file, which SIGHUP has read again, and which the enforcing child reads for itself;
    None: the shipped defaults.

    The enforcing child comes first, before anything that parses packets; when all sockets are open
    this process gives up every capability, CAP_NET_ADMIN with them, and the system calls it needs no more.
    """
    lines = logs.start(config.log.format)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until there is something to read again
    readiness = Readiness.of()  # before any program is started
    with ExitStack() as stack:
        stack.callback(readiness.close)
        inventory = configured(config.inventory)
        enforcer = enforcing.start(config, path)
        stack.callback(enforcer.close)
        store = Store(config.paths.database, config.clocks.notice_wait)
        stack.callback(store.close)
        control = ControlServer(config.paths.socket)
        stack.callback(control.close)
        listener = _listener(config, stack)
        taps = Taps(config.capture.exclude + config.capture.mirror, config.uplinks)
        stack.callback(taps.close)
        taps.require_uplinks()
        counting = _counting(config)
        outbox = Outbox(store.box(), config.mail)
        hooks = courier(config, store)
        stack.callback(hooks.stop)
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
            hooks,
            background(config, host(config)),
            functools.partial(_required, taps, config),
            _mirrored(config, counting, inventory, taps, evidence),
            evidence,
            beside,
        )
        _hold_back(config, live, stack)
        capture = _capture(config, live, taps)
        stack.callback(capture.close)
        capture.keep(headers)
        resume(live)
        followers = (*_followers(live, writer, hooks, lines), _wordbook(config, live, hooks).read_beside)
        reload = Reload(live, functools.partial(load, path), followers)
        gauges = Gauges(live, capture, reload, lines, listener)
        stack.callback(gauges.close)
        _give_up_rights()
        for thread in (writer, outbox, hooks, listener):
            if thread is not None:
                thread.start()  # only now: a thread keeps the rights that were there when it began
        stack.callback(outbox.stop)
        _listen_to_signals(live, reload)
        log.info("ready: taps: %d, VMs in the inventory: %d", len(taps.current()), len(inventory.vms()))
        _supervise(stack, readiness, live, reload)
        gc.freeze()  # what is there now stays: no collection has to look at it while packets wait
        answer = Answers(live, capture, Overview(live, gauges, host(config))).answer
        if isinstance(capture, FanoutCapture) and isinstance(counting, Shards):
            live.run_threads(capture, Readers(counting, capture.channels), control, answer)
        else:
            live.run(capture, control, answer)
    log.info("stopped; null routes that stand stay in place, and the next start takes them up")


def _give_up_rights() -> None:
    native.rights_keep()
    confinement.calls_deny()


def _wordbook(config: Config, live: Live, hooks: Courier) -> Wordbook:
    """The texts that mails are made with, read and linted."""
    wordbook = Wordbook(live.store, live.outbox, host(config), hooks.wake, live.precautions.take)
    wordbook.read(config)
    return wordbook


def _supervise(stack: ExitStack, readiness: Readiness, live: Live, reload: Reload) -> None:
    """From now on systemd knows how the daemon is."""
    stack.callback(readiness.stopping)
    live.chores.append(lambda _: readiness.turned(_status(live)))
    reload.began, reload.ended = readiness.reloading, lambda: readiness.ready(_status(live))
    readiness.ready(_status(live))


def _status(live: Live) -> str:
    """A line for `systemctl status`."""
    taps, routes = len(live.attachments.taps()), len(live.engine.ledger)
    return f"taps: {taps}, VMs in the inventory: {len(live.inventory.vms())}, null routes: {routes}"


def _listen_to_signals(live: Live, reload: Reload) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: live.stop())
    signal.signal(signal.SIGHUP, reload.ask)


def _listener(config: Config, stack: ExitStack) -> Listener | None:
    """Where Prometheus reads, if anywhere."""
    if not config.metrics.listen:
        return None
    from edgeguard.metrics.listener import Listener  # noqa: PLC0415 - only who wants it pays for it

    listener = Listener(config.metrics.listen)
    stack.callback(listener.close)
    return listener


def _followers(live: Live, writer: Writer, hooks: Courier, lines: Lines) -> tuple[Callable[[Config], None], ...]:
    """Who is told of a configuration that holds from now on: each of `config.changes.FOLLOWED` has somebody here."""
    return (
        live.configure,
        lambda config: live.outbox.configure(config.mail),
        lambda config: writer.report_as(reporter(config, host(config))),
        lambda config: hooks.serve(mailing(config), names_of(config)),
        lambda config: lines.shape(config.log.format),
    )


def _beside(config: Config, counting: Counted, taps: Taps) -> Beside:
    usual = Usual(baseline_file.beside(config.paths.database), clock.now())
    return Beside(counting, Host(counting, taps.carriers, config.uplink_bits), usual)


def _hold_back(config: Config, live: Live, stack: ExitStack) -> None:
    """What holds automation back from outside: a kill file, and the fleet, who is asked by a process of its own."""
    asker = Asker.start(config.fleet, host(config)) if config.fleet.is_asked else None
    if asker is not None:
        stack.callback(asker.close)
        asker.about = functools.partial(_facts, live)
    _ask_for_standings(config, live, stack)
    live.precautions = Precautions(config.paths.kill, live.attachments, asker, lambda: bool(live.counting.hot()))
    live.chores.append(lambda now: live.engine.allowances.forget(now - live.config.clocks.probation))
    live.chores += [live.outward.unread.look, live.precautions.look, panicked.follow(live, enforcing.place(config))]
    live.chores.append(Hearing(live).look)
    live.chores.append(Reminding(live.store, lambda: live.config, host(config), live.outward.recorded).look)


def _ask_for_standings(config: Config, live: Live, stack: ExitStack) -> None:
    """Of the customers here, by a process of its own, before a decision needs them."""
    if config.standing.is_asked:
        asker = Standings.start(config.standing)
        stack.callback(asker.close)
        asker.customers = functools.partial(_customers, live)
        live.engine.allowances.known = asker
        live.chores.append(lambda _: asker.look())


def _customers(live: Live) -> Iterator[str]:
    """Of this host, those first whose VMs are loud."""
    loud = (live.attachments.vm(point) for point in live.counting.hot())
    for vm in (*loud, *(vm for _, vm in live.attachments.rows())):
        if vm is not None and vm.customer is not None:
            yield vm.customer


def _facts(live: Live) -> Facts:
    lately = live.engine.recent.customers(clock.now(), live.config.breaker.within)
    return Facts(len(lately), len(live.engine.ledger))


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


def _writer(config: Config, store: CaseStore) -> Writer:
    """Of evidence; a line of the case's story says what became of it."""

    def note(case: str, text: str) -> None:
        store.note(case, clock.now(), AUTOMATION, text)

    return Writer(Place(config.paths.bundles), config.evidence, reporter(config, host(config)), codec.dumps, note)


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
