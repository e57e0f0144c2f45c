"""The rules file, followed while the daemon runs: a good new one holds from then on, a bad one changes nothing."""

from __future__ import annotations

from pathlib import Path

from edgeguard.config.loading import with_rules
from edgeguard.config.whole import Config
from edgeguard.errors import ConfigError

_Stamp = tuple[int, ...]


class RulesFile:
    """`config` is what holds now; `trouble` the sentence about the file as it stands, or None while it is good."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.trouble: str | None = None
        self._stamp: _Stamp | None = None  # what was loaded is read once more: it may have changed since

    def changed(self) -> str | None:
        """One sentence for each change of the file, good or wrong; None while nothing changed, or there is no file."""
        written, path = self.config._written, Path(self.config.rules.file)
        if written is None:
            return None
        current = _current(path)
        if current == self._stamp:
            return None
        self._stamp = current  # taken before reading: a change while we read is seen the next time
        try:
            config = with_rules(written, path)
        except ConfigError as error:
            self.trouble = _kept(error.findings)
            return self.trouble
        mended, self.trouble = self.trouble is not None, None
        if config == self.config:
            return f"rules {path}: good again, and as the running ones" if mended else None
        self.config = config
        return f"rules {path}: read again, in force from now on"


def _current(path: Path) -> _Stamp:
    """What tells one version of the file from another; nothing where there is no file."""
    try:
        status = path.stat()
    except OSError:
        return ()
    return status.st_mtime_ns, status.st_ctime_ns, status.st_ino, status.st_size


def _kept(findings: list[str]) -> str:
    more = f" (and {len(findings) - 1} more: run 'edgeguard check')" if len(findings) > 1 else ""
    return f"rules {findings[0]}{more}; refused whole, the running ones stay in force"
