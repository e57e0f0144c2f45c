"""From text to a configuration: defaults.toml, overlaid by one TOML file and, where it names one, by a rules file."""

from __future__ import annotations

import contextlib
import functools
import tomllib
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from edgeguard.config.findings import sentence
from edgeguard.config.whole import Config, Written
from edgeguard.errors import ConfigError

DEFAULTS = Path(__file__).parents[1] / "defaults.toml"
IN_RULES = ("enforce", "limits", "group", "vm")  # what a rules file may hold
ONCE = ("enforce", "group", "vm")  # and what would be replaced, not completed, if both files held it


@functools.cache
def _defaults() -> str:
    return DEFAULTS.read_text(encoding="utf-8")


def build(values: dict[str, Any], source: str = "configuration") -> Config:
    """The configuration of `values` over the defaults. ConfigError holds every finding."""
    whole = _whole(values)
    try:
        return Config.model_validate(whole)
    except ValidationError as error:
        raise ConfigError([sentence(finding, source, whole) for finding in error.errors()]) from None


def load(path: Path | None, rules: bool = True) -> Config:
    """The configuration in a file, or the defaults alone. ConfigError holds every finding, the rules file's too.

    `rules` False: without the rules file, for who only asks where something is.
    """
    if path is None:
        return build({})
    values = read(path, "check the path given to -c")
    table = values.get("rules")
    file = table.get("file") if rules and isinstance(table, dict) else None
    findings = []
    try:
        settings = build(values, str(path))
    except ConfigError as error:
        findings = error.findings
    if file and isinstance(file, str):
        try:
            settings = with_rules(Written(values, str(path)), Path(file))
        except ConfigError as error:
            findings += error.findings
    if findings:
        raise ConfigError(findings)
    return settings


def what_is_right(path: Path) -> Config:
    """Of a wrong configuration the sections that are right, the defaults for the others."""
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return build({})
    right = {}
    for key, value in values.items():
        with contextlib.suppress(ConfigError):
            build({key: value})
            right[key] = value
    return build(right)


def with_rules(written: Written, file: Path) -> Config:
    """The configuration with what a rules file says. ConfigError holds every finding of that file: it is good whole."""
    rules = read(file, "check [rules] file")
    findings = [f"{file}: {text}" for text in _out_of_place(rules, written)]
    whole = _whole(overlay(written.values, {key: rules[key] for key in IN_RULES if key in rules}))
    others = _places(_whole(written.values))
    try:
        settings = Config.model_validate(whole)
    except ValidationError as error:
        of_rules = [finding for finding in error.errors() if (finding["loc"], finding["msg"]) not in others]
        findings += [sentence(finding, str(file), whole) for finding in of_rules]
        settings = None
    if findings or settings is None:
        raise ConfigError(findings)
    settings._written = written
    return settings


def read(path: Path, hint: str) -> dict[str, Any]:
    """What a file says. ConfigError where it cannot be read or is not TOML; `hint` is what to do then."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror}; {hint}"]) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError([f"{path}: is not TOML: {error}"]) from None


def _out_of_place(rules: dict[str, Any], written: Written) -> list[str]:
    """What does not belong into a rules file, or stands in the configuration already."""
    found = [
        f"{key}: a rules file holds {', '.join(IN_RULES)}; all else is of {written.source}"
        for key in rules
        if key not in IN_RULES
    ]
    twice = [key for key in ONCE if key in rules and key in written.values]
    return found + [f"{key}: stands in {written.source} too; write it in one of the two" for key in twice]


def _places(whole: dict[str, Any]) -> set[tuple[Any, str]]:
    """What is wrong already without the rules file."""
    try:
        Config.model_validate(whole)
    except ValidationError as error:
        return {(finding["loc"], finding["msg"]) for finding in error.errors()}
    return set()


def _whole(values: dict[str, Any]) -> dict[str, Any]:
    """`values` over the defaults; the limits of a group or a VM over those, rule by rule."""
    whole = overlay(tomllib.loads(_defaults()), values)
    groups, vms = whole.get("group"), whole.get("vm")
    if isinstance(groups, list):
        whole["group"] = [_completed(group, whole["limits"]) for group in groups]
    if isinstance(vms, dict):
        whole["vm"] = {id: _completed(setting, whole["limits"]) for id, setting in vms.items()}
    return whole


def _completed(setting: Any, base: Any) -> Any:
    """A setting whose rules are whole: a rule of which it names one limit has the others from the defaults."""
    if not isinstance(setting, dict) or not isinstance(setting.get("limits"), dict) or not isinstance(base, dict):
        return setting
    return {**setting, "limits": _filled(setting["limits"], base)}


def _filled(limits: dict[str, Any], base: dict[str, Any]) -> dict[str, Any]:
    filled = {}
    for rule, given in limits.items():
        usual = base.get(rule)
        if not isinstance(given, dict) or not isinstance(usual, dict):
            filled[rule] = given
        else:
            filled[rule] = _filled(given, usual) if rule == "in" else overlay(usual, given)
    return filled


def overlay(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """`over` laid on `base`, table by table; lists and values replace."""
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        both_tables = isinstance(below, dict) and isinstance(value, dict)
        merged[key] = overlay(below, value) if both_tables else value  # type: ignore[arg-type]
    return merged
