"""A calendar month in UTC."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from edgeguard.clock import SECOND

_TEXT = re.compile(r"(\d{4})-(\d{2})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Month:
    """From its first moment to the next month's, which is not its own."""

    year: int
    number: int  # 1 to 12

    @classmethod
    def read(cls, text: str) -> Month:
        """'2026-11'. ValueError says what is accepted."""
        found = _TEXT.fullmatch(text)
        year, number = (int(found[1]), int(found[2])) if found else (0, 0)
        if not (1970 <= year < 2262 and 1 <= number <= 12):  # 64 bits of nanoseconds end in 2262
            raise ValueError(f"{text!r} is no month: write year and month, like 2026-11")
        return cls(year, number)

    @classmethod
    def of(cls, at: int) -> Month:
        """The one that a time is in."""
        day = datetime.fromtimestamp(at // SECOND, UTC)
        return cls(day.year, day.month)

    def __str__(self) -> str:
        return f"{self.year:04}-{self.number:02}"

    @property
    def first(self) -> int:
        """ns since 1970."""
        return int(datetime(self.year, self.number, 1, tzinfo=UTC).timestamp()) * SECOND

    @property
    def end(self) -> int:
        """The first moment that is not in it."""
        return self.next.first

    @property
    def next(self) -> Month:
        return Month(self.year + self.number // 12, self.number % 12 + 1)

    @property
    def days(self) -> int:
        return (self.end - self.first) // (86_400 * SECOND)

    def day(self, at: int) -> int:
        """1 to 31, of a time in it."""
        return (at - self.first) // (86_400 * SECOND) + 1
