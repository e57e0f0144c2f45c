"""Where all bundles are: finding them, and keeping within the limits."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from edgeguard.clock import HOUR, SECOND
from edgeguard.errors import EvidenceError
from edgeguard.evidence import bundle
from edgeguard.evidence.bundle import UNFINISHED, Bundle

_STAMP = "%Y%m%d-%H%M%S"
_STAMP_LENGTH = 15
_STALE = HOUR  # an unfinished bundle this old is nobody's any more


class Limits(Protocol):
    """What may be kept; config.EvidenceSettings has it."""

    @property
    def bundles(self) -> int: ...
    @property
    def total_bytes(self) -> int: ...
    @property
    def age(self) -> int: ...  # ns


@dataclass(frozen=True, slots=True)
class Kept:
    """A bundle as its folder tells: without opening it."""

    path: Path
    frozen: int  # ns since 1970, whole seconds
    bytes: int


def name(frozen: int, decision: str) -> str:
    """'20260131-030405-d-0123': names in order are bundles in the order of time."""
    return f"{datetime.fromtimestamp(frozen // SECOND, UTC).strftime(_STAMP)}-{decision}"


class Place:
    """A folder of cases. Nothing is made by looking."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def make(self) -> None:
        """OSError where it cannot be made or written."""
        self.root.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        self.root.mkdir(mode=0o700, exist_ok=True)

    def survey(self) -> list[Kept]:
        """Every bundle, the oldest first. EvidenceError where the folder cannot be read."""
        try:
            return sorted(self._kept(), key=lambda kept: kept.path.name)
        except OSError as error:
            raise EvidenceError(
                f"{error.filename}: evidence cannot be read: {error.strerror}; it is the daemon's user's alone"
            ) from None

    def _kept(self) -> Iterator[Kept]:
        for case in _folders(self.root):
            for path in _folders(case):
                with contextlib.suppress(ValueError, FileNotFoundError):  # of another maker; just removed
                    yield Kept(path, _frozen(path.name), sum(file.stat().st_size for file in path.iterdir()))

    def bundles(self) -> Iterator[Bundle | EvidenceError]:
        """Every bundle, the oldest first; in the place of one that cannot be read, why."""
        for kept in self.survey():
            try:
                yield bundle.opened(kept.path)
            except EvidenceError as error:
                if kept.path.exists():
                    yield error

    def find(self, term: str) -> list[Bundle]:
        """The bundles of a case, decision, VM (id or name) or tap, the oldest first."""
        return [one for one in self.bundles() if isinstance(one, Bundle) and term in _terms(one)]

    def of_decision(self, case: str, decision: str) -> Bundle | None:
        """The bundle of a decision, found by its name; None: there is none. EvidenceError where it is not whole."""
        found = [path for path in _folders(self.root / case) if path.name.endswith(f"-{decision}")]
        return bundle.opened(found[-1]) if found else None

    def beyond(self, limits: Limits, now: int) -> list[tuple[Kept, str]]:
        """The bundles that may not be kept any longer, and why."""
        return _beyond(self.survey(), limits, now)

    def remove(self, path: Path) -> None:
        """EvidenceError where it cannot be removed."""
        try:
            bundle.remove(path)
        except FileNotFoundError:
            pass  # somebody was faster
        except OSError as error:
            raise EvidenceError(
                f"{path}: cannot be removed: {error.strerror}; check owner and mode of the folder"
            ) from None

    def tidy(self, now: int) -> None:
        """Remove what a daemon that was killed left unfinished. Never in the way of one that runs."""
        with contextlib.suppress(OSError):
            for path in self.root.iterdir():
                if path.name.startswith(UNFINISHED) and now - path.stat().st_mtime_ns > _STALE:
                    shutil.rmtree(path, ignore_errors=True)


def _beyond(found: list[Kept], limits: Limits, now: int) -> list[tuple[Kept, str]]:
    total, number = sum(kept.bytes for kept in found), len(found)
    chosen = []
    for kept in found:
        if now - kept.frozen >= limits.age:
            why = "age"
        elif number > limits.bundles:
            why = "number"
        elif total > limits.total_bytes:
            why = "size of all"
        else:
            break
        total, number = total - kept.bytes, number - 1
        chosen.append((kept, why))
    return chosen


def _folders(path: Path) -> list[Path]:
    """Visible ones; none where there is no such folder."""
    try:
        return [one for one in path.iterdir() if not one.name.startswith(UNFINISHED) and one.is_dir()]
    except (FileNotFoundError, NotADirectoryError):
        return []


def _frozen(name: str) -> int:
    return int(datetime.strptime(name[:_STAMP_LENGTH], _STAMP).replace(tzinfo=UTC).timestamp()) * SECOND


def _terms(one: Bundle) -> set[str | None]:
    m = one.manifest
    return {m.case, m.decision, m.vm, m.vm_name, m.tap, one.name}
