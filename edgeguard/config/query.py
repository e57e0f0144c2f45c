"""A query for a customer: one SELECT with the one named parameter :customer; and its parts around that."""

from __future__ import annotations

import re

PARAMETER = "customer"
_NAMED = re.compile(r"(?<![:\w])[:@$](\w+)")
_BOUND = re.compile(rf"(?<![:\w]):{PARAMETER}\b")
_READS = re.compile(r"\s*(select|with)\b", re.IGNORECASE)
_QUIET = re.compile(r"'[^']*'|\"[^\"]*\"|`[^`]*`|--[^\n]*")  # what stands for itself


def check(query: str) -> None:
    """ValueError where it does not read, or does not ask for one customer."""
    if not _READS.match(query):
        raise ValueError("query: must be a SELECT")
    if set(_NAMED.findall(query)) != {PARAMETER}:
        raise ValueError("query: must have the one named parameter :customer")


def check_for_driver(query: str) -> None:
    """ValueError where databases differ in what is quoted: there the parameter might be bound inside a text."""
    bare = _bare(query)
    if any(sign in query for sign in ("\\", "$$", "/*")):
        raise ValueError("query: write it without backslashes, $$ and /*, which databases read differently")
    if any(quote in bare for quote in "'\"`"):
        raise ValueError("query: a quote is not closed")
    if ";" in bare:
        raise ValueError("query: must be one statement, without a semicolon")
    if not _READS.match(query):
        raise ValueError("query: must be a SELECT")
    if not _BOUND.search(bare) or set(_NAMED.findall(bare)) != {PARAMETER} or re.search(rf"[@$]{PARAMETER}\b", bare):
        raise ValueError("query: must have the one named parameter :customer, outside of quotes and comments")


def parts(query: str) -> list[str]:
    """What stands before, between and behind the parameters."""
    ends = [0, *(end for found in _BOUND.finditer(_bare(query)) for end in found.span()), len(query)]
    return [query[ends[n] : ends[n + 1]] for n in range(0, len(ends), 2)]


def _bare(query: str) -> str:
    """As long as before, with blanks for what is quoted or a comment."""
    return _QUIET.sub(lambda found: " " * len(found[0]), query)
