"""Two configurations to compare: the one that holds, and one that somebody thinks of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edgeguard.config.loading import IN_RULES, build, load, overlay, read
from edgeguard.config.whole import Config


def trial(new: Path, against: Path | None) -> tuple[Config, Config]:
    """What holds by the file `against` (None: the shipped defaults), and what would hold with the file `new`.

    A file that says nothing but rules (IN_RULES) is laid on what holds; any other is a configuration of its own.
    ConfigError holds the findings of the first file that is wrong.
    """
    old = load(against)
    values = read(new, "check the path given to -c")
    if not values or set(values) - set(IN_RULES):
        return old, load(new)
    return old, build(overlay(_said(against, old), values), str(new))


def _said(path: Path | None, config: Config) -> dict[str, Any]:
    """What a configuration file says together with its rules file."""
    if path is None:
        return {}
    values = read(path, "check the path given to --against")
    if not config.rules.file:
        return values
    rules = read(Path(config.rules.file), "check [rules] file")
    return overlay(values, {key: rules[key] for key in IN_RULES if key in rules})
