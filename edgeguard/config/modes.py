"""What may be done about which band of which rule: enforce, observe, or off (not judged)."""

from __future__ import annotations

from typing import Any, Literal

from edgeguard.reading import INTO, OUT

Mode = Literal["enforce", "observe", "off"]

MODES = ("enforce", "observe", "off")
BANDS = ("warn", "act", "hard")
RULES = (*OUT, *INTO, "scan", "all")
ENFORCEABLE = tuple(f"{rule}.{band}" for rule in (*OUT, "scan", "all") for band in ("act", "hard"))


def enforceable(name: str) -> str:
    """A name that may stand in an `enforce` list. ValueError says which ones."""
    if name.partition(".")[0].endswith("-in"):
        raise ValueError(f"{name!r} is judged on the way in: observed, never enforced")
    if name not in ENFORCEABLE:
        raise ValueError(f"{name!r} is nothing that can be enforced: one of {', '.join(sorted(ENFORCEABLE))}")
    return name


def modes(value: object) -> dict[str, Any]:
    """The modes that a list or a table stands for.

    A list is whole, as the one at the top of the file: what it does not name is observed. A table changes what it
    names and nothing else.
    """
    if isinstance(value, (list, tuple)):
        return {"all": "observe", "scan": "observe", **{enforceable(str(name)): "enforce" for name in value}}
    if not isinstance(value, dict):
        raise ValueError('must be a list, like ["syn.hard"], or a table, like { "syn.hard" = "enforce", udp = "off" }')
    pairs = _flat(value)
    if len(dict(pairs)) != len(pairs):
        raise ValueError("names the same band twice")
    return dict(_named(name, mode) for name, mode in pairs)


def _flat(table: dict[str, Any]) -> list[tuple[str, Any]]:
    """`{syn = {act = "enforce"}}`, as TOML reads an unquoted `syn.act`, and `{"syn.act" = "enforce"}` alike."""
    pairs: list[tuple[str, Any]] = []
    for name, mode in table.items():
        pairs += [(f"{name}.{band}", m) for band, m in mode.items()] if isinstance(mode, dict) else [(name, mode)]
    return pairs


def _named(name: str, mode: object) -> tuple[str, Any]:
    """A rule, or one band of it, and its mode. ValueError where the two do not go together."""
    rule, dot, band = name.partition(".")
    if rule not in RULES or (dot and band not in BANDS):
        raise ValueError(f"{name!r} is no rule and no band of one, like 'syn' or 'syn.act'; rules: {', '.join(RULES)}")
    if mode not in MODES:
        raise ValueError(f"{name} = {mode!r} is none of {', '.join(MODES)}")
    if mode == "enforce" and band == "warn":
        raise ValueError(f"{name} = 'enforce': below act nothing is ever done")
    if mode == "enforce" and rule in INTO:
        raise ValueError(f"{name} = 'enforce': what comes in is observed, never enforced")
    if rule == "scan" and (mode == "off" or band == "warn"):
        raise ValueError(f"{name} = {mode!r}: the syn rule finds scans; all to say here is whether they are acted upon")
    return name, mode
