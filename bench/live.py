"""How many packets a second are counted live without a loss, and what does one cost?

    python bench/live.py [--rounds N] [--seconds S] [--json] [--save]

A flood out of two VMs, made by the kernel on one core (BPF_PROG_TEST_RUN with live frames), arrives on
two taps in namespaces of the bench's own; on the other core listens the daemon (capture, count, judge,
decide; nothing is enforced), a bare ring that only walks its frames, FastNetMon, tcpdump, or nobody.
Each round starts each of them anew, in an order that turns: one flood as fast as the machine makes it,
one at a rate that all should bear, and a search for the highest rate at which everything that arrived
was counted by the end. What arrived is the kernel's count of the taps. Headline: EdgeGuard's highest.
Frames are 60 bytes, half SYN and half UDP, to 32,768 targets from random ports: many distinct keys.

Times are of the whole process with its threads and children, of the fastest flood alone: start and
compiling are over by then. Their sum is the scheduler's; how much of it is user time is sampled on the
process's own running time, not read from /proc: see parts/usertime.py. FastNetMon runs with its
connection tracking off and no bans, as its manual advises for big networks; with the tracking on, as
its package ships it, it is listed beside, and its ratio too. EdgeGuard enforces nothing and judges all.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # run as a file as with -m

from bench.parts import host, report
from bench.parts.flood import TARGETS as MOST_TARGETS
from bench.parts.flood import Flooder
from bench.parts.host import Host, Spent
from bench.parts.listeners import LISTENERS, Heard, Listener, NotReadyError, missing
from edgeguard.lab.namespace import isolated, private_directory

ROUNDS = 5
SECONDS = 3.0
COMMON = 200_000  # packets a second that every listener should bear
STEPS = 5  # of the search: each halves what is unknown
WARM = (50_000, 0.3)  # rate and seconds of a flood that nobody looks at
PATIENCE_S = 0.4  # after a flood, beside what a listener holds back on purpose
GIVES_UP_S = 8.0
OURS = "edgeguard"
TITLES = {
    "edgeguard": "edgeguard run",
    "bare_ring": "bare ring, walked",
    "fastnetmon": "FastNetMon, af_packet",
    "fastnetmon_tracking": "FastNetMon, connection tracking on",
    "tcpdump": "tcpdump -i any -w /dev/null",
    "nobody": "nobody listens",
}
RATIOS = {  # name: of what, ours and the rival
    "af_packet/bare_ring": ("highest", "bare_ring"),
    "af_packet/fastnetmon": ("highest", "fastnetmon"),
    "af_packet/tcpdump": ("highest", "tcpdump"),
    "user_ns/fastnetmon": ("user_ns", "fastnetmon"),
    "user_ns/bare_ring": ("user_ns", "bare_ring"),
    "user_ns/tcpdump": ("user_ns", "tcpdump"),
    "process_ns/fastnetmon": ("process_ns", "fastnetmon"),
    "user_ns/fastnetmon_tracking": ("user_ns", "fastnetmon_tracking"),
}
TARGETS = {"af_packet/bare_ring at least": 0.95, "user_ns/fastnetmon at most": 0.45}


@dataclass(frozen=True, slots=True)
class Flood:
    """One flood and what became of it."""

    sent: int
    arrived: int  # on the taps, by the kernel
    counted: int  # by the listener, in the end
    lost: int | None  # by its own word
    kept_up: bool  # everything was counted, and in time
    seconds: float
    spent: Spent

    @property
    def rate(self) -> float:
        return self.arrived / self.seconds


@dataclass(frozen=True, slots=True)
class Turn:
    """One listener in one round."""

    fast: Flood
    common: Flood
    highest: float  # frames a second; 0: it never kept up

    def figures(self) -> dict[str, float]:
        """Of the fastest flood; times in ns, for each frame that was counted (softirq: that arrived)."""
        counted, arrived = max(1, self.fast.counted), max(1, self.fast.arrived)
        used = self.fast.spent
        return {
            "highest": self.highest / 1e6,
            "offered": self.fast.rate / 1e6,
            "counted": self.fast.counted / self.fast.seconds / 1e6,
            "lost": 1 - self.fast.counted / arrived,
            "user_ns": used.user / counted,
            "system_ns": used.system / counted,
            "process_ns": (used.user + used.system) / counted,
            "softirq_ns": used.softirq / arrived,
            "user_ns_common": self.common.spent.user / max(1, self.common.counted),
        }


Rounds = dict[str, list[Turn]]


class Range:
    """Host, sender and cores of one bench: they stay, the listeners come and go."""

    def __init__(self, directory: Path, cores: Sequence[int], targets: int) -> None:
        self.directory, self.cores = directory, cores
        self.by = ""  # how user and system time were told apart
        self.host = Host()
        with self.host.vms.namespace.inside(), host.on_core(cores[0]):
            self.flooder = Flooder(directory, self.host.senders(), targets)

    def listener(self, name: str) -> Listener:
        return LISTENERS[name](self.host, self.directory, self.cores[-1])

    def flood(self, listener: Listener, rate: float, seconds: float) -> Flood:
        """Send, then wait until the listener has counted all or counts no more."""
        arrived, heard, meter = self.host.arrived(), listener.heard(), host.Meter(listener.pid, self.cores[-1])
        before = meter.read()
        sent = self.flooder.run(rate, seconds)
        ended, softirq = time.monotonic(), host.softirq()
        arrived = self.host.arrived() - arrived
        found, took = self._settled(listener, heard, arrived, ended)
        used = replace(meter.read(), softirq=softirq) - before
        self.by = meter.by
        meter.close()
        kept_up = found.counted >= arrived and took <= PATIENCE_S + listener.holds_s
        return Flood(sent.frames, arrived, found.counted, found.lost, kept_up, sent.seconds, used)

    def _settled(self, listener: Listener, before: Heard | None, wanted: int, ended: float) -> tuple[Heard, float]:
        """What was counted, and how long after the flood that was known [s]. Nobody hears all at once."""
        if before is None:
            return Heard(wanted, 0), 0.0
        last, still = Heard(-1, None), 0
        while still < 4 and time.monotonic() < ended + GIVES_UP_S:
            time.sleep(max(0.1, listener.holds_s / 2))
            now = listener.heard()
            if now is None:
                continue
            found = now - before
            if found.counted >= wanted:
                return found, time.monotonic() - ended
            still = still + 1 if found.counted == last.counted else 0
            last = found
        return replace(last, counted=max(0, last.counted)), time.monotonic() - ended

    def close(self) -> None:
        self.flooder.close()
        self.host.close()


def turn(stand: Range, name: str, seconds: float, top: float) -> Turn:
    """A fresh listener through its floods. `top` 0: as fast as it goes."""
    listener = stand.listener(name)
    try:
        stand.flood(listener, *WARM)
        common = stand.flood(listener, min(COMMON, top or COMMON), seconds)
        fast = stand.flood(listener, top, seconds)
        return Turn(fast, common, search(lambda rate: stand.flood(listener, rate, seconds), fast, common))
    finally:
        listener.close()


def search(flood: Callable[[float], Flood], fast: Flood, common: Flood) -> float:
    """The highest rate seen at which all that arrived was counted in time."""
    if fast.kept_up:
        return fast.rate
    low, high = common.rate if common.kept_up else 0.0, fast.rate
    guess = min(0.95 * fast.counted / fast.seconds, 0.95 * high)
    for _ in range(STEPS):
        tried = flood(guess)
        if tried.kept_up:
            low = max(low, tried.rate)
        else:
            high = min(high, guess)
        guess = (low + high) / 2
    return low


def measure(stand: Range, names: Sequence[str], options: argparse.Namespace, tell: Callable[[str], None]) -> Rounds:
    """Interleaved; every round begins with another listener."""
    rounds: Rounds = {name: [] for name in names}
    for number in range(options.rounds):
        for name in (*names[number % len(names) :], *names[: number % len(names)]):
            done = turn(stand, name, options.seconds, options.top)
            rounds[name].append(done)
            told = done.figures()
            tell(
                f"round {number + 1} of {options.rounds}: {name}: {told['highest']:.2f} Mpps without a loss; "
                f"offered {told['offered']:.2f}, counted {told['counted']:.2f}, user {told['user_ns']:.0f} ns"
            )
    return rounds


def ratio(rounds: Rounds, of: str, rival: str) -> float | None:
    """Ours to the rival's in the same round: what slows a round slows both. Their median."""
    if OURS not in rounds or rival not in rounds:
        return None
    pairs = [(ours.figures()[of], its.figures()[of]) for ours, its in zip(rounds[OURS], rounds[rival], strict=True)]
    found = [ours / its for ours, its in pairs if its > 0]
    return report.neat(statistics.median(found)) if found else None


