"""Compiled kernels are kept by what they were made of."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from edgeguard.counting.compiling import folder

LOADS = "from edgeguard.counting import kernels; print(sum(kernels.tick.stats.cache_hits.values()))"


def test_a_constant_of_another_file_makes_another_folder(tmp_path: Path) -> None:
    """A change in any source, by a single digit, must not meet kernels of before."""
    one, other = tmp_path / "state.py", tmp_path / "kernels.py"
    one.write_text("RING = 16\n")
    other.write_text("from state import RING\n")
    before = folder("", (one, other))
    one.write_text("RING = 12\n")
    assert folder("", (one, other)) != before
    one.write_text("RING = 16\n")
    assert folder("", (one, other)) == before


def test_the_second_start_compiles_nothing(tmp_path: Path) -> None:
    """NUMBA_CACHE_DIR says where kernels are kept, and there the next start finds them."""
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    runs = [
        subprocess.run([sys.executable, "-c", LOADS], env=environment, capture_output=True, text=True, check=True)
        for _ in range(2)
    ]
    assert [run.stdout.strip() for run in runs] == ["0", "1"]
    assert [path.name.partition("-")[0] for path in tmp_path.iterdir()] == ["kernels"]
