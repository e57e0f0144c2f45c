"""From text to a configuration: defaults.toml, overlaid by one TOML file; every finding reported together."""

from __future__ import annotations

import functools
import tomllib
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from edgeguard.config.whole import Config
from edgeguard.errors import ConfigError

DEFAULTS = Path(__file__).parents[1] / "defaults.toml"


@functools.cache
def _defaults() -> str:
    return DEFAULTS.read_text(encoding="utf-8")


def _overlay(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """`over` laid on `base`, table by table; lists and values replace."""
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        both_tables = isinstance(below, dict) and isinstance(value, dict)
        merged[key] = _overlay(below, value) if both_tables else value  # type: ignore[arg-type]
    return merged


WRONG_TYPES = {
    "tuple_type": 'must be a list, like ["one", "two"]',
    "model_type": "must be a table of keys",
    "string_type": "must be text in quotes",
    "missing": "is missing",
}


def _sentence(finding: Any, source: str) -> str:
    *section, key = [f"item {part + 1}" if isinstance(part, int) else str(part) for part in finding["loc"]] or ["file"]
    if key.startswith("item ") and section:
        *section, name = section
        key = f"{name}, {key}"
    where = f"[{'.'.join(section)}] {key}" if section else key
    if finding["type"] == "extra_forbidden":
        return f"{source}: {where}: unknown key; see docs/configuration.md for the known ones"
    message = WRONG_TYPES.get(finding["type"], finding["msg"].removeprefix("Value error, "))
    given = finding.get("input")
    told = "" if isinstance(given, (dict, list)) or repr(given) in message else f" (given: {given!r})"
    return f"{source}: {where}: {message}{told}"


def build(values: dict[str, Any], source: str = "configuration") -> Config:
    """The configuration of `values` over the defaults. ConfigError holds every finding."""
    try:
        return Config.model_validate(_overlay(tomllib.loads(_defaults()), values))
    except ValidationError as error:
        raise ConfigError([_sentence(finding, source) for finding in error.errors()]) from None


def load(path: Path | None) -> Config:
    """The configuration in a file, or the defaults alone. ConfigError holds every finding."""
    if path is None:
        return build({})
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror}; check the path given to -c"]) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError([f"{path}: is not TOML: {error}"]) from None
    return build(values, str(path))
