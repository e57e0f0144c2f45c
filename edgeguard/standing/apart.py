"""A question asked in a process that is forked for it and ends with its answer.

A driver is foreign code, often in C: it may wait where no signal of Python's reaches it, take all memory, or crash.
The kernel ends such a process, and all that is lost is one answer.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from edgeguard.exchange import NoAnswerError

MEMORY = 268_435_456  # bytes beyond what it was forked with


def apart(question: Callable[[], object], seconds: float) -> object:
    """What `question` gives, which JSON must be able to carry. Its NoAnswerError; TimeoutError."""
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as answer:
        try:
            pid = os.fork()
            if not pid:
                _live(question, seconds, writing)
        finally:
            os.close(writing)
        try:
            said = answer.read()
            _, status = os.waitpid(pid, 0)
        except BaseException:  # the time is over here, or the daemon has gone
            with contextlib.suppress(ProcessLookupError, ChildProcessError):
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
            raise
    return _heard(said, status)


def _live(question: Callable[[], object], seconds: float, writing: int) -> NoReturn:
    """The process's whole life. Whatever comes, it never returns into the program that it was forked from."""
    try:
        _confine(seconds)
        with os.fdopen(writing, "w", encoding="ascii") as said:
            said.write(json.dumps(_answered(question)))
    finally:
        os._exit(0)


def _confine(seconds: float) -> None:
    """Ended by the kernel when its time is over, with or without whoever asked; no core that holds a password."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    pages = int(Path("/proc/self/statm").read_text().split()[5])  # data and stack, proc(5)
    most = pages * resource.getpagesize() + MEMORY
    for limit, value in ((resource.RLIMIT_CORE, 0), (resource.RLIMIT_DATA, most)):
        with contextlib.suppress(OSError, ValueError):  # forbidden, or there is a stricter one
            resource.setrlimit(limit, (value, value))


def _answered(question: Callable[[], object]) -> dict[str, object]:
    try:
        return {"found": question()}
    except NoAnswerError as why:
        return {"why": str(why)}
    except MemoryError:
        return {"why": f"its answer takes more than {MEMORY:,} bytes of memory"}
    except Exception as error:  # what a database gives may be anything
        return {"why": f"its answer cannot be understood: {type(error).__name__}"}


def _heard(said: bytes, status: int) -> object:
    ended = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
    if ended == signal.SIGALRM:
        raise TimeoutError
    if ended or not said:
        how = signal.strsignal(ended) if ended else "it ended itself"
        raise NoAnswerError(f"the process that asked it ended without an answer: {how}")
    heard = json.loads(said)
    if "why" in heard:
        raise NoAnswerError(heard["why"])
    return heard["found"]
