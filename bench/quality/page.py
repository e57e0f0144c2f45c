"""Write docs/quality.md from bench/quality/result.json: no number in it is typed by hand.

    python -m bench.quality --save && python -m bench.quality.page

With --check nothing is written; exit 1 when the page is not what the results say.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bench.parts.report import ROOT
from bench.quality.evaluation import SAVED

PAGE = ROOT / "docs" / "quality.md"
HEAD = """# How often EdgeGuard is wrong

Written by `python -m bench.quality.page` from `bench/quality/result.json`, which `python -m bench.quality
--save` wrote. Nothing here is typed by hand; `python -m bench.quality --only NAME` runs one scenario and
prints its arithmetic.

Every scenario is traffic of virtual machines on one host: made frame by frame (floods), or recorded
headers of real programs (look-alikes). It goes as pcap bytes through the decoder and the engine that run
live, in virtual time, with the shipped defaults and `enforce = ["all.act", "all.hard"]`. What a
savefile cannot carry (the segment size of super-frames, lost frames) is put in where the kernel
would tell it. Scenarios were chosen before rules were tuned; a fifth of them, chosen by a hash of their
names, is held out and never used for tuning.

The rival beside it is a plain packets-per-second threshold with the defaults that FastNetMon Community
publishes (20,000 a second in or out of an address, moving average of 5 s; `bench/quality/rival.py` cites them).
It was written from those, FastNetMon itself was not run.
"""
WORDS = """
*Missed*: no verdict of the promised band. *Not acted*: a verdict, but nothing was null-routed that should be.
*Wrongly acted*: something was null-routed that should not be. *Wrongly warned*: a verdict where none belongs.
*Wrong VM*: a verdict or an action about another machine than the flooding one. *Wrong kind*: the right machine,
but another kind or rule than promised. *Late*: after 10 ms of packet time for hard, after the sustain and
0.2 s for act. Times are packet time: *after crossing* from the packet that crossed hard, or from the end of
the last second that the sustain needs. A ban of the rival is *wrong VM* where an address is banned that the
flooder does not have, and *below our limits* where the flood stays below `act` here. *False positives per
VM-day*: wrong acts and warnings on look-alikes that differ in something visible, over the time of their
machines; that time is all look-alike at its busiest, so a day of it is many days of a customer's.
"""
FLOOD_HEAD = ("scenario", "wanted", "found", "action", "after crossing", "after start", "rival")
Row = Mapping[str, Any]


def page(found: Mapping[str, Any]) -> str:
    """The whole page."""
    rows: list[Row] = found["scenarios"]
    floods = [row for row in rows if row["sort"] == "flood"]
    alike = [row for row in rows if row["sort"] == "look-alike"]
    plain = [row for row in alike if not row["indistinguishable"]]
    odd = [row for row in alike if row["indistinguishable"]]
    machine = ", ".join(f"{key} {value}" for key, value in found["machine"].items())
    parts = [
        HEAD,
        f"Commit {found['commit'] or 'unknown'}; {machine}.\n",
        "## Figures\n",
        _figures(found),
        WORDS,
        f"## Floods ({len(floods)})\n",
        _table(
            ("scenario", "wanted", "found", "action", "after crossing", "after start", "rival"), map(_flood, floods)
        ),
        f"\n## Look-alikes ({len(plain)})\n",
        _table(("scenario", "what", "found", "rival"), map(_alike, plain)),
        "\n## Look-alikes that nothing visible at the port tells from a flood\n",
        _table(("scenario", "why", "what happens", "ends after the traffic"), map(_odd, odd)),
    ]
    return "\n".join(parts)


def _figures(found: Mapping[str, Any]) -> str:
    columns = {"all": found["totals"], "held out": found["held_out"], "used for tuning": found["tuning"]}
    names = list(found["totals"])
    rows = [
        [_words(name), *(_value(column[name]) for column in columns.values()), _rival(found, name)] for name in names
    ]
    return _table(("", *columns, "rival"), rows)


def _rival(found: Mapping[str, Any], name: str) -> str:
    return _value(found["rival"][name]) if name in found["rival"] else ""


def _value(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, dict):
        return f"median {_ms(value['median'])}, p99 {_ms(value['p99'])}"
    return f"{value:,}"


def _ms(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value / 1000:,.2f} s" if abs(value) >= 1000 else f"{value:.3g} ms"


def _flood(row: Row) -> Sequence[str]:
    faults = f" **{', '.join(row['faults'])}**" if row["faults"] else ""
    found = " ".join(filter(None, (row["found"], row["kind"]))) if row["found"] else "nothing"
    action = f"{row['scope']} at {_places(row['targets'])}" if row["scope"] else "none"
    ban = f"{row['rival']}, {_ms(row['rival_after'])}" if row["rival_after"] is not None else row["rival"]
    wanted = row["wanted"] or "nothing"
    return _name(row), wanted, found + faults, action, _ms(row["from_crossing"]), _ms(row["from_start"]), ban


def _alike(row: Row) -> Sequence[str]:
    faults = f" **{', '.join(row['faults'])}**" if row["faults"] else ""
    found = f"{row['found']} {row['kind']}" if row["found"] else "nothing"
    acted = f", {row['scope']} at {_places(row['targets'])}" if row["scope"] else ""
    return _name(row), row["about"], found + acted + faults, row["rival"]


def _odd(row: Row) -> Sequence[str]:
    acted = f"{row['scope']} at {_places(row['targets'])}" if row["scope"] else "nothing is null-routed"
    found = f"{row['found']} {row['kind']}, {acted}" if row["found"] else "nothing"
    ended = f"{row['ended_after'] / 60:.0f} min" if row["ended_after"] is not None else ""
    return _name(row), row["indistinguishable"], found, ended


def _name(row: Row) -> str:
    return row["name"] + (" (held out)" if row["held_out"] else "")


def _places(targets: Sequence[str]) -> str:
    return ", ".join(targets[:3]) + (f" and {len(targets) - 3} more" if len(targets) > 3 else "")


def _words(name: str) -> str:
    return name.replace("_", " ")


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.quality.page", description=str(__doc__).splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when the page is out of date")
    wanted = page(json.loads(SAVED.read_text(encoding="utf-8")))
    if parser.parse_args().check:
        sys.exit(0 if PAGE.exists() and PAGE.read_text(encoding="utf-8") == wanted else 1)
    PAGE.write_text(wanted, encoding="utf-8")
    print(f"{PAGE.relative_to(ROOT)}: written")


if __name__ == "__main__":
    main()
