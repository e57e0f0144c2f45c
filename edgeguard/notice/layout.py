"""Lines of a rendered template, filled to at most 72 columns.

Blank lines part blocks. In a block a line that begins with a label ('Server:   ...'), a bullet or a
number starts an item, and so does a heading in capitals; every other line goes on with the item
above it. An item hangs under its own text.
"""

from __future__ import annotations

import re
import textwrap

WIDTH = 72

LABEL = re.compile(r"(?:[A-Z][A-Za-z ,'-]{0,15}: +|- |\d\. )(?=\S)")
HEADING = re.compile(r"[A-Z][A-Z ,']+$")


def fill(text: str) -> str:
    """The text with every item filled; one blank line between blocks, one line end at the end."""
    blocks = re.split(r"\n(?:[ \t]*\n)+", text.strip("\n"))
    return "\n\n".join(_block(block) for block in blocks if block.strip()) + "\n"


def _block(block: str) -> str:
    items: list[list[str]] = []
    headed = False
    for line in block.splitlines():
        if not line.strip():
            continue
        heading = bool(HEADING.match(line))
        if not items or headed or heading or LABEL.match(line):
            items.append([])
        items[-1].append(line.strip())
        headed = heading
    return "\n".join(_item(" ".join(parts)) for parts in items)


def _item(text: str) -> str:
    label = LABEL.match(text)
    indent = label.end() if label else 0
    head, rest = text[:indent], " ".join(text[indent:].split())
    lines = textwrap.wrap(rest, WIDTH - indent, break_on_hyphens=False) or [""]
    return (head + ("\n" + " " * indent).join(lines)).rstrip()
