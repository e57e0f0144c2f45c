"""Quantities as operators write and read them: '15m', '1.2 Gbit/s', '50,000 packets a second'."""

from __future__ import annotations

import re

from edgeguard import clock

_DURATION = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)\s*$")
_UNITS = {"ms": clock.MILLISECOND, "s": clock.SECOND, "m": clock.MINUTE, "h": clock.HOUR, "d": 24 * clock.HOUR}
_STEPS = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


def duration(text: str) -> int:
    """Nanoseconds of '250ms', '3s', '15m', '4h', '30d'. ValueError says what is accepted."""
    match = _DURATION.match(text)
    if not match:
        raise ValueError(f"{text!r} is not a duration: write a number and ms, s, m, h or d, like '15m'")
    return int(float(match[1]) * _UNITS[match[2]])


def duration_text(ns: int) -> str:
    """'4 h', '1 h 30 min', '15 min', '3 s', '250 ms': at most two parts, no false precision."""
    if ns < clock.SECOND:
        return f"{ns // clock.MILLISECOND} ms"
    parts = []
    rest = ns // clock.SECOND
    for size, name in ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")):
        if rest >= size:
            parts.append(f"{rest // size} {name}")
            rest %= size
    return " ".join(parts[:2])


def count(n: int) -> str:
    """'50,000'."""
    return f"{n:,}"


def bits_per_second(bits: float) -> str:
    """'1.2 Gbit/s'."""
    for size, prefix in _STEPS:
        if bits >= size:
            return f"{bits / size:.3g} {prefix}bit/s"
    return f"{bits:.0f} bit/s"


def percent(share: float) -> str:
    """'94 %'; a share that rounding would make nothing or everything says so."""
    if 0 < share < 0.01:
        return "under 1 %"
    if 0.99 < share < 1:
        return "over 99 %"
    return f"{share * 100:.0f} %"
