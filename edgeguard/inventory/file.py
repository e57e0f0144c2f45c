"""The first provider: one TOML or JSON file, read again when it changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgeguard.errors import ConfigError
from edgeguard.inventory.difference import difference
from edgeguard.inventory.entries import parse
from edgeguard.inventory.index import Index
from edgeguard.model import Vm
from edgeguard.record import Address

_Stamp = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Read:
    """What a file said when it was read. `index` None: it was wrong, for the findings' reasons."""

    stamp: _Stamp
    index: Index | None
    findings: tuple[str, ...] = ()
    difference: str = ""


class FileInventory:
    """VMs from a file. A wrong file at start is a ConfigError; later the last good one stays.

    `trouble` is the sentence about the file as it stands now, or None while it is good.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.trouble: str | None = None
        self._stamp = self._current()
        self._index = self._read()

    def reload_if_changed(self) -> str | None:
        """One sentence for each change of the file, good or wrong; None while nothing changed."""
        return self.take(self.read()) if self.changed() else None

    def changed(self) -> bool:
        """Whether the file is another one than was read last; costs one system call."""
        return self._current() != self._stamp

    def read(self) -> Read:
        """What the file says now, for `take`. Changes nothing: any thread may call it."""
        stamp = self._current()  # taken before reading: a change while we read is seen the next time
        try:
            index = self._read()
        except ConfigError as error:
            return Read(stamp, None, tuple(error.findings))
        return Read(stamp, index, (), difference(self.vms(), index.vms()))

    def take(self, read: Read) -> str:
        """Good, it holds from now on; wrong, nothing changes but `trouble`. A sentence for the log."""
        self._stamp = read.stamp
        if read.index is None:
            self.trouble = self._kept(read.findings)
            return self.trouble
        self._index, self.trouble = read.index, None
        return f"inventory {self.path}: read again, {len(self.vms())} VMs: {read.difference}"

    def by_tap(self, name: str) -> Vm | None:
        return self._index.by_tap(name)

    def by_mac(self, mac: str) -> Vm | None:
        return self._index.by_mac(mac)

    def by_address(self, address: Address) -> Vm | None:
        return self._index.by_address(address)

    def by_term(self, text: str) -> Vm | None:
        return self._index.by_term(text)

    def vms(self) -> tuple[Vm, ...]:
        return self._index.vms()

    def _current(self) -> _Stamp:
        """What tells one version of the file from another; nothing where there is no file."""
        try:
            status = self.path.stat()
        except OSError:
            return ()
        return status.st_mtime_ns, status.st_ctime_ns, status.st_ino, status.st_size

    def _read(self) -> Index:
        try:
            text = self.path.read_text(encoding="utf-8")
        except OSError as error:
            raise ConfigError([f"{self.path}: cannot be read: {error.strerror}; check [inventory] file"]) from None
        except UnicodeDecodeError as error:
            raise ConfigError([f"{self.path}: is not UTF-8 text: {error.reason} at byte {error.start}"]) from None
        return Index(parse(text, str(self.path)))

    def _kept(self, findings: Sequence[str]) -> str:
        more = f" (and {len(findings) - 1} more: run 'edgeguard check')" if len(findings) > 1 else ""
        return f"inventory {findings[0]}{more}; the last good one with {len(self.vms())} VMs stays in use"
