"""A page: what wakes a person. Five lines that say what is wrong, and the commands to paste.

document(...)   what is recorded, as JSON
text(...)       what the program of [page] reads and the desk is mailed
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from edgeguard.letters import Channel, Delivery
from edgeguard.model import identity

VERSION = 1  # of the document
LINES = 5
COMMANDS = 8
LINE_LENGTH = 200


def page(
    cause: str,
    host: str,
    at: int,
    case: str | None,
    lines: Sequence[str],
    commands: Sequence[str] = (),
    decision: str | None = None,
) -> Delivery:
    """A page about a case, or about the host where `case` is None. cause: one of model.PAGES."""
    id = identity("page", host, cause, case, decision, at, *lines)
    document = {
        "version": VERSION,
        "kind": "page",
        "id": id,
        "cause": cause,
        "host": host,
        "at": at,
        "case": case,
        "lines": [_line(line) for line in lines[:LINES]],
        "commands": [_line(command) for command in commands[:COMMANDS]],
    }
    return Delivery(id, Channel.PAGE, case, decision, at, json.dumps(document), cause)


def subject(document: Mapping[str, Any]) -> str:
    """'[EdgeGuard] hv1: not stopped (EG-20260101-1a2b3c4d5e6f)'."""
    about = f" ({document['case']})" if document["case"] else ""
    return _line(f"[EdgeGuard] {document['host']}: {document['cause']}{about}")


def text(document: Mapping[str, Any], grouped: int = 0) -> str:
    """The whole page. grouped: how many of its cause were kept back since the last one."""
    lines = [subject(document), *document["lines"]]
    if grouped:
        more = "page was" if grouped == 1 else "pages were"
        lines.append(f"{grouped:,} more {more} kept back since the last one of this cause: edgeguard case list --open")
    return "\n".join([*lines, *(f"  {command}" for command in document["commands"])]) + "\n"


def _line(text: str) -> str:
    """One line that is safe on a terminal and in a message; names in it come from outside."""
    shown = "".join(sign if sign.isprintable() else "?" for sign in text)
    return shown if len(shown) <= LINE_LENGTH else shown[: LINE_LENGTH - 3] + "..."
