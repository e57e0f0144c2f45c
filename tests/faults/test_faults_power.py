"""Power lost at any moment: the database opens, holds all that was acknowledged, and nothing that was not begun.

Every write and sync of a real run is recorded (blackbox.c). A loss is a point in that record: what was
synced before it is on the disk; of what was not, any part may be, in any order, torn within a sector run.
"""

from __future__ import annotations

import os
import random
import secrets
import shutil
import sqlite3
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from edgeguard.cases.store import Store

ROUNDS, LOSSES, SECTOR = 40, 300, 512
SEED = int(os.environ.get("EDGEGUARD_FAULTS_SEED") or secrets.randbelow(1 << 31))
HERE = Path(__file__).parent
_HEAD = struct.Struct("=BBQI")


@dataclass(frozen=True, slots=True)
class Event:
    kind: str
    file: int
    offset: int
    data: bytes


@dataclass
class Disk:
    """Two files: what is certainly on the disk, and what was written since the last sync of each."""

    certain: list[bytearray] = field(default_factory=lambda: [bytearray(), bytearray()])
    pending: list[list[Event]] = field(default_factory=lambda: [[], []])

    def take(self, event: Event) -> None:
        if event.kind in "wt":
            self.pending[event.file].append(event)
        elif event.kind == "s":
            for one in self.pending[event.file]:
                _apply(self.certain[event.file], one)
            self.pending[event.file] = []

    def lost(self, chance: random.Random) -> list[bytearray]:
        """The two files after a loss of power now."""
        files = [bytearray(one) for one in self.certain]
        for number, pending in enumerate(self.pending):
            share = chance.choice((0.0, 0.5, 0.9, 1.0))
            for event in pending:
                if chance.random() < share:
                    _apply(files[number], _torn(event, chance))
        return files


def _apply(file: bytearray, event: Event) -> None:
    if event.kind == "t":
        del file[event.offset :]
        file.extend(bytes(event.offset - len(file)))
        return
    file.extend(bytes(max(0, event.offset - len(file))))
    file[event.offset : event.offset + len(event.data)] = event.data


def _torn(event: Event, chance: random.Random) -> Event:
    """One write in four reaches the disk in part only."""
    if event.kind == "t" or chance.random() < 3 / 4:
        return event
    sectors = chance.randrange(0, len(event.data) // SECTOR + 1)
    return Event(event.kind, event.file, event.offset, event.data[: sectors * SECTOR])


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Path]:
    """A folder where a sync costs nothing: what it promises is in the record."""
    room = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=room if os.access(room, os.W_OK) else tmp_path) as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def blackbox(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not shutil.which("gcc"):
        pytest.skip("needs gcc for the recorder of writes")
    target = tmp_path_factory.mktemp("blackbox") / "blackbox.so"
    subprocess.run(["gcc", "-O1", "-shared", "-fPIC", "-o", target, HERE / "blackbox.c", "-ldl"], check=True)
    return target


def recorded(blackbox: Path, folder: Path) -> list[Event]:
    """A run of writer.py, write by write."""
    record = folder / "record"
    paths = {"LD_PRELOAD": str(blackbox), "BLACKBOX": str(record), "PYTHONPATH": str(HERE.parents[1])}
    environment = {**os.environ, **paths}
    command = [sys.executable, HERE / "writer.py", folder / "run" / "edgeguard.sqlite", str(SEED), str(ROUNDS)]
    subprocess.run(command, check=True, env=environment, timeout=600)
    raw, events, at = record.read_bytes(), [], 0
    while at < len(raw):
        kind, file, offset, length = _HEAD.unpack_from(raw, at)
        at += _HEAD.size
        events.append(Event(chr(kind), file, offset, raw[at : at + length]))
        at += length
    return events


def states(folder: Path) -> list[str]:
    """What the database says after each transaction of the same run, on a disk that is well."""
    import writer  # noqa: PLC0415 - a program of this folder

    path = folder / "true" / "edgeguard.sqlite"
    with Store(path) as store:
        said = [_said(path)]
        for transact in writer.transactions(store, SEED, ROUNDS):
            transact()
            said.append(_said(path))
    return said


def _said(path: Path) -> str:
    db = sqlite3.connect(path)
    try:
        return "\n".join(db.iterdump())
    finally:
        db.close()


def test_power_lost(blackbox: Path, memory: Path) -> None:
    """After each of 300 losses the database opens sound, with every acknowledged transaction and no half one."""
    print(f"seed {SEED}: EDGEGUARD_FAULTS_SEED={SEED} repeats it")
    events = recorded(blackbox, memory)
    assert sum(event.kind == "s" for event in events) > ROUNDS, "the run synced what it promised"
    said = states(memory)
    numbers = {text: number for number, text in enumerate(said)}
    chance = random.Random(SEED)
    points = sorted(chance.sample(range(len(events)), min(LOSSES, len(events))))
    disk, begun, acknowledged = Disk(), 0, 0
    for at, event in enumerate(events):
        if event.kind == "m" and event.offset < 1 << 40:
            begun, acknowledged = (event.offset // 2 + 1, acknowledged + event.offset % 2)
        disk.take(event)
        if at in set(points[:1]):
            points.pop(0)
            found = _opened(disk.lost(chance), memory / f"loss{at}")
            number = numbers.get(found, -1) if begun else acknowledged
            assert acknowledged <= number <= begun, f"loss at {at}, seed {SEED}: {acknowledged}..{begun}, is {number}"


def _opened(files: list[bytearray], folder: Path) -> str:
    """As the next start of the daemon opens it."""
    folder.mkdir()
    path = folder / "edgeguard.sqlite"
    path.write_bytes(files[0])
    if files[1]:
        path.with_name(path.name + "-wal").write_bytes(files[1])
    with Store(path) as store:
        assert store._db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert store._db.execute("PRAGMA foreign_key_check").fetchall() == []
        store.standing()
    text = _said(path)
    shutil.rmtree(folder)
    return text
