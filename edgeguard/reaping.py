"""Ending null routes without the daemon: what is past its end or has no live case, or all of them at once.

    reap(config)     for a timer: the second belt. Beside a running daemon it ends only what is overdue.
    panic(config, why, by)

The kernel is asked first and believed: a database that is damaged, away or full keeps nobody null-routed.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from edgeguard import clock, control
from edgeguard.cases.case import Standing
from edgeguard.cases.protocol import CaseStore
from edgeguard.cases.store import Store
from edgeguard.config import Config
from edgeguard.deadlines import appeal_due, people
from edgeguard.decision.decide import release
from edgeguard.ends import Ending
from edgeguard.enforcement import links
from edgeguard.enforcement.boottime import boottime, end_of
from edgeguard.enforcement.reaper import Reaper, reaper
from edgeguard.enforcing import place
from edgeguard.errors import ConfigError, EdgeGuardError, StoreError
from edgeguard.inventory import Inventory, configured
from edgeguard.model import Act, Happened, Order, Outcome, Scope
from edgeguard.notice.values import background, compose
from edgeguard.reminding import Reminding
from edgeguard.states import AUTOMATION, END, TABLE, TAP_GONE, UNDECIDED

_QUIET = 1.5  # seconds without a trace: a daemon that was about to null-route has seen the kill file
_PATIENCE = 10.0
_KILLED = Ending(END, "EdgeGuard was told to end all null routes")


@dataclass(frozen=True, slots=True)
class Reaped:
    """What came of it. `removed`: rules, blackholes and elements; `ended`: sentences, one a null route."""

    removed: int
    ended: tuple[str, ...] = ()
    trouble: tuple[str, ...] = ()  # what could not be asked or recorded
    daemon: bool = False  # one runs: what has no live case is its affair


def reap(config: Config) -> Reaped:
    """End what is past its end; where no daemon runs also what has no live case, and record it."""
    with reaper(place(config)) as ends:
        removed = ends.end_overdue()
        if control.is_held(config.paths.socket):
            return Reaped(removed, daemon=True)
        try:
            with Store(Path(config.paths.database)) as store:
                return _settle(config, store, ends, removed)
        except StoreError as error:
            return Reaped(removed, trouble=(str(error),))


def panic(config: Config, why: str, by: str) -> Reaped:
    """End every null route of this host and let nothing new be put, with or without daemon and database."""
    trouble = _forbid(Path(config.paths.kill), f"{by}: {why}")
    with reaper(place(config)) as ends:
        removed = ends.keep_only(())
        daemon = control.is_held(config.paths.socket)
        deadline, clean = time.monotonic() + _PATIENCE, time.monotonic() + _QUIET
        while daemon and time.monotonic() < min(clean, deadline):
            if again := ends.keep_only(()):
                removed, clean = removed + again, time.monotonic() + _QUIET
            time.sleep(0.1)
    if daemon:  # it records the ends itself
        return Reaped(removed, trouble=trouble, daemon=True)
    ended, unrecorded = _recorded(config, Ending(END, f"{by} ended all null routes: {why}"))
    return Reaped(removed, ended, trouble + unrecorded)


def _forbid(kill: Path, text: str) -> tuple[str, ...]:
    """Make the kill file. What keeps it from being made is told, and keeps nobody null-routed."""
    try:
        kill.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        with os.fdopen(os.open(kill, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "w") as file:
            file.write(f"{text}, {clock.utc(clock.now())}\n")
    except OSError as error:
        return (f"{kill}: cannot be made: {error.strerror}; stop the daemon, or it null-routes again",)
    return ()


# ---- with the database ---------------------------------------------------------------------------


def _recorded(config: Config, over: Ending) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Everything as ended in the database, too, or the next start would put it back; and what kept it from that."""
    database = Path(config.paths.database)
    try:
        if not database.exists():  # nor does a start find anything to put back
            return (), ()
        inventory, _ = _inventory(config)
        with Store(database) as store:
            return tuple(_record(config, store, inventory, one, over) for one in store.standing()), ()
    except (EdgeGuardError, OSError) as error:
        told = f"run 'edgeguard reap' before you remove {config.paths.kill}, or the next start null-routes again"
        return (), (f"the kernel holds nothing any more, but the ends are not recorded: {error}; {told}",)