def _spreads(rounds: Rounds, of: str) -> dict[str, dict[str, float]]:
    return {TITLES[name]: report.spread([turn.figures()[of] for turn in turns]) for name, turns in rounds.items()}


def result(
    rounds: Rounds, options: argparse.Namespace, sender: str, by: str, lacking: Mapping[str, str]
) -> dict[str, Any]:
    """The contract's object. `by`: how user time was told; `lacking`: listener and why it is not there."""
    spread = report.spread([turn.highest / 1e6 for turn in rounds[OURS]])
    floods = [flood for turns in rounds.values() for turn in turns for flood in (turn.fast, turn.common)]
    return report.document(
        "live",
        spread["median"],
        "Mpps",
        {name: ratio(rounds, *pair) for name, pair in RATIOS.items()},
        spread=spread,
        targets=TARGETS,
        highest_rate_without_a_loss_Mpps=_spreads(rounds, "highest"),
        offered_Mpps=_spreads(rounds, "offered"),
        counted_Mpps=_spreads(rounds, "counted"),
        lost_share=_spreads(rounds, "lost"),
        user_ns_a_packet=_spreads(rounds, "user_ns"),
        system_ns_a_packet=_spreads(rounds, "system_ns"),
        softirq_ns_a_packet=_spreads(rounds, "softirq_ns"),
        user_ns_a_packet_at_the_common_rate=_spreads(rounds, "user_ns_common"),
        rounds_in_which_the_sender_was_the_limit=sum(turn.fast.kept_up for turn in rounds[OURS]),
        lost_by_its_own_word=sum(turn.fast.lost or 0 for turn in rounds[OURS]),
        not_delivered_to_the_taps=sum(flood.sent - flood.arrived for flood in floods),
        flooded_targets=options.targets,
        common_rate=min(COMMON, options.top or COMMON),
        rounds=options.rounds,
        seconds=options.seconds,
        sender=sender,
        user_time_by=by,
        **{f"without {name}": why for name, why in lacking.items()},
    )


