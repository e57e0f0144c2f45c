"""What is wrong with a file, in the words of whoever wrote it: file, section, key, why."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

SECRET = re.compile(r"(secret|token|password|url)(?!_file)")  # keys whose values are shown to nobody
WRONG_TYPES = {
    "tuple_type": 'must be a list, like ["one", "two"]',
    "model_type": "must be a table of keys",
    "model_attributes_type": "must be a table of keys",
    "dict_type": "must be a table of keys",
    "string_type": "must be text in quotes",
    "bool_type": "must be true or false",
    "missing": "is missing",
}
SHAPES = {
    ("group",): "is a list of tables, each written below [[group]]",
    ("vm",): 'is a table for each VM, written below [vm."vm-101"]; the inventory has a file of its own',
}


def sentence(finding: Any, source: str, values: dict[str, Any]) -> str:
    """One finding of pydantic's as a line. `values` are what was read: a group is told by its name."""
    *section, key = list(_place(finding["loc"], values)) or ["file"]
    if key.startswith("item ") and section:
        *section, name = section
        key = f"{name}, {key}"
    where = f"[{'.'.join(section)}] {key}" if section else key
    if finding["type"] == "extra_forbidden":
        return f"{source}: {where}: unknown key; see docs/configuration.md for the known ones"
    message = WRONG_TYPES.get(finding["type"], finding["msg"].removeprefix("Value error, "))
    if finding["type"] in WRONG_TYPES:
        message = SHAPES.get(finding["loc"], message)
    given = finding.get("input")
    silent = isinstance(given, (dict, list, tuple)) or repr(given) in message or SECRET.search(key)
    told = "" if silent else f" (given: {given!r})"
    return f"{source}: {where}: {message}{told}"


def _place(loc: tuple[str | int, ...], values: dict[str, Any]) -> Iterator[str]:
    """The parts of a place; `group, 0` is the group's name where it has one."""
    parts = list(loc)
    if parts[:1] == ["group"] and len(parts) > 1 and isinstance(parts[1], int):
        yield _group(parts[1], values)
        parts = parts[2:] or ["table"]
    yield from (f"item {part + 1}" if isinstance(part, int) else str(part) for part in parts)


def _group(n: int, values: dict[str, Any]) -> str:
    group = values["group"][n]
    name = group.get("name") if isinstance(group, dict) else None
    return f'group "{name}"' if isinstance(name, str) and name else f"group, item {n + 1}"
