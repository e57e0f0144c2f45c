"""`edgeguard top` in a terminal: frame after frame on a screen of its own, which is given back afterwards."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import termios
import time
import tty
from collections.abc import Callable, Iterator, Sequence

from edgeguard.errors import DaemonError
from edgeguard.glance import client
from edgeguard.glance.frame import BOLD, GOOD, QUIET, WARNING, WRONG, Line, cut, frame, size
from edgeguard.glance.words import told

EVERY_S = 1.0
ENTER, LEAVE = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"  # the other screen, no cursor; and back
HOME, LINE_END, SCREEN_END = "\x1b[H", "\x1b[K", "\x1b[J"
CODES = {BOLD: "1", WRONG: "1;31", WARNING: "33", GOOD: "32", QUIET: "2"}  # ECMA-48, select graphic rendition


def watch(socket: str) -> None:
    """Until `q` or Ctrl-C. While no daemon answers, that stands there."""
    with _terminal() as quits:
        while True:
            width, height = size()
            sys.stdout.write(drawn(lines(socket, width, height), colours=not os.environ.get("NO_COLOR")))
            sys.stdout.flush()
            if quits(EVERY_S):
                return


def lines(socket: str, width: int, height: int) -> list[Line]:
    """A frame; while no daemon answers, why."""
    try:
        return frame(client.exchange(socket, client.TOP), width, height)
    except DaemonError as error:
        said: Line = ((f"! {told(error)}", WRONG),)
        return [cut(said, width), (), (("asked again every second; q ends", QUIET),)]


def drawn(shown: Sequence[Line], colours: bool) -> str:
    """Over what stood there before, so that nothing flickers."""
    return HOME + f"{LINE_END}\r\n".join(_styled(line, colours) for line in shown) + LINE_END + SCREEN_END


def _styled(line: Line, colours: bool) -> str:
    return "".join(f"\x1b[{CODES[style]}m{text}\x1b[0m" if style and colours else text for text, style in line)


@contextlib.contextmanager
def _terminal() -> Iterator[Callable[[float], bool]]:
    """A screen of its own; whether `q` was pressed within so many seconds. Everything is as before afterwards,
    also when it is ended by a signal."""
    before = termios.tcgetattr(sys.stdin) if sys.stdin.isatty() else None
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        if before is not None:
            tty.setcbreak(sys.stdin)
        sys.stdout.write(ENTER)
        yield _pressed if before is not None else _waited
    except KeyboardInterrupt:
        return
    finally:
        sys.stdout.write(LEAVE)
        sys.stdout.flush()
        if before is not None:
            termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


def _pressed(seconds: float) -> bool:
    end = time.monotonic() + seconds
    while select.select([sys.stdin], [], [], max(0.0, end - time.monotonic()))[0]:
        keys = os.read(sys.stdin.fileno(), 64)
        if not keys or b"q" in keys.lower():
            return True
    return False


def _waited(seconds: float) -> bool:
    time.sleep(seconds)
    return False
