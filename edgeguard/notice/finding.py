"""One thing that a text does not keep."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """rule: which of the lint's; line: of the rendered text, from 1; 0: of the whole."""

    rule: str
    text: str
    line: int = 0

    def __str__(self) -> str:
        return f"{self.rule}: {self.text}"