def show(found: Mapping[str, Any]) -> None:
    tables = {key: value for key, value in found.items() if key.endswith(("_Mpps", "_share", "_packet", "_rate"))}
    for name, rows in tables.items():
        if isinstance(rows, dict):
            columns = ("min", "median", "max")
            print(
                report.table(
                    (name.replace("_", " "), *columns), [(k, *(v[c] for c in columns)) for k, v in rows.items()]
                )
            )
            print()
    print(report.table(("ratio, ours to theirs", "median"), found["ratios"].items()))
    print("; ".join(f"{name} {value}" for name, value in TARGETS.items()))
    print(f"user time by {found['user_time_by']}")
    print(f"sender: {found['sender']}; frames that it sent and no tap received: {found['not_delivered_to_the_taps']}")
    for name, why in found.items():
        if name.startswith("without "):
            print(f"{name}: {why}")


def bench(options: argparse.Namespace, cores: Sequence[int], tell: Callable[[str], None]) -> dict[str, Any]:
    directory = private_directory()
    wanted = options.only.split(",") if options.only else list(LISTENERS)
    lacking = {name: why for name in wanted if (why := missing(name, directory))}
    stand = Range(directory, cores, options.targets)
    if stand.flooder.why:
        tell(f"frames by an {stand.flooder.name}, out of one VM only: {stand.flooder.why}")
    try:
        rounds = measure(stand, [name for name in wanted if name not in lacking], options, tell)
    finally:
        stand.close()
    sender = f"{stand.flooder.name} ({stand.flooder.why})" if stand.flooder.why else stand.flooder.name
    return result(rounds, options, sender, stand.by, lacking)


def _inside(options: argparse.Namespace, cores: Sequence[int]) -> int:
    try:
        found = bench(options, cores, lambda text: print(text, file=sys.stderr, flush=True))
    except NotReadyError as error:
        print(f"bench/live.py: a listener did not start: {error}", file=sys.stderr)
        return 1
    show(found)
    report.deliver(found, options.json, options.save)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print the result as one object, the last line")
    parser.add_argument("--save", action="store_true", help="keep the result in bench/results, for bench.table")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="of all listeners (%(default)s)")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of one flood (%(default)s)")
    parser.add_argument("--top", type=float, default=0, help="never flood faster than this, packets a second")
    parser.add_argument("--targets", type=int, default=MOST_TARGETS, help="flooded, a power of two (%(default)s)")
    parser.add_argument("--only", help=f"these listeners, with commas: {','.join(LISTENERS)}")
    options = parser.parse_args()
    if options.targets not in (1 << bit for bit in range(MOST_TARGETS.bit_length())):
        parser.error(f"--targets: a power of two up to {MOST_TARGETS:,}")
    wanted = options.only.split(",") if options.only else [OURS]
    if OURS not in wanted or not set(wanted) <= set(LISTENERS):
        parser.error(f"--only: {OURS} and any of {', '.join(set(LISTENERS) - {OURS})}")
    return options


def main() -> None:
    options, cores = _options(), sorted(os.sched_getaffinity(0))
    sys.exit(isolated(lambda: _inside(options, cores)))


if __name__ == "__main__":
    main()
