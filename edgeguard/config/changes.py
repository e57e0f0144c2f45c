"""What another version of the configuration changes, key by key, and what of it can hold without a restart.

    for change in changes(running, read):
        log.warning("%s", change)
    running = followed(running, read)

A key that is in none of `FOLLOWED` was read once, at the start: by the kernel's rings, by the enforcing child, by a
file that is open. It stays as it was, and the change says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic.fields import FieldInfo

from edgeguard.config.fields import Section, is_duration
from edgeguard.config.findings import SECRET
from edgeguard.config.whole import Config
from edgeguard.units import duration_text

FOLLOWED = (
    *("enforce", "limits", "group", "vm", "rules", "judging", "protected", "mail", "notice", "host.place"),
    "roster",
    *("clocks.quiet", "clocks.quiet_again", "clocks.repeat", "clocks.undecided", "clocks.lifetime", "clocks.moves"),
    *("clocks.hold", "clocks.second_voice", "clocks.upheld_quiet", "clocks.read_again"),
    *("clocks.appeal", "clocks.appeal_full"),
    *("clocks.probation", "capture.loss", "capture.lag", "capture.duplicates"),
    *("log", "metrics.top", "breaker", "pace", "fleet.customers", "fleet.within"),
    *("standing.patience", "standing.patience_fast", "standing.fast_bits", "standing.patience_hard"),
)
MASK = "***"
LONGEST = 200  # characters of a value in the log
NONE = "none"

S = TypeVar("S", bound=Section)


@dataclass(frozen=True, slots=True)
class Change:
    """One key that has another value now."""

    key: str
    old: str
    new: str
    follows: bool  # False: only a restart makes it hold

    def __str__(self) -> str:
        stays = "" if self.follows else f"; needs a restart, {self.old} stays in force"
        return f"{self.key}: {self.old} -> {self.new}{stays}"


def changes(old: Config, new: Config) -> list[Change]:
    """Every key whose value differs, in the order of the file."""
    before, after = dict(_leaves(old)), dict(_leaves(new))
    return [
        Change(key, _shown(key, before.get(key, NONE)), _shown(key, after.get(key, NONE)), _follows(key))
        for key in {**before, **after}
        if before.get(key, NONE) != after.get(key, NONE)
    ]


def followed(old: S, new: S, place: str = "") -> S:
    """The new one, with everything of the old that only a restart changes."""
    kept = {}
    for name, key in _keys(type(new), place):
        value = getattr(old, name)
        if _follows(key):
            continue
        deeper = any(other.startswith(f"{key}.") for other in FOLLOWED)
        kept[name] = followed(value, getattr(new, name), f"{key}.") if deeper else value
    return new.model_copy(update=kept)


def _follows(key: str) -> bool:
    return any(key == other or key.startswith((f"{other}.", f"{other} ")) for other in FOLLOWED)


def _keys(section: type[Section], place: str) -> Iterator[tuple[str, str]]:
    """A section's fields, and what they are called in the file."""
    for name, field in section.model_fields.items():
        yield name, f"{place}{field.alias or name}"


def _leaves(section: Section, place: str = "") -> Iterator[tuple[str, str]]:
    """Every key with its value as text."""
    for name, key in _keys(type(section), place):
        yield from _leaf(key, getattr(section, name), type(section).model_fields[name])


def _leaf(key: str, value: Any, field: FieldInfo) -> Iterator[tuple[str, str]]:
    if isinstance(value, Section):
        yield from _leaves(value, f"{key}.")
    elif isinstance(value, dict) and any(isinstance(one, Section) for one in value.values()):
        for id, setting in value.items():
            yield from _leaves(setting, f"{key} {id!r} ")
    elif isinstance(value, tuple) and any(isinstance(one, Section) for one in value):
        yield key, ", ".join(repr(one.name) for one in value)  # their order matters, too
        for one in value:
            yield from _leaves(one, f"{key} {one.name!r} ")
    else:
        yield key, _text(value, field)


def _text(value: Any, field: FieldInfo) -> str:
    if is_duration(field):
        return duration_text(value)
    if isinstance(value, (tuple, dict)):
        parts = (f"{name} {one}" for name, one in value.items()) if isinstance(value, dict) else map(str, value)
        return ", ".join(parts) or NONE
    return NONE if value in (None, "") else str(value)


def _shown(key: str, text: str) -> str:
    """As the log shows it: no secret, and not without end."""
    if SECRET.search(key) and text != NONE:
        return MASK
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."
