"""A row as an answer: `standing`, `as_of` and `valid_until` are those, every other column is a fact of its name.

Null is left out.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

OWN = ("standing", "as_of", "valid_until")


def answer(names: Iterable[str], values: Iterable[Any]) -> dict[str, Any]:
    """What the row says. ValueError where there are more names than values, or fewer."""
    row = {name: value for name, value in zip(names, values, strict=True) if value is not None}
    facts = {name: _holds(value) for name, value in row.items() if name not in OWN}
    return {**{name: row[name] for name in OWN if name in row}, "facts": facts}


def _holds(value: Any) -> Any:
    """Some databases have no truth values: 0 and 1."""
    return bool(value) if value in (0, 1) else value
