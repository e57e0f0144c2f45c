"""Quantities as operators write and read them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeguard import clock, units


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("250ms", 250_000_000),
        ("3s", 3_000_000_000),
        ("15m", 900_000_000_000),
        ("4h", 14_400_000_000_000),
        ("30d", 2_592_000_000_000_000),
        (" 1.5 h ", 5_400_000_000_000),
        ("0s", 0),
    ],
)
def test_a_duration_is_read_with_its_unit(text: str, ns: int) -> None:
    """Every unit an operator may write must give its nanoseconds."""
    assert units.duration(text) == ns


@pytest.mark.parametrize("text", ["", "15", "m", "15 min", "-3s", "1e3s", "3S", "15m30s", "∞h", "1..5h"])
def test_what_is_no_duration_is_refused_with_what_is(text: str) -> None:
    """A wrong duration must be quoted and an accepted spelling shown."""
    with pytest.raises(ValueError, match="is not a duration: write a number and ms, s, m, h or d, like '15m'"):
        units.duration(text)


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (0, "0 ms"),
        (4_999_999, "4 ms"),
        (clock.SECOND, "1 s"),
        (15 * clock.MINUTE, "15 min"),
        (90 * clock.MINUTE, "1 h 30 min"),
        (4 * clock.HOUR, "4 h"),
        (25 * clock.HOUR, "1 d 1 h"),
        (clock.HOUR + 61 * clock.SECOND, "1 h 1 min"),
    ],
)
def test_a_duration_is_told_in_at_most_two_parts(ns: int, text: str) -> None:
    """Durations in print must be short and never claim more precision than two units."""
    assert units.duration_text(ns) == text


@given(st.integers(0, 10**18))
def test_a_told_duration_never_exceeds_the_real_one(ns: int) -> None:
    """A promise must never sound longer than it is: parts are cut, not rounded up."""
    sizes = {"ms": "ms", "s": "s", "min": "m", "h": "h", "d": "d"}
    parts = units.duration_text(ns).split()
    told = sum(units.duration(n + sizes[unit]) for n, unit in zip(parts[::2], parts[1::2], strict=True))
    assert told <= ns
    assert len(parts) <= 4


@pytest.mark.parametrize(
    ("bits", "text"),
    [(0, "0 bit/s"), (999, "999 bit/s"), (1_000, "1 kbit/s"), (1.234e9, "1.23 Gbit/s"), (4e13, "40 Tbit/s")],
)
def test_a_rate_is_told_with_a_unit(bits: float, text: str) -> None:
    """Bit rates must use decimal prefixes, as networks do."""
    assert units.bits_per_second(bits) == text


@pytest.mark.parametrize(
    ("share", "text"), [(0, "0 %"), (0.004, "under 1 %"), (0.94, "94 %"), (0.9996, "over 99 %"), (1, "100 %")]
)
def test_a_share_above_nothing_never_reads_as_nothing(share: float, text: str) -> None:
    """A small share must not be told as 0 %."""
    assert units.percent(share) == text


def test_counts_are_grouped() -> None:
    """Large counts must be readable at three in the morning."""
    assert units.count(1_234_567) == "1,234,567"
