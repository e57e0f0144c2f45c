"""python -m bench.quality.record [NAME...]: records look-alikes anew, or lists them.

Needs root, a C compiler and the programs that the plays name; touches nothing outside the namespaces it makes.
"""

from __future__ import annotations

import argparse
import datetime
import os
import signal
import subprocess
import sys
from importlib import metadata
from typing import Any

from bench.quality.record import headers, recording
from bench.quality.record.play import Play
from bench.quality.record.plays import PLAYS
from bench.quality.record.stage import VM, VM6, VM_MAC, Stage, StageError

_SECOND = 1_000_000_000


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.quality.record", description=__doc__)
    parser.add_argument("name", nargs="*", help="plays to record; none: list them")
    parser.add_argument("--verbose", action="store_true", help="print what the programs said")
    chosen = parser.parse_args()
    unknown = sorted(set(chosen.name) - PLAYS.keys())
    if unknown:
        parser.error(f"no play is called {', '.join(unknown)}")
    if not chosen.name:
        for play in PLAYS.values():
            print(f"{play.name:28} {play.about}")
        return 0
    if os.geteuid():
        parser.error("recording makes network namespaces: run it as root")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    return max(record(PLAYS[name], chosen.verbose) for name in chosen.name)


def record(play: Play, verbose: bool) -> int:
    """0 when it was recorded and kept."""
    with Stage(play.rtt_ms, play.loss, play.merge) as stage:
        try:
            play.run(stage)
            seen, lost = stage.finish()
        except (StageError, subprocess.SubprocessError) as error:
            print(f"{play.name}: {error}\n{stage.logs()}", file=sys.stderr)
            return 1
        if verbose:
            print(stage.logs())
        if stage.window is None:
            print(f"{play.name}: recorded nothing", file=sys.stderr)
            return 1
        return _keep(play, stage, seen, lost)


def _keep(play: Play, stage: Stage, seen: int, lost: int) -> int:
    assert stage.window is not None
    start, end = stage.window
    frames = headers.read(stage.savefile, (start, end))
    if len(frames) > play.most:
        end = frames[play.most][0]
        frames = frames[: play.most]
    if not frames:
        print(f"{play.name}: no frame in the window\n{stage.logs()}", file=sys.stderr)
        return 1
    cut = [(at - start, headers.cut(head), length) for at, head, length in frames]
    mac = bytes.fromhex(VM_MAC.replace(":", ""))
    out = sum(head[6:12] == mac for _, head, _ in cut)
    seconds = (end - start) / _SECOND
    told = recording.save(play.name, headers.write(cut), _facts(play, stage, cut, out, seconds))
    packed = told.with_suffix("").with_suffix(".pcap.xz").stat().st_size
    print(
        f"{play.name}: {len(cut)} frames in {seconds:.3f} s, out {out / seconds:.0f}/s, in "
        f"{(len(cut) - out) / seconds:.0f}/s, {packed // 1024} KiB; relay saw {seen}, lost {lost}"
    )
    return 0


def _facts(play: Play, stage: Stage, cut: list[headers.Frame], out: int, seconds: float) -> dict[str, Any]:
    replaced = str(stage.scratch)
    commands = [command.replace(replaced, "$SCRATCH").replace(sys.executable, "python") for command in stage.commands]
    return {
        "about": play.about,
        "programs": [_version(command) for command in play.versions],
        "built": play.built,
        "commands": commands,
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d"),
        "kernel": os.uname().release.split("-")[0],
        "seconds": round(seconds, 6),
        "rtt_ms": list(play.rtt_ms),
        "loss": play.loss,
        "packets": len(cut),
        "out": out,
        "wire_bytes": sum(length for _, _, length in cut),
        "kept": "link, network and transport headers; no payload",
        "vm": {"mac": VM_MAC, "addresses": [VM, VM6]},
    }


def _version(command: str) -> str:
    """What the first line of it says; 'pip show NAME': the version of a Python package."""
    package = command.removeprefix("pip show ")
    if package != command:
        return f"{package} {metadata.version(package)}"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False, timeout=20)
    lines = (done.stdout + done.stderr).strip().splitlines()
    return " ".join(lines[0].split()) if lines else command


if __name__ == "__main__":
    sys.exit(main())
