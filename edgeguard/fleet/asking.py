"""Asking a program or a URL, once, within a time: yes, no, or why there is no answer.

Only the plain word `yes` or `no` is an answer; whatever else comes, comes late or comes at length is none.
"""

from __future__ import annotations

import contextlib
import http
import os
import select
import signal
import subprocess
import time

from edgeguard.exchange import NoAnswerError, exchange, origin

LONGEST = 64  # bytes of an answer
WORDS = {b"yes": True, b"no": False}


def by_program(command: tuple[str, ...], document: bytes, seconds: float) -> bool:
    """A program that reads the document and writes its answer, with exit status 0. NoAnswerError."""
    deadline = time.monotonic() + seconds
    try:
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
        )
    except OSError as error:
        raise NoAnswerError(f"{command[0]} cannot be started: {error.strerror}") from None
    try:
        text = _exchange(process, document, deadline)
        code = process.wait(max(0.0, deadline - time.monotonic()))
    except (TimeoutError, subprocess.TimeoutExpired):
        raise NoAnswerError(f"{command[0]} did not answer within {seconds * 1000:.0f} ms") from None
    finally:
        _end(process)
    if code:
        raise NoAnswerError(f"{command[0]} ended with status {code}")
    return _word(text, command[0])


def _exchange(process: subprocess.Popen[bytes], document: bytes, deadline: float) -> bytes:
    """Hand over the document, which is less than a pipe holds, and read to the end of what comes."""
    assert process.stdin is not None
    assert process.stdout is not None
    with contextlib.suppress(BrokenPipeError), process.stdin as pipe:
        pipe.write(document)
    text, output = b"", process.stdout.fileno()
    while len(text) <= LONGEST:
        if not select.select([output], [], [], max(0.0, deadline - time.monotonic()))[0]:
            raise TimeoutError
        part = os.read(output, LONGEST + 1)
        if not part:
            break
        text += part
    return text


def _end(process: subprocess.Popen[bytes]) -> None:
    """Its whole session, as it may have started others; one that has ended by itself is only taken off."""
    if process.returncode is None:  # not taken off yet, so its number is nobody else's
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert process.stdout is not None
    process.stdout.close()


def by_url(url: str, document: bytes, seconds: float) -> bool:
    """A POST of the document, answered with status 200 and the word. No redirect is followed. NoAnswerError.

    Its path may hold a secret, which stands in no reason.
    """
    headers = {"Content-Type": "application/json"}
    status, text = exchange("POST", url, document, headers, seconds, LONGEST + 1)
    if status != http.HTTPStatus.OK:
        raise NoAnswerError(f"{origin(url)} answered with status {status}")
    return _word(text, origin(url))


def _word(text: bytes, who: str) -> bool:
    found = WORDS.get(text.strip().lower())
    if found is None:
        raise NoAnswerError(f"{who} said neither yes nor no")
    return found
