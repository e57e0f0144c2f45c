"""A notice's plain text as one HTML page: the same words in the same order, nothing loaded, nothing to click.

It is made from the rendered text, not from the slots, so the two parts of a mail cannot differ.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import escape
from itertools import groupby

from edgeguard.notice.layout import HEADING, LABEL

_STYLE = (
    "body{margin:0;padding:24px;background:#fff;color:#222;font:16px/1.5 sans-serif}"
    "main{max-width:44em}h1{font-size:20px;margin:0 0 16px}h2{font-size:14px;margin:28px 0 6px;color:#444}"
    "table{border-collapse:collapse}th,td{padding:2px 0;text-align:left;vertical-align:top}"
    "th{padding-right:16px;font-weight:normal;color:#555;white-space:nowrap}"
    ".first{border-left:4px solid #888;padding-left:12px}"
)
_BULLET, _NUMBER = "- ", re.compile(r"\d\. ")


def page(subject: str, text: str, language: str = "en") -> str:
    """The page, in ASCII where `text` is, with lines no longer than those of the text and their tags."""
    first, *rest = [block for block in re.split(r"\n\n+", text.strip("\n")) if block]
    head, body = "\n".join(_block(first)), "\n".join(line for block in rest for line in _block(block))
    return (
        f'<!DOCTYPE html>\n<html lang="{escape(language)}">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width">\n<title>{escape(subject)}</title>\n'
        f"<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{escape(subject)}</h1>\n"
        f'<div class="first">\n{head}\n</div>\n{body}\n</main>\n</body>\n</html>\n'
    )


def _block(block: str) -> Iterator[str]:
    """Items of one kind that stand together are one table, list or paragraph."""
    for kind, group in groupby(_items(block), _kind):
        items = list(group)
        if kind == "table":
            yield from ("<table>", *(_row(item) for item in items), "</table>")
        elif kind in ("ul", "ol"):
            yield from (f"<{kind}>", *map(_listed, items), f"</{kind}>")
        else:
            yield from (f"<{kind}>{escape(item)}</{kind}>" for item in items)


def _items(block: str) -> list[str]:
    """As layout.fill wrote them: an item's further lines hang under its text; those of a paragraph follow it."""
    items: list[str] = []
    for line in block.splitlines():
        goes_on = line.startswith("  ") or (items and not (_begins(line) or _begins(items[-1])))
        if items and goes_on:
            items[-1] += f"\n{line.strip()}"
        else:
            items.append(line.strip())
    return items


def _begins(item: str) -> bool:
    return bool(HEADING.match(item) or LABEL.match(item))


def _kind(item: str) -> str:
    if HEADING.match(item):
        return "h2"
    if item.startswith(_BULLET):
        return "ul"
    if _NUMBER.match(item):
        return "ol"
    return "table" if LABEL.match(item) else "p"


def _listed(item: str) -> str:
    mark, _, text = item.partition(" ")
    number = "" if mark == _BULLET.strip() else f' value="{escape(mark.rstrip("."))}"'
    return f"<li{number}>{escape(text)}</li>"


def _row(item: str) -> str:
    label, _, value = item.partition(":")
    return f"<tr><th>{escape(label)}:</th><td>{escape(value.strip())}</td></tr>"
