"""The new lines of an answer: without what it quotes, and without a signature."""

from __future__ import annotations

import re
from collections.abc import Sequence

_RULE = re.compile(r"\s*[-_=]{2,}\s*\S.{0,60}?\s*[-_=]{2,}\s*$")  # '-----Original Message-----', in any language
_BAR = re.compile(r"\s*_{10,}\s*$")  # Outlook, above its headers
_FIELD = re.compile(r"\s*\*?([A-Z\u00c0-\u00de][\w\u00c0-\u00ff -]{1,14})\*?\s?:\s*\S")
_FROM = frozenset(("from", "von", "de", "da", "van", "od", "fra"))
_SENT = frozenset(("sent", "date", "gesendet", "datum", "envoyé", "enviado", "inviato", "verzonden", "to", "an"))
# 'On Thu, 1 Jan 2026 at 00:04, EdgeGuard wrote:' and the like; it may take three lines.
_WROTE = re.compile(
    r"\s*(?:(?:On|Am|Le|El|Il|Op|Em|Dnia)\b.{3,300}?(?:wrote|schrieb\b.{0,100}|écrit|escribió|scritto|schreef|escreveu"
    r"|napisał.{0,60})\s?:|\d{4}-\d\d-\d\d.{3,200}<[^<>\s]{3,100}@[^<>\s]{3,100}>\s?:)\s*$"
)
_SIGNATURE = "--"  # RFC 3676 4.3: '-- ' by itself; the blank is often lost
_SPAN = 3


def new_lines(text: str) -> list[str]:
    """What its writer added, line by line, above, between or below what is quoted."""
    lines = text.splitlines()
    kept: list[str] = []
    at = 0
    while at < len(lines):
        span = _attribution(lines, at)
        if span and not _is_quote_next(lines, at + span):
            break  # the mail it answers follows without marks
        if span:
            at += span
            continue
        if _ends(lines, at):
            break
        if not lines[at].lstrip().startswith(">"):
            kept.append(lines[at].rstrip())
        at += 1
    return kept


def _attribution(lines: Sequence[str], at: int) -> int:
    """How many lines 'On ... wrote:' takes here; 0: it does not stand here."""
    for span in range(1, _SPAN + 1):
        if _WROTE.match(" ".join(line.strip() for line in lines[at : at + span])):
            return span
    return 0


def _is_quote_next(lines: Sequence[str], at: int) -> bool:
    following = next((line for line in lines[at : at + 5] if line.strip()), "")
    return following.lstrip().startswith(">")


def _ends(lines: Sequence[str], at: int) -> bool:
    """From here on stands what was answered, or a signature."""
    line = lines[at]
    if line.rstrip() == _SIGNATURE or _BAR.match(line):
        return True
    if _RULE.match(line) and any(sign.isalpha() for sign in line):
        return True
    return _field(line) in _FROM and any(_field(other) in _SENT for other in lines[at + 1 : at + 4])


def _field(line: str) -> str:
    found = _FIELD.match(line)
    return found[1].strip().lower() if found else ""
