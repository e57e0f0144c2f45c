"""The log: lines that nothing can forge, as text and as JSON."""

from __future__ import annotations

import io
import json
import logging
import re
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeguard import logs
from edgeguard.logs import Lines, about

HOSTILE = "vm-\x1b[2J\x07\r\n2026-01-01 00:00:00,000 ERROR forged\u202e\x85\udc80"


@pytest.fixture
def output() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def lines(output: io.StringIO) -> Lines:
    found = Lines("text")
    found.setStream(output)
    return found


@pytest.fixture
def log(lines: Lines) -> Iterator[logging.Logger]:
    logger = logging.getLogger("edgeguard.of-a-test")
    logger.propagate = False
    logger.addHandler(lines)
    logger.setLevel(logging.INFO)
    yield logger
    logger.removeHandler(lines)


def failed(log: logging.Logger, words: str) -> None:
    try:
        raise ValueError(words)
    except ValueError:
        log.exception("it failed: %s", "why")


def test_text_is_as_it_was(log: logging.Logger, output: io.StringIO) -> None:
    """Time, level and message in one line, as the journal and people's filters know it."""
    log.warning("%s: %s", "EG-1", "narrow", extra=about("EG-1", "d-1"))
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} WARNING EG-1: narrow\n", output.getvalue())


@pytest.mark.parametrize("shape", ["text", "json"])
def test_nothing_raw_reaches_the_terminal(log: logging.Logger, lines: Lines, output: io.StringIO, shape: str) -> None:
    """Control characters of a message must be escapes: no cursor moves, and no line begins that nobody wrote."""
    lines.shape(shape)
    log.error("tap %s appeared", HOSTILE)
    told = output.getvalue()
    assert told.count("\n") == 1 and told.endswith("\n")
    assert told[:-1].isprintable()
    assert "\\u001b[2J" in told or "\\x1b[2J" in told


@given(st.text(alphabet=st.characters()))
def test_escaping_keeps_what_prints(text: str) -> None:
    """Any text becomes one that prints; what prints already stays as it is."""
    assert logs.escaped(text).isprintable()
    assert not text.isprintable() or logs.escaped(text) == text


def test_json_is_one_object_a_line(log: logging.Logger, lines: Lines, output: io.StringIO) -> None:
    """Time in UTC with milliseconds, level, logger, message; case and decision only where the line is about one."""
    lines.shape("json")
    log.warning("%s: %s", "EG-1", "narrow", extra=about("EG-1", "d-1"))
    log.info("ready")
    log.error("%s", "failed", extra=about(decision="d-2"))
    first, second, third = map(json.loads, output.getvalue().splitlines())
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", first.pop("time"))
    logger = "edgeguard.of-a-test"
    narrow = {"level": "warning", "logger": logger, "message": "EG-1: narrow", "case": "EG-1", "decision": "d-1"}
    assert first == narrow
    assert set(second) == {"time", "level", "logger", "message"}
    assert third["decision"] == "d-2" and "case" not in third


def test_a_traceback_stays_one_object_and_prints(log: logging.Logger, lines: Lines, output: io.StringIO) -> None:
    """An exception is a key of its line in JSON; in text it has lines of its own, without raw control characters."""
    failed(log, HOSTILE)
    assert all(line.isprintable() for line in output.getvalue().split("\n"))
    assert "Traceback (most recent call last):\n" in output.getvalue()
    lines.shape("json")
    before = len(output.getvalue())
    failed(log, HOSTILE)
    (line,) = output.getvalue()[before:].splitlines()
    assert "ValueError" in json.loads(line)["exception"]


def test_lines_are_counted_by_level(log: logging.Logger, lines: Lines) -> None:
    """Each line that is written is counted, for the metrics; what is below INFO is neither."""
    for _ in range(3):
        log.warning("w")
    log.error("e")
    log.debug("d")
    assert dict(lines.written) == {"warning": 3, "error": 1}
