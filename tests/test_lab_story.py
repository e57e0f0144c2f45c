"""The story: in the order of time, each event once, plain text where no terminal reads."""

from __future__ import annotations

import io

from hypothesis import given
from hypothesis import strategies as st

from edgeguard.clock import SECOND
from edgeguard.lab.story import Story, printer, span


def _story() -> tuple[Story, list[str]]:
    lines: list[str] = []
    return Story(lambda _style, text: lines.append(text)), lines


@given(st.permutations(range(8)))
def test_events_are_told_in_the_order_of_their_time(order: list[int]) -> None:
    """However they come to be known, they are printed sorted."""
    story, lines = _story()
    story.begins(0)
    for n in order:
        story.tell(n * SECOND, f"event {n}")
    story.flush()
    assert [line.split()[-1] for line in lines] == [str(n) for n in range(8)]


def test_an_event_is_told_once() -> None:
    """What is looked at again and again is printed the first time only, and not before it happened."""
    story, lines = _story()
    story.begins(SECOND)
    for at in (None, 3 * SECOND, 3 * SECOND):
        story.tell(at, "verified")
        story.flush()
    assert lines == ["   +2.000 s  verified"]


def test_nothing_is_told_before_the_flood_begins() -> None:
    """Times count from the first frame, so what is known earlier waits for it."""
    story, lines = _story()
    story.tell(2 * SECOND, "early")
    story.flush()
    assert lines == []
    story.begins(SECOND)
    story.flush()
    assert lines == ["   +1.000 s  early"]


def test_plain_text_where_no_terminal_reads() -> None:
    """A pipe gets the text alone, without escape sequences; no stream gets nothing."""
    stream = io.StringIO()
    printer(stream)("bold red", "[flood] begins")
    printer(None)("bold", "nothing")
    assert stream.getvalue() == "[flood] begins\n"


def test_spans() -> None:
    """Milliseconds below a second, seconds above."""
    assert (span(13_400_000), span(2_310_000_000)) == ("13.4 ms", "2.31 s")
