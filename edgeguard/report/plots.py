"""The three plots of a month: what was done on each day, what people said of it, how long things took."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from edgeguard.cases.measures import OUTCOMES, TIMES, Measures, Ruling, Took
from edgeguard.report import words
from edgeguard.report.svg import Markup, label, line, picture, rectangle

WIDTH = 720.0
LEFT, RIGHT = 170.0, 20.0  # for names; the plots of rules and times
ROW = 34.0
SHORTEST, LONGEST = 0.01, 30 * 86_400.0  # s: the ends of the axis of time
TICKS: dict[float, str] = {
    0.01: "10 ms", 0.1: "100 ms", 1: "1 s", 10: "10 s", 60: "1 min", 600: "10 min",
    3_600: "1 h", 14_400: "4 h", 86_400: "1 d", 604_800: "7 d", 2_592_000: "30 d",
}  # fmt: skip
BINS = 72  # of the axis of time


def ceiling(most: int) -> int:
    """The end of an axis of counts: 1, 2 or 5 times a power of ten, not below."""
    power = 1
    while 10 * power < most:
        power *= 10
    return next(step * power for step in (1, 2, 5, 10) if step * power >= most)


def by_day(found: Measures) -> Markup:
    """A pair of bars a day."""
    height, bottom, left = 200.0, 170.0, 44.0
    top = ceiling(max((max(day.warnings, day.null_routes) for day in found.days), default=0))
    slot = (WIDTH - left) / max(1, len(found.days))

    def bars() -> Iterator[Markup]:
        for value in sorted({0, top // 2, top} if top > 1 else {0, top}):
            y = bottom - 150.0 * value / top
            yield line(left, y, WIDTH, y, "grid")
            yield label(left - 6, y + 4, f"{value:,}", "end")
        for day in found.days:
            x = left + slot * (day.day - 1)
            pairs = (("warned", day.warnings, "warnings"), ("routed", day.null_routes, "null routes"))
            for number, (class_, count, name) in enumerate(pairs):
                tall = 150.0 * count / top
                tip = f"{found.month}-{day.day:02}: {count:,} {name}"
                yield rectangle(x + slot * (0.1 + 0.4 * number), bottom - tall, 0.4 * slot, tall, class_, tip)
            if day.day % 5 == 0 or day.day == 1:
                yield label(x + slot / 2, bottom + 18, day.day, "middle")

    return picture(WIDTH, height, "Warnings and null routes by day", bars())


def by_rule(found: Measures) -> Markup:
    """A bar a rule: what people said, and what nobody has judged."""
    most = max((one.cases for one in found.rulings), default=1)

    def bars() -> Iterator[Markup]:
        for number, one in enumerate(found.rulings):
            y = ROW * number
            yield label(LEFT - 8, y + 20, f"{one.rule} {one.version}", "end")
            yield from _stack(one, y, (WIDTH - LEFT - RIGHT) / most)

    return picture(WIDTH, ROW * len(found.rulings), "What people said of each rule's cases", bars())


def _stack(one: Ruling, y: float, unit: float) -> Iterator[Markup]:
    x = LEFT
    parts = [(outcome, one.outcomes[outcome]) for outcome in reversed(OUTCOMES)]
    for name, cases in (*parts, ("not judged", one.cases - one.judged)):
        yield rectangle(x, y + 6, unit * cases, ROW - 14, name.replace(" ", "-"), f"{one.rule}: {cases:,} {name}")
        x += unit * cases


def by_time(found: Measures) -> Markup:
    """How often something took how long, on an axis of powers; p50 and p95 are marked."""
    rows = [(TIMES[key], found.times[key]) for key in TIMES if key in found.times]
    bottom = ROW * len(rows)

    def parts() -> Iterator[Markup]:
        for seconds, name in TICKS.items():
            yield line(place(seconds), 0, place(seconds), bottom, "grid")
            yield label(place(seconds), bottom + 16, name, "middle")
        for number, (name, took) in enumerate(rows):
            yield label(LEFT - 8, ROW * number + 22, name, "end")
            yield from _spread(name, took, ROW * number)

    return picture(WIDTH, bottom + 24, "How long things took", parts())


def place(seconds: float) -> float:
    """Where on the axis of time."""
    within = min(max(seconds, SHORTEST), LONGEST)
    return LEFT + (WIDTH - LEFT - RIGHT) * math.log(within / SHORTEST) / math.log(LONGEST / SHORTEST)


def _spread(name: str, took: Took, y: float) -> Iterator[Markup]:
    wide = (WIDTH - LEFT - RIGHT) / BINS
    counted = binned(took.seconds)
    most = max(counted, default=0) or 1
    for number, count in enumerate(counted):
        if count:
            tall = max(2.0, (ROW - 8) * count / most)
            yield rectangle(LEFT + wide * number, y + ROW - 4 - tall, wide - 1, tall, "took", f"{name}: {count:,}")
    for share, class_ in ((0.5, "half"), (0.95, "most")):
        seconds = took.percentile(share)
        if seconds is not None:
            tip = f"{name}: p{100 * share:.0f} {words.span(seconds)}"
            yield rectangle(place(seconds) - 1, y + 2, 2.0, ROW - 6, class_, tip)


def binned(seconds: Sequence[float]) -> list[int]:
    """How many fall into each part of the axis of time."""
    counted = [0] * BINS
    for one in seconds:
        share = (place(one) - LEFT) / (WIDTH - LEFT - RIGHT)
        counted[min(BINS - 1, int(BINS * share))] += 1
    return counted
