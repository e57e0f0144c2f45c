"""`edgeguard baseline`: what each VM is used to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgeguard.cli.group import Commands
from edgeguard.cli.options import config_option, example, json_option, with_rules

if TYPE_CHECKING:
    from edgeguard.config import Config
    from edgeguard.inventory import Inventory

COLUMNS = ("VM", "rule", "P95 a second", "learned over", "care above", "warn")


@click.group(cls=Commands, epilog=example("edgeguard baseline show", "edgeguard baseline show vm-101 --json"))
def baseline() -> None:
    """What each VM is used to: it only raises care, and never acts."""


@baseline.command(
    epilog=example("edgeguard baseline show", "edgeguard baseline show 192.0.2.10", "edgeguard baseline show --json")
)
@click.argument("term", metavar="[VM]", required=False)
@json_option
@config_option
def show(term: str | None, as_json: bool, config_path: Path) -> None:
    """P95 of each minute's largest second, by VM and rule, over up to 7 days.

    Without a VM: of all, rules that were never seen left out. Learned from windows that were not judged.
    """
    from edgeguard.cli import output  # noqa: PLC0415 - not for --help
    from edgeguard.inventory import configured  # noqa: PLC0415

    config = with_rules(config_path)
    inventory = configured(config.inventory)
    vm = inventory.by_term(term) if term else None
    rows = list(_rows(config, inventory, vm.id if vm else term))
    if as_json:
        for row in rows:
            output.print_json(row)
        return
    empty = f"nothing was learned of {output.told(term)} yet" if term else "nothing was learned yet"
    output.print_table(COLUMNS, [_cells(row) for row in rows if term or row["p95"]], empty)


def _rows(config: Config, inventory: Inventory, vm: str | None) -> Iterator[dict[str, Any]]:
    from edgeguard import clock, policy  # noqa: PLC0415
    from edgeguard.baselines.baseline import care  # noqa: PLC0415
    from edgeguard.baselines.learning import Learning, Stored  # noqa: PLC0415
    from edgeguard.cases.baseline_file import BaselineFile, beside  # noqa: PLC0415

    with BaselineFile(beside(config.paths.database), reading=True) as file:
        stored = [Stored(*row) for row in file.rows(vm)]
    vms = {known.id: known for known in inventory.vms()}
    learning = Learning(stored, clock.now(), most=len({one.vm for one in stored}) or 1)
    for owner, known in learning.baselines():
        limits = policy.policy(config, vms.get(owner.vm)).limits.get(known.rule)
        yield {
            "vm": owner.vm,
            "customer": owner.customer,
            "rule": known.rule,
            "p95": known.p95,
            "minutes": known.minutes,
            "days": known.days,
            "span": known.span(),
            "enough": known.enough,
            "warn": limits and limits.warn,
            "care": care(known.p95, limits.warn) if limits else None,
        }


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    learned = row["span"] if row["enough"] else f"{row['span']}: too little yet"
    numbers = (f"{row[name]:,}" if row[name] is not None else "not judged" for name in ("p95", "care", "warn"))
    p95, above, warn = numbers
    return row["vm"], row["rule"], p95, learned, above, warn
