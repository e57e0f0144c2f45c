"""The connection table of this network namespace (nf_conntrack): how full, how fast it fills, and by whom.

Read from /proc, which needs no right. Who fills it is told from our own counts of SYNs and UDP targets:
a dump of the table (ctnetlink) would name sources exactly, but it needs CAP_NET_ADMIN, which the process
that parses packets has given up, and copies every entry of a table that is in trouble already.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgeguard.clock import SECOND
from edgeguard.harm.sender import Sender
from edgeguard.units import percent

FULL = 0.7  # of the table: from here on it is looked who fills it
TURNING_AWAY = 0.95  # from here on it need not grow any more: it cannot
HALF = 0.5  # of all new flows, of what the table grew by, and of what it holds
VISIBLE = 0.25  # of a VM's SYNs must show as growth, or they make no entries (repeated, or not tracked here)
SPAN = 5 * SECOND
SYN_TIMEOUT = 120  # seconds; the kernel's default (nf_conntrack_proto_tcp.c, TCP_CONNTRACK_SYN_SENT: 2 min)


@dataclass(frozen=True, slots=True)
class Table:
    """The connection table as /proc tells it. Entries; seconds."""

    count: int
    max: int
    syn_timeout: int = SYN_TIMEOUT  # an unanswered SYN holds its entry so long
    turned_away: int = 0  # flows dropped, and entries thrown out for others, because it was full: running total
    bridged: bool = False  # frames between the ports of a bridge are tracked too (br_netfilter)

    @property
    def free(self) -> int:
        return max(0, self.max - self.count)

    @property
    def fill(self) -> float:
        return self.count / self.max if self.max else 0.0

    def filling_rate(self) -> float:
        """SYNs a second that fill it in the end: each holds an entry for `syn_timeout`, so a rate r holds
        r * syn_timeout of them, and all that is free is held from free / syn_timeout on."""
        return self.free / self.syn_timeout

    def seconds_to_fill(self, rate: float) -> float | None:
        """Until nothing is free, at so many unanswered SYNs a second; None: never, the first expire before."""
        if rate <= 0 or rate * self.syn_timeout < self.free:
            return None
        return self.free / rate


def read(proc: Path = Path("/proc")) -> Table | None:
    """The table of this namespace; None where the kernel has none (nf_conntrack is not loaded)."""
    folder = proc / "sys/net/netfilter"
    count, most = _number(folder / "nf_conntrack_count"), _number(folder / "nf_conntrack_max")
    if count is None or most is None:
        return None
    timeout = _number(folder / "nf_conntrack_tcp_timeout_syn_sent")
    bridged = [_number(proc / f"sys/net/bridge/bridge-nf-call-{name}tables") for name in ("ip", "ip6")]
    return Table(count, most, timeout or SYN_TIMEOUT, _turned_away(proc), any(bridged))


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None


def _turned_away(proc: Path) -> int:
    """Columns `drop` and `early_drop` of every CPU, in hexadecimal; 0 where the kernel keeps no such file."""
    try:
        header, *rows = (proc / "net/stat/nf_conntrack").read_text().splitlines()
        wanted = [number for number, name in enumerate(header.split()) if name in ("drop", "early_drop")]
        return sum(int(row.split()[number], 16) for row in rows for number in wanted)
    except (OSError, ValueError, IndexError):
        return 0


@dataclass(frozen=True, slots=True)
class Sample:
    at: int
    table: Table
    syns: dict[int, int]  # running totals by point


class Filling:
    """Samples of the last seconds, and who fills the table. `targets`: about how many UDP targets a row had in
    the last second, asked only while the table is in trouble."""

    def __init__(self, targets: Callable[[int], int]) -> None:
        self._targets = targets
        self._samples: deque[Sample] = deque()
        self._fillers: dict[int, str] = {}
        self.growth = 0.0  # entries a second
        self.table: Table | None = None

    def take(self, now: int, table: Table | None, senders: Sequence[Sender]) -> None:
        self.table = table
        if table is None:
            self._samples.clear()
            self._fillers, self.growth = {}, 0.0
            return
        if self._samples and not 0 < now - self._samples[-1].at <= SPAN:
            self._samples.clear()
        self._samples.append(Sample(now, table, {sender.point: sender.syns for sender in senders}))
        while now - self._samples[0].at > SPAN:
            self._samples.popleft()
        self._look()

    def filler(self, point: int) -> str | None:
        """In words, how this row fills the table; None: it does not, or not alone."""
        return self._fillers.get(point)

    @property
    def is_clear(self) -> bool:
        """Nobody fills it."""
        return not self._fillers

    @property
    def turned_away(self) -> int:
        """Because the table was full, in the last seconds."""
        if len(self._samples) < 2:
            return 0
        return self._samples[-1].table.turned_away - self._samples[0].table.turned_away

    def _look(self) -> None:
        first, last = self._samples[0], self._samples[-1]
        seconds = (last.at - first.at) / SECOND
        self.growth = (last.table.count - first.table.count) / seconds if seconds else 0.0
        self._fillers = {}
        stuck = last.table.fill >= TURNING_AWAY or self.turned_away > 0
        if not seconds or last.table.fill < FULL or (self.growth <= 0 and not stuck):
            return
        rates = {
            point: max(0, syns - first.syns[point]) / seconds + self._targets(point)
            for point, syns in last.syns.items()
            if point in first.syns
        }
        most = max(rates, key=rates.__getitem__, default=None)
        if most is not None and self._fills(rates[most], sum(rates.values()), stuck, last.table):
            self._fillers[most] = self._words(rates[most], sum(rates.values()), last.table)

    def _fills(self, rate: float, all_rates: float, stuck: bool, table: Table) -> bool:
        """Whether one row's new flows are what fills it: most of all flows, enough to hold half of the table,
        no less than half of its growth, and showing in that growth (unless it cannot grow any more)."""
        enough = rate * table.syn_timeout >= HALF * table.max and rate >= HALF * all_rates
        return enough and (stuck or rate * VISIBLE <= self.growth <= rate / HALF)

    def _words(self, rate: float, all_rates: float, table: Table) -> str:
        grows = f"grows by {self.growth:,.0f} a second" if self.growth > 0 else "cannot grow any more"
        lost = f", {self.turned_away:,} flows turned away in {SPAN // SECOND} s" if self.turned_away else ""
        return (
            f"the host's connection table is {percent(table.fill)} full ({table.count:,} of {table.max:,}) and {grows}"
            f"{lost}; {rate:,.0f} of {all_rates:,.0f} new flows a second are this VM's"
        )

    def told(self) -> dict[str, object] | None:
        """For `status`; None: there is no table."""
        table = self.table
        if table is None:
            return None
        return {
            "count": table.count,
            "max": table.max,
            "fill": round(table.fill, 4),
            "growth": round(self.growth, 1),
            "turned_away": self.turned_away,
            "syn_timeout_s": table.syn_timeout,
            "filling_syn_rate": round(table.filling_rate(), 1),
        }
