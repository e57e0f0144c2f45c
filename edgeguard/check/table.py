"""The connection table: whether there is one, how full it is, and the SYN rate at which it fills."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

from edgeguard.check.finding import Finding, ok, warning
from edgeguard.harm.conntrack import FULL, Table, read
from edgeguard.units import percent

FLOOD = 5_000  # SYN/s of the example: the shipped act limit


def table(proc: Path = Path("/proc")) -> Iterator[Finding]:
    """One finding, with its arithmetic."""
    found = read(proc)
    if found is None:
        yield ok("conntrack", "table", "not in use: nf_conntrack is not loaded, so no flood can fill its table")
        return
    text = f"{_used(found)}; {_fills(found)}; {_bridged(found)}"
    yield warning("conntrack", "table", text) if found.fill >= FULL else ok("conntrack", "table", text)


def _used(found: Table) -> str:
    if not found.count:
        return f"loaded with room for {found.max:,} entries, but not in use now: 0 entries in this network namespace"
    return f"{found.count:,} of {found.max:,} entries in use ({percent(found.fill)})"


def _fills(found: Table) -> str:
    """A rate of r unanswered SYNs a second holds r * timeout entries: what is free is held from free / timeout on."""
    held, free = found.syn_timeout, found.free
    from_on = math.ceil(found.filling_rate())
    text = (
        f"an unanswered SYN holds one for {held} s, so unanswered SYNs fill it from {from_on:,} a second on "
        f"({free:,} free / {held} s)"
    )
    seconds = found.seconds_to_fill(FLOOD)
    if seconds is None:
        return f"{text}, and {FLOOD:,} a second never do: they hold {FLOOD * held:,} ({FLOOD:,} x {held} s)"
    return f"{text}, and {FLOOD:,} a second do it in {seconds:,.0f} s ({free:,} / {FLOOD:,})"


def _bridged(found: Table) -> str:
    if found.bridged:
        return "frames between the ports of a bridge are tracked as well (bridge-nf-call)"
    return "frames between the ports of a bridge pass it by, unless rules of the bridge family track them"
