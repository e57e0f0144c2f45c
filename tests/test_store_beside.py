"""Another process opens and closes the database beside a daemon: nothing of what that writes is lost by it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from edgeguard.cases.baseline_file import BaselineFile
from edgeguard.cases.case import Case
from edgeguard.cases.reader import Reader
from edgeguard.cases.store import Store

BESIDE = "import sqlite3, sys; db = sqlite3.connect(sys.argv[1]); db.execute('select count(*) from cases'); db.close()"
ALSO = "import sys; from edgeguard.cases.store import Store; Store(sys.argv[1]).close()"


def _elsewhere(program: str, path: Path) -> None:
    subprocess.run([sys.executable, "-c", program, str(path)], check=True, timeout=600)


def test_a_second_connection_keeps_the_locks_of_the_first(tmp_path: Path) -> None:
    """With store and outbox open here, a process that opens the file and closes it leaves the log where it is."""
    path = tmp_path / "cases.sqlite"
    with Store(path) as store:
        box = store.box()
        box.next_due()  # connects
        for program in (BESIDE, ALSO):
            _elsewhere(program, path)
            assert path.with_name("cases.sqlite-wal").exists()
        store.put_case(Case("EG-1", "vm-1", None, "tap1", 7, None, None, 1, "observed"))
        with Reader(path) as reader:
            assert [case.id for case in reader.cases()] == ["EG-1"]
        box.close()


def test_the_same_of_the_baselines(tmp_path: Path) -> None:
    """A second opener in one process does not give up the first one's locks."""
    path = tmp_path / "cases.baselines.sqlite"
    with BaselineFile(path) as first:
        first.write([("vm-1", None, "syn", 1, b"")])
        BaselineFile(path).close()
        _elsewhere(BESIDE.replace("cases", "minutes"), path)
        assert path.with_name("cases.baselines.sqlite-wal").exists()
