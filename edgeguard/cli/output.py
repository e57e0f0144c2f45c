"""What commands print: JSON lines for programs, tables for people, nothing that moves a cursor."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click

from edgeguard import clock
from edgeguard.glance.words import told

__all__ = ["STYLES", "aligned", "plain", "print_json", "print_table", "told", "when"]

Row = Sequence[object]
STYLES = {"wrong": "bold red", "warning": "yellow", "ok": "green"}


def print_json(document: Mapping[str, Any]) -> None:
    """One object, one line."""
    click.echo(json.dumps(document))


def plain(value: Any) -> Any:
    """A value of model.py as JSON sees it."""
    from edgeguard.cases import codec  # noqa: PLC0415 - numpy behind it: not for who shows what a daemon answered

    return json.loads(codec.dumps(value))


def when(at: int | None) -> str:
    return "" if at is None else clock.utc(at)


def print_table(columns: Sequence[str], rows: Iterable[Row], empty: str) -> None:
    """A table, or the sentence that there is nothing: with rules on a terminal, plain when piped."""
    cells = [["-" if cell in (None, "") else told(cell) for cell in row] for row in rows]
    if not cells:
        click.echo(empty)
    elif sys.stdout.isatty():
        _print_rich(columns, cells)
    else:
        click.echo(aligned([list(columns), *cells]))


def aligned(rows: Sequence[Sequence[str]], indent: str = "") -> str:
    """Rows as text, columns below each other, never cut."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(indent + line.rstrip() for line in lines)


def _print_rich(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.console import Console  # noqa: PLC0415 - only a terminal pays for it
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=None, pad_edge=False, header_style="bold")
    for number, column in enumerate(columns):
        table.add_column(column, overflow="fold", no_wrap=number == 0)  # the first is copied and pasted
    for row in rows:
        table.add_row(*(Text(cell, STYLES.get(cell, "")) for cell in row))  # brackets in a name are no markup
    Console(soft_wrap=False).print(table)
