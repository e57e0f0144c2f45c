"""What holds automation back from outside: the kill file in the log, and how many customers a host has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from samples import TAP, VM, T

from edgeguard.daemon.precautions import Precautions


class _Host:
    """Three VMs of two customers at taps, one without a customer, one that is on another host."""

    def taps(self) -> list[tuple[int, Any]]:
        return [(point, TAP) for point in range(4)]

    def rows(self) -> list[tuple[int, Any]]:
        names = ["Example Ltd", "Example Ltd", "Other Ltd", None, "Elsewhere Ltd"]
        return [(n, VM.__class__(f"vm-{n}", "web", name, None)) for n, name in enumerate(names)] + [(9, None)]


def test_customers_with_a_tap_here_are_counted(tmp_path: Path) -> None:
    """Each once; a VM without a customer and one whose tap is not on this host count for none."""
    found = Precautions(str(tmp_path / "observe-only"), _Host())  # type: ignore[arg-type]
    found.look(T)
    assert found.customers() == 2
    assert found.permit() is None


def test_the_log_says_when_it_comes_and_goes(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """One line when the kill file appears, when its words change and when it is gone; none while nothing changes."""
    file = tmp_path / "observe-only"
    found = Precautions(str(file), _Host())  # type: ignore[arg-type]
    for text in (None, None, "one", "one", "two", None, None):
        file.unlink(missing_ok=True)
        if text:
            file.write_text(text)
        found.look(T)
    told = [record.getMessage() for record in caplog.records]
    there = f"observe only: the kill file {file} is there"
    assert told == [f"{there}: one", f"{there}: two", "the kill file is gone: automation acts again"]
