"""What `edgeguard top` shows, and what `status` has of the same: one look at everything that matters now.

Numbers are of the last second. Bounded: who is worst comes first, and the numbers of all are beside it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edgeguard import __version__, clock
from edgeguard.counting import state
from edgeguard.counting.counted import Remote
from edgeguard.counting.state import Array
from edgeguard.daemon.behind import attempts
from edgeguard.daemon.gauges import Gauges, proof
from edgeguard.daemon.live import Live
from edgeguard.decision.ledger import Entry
from edgeguard.detection.episode import RANK
from edgeguard.errors import StoreError
from edgeguard.model import Band, Network, Vm
from edgeguard.reading import OUT, Reading
from edgeguard.target import dropped, target_text

if TYPE_CHECKING:
    from edgeguard.counting.flow_memory import Heavy

VMS, ROUTES, REMOTES = 50, 32, 20  # shown
LOOKED_AT = 100  # remote networks of each class, the largest
PREFIXES = {4: (24,), 6: (64, 48)}  # in which an address is counted, too
NEARLY_ALL = 0.9
INTO_TOTAL = state.INTO + state.TOTAL
NOBODY = -1  # no attachment point: the limits that hold where nothing else is said


class Overview:
    """One per daemon."""

    def __init__(self, live: Live, gauges: Gauges, host: str) -> None:
        self._live, self._gauges, self._host = live, gauges, host

    def status(self) -> dict[str, Any]:
        """What `status` says of the daemon itself."""
        entries = sorted(self._live.engine.ledger, key=lambda entry: entry.decision.at)
        return {
            "version": __version__,
            "host_name": self._host,
            "uptime_s": round(self._gauges.uptime_s, 1),
            "enforce": list(self._live.config.enforce),
            "ledger": [self._route(entry) for entry in entries[:ROUTES]],
            "unsent": self._unsent(),
            "trouble": self._gauges.troubles(),
        }

    def top(self) -> dict[str, Any]:
        """A frame of `top`."""
        live, health, rates = self._live, self._live.vitals.health, self._gauges.rates
        window = live.vitals.window(clock.now())
        return {
            "at": clock.now(),
            "version": __version__,
            "host_name": self._host,
            "uptime_s": round(self._gauges.uptime_s, 1),
            "enforce": list(live.config.enforce),
            "received": health.received,
            "received_rate": round(rates.received),
            "lost": health.lost,
            "lost_rate": round(rates.lost),
            "loss": round(window.loss, 5),
            "lag_ns": health.lag_ns,
            "clock_steps": live.vitals.steps,
            "taps": len(live.attachments.rows()),
            "taps_unknown": len(live.attachments.unknown()),
            "trouble": self._gauges.troubles(),
            "unsent": self._unsent(),
            "null_routes": self._routes(),
            "vms": self._vms(),
            "remotes": self._remotes(),
        }

    def look(self, vm: Vm) -> dict[str, Any]:
        """What one VM sends and gets, at all its taps together, in the last second; null: none of them is here."""
        live, at = self._live, self._live.counting.slot_end
        points = [point for point, _ in live.attachments.of_vm(vm.id)]
        windows = live.counting.windows(np.array(points), at) if points and at else None
        out, into = (None, None) if windows is None else (windows[:, i].sum() for i in (state.TOTAL, INTO_TOTAL))
        routes = [self._route(entry) for entry in live.engine.ledger if entry.order.vm == vm.id]
        seen = {"out": None if out is None else int(out), "into": None if into is None else int(into)}
        return {"vm": vm.id, "name": vm.name, **seen, "null_routes": routes[:ROUTES]}

    def _unsent(self) -> dict[str, Any]:
        """By carrier; nothing while the database cannot be read, which `trouble` says."""
        try:
            waiting = self._gauges.tally.unsent()
        except StoreError:
            return {}
        return {carrier: {"number": one.number, "oldest": one.oldest} for carrier, one in waiting.items()}

    # ---- null routes ---------------------------------------------------------------------------

    def _routes(self) -> dict[str, Any]:
        """Those with most attempts behind them first."""
        at, readings = self._live.counting.slot_end, dict[int, Reading]()
        shown = []
        for entry in self._live.engine.ledger:
            if at and entry.point is not None and entry.point not in readings and len(readings) < ROUTES:
                readings[entry.point] = self._live.counting.reading(entry.point, at)
            reading = readings.get(entry.point) if entry.point is not None else None
            shown.append({**self._route(entry), "attempts": attempts(entry.decision, reading) if reading else None})
        shown.sort(key=lambda one: (-(one["attempts"] or 0), one["since"]))
        return {"number": len(shown), "shown": shown[:ROUTES]}

    def _route(self, entry: Entry) -> dict[str, Any]:
        decision, order = entry.decision, entry.order
        return {
            "decision": decision.id,
            "case": decision.case,
            "vm": order.vm,
            "tap": order.tap.name,
            "scope": str(decision.scope),
            "targets": [target_text(target) for target in dropped(order)],
            "since": decision.at,
            "until": order.until,
            "proof": proof(entry),
            "by": decision.by,
        }

    # ---- VMs -----------------------------------------------------------------------------------

    def _vms(self) -> dict[str, Any]:
        """The ones that are judged most severely, then those nearest to their limits, all packets counted."""
        points, windows = self._gauges.windows()
        judged, null_routed = self._judged(), {entry.point for entry in self._live.engine.ledger}
        nearness = (windows[:, : len(OUT)] / self._warn_limits()).max(axis=1) if points else ()
        moves = windows[:, state.TOTAL] + windows[:, state.INTO + state.TOTAL]
        active = [n for n, point in enumerate(points) if moves[n] or point in judged or point in null_routed]

        def worst_first(n: int) -> tuple[float, bool, float]:
            return -_severity(judged.get(points[n])), points[n] not in null_routed, -float(nearness[n])

        shown = sorted(active, key=worst_first)[:VMS]
        rows = [self._vm(points[n], windows[n].tolist()) for n in shown]
        for n, row in zip(shown, rows, strict=True):
            band, rule = judged.get(points[n], (None, None))
            row |= {"band": band and str(band), "rule": rule, "null_routed": points[n] in null_routed}
        return {"number": len(active), "shown": rows}

    def _vm(self, point: int, window: list[int]) -> dict[str, Any]:
        subject, vm = self._live.counting.subject(point), self._live.attachments.vm(point)
        return {
            "vm": subject.vm,
            "name": vm.name if vm else None,
            "customer": vm.customer if vm else None,
            "tap": subject.tap,
            "out": _way(window, 0),
            "into": _way(window, 1),
        }

    def _judged(self) -> dict[int, tuple[Band, str]]:
        """By point: the highest band that was told in the episodes that run, and its rule."""
        found: dict[int, tuple[Band, str]] = {}
        for (point, rule), episode in self._live.engine.docket.episodes():
            if episode.band is not None and _severity((episode.band, rule)) > _severity(found.get(point)):
                found[point] = episode.band, rule
        return found

    def _warn_limits(self) -> Array:
        limits = self._live.engine.policies.limits(NOBODY)
        return np.array([limits[rule].warn if rule in limits else state.NEVER for rule in OUT], "f8")

    # ---- remote addresses ------------------------------------------------------------------------

    def _remotes(self) -> dict[str, Any]:
        """Remote addresses and prefixes above a limit in force, by how far."""
        memory = self._live.counting.remote
        if memory is None:
            return {"number": 0, "shown": [], "limits": {}}
        limits = memory.effective
        found = folded(_farthest(memory, limits))
        shown = [self._remote(heavy, name) for heavy, name in found[:REMOTES]]
        return {"number": len(found), "shown": shown, "limits": limits}

    def _remote(self, heavy: Heavy, name: str) -> dict[str, Any]:
        tap = self._live.attachments.tap(heavy.point)
        return {
            "network": str(heavy.network),
            "direction": "out" if heavy.out else "in",
            "class": name,
            "at_least": heavy.at_least,
            "at_most": heavy.at_most,
            "tap": tap.name if tap else None,
        }


def _way(window: list[int], way: int) -> dict[str, int]:
    """Packets of each rule, and the bits of all, out of (0) or into (1) a VM."""
    rules, octets = window[way * state.INTO :], window[state.OCTETS + 8 * way :]
    return {**dict(zip(OUT, rules, strict=False)), "bits": 8 * sum(octets[:8])}


def _farthest(memory: Remote, limits: dict[str, int]) -> list[tuple[Heavy, str]]:
    """Each key once, with the class of which it is farthest above the limit; those farthest above it first."""
    worst: dict[tuple[Network, bool], tuple[float, Heavy, str]] = {}
    for name, limit in limits.items():
        for heavy in memory.heavy(name, limit, LOOKED_AT):
            key, over = (heavy.network, heavy.out), heavy.at_most / limit
            if key not in worst or over > worst[key][0]:
                worst[key] = over, heavy, name
    ranked = sorted(worst.values(), key=lambda one: -one[0])
    return [(heavy, name) for _, heavy, name in ranked]


def folded(found: list[tuple[Heavy, str]]) -> list[tuple[Heavy, str]]:
    """Without the prefixes in which one address does nearly all: that address is shown."""
    largest: dict[tuple[Network, bool], int] = {}
    for heavy, _ in found:
        if heavy.network.num_addresses == 1:
            for width in PREFIXES[heavy.network.version]:
                key = heavy.network.supernet(new_prefix=width), heavy.out
                largest[key] = max(largest.get(key, 0), heavy.at_least)
    return [one for one in found if largest.get((one[0].network, one[0].out), 0) < NEARLY_ALL * one[0].at_most]


def _severity(judged: tuple[Band, str] | None) -> float:
    """What leaves a VM before what reaches it."""
    if judged is None:
        return 0
    return RANK[judged[0]] + (0.5 if judged[1] in OUT else 0.0)
