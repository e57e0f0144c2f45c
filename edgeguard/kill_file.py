"""A file that a person makes, `edgeguard panic` among others: while it is there nothing is null-routed."""

from __future__ import annotations

import os

READ = 4096  # bytes
SHOWN = 200  # characters of its first line


def reason(path: str) -> str | None:
    """That it is there, and its first line; None: it is not. Where nobody can say, it is taken to be there."""
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        return f"whether the kill file {path} is there cannot be seen: {error.strerror}"
    words = _words(path)
    return f"the kill file {path} is there{': ' if words else ''}{words}"


def _words(path: str) -> str:
    """What it says, as far as it can be read: a pipe or a device never is."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return ""
    try:
        text = os.read(file, READ).decode("utf-8", "replace")
    except OSError:
        return ""
    finally:
        os.close(file)
    line = next(iter(text.splitlines()), "")
    return "".join(letter for letter in line if letter.isprintable()).strip()[:SHOWN]
