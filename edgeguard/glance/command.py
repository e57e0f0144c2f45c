"""`status` and `top` as they are nearly always typed. All else is for the whole command line (cli)."""

from __future__ import annotations

import errno
import json
import os
import sys
from collections.abc import Sequence

from edgeguard.errors import EdgeGuardError
from edgeguard.glance import client
from edgeguard.glance.place import DEFAULT, socket_of
from edgeguard.glance.words import told

FLAGS = {"status": {"--json"}, "top": {"--json", "--once"}}
CONFIG = ("-c", "--config")
INTERRUPTED = 130  # as shells say it: 128 + SIGINT


def answered(words: Sequence[str]) -> int | None:
    """The exit code of a command that was answered here. None: it is not one of these, or not as plain."""
    asked = _asked(words)
    socket = socket_of(asked[2]) if asked else None
    if asked is None or socket is None:
        return None
    try:
        return _answer(asked[0], asked[1], socket)
    except EdgeGuardError as error:
        _complain(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        sys.stderr.write("\n")
        return INTERRUPTED


def _asked(words: Sequence[str]) -> tuple[str, set[str], str] | None:
    """(command, flags, configuration) where nothing else was said."""
    command, *rest = words or ("",)
    flags: set[str] = set()
    config = os.environ.get("EDGEGUARD_CONFIG") or DEFAULT
    while rest:
        word = rest.pop(0)
        if word in CONFIG and rest:
            config = rest.pop(0)
        elif word in FLAGS.get(command, ()):
            flags.add(word)
        else:
            return None
    return (command, flags, config) if command in FLAGS else None


def _answer(command: str, flags: set[str], socket: str) -> int:
    if command == "top" and not flags and sys.stdout.isatty():
        from edgeguard.glance import screen  # noqa: PLC0415 - only who watches needs a keyboard

        screen.watch(socket)
        return 0
    ask = top if command == "top" else status
    return _printed(ask(socket, "--json" in flags))


def status(socket: str, as_json: bool) -> str:
    """What `edgeguard status` prints."""
    from edgeguard.glance import lines  # noqa: PLC0415

    answer = client.exchange(socket, client.STATUS)
    return json.dumps(answer) if as_json else lines.status(answer)


def top(socket: str, as_json: bool) -> str:
    """What `edgeguard top --once` prints: all of it where the output is no terminal."""
    from edgeguard.glance import frame  # noqa: PLC0415

    answer = client.exchange(socket, client.TOP)
    if as_json:
        return json.dumps(answer)
    width, height = frame.size()
    return frame.plain(frame.frame(answer, width, height - 1 if sys.stdout.isatty() else 10_000))


def _printed(text: str) -> int:
    """The exit code. A reader that has gone is no error; a full disk below the output is told."""
    try:
        print(text, flush=True)
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nothing is tried again at the end
        if error.errno != errno.EPIPE:
            _complain(f"standard output: cannot be written: {error.strerror}; nothing was lost")
        return 1
    return 0


def _complain(text: str) -> None:
    for line in text.splitlines():
        sys.stderr.write(f"edgeguard: {told(line)}\n")
