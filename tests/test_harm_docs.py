"""The numbers of docs/harm.md and docs/baselines.md are the program's own."""

from __future__ import annotations

from pathlib import Path

from edgeguard.baselines import baseline, histogram, learning
from edgeguard.clock import HOUR, SECOND
from edgeguard.harm import conntrack, return_path, uplink

DOCS = Path(__file__).parents[1] / "docs"


def flat(name: str) -> str:
    return " ".join((DOCS / name).read_text(encoding="utf-8").split())


def test_harm_says_what_the_program_does() -> None:
    """Thresholds of uplinks, the connection table and the way back."""
    text = flat("harm.md")
    assert f"more than {uplink.FULL:.0%}".replace("%", " %") in text
    assert f"more than {uplink.LOST:.0%} of its frames and at least {uplink.LOST_AT_LEAST}".replace("%", " %") in text
    assert uplink.HALF == conntrack.HALF == 0.5, "docs/harm.md says half"
    assert f"above {conntrack.FULL:.0%} and grows".replace("%", " %") in text
    assert f"{conntrack.TURNING_AWAY:.0%}, or where".replace("%", " %") in text
    assert (conntrack.VISIBLE, 1 / conntrack.HALF) == (0.25, 2), "docs/harm.md says between a quarter and twice"
    assert f"`nf_conntrack_tcp_timeout_syn_sent`, {conntrack.SYN_TIMEOUT} s" in text
    assert f"at least {return_path.COMPLETED} handshakes" in text
    assert f"at least {return_path.TRIED} now ({return_path.NOW // SECOND} s)" in text
    assert (return_path.WITNESSES, return_path.AGREED, return_path.SURGE, return_path.KEPT) == (3, 0.8, 4, 5)
    assert return_path.HELD == HOUR, "docs/harm.md says an hour"
    assert f"sent {return_path.FRAMES:,} frames in {return_path.NOW // SECOND} s" in text


def test_baselines_says_what_the_program_does() -> None:
    """Days, minutes, care and the error of a histogram."""
    text = flat("baselines.md")
    assert (baseline.SHARE, baseline.DAYS, baseline.TIMES, baseline.FLOOR) == (0.95, 7, 5, 4)
    assert f"{baseline.ENOUGH} minutes were learned" in text
    assert f"{learning.SUSTAIN} of the last {learning.OF} seconds" in text
    assert f"{100 * (2 ** (1 / histogram.PER_OCTAVE) - 1):.1f} % above" in text
    assert (histogram.PER_OCTAVE, "eight buckets an octave" in text) == (8, True)
