"""What the numbers of a mail must keep: each has a unit, each time says UTC, and they agree with each other."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator

from edgeguard.notice.finding import Finding
from edgeguard.notice.vocabulary import STAMP, Vocabulary

_PREFIX = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}
_TIMES = ("First seen", "Over the limit", "Acted", "Written")


def findings(real: str, masked: str, words: Vocabulary) -> Iterator[Finding]:
    """Both texts with their hanging lines joined. `masked`: slot values that are not ours replaced."""
    yield from _times(masked)
    yield from _units(masked, words)
    yield from _products(real, words)
    yield from _differences(real, words)
    yield from _orders(real, words)
    yield from _clock(real)


def _times(plain: str) -> Iterator[Finding]:
    for found in re.finditer(r"\b\d{1,2}:\d\d(?::\d\d)?\b(?! UTC)(?!:)", _without_addresses(plain)):
        yield Finding("utc", f"{found[0]!r} does not say UTC")


def _without_addresses(plain: str) -> str:
    plain = re.sub(r"\[[0-9a-f:.]+\]:\d+", "", plain)
    plain = re.sub(r"(?<![\w:])[0-9a-f]{0,4}(?::[0-9a-f]{0,4}){2,7}(?:/\d+)?", _keep_time, plain)
    return re.sub(r"\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+|/\d+)?", "", plain)


def _keep_time(found: re.Match[str]) -> str:
    return found[0] if re.fullmatch(r"\d\d:\d\d:\d\d", found[0]) else ""


def _units(plain: str, words: Vocabulary) -> Iterator[Finding]:
    """Every number of our sentences has a unit; ports, addresses, stamps, versions and ids are taken out first."""
    unit = re.compile(rf"\s?(?:{words.patterns['units'].pattern})(?![\w])")
    names = re.compile(words.patterns["names"].pattern, re.MULTILINE)
    rest = names.sub("", _without_addresses(re.sub(STAMP, "", plain)))
    for found in re.finditer(r"(?<![\w.-])\d[\d,]*(?:\.\d+)?(?![\w.]*\w)", rest):
        if not unit.match(rest, found.end()):
            around = rest[max(0, found.start() - 20) : found.end() + 20].replace("\n", " ")
            yield Finding("unit", f"{found[0]} in {around!r} has none")


def _products(plain: str, words: Vocabulary) -> Iterator[Finding]:
    """Rate x length = bits, to the three digits that are shown."""
    for found in words.patterns["rate"].finditer(plain):
        bits = _number(found[1]) * _number(found[2]) * 8
        if not math.isclose(bits, _bits(found[3]), rel_tol=0.006, abs_tol=1):
            yield Finding("numbers", f"{found[0]!r}: the product is {bits:,.0f} bit/s")


def _differences(plain: str, words: Vocabulary) -> Iterator[Finding]:
    for found in words.patterns["difference"].finditer(plain):
        rest = _number(found[1]) - _number(found[2])
        if rest != _number(found[3]):
            yield Finding("numbers", f"{found[0].strip()!r}: the difference is {rest:,.0f}")


def _orders(plain: str, words: Vocabulary) -> Iterator[Finding]:
    """A mean is no more than the peak; what is certain no more than what was counted."""
    mean, peak = words.patterns["mean"].search(plain), words.patterns["peak"].search(plain)
    if mean and peak and _number(mean[1]) > _number(peak[1]):
        yield Finding("numbers", f"the mean, {mean[1]}, is above the peak, {peak[1]}")
    for found in words.patterns["counted"].finditer(plain):
        if _number(found[2]) > _number(found[1]):
            yield Finding("numbers", f"{found[2]} for certain is more than {found[1]} in all")


def _clock(plain: str) -> Iterator[Finding]:
    """What was seen first is told with the earlier time."""
    told = [re.search(rf"^{label}: +({STAMP})", plain, re.MULTILINE) for label in _TIMES]
    known = [found for found in told if found]
    for earlier, later in itertools.pairwise(known):
        if earlier[1] > later[1]:
            yield Finding("numbers", f"{earlier[0]!r} is later than {later[0]!r}")


def _number(text: str) -> float:
    return float(text.replace(",", ""))


def _bits(text: str) -> float:
    number, _, unit = text.partition(" ")
    return float(number) * _PREFIX[unit.removesuffix("bit/s")]
