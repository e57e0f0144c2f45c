"""How long does whoever asks wait for `status` and `top`, while the host is flooded as fast as it goes?

    python bench/answers.py [--rounds N] [--json] [--save]

Timed is the whole command as a person types it: Python's start, the question at the daemon's socket, the
answer, the print. The flood of bench/live.py (60-byte frames out of two VMs to 32,768 targets, by
BPF_PROG_TEST_RUN) keeps one core busy and the daemon the other; the command runs where the scheduler
finds room. Headline: the 99th percentile over both commands; the limit is 300 ms. The rival in the same
rounds is `ip -s link` in the same namespace: counters of the same taps, asked of the kernel by a program
in C. What an empty Python program takes is listed beside: the floor for any command of ours. Each round
asks all of them, in an order that turns, after a round that is not timed.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # run as a file as with -m

from bench.parts import host, report
from bench.parts.flood import LONGEST_S, TARGETS, Flooder, Sent
from bench.parts.host import Host
from bench.parts.listeners import EdgeGuard, NotReadyError
from edgeguard.lab.namespace import isolated, private_directory

ROUNDS = 30
LIMIT_MS = 300
RIVAL = "ip -s link"
FLOOR = "an empty Python program"
OURS = ("edgeguard status", "edgeguard top --once")
WARM_S = 2.0  # of flood before anybody asks

Times = dict[str, list[float]]  # ms


def commands(config: Path) -> dict[str, list[str]]:
    """What is timed, by name; without the rival where it is not installed."""
    ours = [sys.executable, "-m", "edgeguard"]
    found = {
        OURS[0]: [*ours, "status", "-c", str(config)],
        OURS[1]: [*ours, "top", "--once", "-c", str(config)],
        FLOOR: [sys.executable, "-c", "pass"],
    }
    return found | ({RIVAL: ["ip", "-s", "link"]} if shutil.which("ip") else {})


def timed(stand: Host, command: Sequence[str]) -> float:
    """From the start of a command in the hypervisor to its end [ms]. It must do its work."""
    with stand.hypervisor.namespace.inside():
        began = time.perf_counter()
        done = subprocess.run(command, cwd=report.ROOT, capture_output=True, check=False)
        took = 1000 * (time.perf_counter() - began)
    if done.returncode or not (done.stdout or "pass" in command):
        raise NotReadyError(f"{' '.join(command)}: {done.stderr.decode(errors='replace').strip()}")
    return took


@contextmanager
def flooding(flooder: Flooder) -> Iterator[list[Sent]]:
    """As fast as it goes, from here to the end of the block."""
    sent: list[Sent] = []
    over = threading.Event()

    def flood() -> None:
        while not over.is_set():
            sent.append(flooder.run(0, min(1.0, LONGEST_S)))

    thread = threading.Thread(target=flood)
    thread.start()
    try:
        time.sleep(WARM_S)
        yield sent
    finally:
        over.set()
        thread.join()


def measure(stand: Host, wanted: Mapping[str, Sequence[str]], rounds: int, tell: Callable[[str], None]) -> Times:
    """Interleaved; every round begins with another command, and the first is not timed."""
    times: Times = {name: [] for name in wanted}
    names = list(wanted)
    for number in range(rounds + 1):
        for name in (*names[number % len(names) :], *names[: number % len(names)]):
            took = timed(stand, wanted[name])
            if number:
                times[name].append(took)
        if number:
            tell(f"round {number} of {rounds}: " + ", ".join(f"{name} {times[name][-1]:.0f} ms" for name in names))
    return times


def result(times: Times, offered: float, lost: float, sender: str) -> dict[str, Any]:
    """The contract's object. `offered`: frames a second on the taps; `lost`: the share that the ring lost."""
    both = [ms for name in OURS for ms in times[name]]
    p99 = report.percentile(both, 0.99)
    medians = {name: report.spread(values)["median"] for name, values in times.items()}
    slower = max(medians[name] for name in OURS)
    ratios = {"p99/limit": p99 / LIMIT_MS, f"slower of ours/{FLOOR}": slower / medians[FLOOR]}
    ratios |= {f"slower of ours/{RIVAL}": slower / medians[RIVAL]} if RIVAL in medians else {}
    described = {
        name: {**report.spread(values), "p99": report.percentile(values, 0.99)} for name, values in times.items()
    }
    return report.document(
        "answers",
        p99,
        "ms",
        {name: report.neat(value) for name, value in ratios.items()},
        spread=report.spread(both),
        milliseconds=described,
        limit_ms={"p99": LIMIT_MS},
        offered_Mpps=report.neat(offered / 1e6),
        lost_share=report.neat(lost),
        rounds=len(times[FLOOR]),
        sender=sender,
    )


def show(found: Mapping[str, Any]) -> None:
    columns = ("min", "median", "p99", "max")
    rows = [(name, *(values[c] for c in columns)) for name, values in found["milliseconds"].items()]
    print(report.table((f"milliseconds, {found['rounds']} rounds", *columns), rows))
    print(report.table(("ratio", ""), found["ratios"].items()))
    print(f"limit: both of ours together at most {LIMIT_MS} ms at the 99th percentile")
    print(f"offered meanwhile: {found['offered_Mpps']:.2f} Mpps, of which {100 * found['lost_share']:.1f} % were lost")
    print(f"sender: {found['sender']}")


def bench(rounds: int, cores: Sequence[int], tell: Callable[[str], None]) -> dict[str, Any]:
    directory = private_directory()
    stand = Host()
    try:
        with stand.vms.namespace.inside(), host.on_core(cores[0]):
            flooder = Flooder(directory, stand.senders(), TARGETS)
        daemon = EdgeGuard(stand, directory, cores[-1])
        wanted = commands(directory / "edgeguard.toml")
        try:
            with flooding(flooder):
                arrived, heard, began = stand.arrived(), daemon.heard(), time.monotonic()
                times = measure(stand, wanted, rounds, tell)
                offered = (stand.arrived() - arrived) / (time.monotonic() - began)
                after = daemon.heard()
        finally:
            daemon.close()
            flooder.close()
    finally:
        stand.close()
    if heard is None or after is None:
        raise NotReadyError("the daemon could not be asked")
    counted, lost = after.counted - heard.counted, (after.lost or 0) - (heard.lost or 0)
    return result(times, offered, lost / max(1, counted + lost), flooder.name)


def _inside(options: argparse.Namespace, cores: Sequence[int]) -> int:
    try:
        found = bench(options.rounds, cores, lambda text: print(text, file=sys.stderr, flush=True))
    except NotReadyError as error:
        print(f"bench/answers.py: {error}", file=sys.stderr)
        return 1
    show(found)
    report.deliver(found, options.json, options.save)
    return 0


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print the result as one object, the last line")
    parser.add_argument("--save", action="store_true", help="keep the result in bench/results, for bench.table")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="of all commands (%(default)s)")
    options = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))
    sys.exit(isolated(lambda: _inside(options, cores)))


if __name__ == "__main__":
    main()
