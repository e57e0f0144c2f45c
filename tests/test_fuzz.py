"""The fuzzers' harnesses: clean on their corpus, able to find, and made from our own frames alone.

The fuzzing itself is `python -m bench.long.fuzz`, which CI runs for a minute each. Here the same
harnesses are built with the compiler that builds the extension, and run over the corpus once.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from oracles.seeds import SEEDS

sys.path.insert(0, str(Path(__file__).parents[1]))  # the benches are no part of the package

from bench.long import fuzz

CORPUS = fuzz.NATIVE / "fuzz" / "corpus"
ONCE = fuzz.NATIVE / "fuzz" / "once.c"
HARNESSES = sorted(SEEDS)
# what to break, in which file, and how: each must be found by the corpus alone
PLANTED = [
    ("a byte read beyond the frame", "decode", "link_layer.h", "if (!has(c, size))", "if (!has(c, size - 1))"),
    ("a total forgotten", "decode", "decode.c", "t->ipv6 += r->family == 6;", ""),
    ("a field not cleared", "decode", "decode.c", "memset(&r->family, 0,", "memset(&r->vlan, 0, 0 *"),
    ("two paths that differ", "decode", "decode.h", "memcpy(&r->src_port, &ports, sizeof ports);", "r->dst_port = 0;"),
    ("a record read beyond the file", "savefile", "savefile.c", "end - at - header < captured", "end - at < captured"),
    ("a clock begun anew by every call", "savefile", "savefile.h", "f->previous_ts = s.previous;", ""),
    ("a twin beyond the frame", "savefile", "twins.h", "captured < EG_TWINS_NEEDED - 20", "captured < 28"),
    ("a twin counted too often", "savefile", "twins.h", "        t->twice += is_close;", "        t->twice += 9;"),
    ("beyond a mirrored frame", "mirror", "ring_mirror.c", "v->captured >= end;", "v->captured + 2 >= end;"),
    ("a tag forgotten", "mirror", "points.h", "vlan ? eg_points_get(p, mac | vlan << 48)", "0 ? 0"),
    ("VXLAN in a trailer", "mirror", "ring_mirror.c", "length == 0 || length >= needed", "length + 1"),
    ("VXLAN that a VM sends", "mirror", "ring_mirror.c", "m->vxlan_port && !is_vm(", "m->vxlan_port && (1 || "),
    ("a stranger's frame to a VM counted twice", "mirror", "ring_mirror.c", "!is_vm(from) && is_vm(to)", "0"),
    ("the last tag kept", "mirror", "ring_mirror.c", "out->vlan = (uint16_t)v.vlan;", ""),
    ("a block that ends nowhere", "savefile", "pcapng.c", "p->captured > b->length - PACKET_MIN", "0"),
]


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder to build in, where the sanitizers work."""
    place = tmp_path_factory.mktemp("fuzz")
    empty = place / "empty.c"
    empty.write_text("int main(void) { return 0; }\n")
    try:
        fuzz.build("gcc", "-O0", [empty], fuzz.SANITIZERS, place / "empty")
        subprocess.run([place / "empty"], check=True, capture_output=True)
    except (fuzz.BuildError, OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"gcc cannot build with AddressSanitizer here: {error}")
    yield place


def built(name: str, place: Path, native: Path = fuzz.NATIVE) -> Path:
    sources = [native / source for source in fuzz.SOURCES[name]]
    fuzz.build("gcc", "-O0", [ONCE, *sources], fuzz.SANITIZERS, place / name)
    return place / name


def run(program: Path, files: list[Path]) -> subprocess.CompletedProcess[str]:
    return subprocess.run([program, *files], capture_output=True, text=True, errors="replace", check=False)


def corpus(name: str) -> list[Path]:
    return sorted((CORPUS / name).iterdir())


@pytest.mark.parametrize("name", HARNESSES)
def test_the_corpus_is_ours(name: str) -> None:
    """Each file of the corpus must be byte for byte what seeds.py makes: no capture of anybody's traffic."""
    made = SEEDS[name]()
    assert corpus(name)
    assert [file.name for file in corpus(name) if made.get(file.name) != file.read_bytes()] == []


@pytest.mark.parametrize("name", HARNESSES)
def test_the_corpus_is_clean(name: str, workshop: Path, tmp_path: Path) -> None:
    """No seed, kept in the tree or not, may break what the harness demands."""
    for called, content in SEEDS[name]().items():
        (tmp_path / called).write_bytes(content)
    told = run(built(name, workshop), sorted(tmp_path.iterdir()))
    assert told.returncode == 0, told.stderr


@pytest.mark.parametrize(("name", "file", "right", "wrong"), [p[1:] for p in PLANTED], ids=[p[0] for p in PLANTED])
def test_planted_errors_are_found(name: str, file: str, right: str, wrong: str, workshop: Path, tmp_path: Path) -> None:
    """A harness must stop at an error of memory or of arithmetic put into the code on purpose."""
    native = tmp_path / "native"
    shutil.copytree(fuzz.NATIVE, native, ignore=shutil.ignore_patterns("corpus"))
    text = (native / file).read_text()
    assert right in text
    (native / file).write_text(text.replace(right, wrong))
    told = run(built(name, tmp_path, native), corpus(name))
    assert told.returncode != 0
    assert "must hold" in told.stderr or "Sanitizer" in told.stderr


def test_the_fuzzers_run_and_report() -> None:
    """The bench must end with its object: every harness executed, nothing found."""
    command = [sys.executable, "-m", "bench.long.fuzz", "--executions", "20000", "--json"]
    told = subprocess.run(command, cwd=fuzz.report.ROOT, capture_output=True, text=True, check=False)
    if "fuzz: skipped" in told.stdout:
        pytest.skip(told.stdout.splitlines()[0])
    assert told.returncode == 0, told.stdout + told.stderr
    found = json.loads(told.stdout.splitlines()[-1])
    assert {"bench", "value", "unit", "ratios", "spread", "machine", "commit"} <= found.keys()
    assert found["findings"] == 0
    assert sorted(found["harnesses"]) == HARNESSES
    assert found["value"] >= 20_000
