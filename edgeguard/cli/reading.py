"""Opening the case database for a command that only looks, and finding what TERM means in it."""

from __future__ import annotations

from pathlib import Path

from edgeguard.cases.case import Case
from edgeguard.cases.reader import Reader
from edgeguard.cli.options import loaded
from edgeguard.errors import EdgeGuardError
from edgeguard.glance import place


def reader(config_path: Path) -> Reader:
    """The database of a configuration, read-only: works beside a running daemon and without one.

    Of the configuration only its path is read: checking all of it takes longer than the answer.
    """
    path = place.database_of(str(config_path)) or loaded(config_path).paths.database
    return Reader(Path(path))


def the_case(found: list[Case], term: str) -> Case:
    """The case TERM means: the open one, else the youngest."""
    if not found:
        raise EdgeGuardError(f"no case for {term!r}; 'edgeguard case list' shows the cases there are")
    return found[0]


def who(case: Case) -> str:
    """'web1 (vm-101) at tap101' as far as it is known."""
    if case.vm is None and case.tap is None and case.customer:
        return f"all VMs of customer {case.customer}"
    if case.vm is None:
        name = f"source {case.source}" if case.source else "an unknown VM"
    else:
        name = case.vm if case.vm_name in (None, case.vm) else f"{case.vm_name} ({case.vm})"
    return f"{name} at {case.tap}" if case.tap else name
