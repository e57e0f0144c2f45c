"""The story, line by line as it happens, with times counted from the beginning of the flood."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import IO

from rich.console import Console
from rich.text import Text

from edgeguard.clock import MILLISECOND, SECOND

SILENCE_S = 5
SETTLE_S = 0.3  # what several processes report is put in order for this long


def seconds(ns: int) -> str:
    """'+1.234 s'."""
    return f"{ns / SECOND:+9.3f} s"


def span(ns: int) -> str:
    """'13.4 ms', '2.31 s': how long between two events of the story."""
    return f"{ns / MILLISECOND:.1f} ms" if ns < SECOND else f"{ns / SECOND:.2f} s"


def _on_terminal(console: Console, style: str, text: str) -> None:
    console.print(Text(text, style=style), soft_wrap=True)


def printer(stream: IO[str] | None) -> Callable[[str, str], None]:
    """What prints a styled line: with colours on a terminal, plain elsewhere, nothing without a stream."""
    if stream is None:
        return lambda _style, _text: None
    if stream.isatty():
        console = Console(file=stream, highlight=False)
        return lambda style, text: _on_terminal(console, style, text)
    return lambda _style, text: print(text, file=stream, flush=True)


def for_output(as_json: bool) -> IO[str] | None:
    """Where the story goes: JSON has standard output for itself, and then only a person reads."""
    if not as_json:
        return sys.stdout
    return sys.stderr if sys.stderr.isatty() else None


class Story:
    """Events told in order of their time, once each."""

    def __init__(self, print_line: Callable[[str, str], None]) -> None:
        self._print = print_line
        self._start: int | None = None
        self._waiting: list[tuple[int, int, float, str, str]] = []
        self._told: set[str] = set()
        self._spoke = time.monotonic()

    def begins(self, at: int) -> None:
        """The moment that times count from; what is told before it waits."""
        self._start = at

    def say(self, text: str = "", style: str = "") -> None:
        """A line that has no time; what waits comes first."""
        self.flush()
        self._print(style, text)
        self._spoke = time.monotonic()

    def tell(self, at: int | None, text: str, style: str = "", once: str = "") -> None:
        """An event at `at` (ns since 1970); None: it did not happen (yet). `once` names what is told once."""
        if at is None or (once or text) in self._told:
            return
        self._told.add(once or text)
        self._waiting.append((at, len(self._told), time.monotonic(), text, style))

    def patience(self) -> None:
        """Say every few seconds of a long silence that it still goes on."""
        now = time.monotonic()
        if now - self._spoke > SILENCE_S:
            self.say("... still starting", "dim")

    def tick(self) -> None:
        """Print what is old enough to be in order."""
        self._print_until(time.monotonic() - SETTLE_S)

    def flush(self) -> None:
        self._print_until(time.monotonic())

    def _print_until(self, moment: float) -> None:
        if self._start is None:
            return
        self._waiting.sort()
        while self._waiting and self._waiting[0][2] <= moment:
            at, _, _, text, style = self._waiting.pop(0)
            self._print(style, f"{seconds(at - self._start)}  {text}")
