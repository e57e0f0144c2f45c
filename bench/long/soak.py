"""Does it run for long at full rate with faults all the time, and lose nothing?

    python -m bench.long.soak [--minutes M] [--seed N] [--host routed|bridged] [--json] [--save]

The VM floods as fast as the machine sends, at one target after the other, while the real daemon is killed,
its child is killed, tables are flushed by hand, the mail server is away or in a mood, a tap goes and comes
back, files are read again, and people null-route and release: seeded, `--seed` repeats a run. Sampled every
second: memory and descriptors of both processes, and how late a turn beside the packets was.

It passes when memory is flat (in no life of a process more than 8 MiB of growth after its first ten seconds,
nor 0.5 MiB a minute in a long one), descriptors are flat, no turn was more than 250 ms late, and at the end
ledger, kernel and case agree and every notice has left once (tests/faults/agreement.py). The value is the
latest turn. 30 minutes; CI runs a fiftieth of it.
"""

from __future__ import annotations

import argparse
import os
import random
import secrets
import signal
import socket
import statistics
import struct
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # run as a file as with -m
sys.path.extend(str(Path(__file__).resolve().parents[2] / folder) for folder in ("tests", "tests/faults"))  # the stage

from agreement import agree
from preloaded import Preloaded
from stage import Stage, flood_frames

from bench.parts import report
from edgeguard.lab import addresses as plan
from edgeguard.lab.addresses import VM
from edgeguard.native import Sender

MINUTES = 30.0
WARM_S = 10.0
GROWTH_KIB, GROWTH_KIB_A_MINUTE = 8 * 1024, 512
DESCRIPTORS = 8  # the median of the last third of a life above that of its first; proofs come and go
TURN_NS, LATE_MS = 1_000_000_000, 250
PAUSE_S = (0.5, 3.0)  # between two faults
DEADLY_S = 30.0  # between two deaths at least, and an eighth of the whole: a life must be long enough to see growth
LIVES = 8
MOODS = ("slow", "later", "full", "closing", "gone after 250", "gone in the mail")


@dataclass
class Life:
    """One process from its start to its end."""

    who: str
    born: float
    samples: list[tuple[float, int, int]] = field(default_factory=list)  # seconds, KiB, descriptors

    def warm(self) -> list[tuple[float, int, int]]:
        return [one for one in self.samples if one[0] - self.born >= WARM_S]

    def growth(self) -> tuple[float, float]:
        """KiB by the line of least squares over its warm part, and that part's minutes."""
        warm = self.warm()
        if len(warm) < WARM_S:
            return 0.0, 0.0
        times, sizes = [one[0] for one in warm], [one[1] for one in warm]
        span = times[-1] - times[0]
        return statistics.linear_regression(times, sizes).slope * span, span / 60

    def flat(self) -> bool:
        grown, minutes = self.growth()
        return grown <= max(GROWTH_KIB, GROWTH_KIB_A_MINUTE * minutes)

    def leaked(self) -> int:
        """Descriptors more in its last third than in its first."""
        warm = [one[2] for one in self.warm()]
        third = len(warm) // 3
        return int(statistics.median(warm[-third:]) - statistics.median(warm[:third])) if third >= 3 else 0


