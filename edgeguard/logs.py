"""The daemon's log: one line each on standard error, as text or as JSON.

    lines = logs.start("text")
    log.warning("%s: %s", case.id, text, extra=logs.about(case.id, decision.id))
    lines.shape("json")                # from now on

Whatever a message holds, what does not print is written as an escape: no name of a VM, a tap or a mail server
moves a cursor or begins a line of its own.
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from datetime import UTC, datetime

TEXT = "%(asctime)s %(levelname)s %(message)s"
LEVELS = ("debug", "info", "warning", "error", "critical")
_SUBJECTS = ("case", "decision")  # what a line may be about: attributes of its record


def about(case: str | None = None, decision: str | None = None) -> dict[str, str]:
    """`extra` of a line that is about a case, or about one of its decisions."""
    return {name: id for name, id in zip(_SUBJECTS, (case, decision), strict=True) if id}


def escaped(text: str) -> str:
    """What does not print as an escape: a line break is '\\n'."""
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)


class TextLines(logging.Formatter):
    """For people and for the journal. A traceback has lines of its own."""

    def __init__(self) -> None:
        super().__init__(TEXT)

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        record.message = escaped(record.message)
        return super().formatMessage(record)

    def formatException(self, ei: object) -> str:  # noqa: N802
        return "\n".join(map(escaped, super().formatException(ei).splitlines()))  # type: ignore[arg-type]


class JsonLines(logging.Formatter):
    """For programs: one object a line, ASCII, keys only ever added."""

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC)
        line = {
            "time": f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **{name: getattr(record, name) for name in _SUBJECTS if hasattr(record, name)},
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line)


class Lines(logging.StreamHandler):  # type: ignore[type-arg]
    """Writes the lines, and counts them by level."""

    def __init__(self, shape: str) -> None:
        super().__init__()  # standard error as it is now
        self.written: Counter[str] = Counter()
        self.shape(shape)

    def shape(self, shape: str) -> None:
        """'text' or 'json', from the next line on."""
        self.setFormatter(JsonLines() if shape == "json" else TextLines())

    def emit(self, record: logging.LogRecord) -> None:
        self.written[record.levelname.lower()] += 1
        super().emit(record)


def start(shape: str) -> Lines:
    """From now on everything from INFO up is written."""
    lines = Lines(shape)
    root = logging.getLogger()
    root.addHandler(lines)
    root.setLevel(logging.INFO)
    return lines
