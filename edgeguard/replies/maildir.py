"""A maildir: one file a mail, taken out of new/ and put into cur/ once it is recorded.

    for mail in Maildir(path).waiting():
        intake.take(read(mail.raw(), own), now)
        mail.settle()

A mail that could not be recorded stays in new/: nothing is lost, and what is read twice is one reply.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from edgeguard.errors import EdgeGuardError
from edgeguard.replies.mail import LARGEST

SEEN = ":2,"  # what a name in cur/ ends with when no flag is set


@dataclass(frozen=True, slots=True)
class Waiting:
    """A mail in new/."""

    path: Path

    def raw(self) -> bytes | None:
        """Its bytes, at most one more than the largest mail has; None: it is gone, or no plain file."""
        try:
            # Without O_NONBLOCK a pipe in the folder would be waited for.
            file = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:
            return None
        with open(file, "rb") as opened:  # noqa: PTH123 - a descriptor
            if not stat.S_ISREG(os.fstat(file).st_mode):
                return None
            return opened.read(LARGEST + 1)

    def settle(self) -> None:
        """It is recorded: into cur/. Somebody else may have moved it."""
        with suppress(FileNotFoundError):
            self.path.rename(self.path.parents[1] / "cur" / f"{self.path.name.partition(':')[0]}{SEEN}")


class Maildir:
    """new/, cur/ and tmp/ below one folder. EdgeGuardError where they are not."""

    def __init__(self, path: Path) -> None:
        self.path = path
        missing = [name for name in ("new", "cur") if not (path / name).is_dir()]
        if missing:
            raise EdgeGuardError(
                f"{path}: is no maildir: it has no {missing[0]}/; name the folder that holds new/ and cur/"
            )

    def waiting(self) -> Iterator[Waiting]:
        """What is in new/ now, the oldest first by name, as delivery agents number them."""
        try:
            names = sorted(entry.name for entry in os.scandir(self.path / "new"))
        except OSError as error:
            raise EdgeGuardError(f"{self.path}/new: cannot be read: {error.strerror}") from None
        for name in names:
            if not name.startswith("."):
                yield Waiting(self.path / "new" / name)