class Soak:
    """The stage, the faults, and what was seen."""

    def __init__(self, stage: Stage, seed: int) -> None:
        self.stage, self.random = stage, random.Random(seed)
        self.ticks = stage.folder / "ticks"
        self.ticks.write_bytes(bytes(8))
        self.lives: dict[int, Life] = {}
        self.done: dict[str, int] = {}
        self.late_ms: list[float] = []
        self.unmeant: list[str] = []  # last words of daemons that nobody killed
        self._meant = False
        self._pause_s = DEADLY_S
        self._aim = plan.TARGETS[0]
        self._over = threading.Event()
        self._died = time.monotonic()

    def run(self, seconds: float) -> None:
        """All faults for so long, then none until everything agrees."""
        threads = [threading.Thread(target=body, daemon=True) for body in (self._flood, self._sample)]
        self._start()
        for thread in threads:
            thread.start()
        end = time.monotonic() + seconds
        self._pause_s = max(DEADLY_S, seconds / LIVES)
        while time.monotonic() < end:
            time.sleep(self.random.uniform(*PAUSE_S))
            self._one_fault()
        self._over.set()
        for thread in threads:
            thread.join()
        self.stage.office.mood = "well"
        self._revive()
        agree(self.stage, within=120, meanwhile=self._revive)

    # ---- faults -------------------------------------------------------------------------------------

    def _one_fault(self) -> None:
        self._revive()
        deadly = time.monotonic() - self._died > self._pause_s
        faults: list[Callable[[], Any]] = [self._mood, self._flush, self._aim_elsewhere, self._by_hand, self._release]
        faults += [self._tap_comes_back, self._files_again] + [self._kill, self._kill_child] * (2 * deadly)
        fault = self.random.choice(faults)
        name = fault.__name__.strip("_").replace("_", " ")
        self.done[name] = self.done.get(name, 0) + 1
        with suppress(Exception):  # of a daemon that is away or refuses; what counts is the end
            fault()

    def _start(self) -> None:
        self.stage.start(ticks=str(self.ticks))
        self._set_ticks()

    def _revive(self) -> None:
        """As systemd would."""
        if not self.stage.alive():
            if not self._meant:
                self.unmeant.append(self.stage.last_words())
            self._meant, self._died = False, time.monotonic()
            self._start()

    def _mood(self) -> None:
        self.stage.office.mood = self.random.choice(("well", *MOODS))

    def _flush(self) -> None:
        self.stage.flush()

    def _aim_elsewhere(self) -> None:
        self._aim = self.random.choice((*plan.TARGETS, plan.TARGET6))

    def _by_hand(self) -> None:
        target = f"203.0.113.{self.random.randrange(90, 120)}"
        self.stage.add((target,), vm="102", seconds=self.random.choice((2, 20, 3600)))

    def _release(self) -> None:
        self.stage.release(self.random.choice((VM.id, "102")))

    def _tap_comes_back(self) -> None:
        self.stage.remove_tap()
        self.stage.make_tap()

    def _files_again(self) -> None:
        path = self.stage.folder / "inventory.toml"
        text = path.read_text(encoding="utf-8")
        path.write_text("[[vm]]\nid = ", encoding="utf-8")
        os.kill(self.stage.pid, signal.SIGHUP)
        time.sleep(1.2)
        path.write_text(text, encoding="utf-8")
        os.kill(self.stage.pid, signal.SIGHUP)

    def _kill(self) -> None:
        self._meant = True
        self.stage.kill()

    def _kill_child(self) -> None:
        self._meant = True  # the daemon ends with it
        self.stage.kill_child()
        time.sleep(1)

    # ---- what goes on beside ------------------------------------------------------------------------

    def _flood(self) -> None:
        """As fast as it goes. The VM's link goes with its tap: then it is opened anew."""
        while not self._over.is_set():
            with suppress(Exception), self.stage.topology.vm.namespace.inside():
                sender = Sender(socket.if_nametoindex("eth0"))
                try:
                    while not self._over.is_set():
                        aim = self._aim
                        source = VM.address6 if ":" in aim else VM.address
                        sender.run(flood_frames(source, aim), 100_000, 0, seconds=1)
                finally:
                    sender.close()
            time.sleep(0.05)

    def _sample(self) -> None:
        while not self._over.wait(1.0):
            for who, pid in (("daemon", self.stage.pid), ("child", self.stage.child())):
                with suppress(OSError, ValueError):
                    self._sampled(who, pid)
            self.late_ms.append(max(0.0, (self._set_ticks() - TURN_NS) / 1e6))

    def _sampled(self, who: str, pid: int) -> None:
        if not pid:
            return
        now = time.monotonic()
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        (size,) = (int(line.split()[1]) for line in lines if "VmRSS" in line)  # ValueError: it has just ended
        descriptors = len(os.listdir(f"/proc/{pid}/fd"))  # noqa: PTH208 - names alone
        self.lives.setdefault(pid, Life(who, now)).samples.append((now, size, descriptors))

    def _set_ticks(self) -> int:
        """The longest time between two turns since the last call [ns]."""
        with self.ticks.open("r+b") as file:
            (longest,) = struct.unpack("=q", file.read(8))
            file.seek(0)
            file.write(bytes(8))
        return int(longest)


def result(soak: Soak, minutes: float, seed: int) -> dict[str, Any]:
    """The contract's object."""
    lives = list(soak.lives.values())
    late = soak.late_ms or [0.0]
    grown = [life.growth() for life in lives]
    return report.document(
        "soak",
        report.neat(max(late)),
        "ms",
        {"latest turn/limit": report.neat(max(late) / LATE_MS)},
        spread=report.spread(late),
        growth_kib=report.spread([one[0] for one in grown] or [0.0]),
        longest_life_minutes=report.neat(max((one[1] for one in grown), default=0.0)),
        memory_flat=all(life.flat() for life in lives),
        descriptors_leaked=max((life.leaked() for life in lives), default=0),
        died_by_itself=len(soak.unmeant),
        starts=len({pid for pid, life in soak.lives.items() if life.who == "daemon"}),
        faults=soak.done,
        notices=len(soak.stage.ledger().notices),
        minutes=minutes,
        seed=seed,
    )


def failures(found: dict[str, Any]) -> list[str]:
    """Why it did not pass; agree() has raised before that where anything was lost."""
    wrong = []
    if found["died_by_itself"]:
        wrong.append(f"the daemon ended {found['died_by_itself']} times although nobody killed it")
    if not found["memory_flat"]:
        wrong.append(f"memory grew: {found['growth_kib']}")
    if found["descriptors_leaked"] > DESCRIPTORS:
        wrong.append(f"{found['descriptors_leaked']} descriptors leaked")
    if found["value"] > LATE_MS:
        wrong.append(f"a turn was {found['value']:.0f} ms late, more than {LATE_MS}")
    return wrong


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--minutes", type=float, default=MINUTES, help="of faults (%(default)g)")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1 << 31), help="of the faults (random)")
    parser.add_argument("--host", choices=("routed", "bridged"), default="routed", help="(%(default)s)")
    parser.add_argument("--json", action="store_true", help="print the result as one object, the last line")
    parser.add_argument("--save", action="store_true", help="keep the result in bench/results, for bench.table")
    options = parser.parse_args()
    print(f"soak: seed {options.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="edgeguard-soak-") as name, Preloaded() as preloaded:
        folder = Path(name) / "stage"
        folder.mkdir()
        with Stage(options.host, preloaded, folder, quiet="5s") as stage:
            soak = Soak(stage, options.seed)
            try:
                soak.run(60 * options.minutes)
            except AssertionError as error:
                raise SystemExit(f"soak: seed {options.seed}: {error}") from None
            found = result(soak, options.minutes, options.seed)
            for words in soak.unmeant:
                print(f"soak: it ended by itself{words}")
    for name, value in found.items():
        print(f"{name}: {value}")
    report.deliver(found, options.json, options.save)
    if wrong := failures(found):
        raise SystemExit("soak: " + "; ".join(wrong))


if __name__ == "__main__":
    main()
