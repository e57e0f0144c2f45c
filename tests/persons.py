"""An engine whose decisions are recorded in a real database, and whom people ask: for tests of what they may do."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from samples import BACKGROUND
from test_engine import World, engine, vm

from edgeguard.cases.case import Case
from edgeguard.cases.store import Store
from edgeguard.inventory.file import FileInventory
from edgeguard.model import Decision, Order, Verdict, Vm
from edgeguard.notice.values import compose

INVENTORY = """
[[vm]]
id = "vm-0"
name = "web0"
customer = "customer 0"
taps = ["tap0"]
addresses = ["192.0.2.10", "198.51.100.128/25"]
[[vm]]
id = "vm-1"
customer = "customer 1"
taps = ["tap1"]
addresses = ["192.0.2.11"]
"""


class Kept(World):
    """Surroundings that write down what the engine decides, as the daemon does, before anything is ordered."""

    def __init__(self, folder: Path, vms: Sequence[Vm] = (vm(0), vm(1))) -> None:
        super().__init__(vms)
        self.store = Store(folder / "cases.sqlite")

    def decided(self, case: Case, verdict: Verdict | None, decision: Decision, orders: tuple[Order, ...]) -> bool:
        whose = next((one for one in self.vms if one and one.id == case.vm), None)
        ended = [d for d in self.decisions if d.id in decision.releases]
        notices = compose(decision, verdict, whose, BACKGROUND, ended)
        self.store.record(case, verdict, decision, notices, orders[0] if orders else None)
        return super().decided(case, verdict, decision, orders)

    def closed(self, case: Case, at: int) -> None:
        self.store.close_case(case.id, at, "quiet")
        super().closed(case, at)


def live(folder: Path, over: dict[str, Any] | None = None, vms: Sequence[Vm] = (vm(0), vm(1))) -> tuple[Any, Kept]:
    """What answers to people are given of a daemon, and its surroundings."""
    world = Kept(folder, vms)
    file = folder / "inventory.toml"
    file.write_text(INVENTORY)
    made = engine(world, over)
    nobody = SimpleNamespace(wake=lambda: None)
    ordered = SimpleNamespace(order=world.orders.append)
    parts = {"engine": made, "store": world.store, "inventory": FileInventory(file), "config": made.config}
    return SimpleNamespace(**parts, enforcer=ordered, outbox=nobody), world
