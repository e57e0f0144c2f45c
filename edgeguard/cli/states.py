"""The table of states as `edgeguard explain --states` prints it."""

from __future__ import annotations

from collections.abc import Iterator

from edgeguard.cli import output
from edgeguard.states import TABLE, Transition

ELSEWHERE = (
    "where no way leads on, hold, uphold, appeal, reopen and close are refused; all else is done, and leaves the state"
)


def lines() -> Iterator[str]:
    """Every state with its meaning and its ways out, what else happens, then the clocks in words."""
    for state in TABLE.states.values():
        yield f"{state.name}{' (null-routed)' if state.null_routed else ''}: {state.meaning}"
        ways = [_way(way) for way in TABLE.out_of(state.name)]
        if ways:
            yield output.aligned(ways, "  ")
    yield ""
    yield ELSEWHERE
    yield output.aligned([[f"clock {name}", words] for name, words in TABLE.clocks.items()], "")


def _way(way: Transition) -> list[str]:
    by = ", ".join(way.who)
    return [way.event, f"-> {way.to}", f"{by}, by the clock '{way.clock}'" if way.clock else by]
