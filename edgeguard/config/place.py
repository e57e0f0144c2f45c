"""Where a database is: the path of a file, or what a driver's connect() is given: text, or a table of parameters."""

from __future__ import annotations

import json
import re
from typing import Annotated, Any

from pydantic import BeforeValidator

LONGEST = 4096  # characters
_SECRET = re.compile(r"pass(word|wd|phrase)?\b|pwd|secret|token", re.IGNORECASE)
_IN_TEXT = re.compile(rf"({_SECRET.pattern})\w*\s*=|//[^/?#]*:[^/?#]*@", re.IGNORECASE)


def _place(value: object) -> object:
    if not isinstance(value, (str, dict)):
        raise ValueError("must be text in quotes, or a table of what the driver's connect() is given")
    try:
        text = json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        raise ValueError(
            "a table of parameters holds text, numbers, true and false, and tables and lists of these"
        ) from None
    if len(text) > LONGEST:
        raise ValueError(f"is longer than {LONGEST:,} characters")
    return value


Place = Annotated[Any, BeforeValidator(_place)]  # str or dict


def holds_secret(place: object) -> bool:
    """Whether a password stands in it, which belongs into a file that nobody else reads."""
    if isinstance(place, str):
        return bool(_IN_TEXT.search(place))
    if isinstance(place, dict):
        return any(_SECRET.search(key) or holds_secret(value) for key, value in place.items())
    return isinstance(place, list) and any(map(holds_secret, place))
