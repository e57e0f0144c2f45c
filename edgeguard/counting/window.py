"""Counting: batches of records in, readings of the judged subjects out.

Wraps the arrays of `state` and the kernels. Packet time is the only clock: nothing here knows
whether the packets come from a ring or from a file.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from edgeguard.counting import customers, kernels, place_sums, readings, sources, state
from edgeguard.counting.heat import Heat, Levels
from edgeguard.counting.readings import JUDGED, RULES, Ratios
from edgeguard.errors import UsageError
from edgeguard.model import Network, Spread, Subject
from edgeguard.reading import OUT, Reading
from edgeguard.record import Records, address, halves

if TYPE_CHECKING:  # its kernels are compiled only where it is used
    from edgeguard.counting.distinct import Distinct
    from edgeguard.counting.flow_memory import FlowMemory

LONGER = (5, 60)  # seconds; shown with a verdict beside the window it was judged by


def _sized(network: Network) -> tuple[int, int, int, int, int]:
    """(hi, lo, mask hi, mask lo, family) of a prefix as records hold addresses."""
    hi, lo = halves(network.network_address)
    mask_hi, mask_lo = halves(network.netmask)
    return hi, lo, mask_hi, mask_lo, network.version


class Counting:
    """Exact counters and sliding windows. `sources` lines; `by_source`: count sources at all;
    `judge_sources`: give busy sources a row of their own (a savefile without an inventory);
    `remote`: the flow memory that is fed the same packets (live); `distinct`: the distinct counts that are too;
    `points`: rows for attachment points;
    `tables`: places for so many rows at a time, None: for all of them;
    `ratios`: what counts as answered;
    `key`: four secret numbers of 64 bits, so that who writes the packets cannot make sources meet in the table; no
    result depends on them, and the default is public."""

    def __init__(
        self,
        sources: int,
        *,
        ratios: Ratios = Ratios(),  # noqa: B008 - frozen
        by_source: bool = True,
        judge_sources: bool = False,
        remote: FlowMemory | None = None,
        distinct: Distinct | None = None,
        points: int = state.POINTS,
        tables: int | None = None,
        key: tuple[int, ...] = state.SOURCE_KEY,
    ) -> None:
        self.by_source = by_source
        self.remote = remote
        self.distinct = distinct
        self.ratios = ratios
        self.judge_sources = judge_sources
        self._rows = state.rows(state.POINTS + state.JUDGED_SOURCES if judge_sources else points)
        self._tables = state.tables(len(self._rows) if tables is None else tables)
        self._index = state.index(sources)
        self._lines = state.lines(sources)
        self._state = state.state(len(self._tables) - 1, key)
        self._subjects: dict[int, Subject] = {}
        self._heat = Heat(self._rows, self._state)
        self.customers = customers.Customers(self)

    # ---- what is counted for whom ------------------------------------------------------------

    def limits(self, loud: Levels, hard: Levels) -> None:
        """From which window [packets] of each rule a subject is looked at every slot, and at once; of all that have
        no limits of their own."""
        self._heat.limits(loud, hard)
        if self.judge_sources:
            self._state["promote"] = np.maximum(1, self._heat.usual[0, :2] // 2)

    def limit(self, point: int, loud: Levels, hard: Levels) -> None:
        """The same of one point: it has limits of its own."""
        self._heat.limit(point, loud, hard)
        self.customers.relevel(point)

    def assign(self, point: int, subject: Subject, addresses: Iterable[Network]) -> None:
        """Give an attachment point's row to a subject, empty. No addresses: nothing is called foreign."""
        row = self._rows[point : point + 1]
        self._state["hot"] -= row["hot"][0]
        kernels.free_table(self._rows, self._tables, self._state, point)
        row[:] = np.zeros(1, state.ROW)
        self._heat.begin(point)
        row["slot"] = self._state["slot"]
        self._subjects[point] = subject
        if self.distinct is not None:
            self.distinct.assign(point)
        self.customers.begin(point)
        self.own(point, addresses)

    def never_judge(self, point: int) -> None:
        """A row that is nobody's by itself is never hot, until it is given to a subject."""
        self._heat.never(point)

    def own(self, point: int, addresses: Iterable[Network]) -> None:
        """The addresses that a point's VM may send from; beyond the 16th they are not looked at."""
        row = self._rows[point]
        sized = [_sized(network) for network in addresses]
        fits = sized if len(sized) <= state.PREFIXES else []  # better unknown than wrongly foreign
        for k, prefix in enumerate(fits):
            row["prefix"][k] = prefix
        self._rows["prefixes"][point] = len(fits)
        if self.distinct is not None:
            self.distinct.own(point, fits)

    def subject(self, point: int) -> Subject:
        """Whom a row belongs to; a judged source is looked up by its address."""
        if point not in self._subjects:
            n = int(np.flatnonzero(self._lines["row"][: self.sources] == point + 1)[0])
            self._subjects[point] = Subject(vm=None, tap=None, source=str(self._address(n)))
        return self._subjects[point]

    def level(self, points: state.Array, loud: tuple[int, int]) -> None:
        """Rows are hot from these windows of SYN and UDP on, or from those of their own limits where these are less."""
        self._heat.lower(points, loud, self.windows(points, self.slot_end))

    def loud(self, points: state.Array, at: int) -> state.Array:
        """[point]: whether a window that ends at `at` reaches the level of the point's own limits."""
        found: state.Array = (self.windows(points, at)[:, : state.RULES] >= self._heat.own[points, 0]).any(axis=1)
        return found

    def least(self, points: state.Array) -> state.Array:
        """[point, SYN and UDP]: the levels of the points' own limits."""
        return self._heat.own[points, 0, : len(RULES)]

    # ---- packets -----------------------------------------------------------------------------

    def add(self, records: Records, start: int) -> int:
        """Count records[start:]; the index before which the caller should look, or their number."""
        stop: int = kernels.count(
            records,
            start,
            self.by_source,
            self._rows,
            self._tables,
            self._index,
            self._lines,
            self._state,
        )
        if self.remote is not None:
            self.remote.add(records, start, stop)
        if self.distinct is not None:
            self.distinct.add(records, start, stop)
        return stop

    def tick(self, at: int) -> None:
        """Packet time goes on to `at`; a crossing that was looked at is forgotten."""
        kernels.tick(self._state, at)

    def looked(self) -> None:
        """A crossing was looked at; packet time stays where it is."""
        self._state["crossed"] = 0

    def turn_back(self, at: int) -> None:
        """Packet time is `at` from now on, wherever it was: somebody knows that the clock was set back."""
        kernels.turn_back(self._state, at)
        if self.distinct is not None:
            self.distinct.turn_back(at)

    # ---- looking -----------------------------------------------------------------------------

    @property
    def slot_end(self) -> int:
        return int(self._state["slot_end"][0])

    @property
    def grid_end(self) -> int:
        return int(self._state["grid_end"][0])

    @property
    def crossed(self) -> bool:
        return bool(self._state["crossed"][0])

    @property
    def late(self) -> int:
        """Packets whose timestamp was before that of the packet they followed."""
        return int(self._state["late"][0])

    @property
    def sources(self) -> int:
        return int(self._state["sources"][0])

    @property
    def overflow(self) -> dict[str, int]:
        """Packets of sources that found no line, by rule."""
        return dict(zip(RULES, map(int, self._state["overflow"][0]), strict=True))

    @property
    def unjudged(self) -> int:
        """Sources busy enough to be judged that found no row."""
        return int(self._state["refused"][0])

    @property
    def untabled(self) -> int:
        """Packets of rows that found no table: counted, but not by target."""
        return int(self._state["untabled"][0])

    @property
    def memory(self) -> int:
        """Bytes, fixed at start; of the rows and sources, without the flow memory."""
        return sum(array.nbytes for array in (self._rows, self._tables, self._index, self._lines, self._state))

    def watch(self, wanted: bool) -> None:
        """Whether `add` stops at every slot even when no row is hot: somebody's clocks run."""
        self._state["watched"] = int(wanted)

    def hot(self) -> list[int]:
        """The rows that want judging at every slot."""
        n = int(self._state["hot"][0])
        if not n:
            return []
        found = np.empty(n, np.int64)
        numbers: list[int] = found[: kernels.hot(self._rows, found)].tolist()
        return numbers

    def crossing(self) -> list[int]:
        """The rows that crossed a limit since somebody last asked."""
        found = np.empty(int(self._state["hot"][0]), np.int64)
        numbers: list[int] = found[: kernels.crossing(self._rows, found)].tolist()
        return numbers

    def cool(self, point: int) -> None:
        """A row is quiet again: no look until it is loud once more."""
        self._heat.cool(point)

    def rearm(self, point: int, rule: str, level: int) -> None:
        """Report the next crossing of a row at `level` packets in the window."""
        self._heat.rearm(point, rule, level)

    def leaving(self, point: int, rule: str) -> int:
        """What the window of a row, as it was last brought to, loses with the next slot."""
        row = self._rows[point]
        return int(row["ring"][(int(row["slot"]) + 1 - state.WINDOW) % state.RING, JUDGED.index(rule)])

    def packets(self, point: int, rule: str) -> int:
        """The window of a row as it was last brought to."""
        row, k = self._rows[point], JUDGED.index(rule)
        return int(row["closed"][k] + row["cum"][k] - row["snap"][k])

    def completions(self, point: int) -> tuple[int, int]:
        """SYNs out of a point and handshakes it completed, since its subject came."""
        cum = self._rows["cum"][point]
        return int(cum[state.SYN]), int(cum[state.THIRD_ACKS])

    def frames(self, point: int) -> tuple[int, int]:
        """Every frame out of and into a point so far, as its kernel counter counts them."""
        out, into = self._rows["frames"][point]
        return int(out), int(into)

    def reading(self, point: int, at: int) -> Reading:
        """The window of a row that ends at `at`."""
        sums = self.sums(point, at)
        table = int(self._rows["table"][point])
        spread = self.spread(point, at)
        return readings.reading(point, self.subject(point), at, sums, self._tables, table, self.ratios, spread)

    def spread(self, point: int, at: int) -> dict[str, Spread] | None:
        """By rule the distinct counts of the window that ends at `at`; None: not counted, as of a judged source."""
        if self.distinct is None or point >= self.distinct.points:
            return None
        return self.distinct.spread(point, at)

    def sums(self, point: int, at: int) -> readings.Sums:
        """The counters of a row, brought to the window that ends at `at`."""
        kernels.turn_row(self._rows, self._tables, point, (at - 1) // state.SLOT)
        row = self._rows[point]
        window = row["closed"] + row["cum"] - row["snap"]
        longer = tuple(self._longer(point, rule) for rule in range(state.INTO))
        return readings.Sums(window, int(row["prefixes"]) > 0, tuple(row["crossed"].tolist()), longer)

    def windows(self, points: state.Array, at: int) -> state.Array:
        """[point, metric of `state`]: the windows of many rows that end at `at`."""
        found = np.empty((len(points), state.METRICS), np.int64)
        kernels.windows(self._rows, np.ascontiguousarray(points, np.int64), (at - 1) // state.SLOT, found)
        return found

    def one_way(self, point: int, at: int) -> tuple[int, int]:
        """One-way UDP packets in the window of a row that ends at `at`, and what came back of it."""
        kernels.turn_row(self._rows, self._tables, point, (at - 1) // state.SLOT)
        sums, table = self.sums(point, at).window, int(self._rows["table"][point])
        udp, back = int(sums[state.UDP]), int(sums[state.UDP_BACK])
        packets, _, back = place_sums.one_way(
            self._tables, table, state.UDP, state.BACK, udp, back, float(self.ratios.udp)
        )
        return packets, back

    def half_open(self, point: int, at: int) -> tuple[int, int]:
        """SYNs in the window of a row that ends at `at` to targets that hardly complete, and what was completed."""
        kernels.turn_row(self._rows, self._tables, point, (at - 1) // state.SLOT)
        sums, table = self.sums(point, at).window, int(self._rows["table"][point])
        syns, third = int(sums[state.SYN]), int(sums[state.THIRD_ACKS])
        packets, _, acks = place_sums.one_way(
            self._tables, table, state.SYN, state.THIRD, syns, third, 1 / self.ratios.completed
        )
        return packets, acks

    def merge(self, point: int, merged: state.Array) -> None:
        """Add the places of a row to those of the same row in other shards."""
        place_sums.merge(self._tables, int(self._rows["table"][point]), merged)

    def within(self, point: int, rule: str, seconds: int) -> int:
        """Packets of a rule in the last `seconds` of a row, from 1 to as many as its ring holds, 64.

        One is the window, ten slots; more are whole seconds of Unix time, the running one included.
        """
        if rule not in OUT:
            raise UsageError(f"{rule!r} is no rule: packets are counted for {', '.join(OUT)}")
        if not isinstance(seconds, int) or not 1 <= seconds <= state.SECONDS:
            raise UsageError(f"{seconds!r} s is no window: ask for a whole number of seconds, 1 to {state.SECONDS}")
        if not 0 <= point < len(self._rows):
            raise UsageError(f"{point} is no attachment point: rows are numbered from 0 to {len(self._rows) - 1}")
        kernels.turn_row(self._rows, self._tables, point, int(self._state["slot"][0]))
        k = OUT.index(rule)
        if seconds == 1:
            return self.packets(point, rule)
        return int(kernels.window(self._rows, point, k, seconds))

    def _longer(self, point: int, rule: int) -> tuple[tuple[int, int], ...]:
        return tuple((seconds, kernels.window(self._rows, point, rule, seconds)) for seconds in LONGER)

    # ---- the summary of a savefile -----------------------------------------------------------

    def close(self) -> None:
        """No packet comes any more: fold what runs into peaks and totals."""
        sources.close_sources(self._lines, self._state)

    def source_columns(self) -> dict[str, Any]:
        """Every source with its totals and largest windows, after `close`: numpy columns by name."""
        lines = self._lines[: self.sources]
        columns = {name: lines[name] for name in ("family", "hi", "lo", "syn", "udp", "udp_bytes")}
        for name, packed in (("peak", lines["peak"]), ("at_most", lines["peak_eleven"])):
            columns[f"syn_{name}"] = packed & np.uint64(0xFFFF_FFFF)
            columns[f"udp_{name}"] = packed >> np.uint64(32)
        return columns

    def _address(self, n: int) -> Any:
        line = self._lines[n]
        return address(int(line["family"]), int(line["hi"]), int(line["lo"]))
