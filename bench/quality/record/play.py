"""A play: who does what on the stage, so that a look-alike passes the VM's tap."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bench.quality.record.stage import Stage


@dataclass(frozen=True, slots=True)
class Play:
    """`run` sets all up, and calls `stage.record(seconds)` once."""

    name: str
    about: str  # in a sentence, with the VM's part
    run: Callable[[Stage], None]
    versions: tuple[str, ...] = ()  # commands that print a program's name and version
    built: str = ""  # what no program made but actors.py, after which specification
    rtt_ms: tuple[float, float] = (20, 80)
    loss: float = 0.0
    merge: bool = False
    most: int = 20_000  # frames kept, from the start of the window