def _settle(config: Config, store: CaseStore, ends: Reaper, removed: int) -> Reaped:
    """No daemon runs: the kernel keeps what the cases still want, and every other null route is recorded as ended."""
    inventory, trouble = _inventory(config)
    lasting: list[Order] = []
    over: list[tuple[Standing, Ending]] = []
    standing = store.standing()
    undecided = _undecided(config, store, standing)
    for one in standing:
        why = _KILLED if Path(config.paths.kill).exists() else _over(one, inventory)
        why = why or undecided.get(one.case.id)
        if why:
            over.append((one, why))
        else:
            lasting.append(_addressed(one, inventory))
    removed += ends.keep_only(lasting)
    told = tuple(_record(config, store, inventory, one, why) for one, why in over)
    Reminding(store, lambda: config, _host(config), lambda: None).look(clock.now())
    return Reaped(removed, told, trouble)


def _undecided(config: Config, store: CaseStore, standing: list[Standing]) -> dict[str, Ending]:
    """Cases whose appeal nobody decided in time, and why they end."""
    found: dict[str, Ending] = {}
    for case in {one.case.id for one in standing}:
        of_case = [one for one in standing if one.case.id == case and one.releasing is None]
        due = appeal_due(people(store.words(case)), of_case, config)
        if due is not None and due <= clock.now():
            found[case] = Ending(UNDECIDED, f"no third person decided the appeal by {clock.utc(due)}")
    return found


def _inventory(config: Config) -> tuple[Inventory | None, tuple[str, ...]]:
    try:
        return configured(config.inventory), ()
    except ConfigError as error:
        return None, (error.findings[0],)


def _over(one: Standing, inventory: Inventory | None) -> Ending | None:
    """Why a null route has no right to stand any more; None: it has."""
    order = one.order
    if end_of(order) <= boottime():
        return Ending(END, "its lifetime is over")
    if one.releasing:
        return Ending(END, "its release was decided")
    if one.case.closed is not None:
        return Ending(END, "its case is closed")
    if links.name_of(order.tap.ifindex) != order.tap.name:
        return Ending(TAP_GONE, "its tap is gone")
    owner = inventory.by_tap(order.tap.name) or inventory.by_mac(order.tap.mac) if inventory else None
    if inventory and (owner is None or owner.id != order.vm) and not _owned_by_mac(inventory, order):
        return Ending(TAP_GONE, "its tap is not this VM's any more")
    return None


def _owned_by_mac(inventory: Inventory, order: Order) -> bool:
    """Behind a mirror port a VM is known by its own MACs; of which tap it is the inventory need not say."""
    return any(vm.id == order.vm and not vm.taps for vm in inventory.vms())


def _addressed(one: Standing, inventory: Inventory | None) -> Order:
    """With the addresses that the VM has now: a former one's next owner is nobody's business here."""
    vm = next((vm for vm in inventory.vms() if vm.id == one.order.vm), None) if inventory else None
    by_address = one.decision.scope in (Scope.OWN_ONLY, Scope.FULL)
    return replace(one.order, prefixes=vm.addresses) if vm and vm.addresses and by_address else one.order


def _record(config: Config, store: CaseStore, inventory: Inventory | None, one: Standing, over: Ending) -> str:
    """The end as a decision with its notice, as any other; a sentence for whoever called."""
    now, why = clock.now(), over.reason
    if not one.releasing:
        decision = release((one.decision,), now, f"{why}; ended by the reaper, as no daemon ran")
        vm = next((vm for vm in inventory.vms() if vm.id == one.order.vm), None) if inventory else None
        notices = compose(decision, None, vm, background(config, _host(config)), [one.decision])
        case = replace(one.case, state=TABLE.after(one.case.state, over.event, AUTOMATION) or one.case.state)
        store.record(case, None, decision, notices, replace(one.order, act=Act.RELEASE))
    store.outcome(Outcome(one.decision.id, now, Happened.RELEASED, f"{why}; the reaper took it away"))
    return f"{one.case.id}: {one.order.vm} ({one.decision.scope}) at {one.order.tap.name}: {why}"


def _host(config: Config) -> str:
    return config.host.name or socket.gethostname()


def told(reaped: Reaped) -> Iterator[str]:
    """For people, and for the journal: nothing where nothing happened."""
    yield from reaped.ended
    if reaped.removed:
        yield f"{reaped.removed} rules, blackholes and elements were taken away"


def failed(reaped: Reaped) -> EdgeGuardError | None:
    """What could not be asked or recorded, as an error; None: all could."""
    return EdgeGuardError("; ".join(reaped.trouble)) if reaped.trouble else None
