"""Does any input break the decoder, the savefile reader or the mirror port's reader?

    python -m bench.long.fuzz [--executions N] [--seconds S] [--json]

Builds the harnesses in native/fuzz with libFuzzer, AddressSanitizer and UndefinedBehaviorSanitizer and
runs one after the other, from the corpus in the tree. The value is the executions of the harness that
had fewest, by libFuzzer's own count. A finding ends a harness: what libFuzzer said is printed, the input
is kept in build/fuzz, the exit code is 1. Findings are sought at random, so `seed` says which run it was.
Without a clang that has libFuzzer nothing is run, one line says so, and the exit code is 0.
"""

from __future__ import annotations

import argparse
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # run as a file as with -m

from bench.parts import report

NATIVE = report.ROOT / "native"
PLACE = report.ROOT / "build" / "fuzz"
SOURCES = {
    "decode": ("fuzz/fuzz_decode.c", "decode.c", "headers.c"),
    "savefile": ("fuzz/fuzz_savefile.c", "decode.c", "savefile.c", "pcapng.c", "points.c", "error.c"),
    "mirror": ("fuzz/fuzz_mirror.c", "decode.c", "headers.c", "ring_mirror.c"),
}
EXECUTIONS = 20_000_000
LONGEST = 1024  # bytes of an input: every path of all is inside, and longer ones only cost time
STUCK = 60  # seconds for one input: longer is a finding; a machine that is shared may stand still for some
CLANGS = ("clang", *(f"clang-{version}" for version in range(22, 13, -1)))
FLAGS = ("-std=gnu11", "-g", "-fno-strict-aliasing", "-Wall", "-Wextra", "-Wno-unused-parameter")
SANITIZERS = "address,undefined"


class BuildError(Exception):
    """A compiler refused a harness; its own words."""


@dataclass(frozen=True, slots=True)
class Run:
    """What became of one harness: the counts as libFuzzer printed them, wall time, and its last words."""

    executions: int
    findings: int
    seconds: float
    seed: int
    said: str


def build(compiler: str, level: str, sources: Sequence[Path], sanitizers: str, target: Path) -> None:
    """One program out of C files, every sanitizer's report fatal. Harnesses include what stands above them."""
    words = [compiler, level, *FLAGS, f"-fsanitize={sanitizers}", "-fno-sanitize-recover=all"]
    words += [f"-I{sources[-1].parent}", *map(str, sources), "-o", str(target)]
    told = subprocess.run(words, capture_output=True, text=True, check=False)
    if told.returncode:
        raise BuildError(told.stderr.strip())


def clang() -> str | None:
    """The first clang here that can build a fuzzer: the runtime is often a package of its own."""
    with tempfile.TemporaryDirectory(prefix="edgeguard-fuzz-") as directory:
        probe = Path(directory) / "probe.c"
        probe.write_text("int LLVMFuzzerTestOneInput(const unsigned char *d, unsigned long n) { return 0; }\n")
        for name in filter(shutil.which, CLANGS):
            try:
                build(name, "-O0", [probe], f"fuzzer,{SANITIZERS}", Path(directory) / "probe")
            except BuildError:
                continue
            return name
    return None


def fuzz(compiler: str, name: str, executions: int, seconds: int) -> Run:
    """Build one harness and run it until either bound, 0 being none, or until a finding."""
    PLACE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="edgeguard-fuzz-") as directory:
        program, learned = Path(directory) / name, Path(directory) / "corpus"
        learned.mkdir()
        build(compiler, "-O2", [NATIVE / source for source in SOURCES[name]], f"fuzzer,{SANITIZERS}", program)
        return _run(program, [learned, NATIVE / "fuzz" / "corpus" / name], executions, seconds)


def _run(program: Path, corpora: Sequence[Path], executions: int, seconds: int) -> Run:
    seed = secrets.randbelow(2**31 - 1) + 1
    options = {
        "seed": seed,
        "runs": executions or -1,
        "max_total_time": seconds,
        "max_len": LONGEST,
        "timeout": STUCK,
        "print_final_stats": 1,
        "artifact_prefix": f"{PLACE / program.name}-finding-",
    }
    words = [str(program), *(f"-{key}={value}" for key, value in options.items()), *map(str, corpora)]
    start = time.monotonic()
    told = subprocess.run(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
    said = told.stderr.decode(errors="replace")
    counted = re.search(r"^stat::number_of_executed_units: (\d+)$", said, re.MULTILINE)
    ran = int(counted[1]) if counted else 0
    return Run(ran, int(told.returncode != 0), round(time.monotonic() - start, 1), seed, said)


def last_words(run: Run) -> str:
    """Of a clean run the two lines that count; of a finding all that the sanitizer said."""
    lines = run.said.splitlines()
    if run.findings:
        begins = next((i for i, line in enumerate(lines) if re.search("must hold|ERROR|runtime error", line)), 0)
        return "\n".join(lines[begins:])
    return "\n".join(line for line in lines if line.startswith(("Done ", "stat::number_of_executed_units")))


def result(runs: dict[str, Run]) -> dict[str, Any]:
    """The contract's object. No harness was run: 0 executions."""
    counts = [run.executions for run in runs.values()] or [0]
    told = {name: {key: value for key, value in asdict(run).items() if key != "said"} for name, run in runs.items()}
    findings = sum(run.findings for run in runs.values())
    more = {"spread": report.spread(counts), "findings": findings, "harnesses": told}
    return report.document("fuzz", min(counts), "executions", {}, **more)


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--executions", type=int, default=0, help=f"of each harness (without --seconds: {EXECUTIONS})")
    parser.add_argument("--seconds", type=int, default=0, help="for each harness")
    parser.add_argument("--json", action="store_true", help="print the result as one object, the last line")
    options = parser.parse_args()
    executions = options.executions or (0 if options.seconds else EXECUTIONS)
    compiler = clang()
    runs: dict[str, Run] = {}
    if compiler is None:
        print("fuzz: skipped: no clang with libFuzzer here (Debian: apt-get install clang libclang-rt-14-dev)")
    for name in SOURCES if compiler else ():
        try:
            runs[name] = fuzz(compiler or "", name, executions, options.seconds)
        except BuildError as error:
            raise SystemExit(f"fuzz: {compiler} cannot build {name}: {error}") from None
        print(f"{name}: {runs[name].executions:,} executions, findings: {runs[name].findings}", flush=True)
        print(last_words(runs[name]), flush=True)
    found = result(runs)
    report.deliver(found, options.json, save=False)
    if found["findings"]:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
