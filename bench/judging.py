"""What does a look cost: at a crossing, at one VM, at all of them?

    python -m bench.judging [--json] [--save]

1,024 VMs are loud at once, the worst there is: each floods as many targets as have places, so that every reading
holds all it can. Headline: milliseconds of one full judging of one VM (reading, twelve rules, no news), as at every
slot of a flood. By name: the crossing check over all VMs, as at every 5 ms of packet time after a crossing; a judging
that gives a verdict and a decision; and a slot in which all 1,024 are judged. The rival in the same run: the same
question asked plainly, numpy over the windows of all rows and limits.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from ipaddress import ip_network
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # run as a file as with -m

import numpy as np

from bench.parts import report
from edgeguard import config
from edgeguard.cases.case import Case
from edgeguard.counting.distinct import Distinct
from edgeguard.counting.readings import ratios
from edgeguard.counting.state import PLACES, POINTS, RULES
from edgeguard.counting.window import Counting
from edgeguard.decision.question import KernelCount, Window
from edgeguard.decision.writing import Writing
from edgeguard.engine import Engine
from edgeguard.model import Decision, Order, Subject, Tap, TapKind, Verdict, Vm
from edgeguard.reading import Circumstances
from edgeguard.record import NOBODY, PROTOCOL_UDP, RECORD, UDP, Records

T = 1_767_225_600_000_000_000
SLOT = 100_000_000
EACH = 3_000  # packets a VM and second: above half of the warn limit below, so that each is judged at every slot
LIMITS = {"udp": {"warn": 5_000, "act": 50_000, "hard": 250_000}}
CHECK_MS, FULL_MS = 0.1, 2.0  # wanted at most


class Around:
    """Surroundings in which everything is well."""

    replayed = False

    def __init__(self) -> None:
        self.verdicts = 0

    def vm(self, point: int) -> Vm | None:
        return Vm(f"vm-{point}", f"vm-{point}", f"customer-{point}", None, addresses=(ip_network("192.0.2.0/24"),))

    def tap(self, point: int) -> Tap | None:
        return Tap(point + 1, f"tap{point}", "02:00:00:00:00:01", TapKind.ROUTED)

    def window(self) -> Window | None:
        return Window(0, 1_000_000, 0, False)

    def kernel_count(self, point: int) -> KernelCount | None:
        return KernelCount(1, 1)

    def circumstances(self, point: int) -> Circumstances:
        return Circumstances()

    def killed(self) -> str | None:
        return None

    def customers(self) -> int:
        return 1_024

    def taps_of(self, vm: Vm) -> list[tuple[int, Tap]]:
        return []

    def permit(self) -> bool | None:
        return None

    def writing(self) -> Writing:
        return Writing()

    def verdict(self, verdict: Verdict) -> None:
        self.verdicts += 1

    def decided(self, case: Case, verdict: Verdict | None, decision: Decision, orders: tuple[Order, ...]) -> bool:
        return True

    def amended(self, decision: Decision, order: Order) -> None:
        """Nothing is ordered here."""

    def page(self, cause: str, case: str, line: str) -> None:
        """Nobody is woken here."""

    def closed(self, case: Case, at: int) -> None:
        pass


def packets(vms: int, second: int, warm: int) -> Records:
    """A second of every VM's packets to PLACES targets, in the order of time."""
    n = vms * EACH
    made = np.zeros(n, RECORD)
    made["ts"] = T + second * 10 * SLOT + np.arange(n) * (10 * SLOT // n)
    made["out_of"], made["into"] = np.arange(n) % vms, NOBODY
    made["src_lo"], made["dst_lo"] = 0xC0000202, 0xC6336400 + np.arange(n) // vms % PLACES
    made["family"], made["protocol"], made["kind"] = 4, PROTOCOL_UDP, UDP
    made["packets"], made["bytes"] = warm, 60
    return made


def engine(vms: int) -> tuple[Engine, Around]:
    settings, around = config.build({"limits": LIMITS}), Around()
    counting = Counting(0, by_source=False, ratios=ratios(settings.judging), distinct=Distinct((1, 2), POINTS))
    made = Engine(settings, counting, around)
    for point in range(vms):
        known = around.vm(point)
        assert known is not None
        counting.assign(point, Subject(known.id, f"tap{point}", None), known.addresses)
    return made, around


def load(made: Engine, records: Records) -> None:
    """Count without judging, up to the last packet."""
    start = 0
    while (start := made.counting.add(records, start)) < len(records):
        made.counting.tick(int(records["ts"][start]))


def timed(run: Callable[[], Any]) -> float:
    """Milliseconds."""
    began = time.perf_counter_ns()
    run()
    return (time.perf_counter_ns() - began) / 1e6


def plain(made: Engine, levels: Any) -> Any:
    """The same question by numpy: the windows of all rows against all limits."""
    counting: Any = made.counting
    rows = counting._rows
    windows = (rows["closed"] + rows["cum"] - rows["snap"])[:, :RULES]
    return np.flatnonzero((windows >= levels).any(axis=1))


def measure(vms: int, rounds: int) -> dict[str, list[float]]:
    made, around = engine(vms)
    at = T + 10 * SLOT
    load(made, packets(vms, 0, 1))
    if len(made.counting.hot()) != vms:
        raise SystemExit(f"bench/judging.py: {len(made.counting.hot())} of {vms} VMs are loud: nothing to measure")
    levels = np.full(RULES, 250_000)
    found: dict[str, list[float]] = {name: [] for name in ("check", "numpy", "full", "slot", "verdict")}
    made._judge_all(made.counting.hot(), at)  # episodes begin
    for _ in range(rounds):
        found["check"].append(timed(made.counting.crossing))
        found["numpy"].append(timed(lambda: plain(made, levels)))
        found["full"] += [timed(lambda point=point: made._judge(point, at)) for point in range(0, vms, 8)]
        found["slot"].append(timed(lambda: made._judge_all(made.counting.hot(), at)))
    if around.verdicts:
        raise SystemExit(f"bench/judging.py: {around.verdicts} verdicts where none was to be given")
    load(made, packets(vms, 1, 100))
    found["verdict"] = [timed(lambda point=point: made._judge(point, at + 10 * SLOT)) for point in range(0, vms, 8)]
    if around.verdicts < vms // 8:
        raise SystemExit(f"bench/judging.py: {around.verdicts} verdicts of {vms // 8}")
    return found


def result(found: dict[str, list[float]], vms: int) -> dict[str, Any]:
    spread = report.spread(found["full"])
    return report.document(
        "judging",
        spread["median"],
        "ms",
        {"check/numpy": report.neat(float(np.median(found["check"]) / np.median(found["numpy"])))},
        spread=spread,
        ms={name: {**report.spread(times), "p99": report.percentile(times, 0.99)} for name, times in found.items()},
        vms=vms,
        target={"check": CHECK_MS, "full": FULL_MS},
    )


def show(found: dict[str, Any]) -> None:
    titles = {
        "check": "crossing check over all VMs",
        "numpy": "rival: numpy over all windows and limits",
        "full": "full judging of one VM",
        "slot": "a slot in which all are judged",
        "verdict": "judging of one VM with a verdict and a decision",
    }
    rows = [(titles[name], *(s[k] for k in ("min", "median", "max", "p99"))) for name, s in found["ms"].items()]
    print(report.table(("milliseconds", "min", "median", "max", "p99"), rows))
    for name, limit in found["target"].items():
        reached = found["ms"][name]["median"] <= limit
        print(f"{titles[name]}: wanted at most {limit} ms: {'reached' if reached else 'MISSED'}")


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print the result as one object, the last line")
    parser.add_argument("--save", action="store_true", help="keep the result in bench/results, for bench.table")
    parser.add_argument("--vms", type=int, default=POINTS, help="VMs that are loud at once (%(default)s)")
    parser.add_argument("--rounds", type=int, default=20, help="measured rounds (%(default)s)")
    options = parser.parse_args()
    found = result(measure(options.vms, options.rounds), options.vms)
    show(found)
    report.deliver(found, options.json, options.save)


if __name__ == "__main__":
    main()
