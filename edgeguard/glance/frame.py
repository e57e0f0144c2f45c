"""A frame of `edgeguard top`: from the daemon's answer to lines of a terminal's width and height, with styles.

What matters most stands highest: what is wrong with the daemon, what is null-routed, who is loud, who is far away.
Every name is made safe here, and nothing is ever wider or longer than the terminal.
"""

from __future__ import annotations

import os
import sys
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from edgeguard import clock
from edgeguard.clock import MILLISECOND, SECOND
from edgeguard.glance.around import trouble_line
from edgeguard.glance.words import told
from edgeguard.units import duration_text, percent

Span = tuple[str, str]  # text, style
Line = tuple[Span, ...]
Row = tuple[Sequence[str], str]  # cells, the style of the last one

BOLD, WRONG, WARNING, GOOD, QUIET = "bold", "bold red", "yellow", "green", "dim"
TROUBLES = 3  # lines for what is wrong
LATE = 60 * SECOND  # a notice that waits longer is worth a line
SHORT = ((10**12, "T"), (10**9, "G"), (10**6, "M"), (10**3, "k"))
DROPPED = {"own-only": "its forged packets", "full": "everything"}
PROOF = {"verified": GOOD, "no attempts": GOOD, "not stopped": WRONG}
BAND = {"hard": WRONG, "act": WRONG, "warn": WARNING}


def frame(answer: dict[str, Any], width: int = 80, height: int = 24) -> list[Line]:
    """At most `height` lines, none wider than `width`."""
    head = [*_head(answer), *_wrong(answer)]
    sections = (_null_routes(answer, width), _vms(answer, width), _remotes(answer, width))
    room = max(0, height - len(head) - 2 * len(sections))
    shares = shared(room, [len(rows) for _, rows in sections])
    lines = list(head)
    for (title, rows), share in zip(sections, shares, strict=True):
        lines += [(), *title(min(share, len(rows))), *rows[:share]]
    return [cut(line, width) for line in lines[:height]]


def shared(room: int, wants: Sequence[int]) -> list[int]:
    """Lines for each section: an equal share, and what others leave in the order of the sections."""
    shares = [min(want, room // len(wants)) for want in wants]
    for n, want in enumerate(wants):
        shares[n] += min(want - shares[n], room - sum(shares))
    return shares


# ---- the head --------------------------------------------------------------------------------------


def _head(answer: dict[str, Any]) -> list[Line]:
    enforce = ", ".join(answer["enforce"])
    does = (f"enforces {enforce}", "") if enforce else ("observes only", WARNING)
    up = duration_text(int(answer["uptime_s"]) * SECOND)
    said = f"  {clock.utc(answer['at'])}  up {up}  {answer['version']}  "
    lost, lag = answer["lost_rate"], answer["lag_ns"] // MILLISECOND
    loss = (
        f"lost {short(lost)} a second ({percent(answer['loss'])})" if lost else f"lost none ({answer['lost']:,} so far)"
    )
    unknown = f", {answer['taps_unknown']:,} unknown" if answer["taps_unknown"] else ""
    return [
        ((f"EdgeGuard {told(answer['host_name'])}", BOLD), (said, ""), does),
        (
            (f"{short(answer['received_rate'])} frames/s  ", ""),
            (loss, WRONG if lost else ""),
            (f"  lag {lag:,} ms  ", WARNING if lag > 1000 else ""),
            (f"{answer['taps']:,} taps{unknown}", ""),
        ),
    ]


def _wrong(answer: dict[str, Any]) -> list[Line]:
    """What is wrong, and what waits to be sent."""
    found = [told(trouble_line(cause, words)) for cause, words in answer["trouble"].items()]
    for carrier, one in answer["unsent"].items():
        if one["number"] and answer["at"] - one["oldest"] > LATE:
            age = duration_text(max(0, answer["at"] - one["oldest"]))
            found.append(f"unsent: {one['number']:,} by {carrier}, the oldest for {age}")
    lines: list[Line] = [((f"! {words}", WRONG),) for words in found[:TROUBLES]]
    if len(found) > TROUBLES:
        lines[-1] = ((f"! {len(found) - TROUBLES + 1} more troubles: see 'edgeguard status'", WRONG),)
    return lines


# ---- sections --------------------------------------------------------------------------------------

Title = Callable[[int], list[Line]]
Section = tuple[Title, list[Line]]


def _section(what: str, number: int, nothing: str, head: Line, rows: list[Line]) -> Section:
    """`head` stands above the rows that are shown; without any there is a sentence."""

    def title(shown: int) -> list[Line]:
        if not number:
            return [((nothing, QUIET),)]
        some = f"{shown:,} of {number:,}" if number > shown else f"{number:,}"
        return [((f"{what} {some}".ljust(len(head[0][0])), BOLD), *head[1:])]

    return title, rows


def _columns(widths: Sequence[int], cells: Iterable[str], style: str = "") -> Line:
    """Cells below each other: a negative width is for numbers, which stand to the right. The last one has the style."""
    parts = [fitted(cell, width) for cell, width in zip(cells, widths, strict=True)]
    return ((" ".join(parts[:-1]) + " ", ""), (parts[-1].rstrip(), style))


def _headed(widths: Sequence[int], cells: Sequence[str]) -> Line:
    """The first column's head is the section's title."""
    first = widths[0]
    rest = " ".join(fitted(cell, width) for cell, width in zip(cells, widths[1:], strict=True))
    return ((" " * first, BOLD), (f" {rest.rstrip()}", QUIET))


def _null_routes(answer: dict[str, Any], width: int) -> Section:
    routes = answer["null_routes"]
    spare = width - 7 - 6 - 12 - 4
    widths = (spare // 3, spare - spare // 3, -7, -6, 12)
    head = _headed(widths, ("dropped", "tries/s", "ends", "proof"))
    rows = [_columns(widths, _route(one, answer["at"]), PROOF.get(one["proof"], WARNING)) for one in routes["shown"]]
    return _section("NULL ROUTES", routes["number"], "NULL ROUTES none", head, rows)


def _route(one: dict[str, Any], at: int) -> tuple[str, ...]:
    targets = one["targets"]
    more = f" +{len(targets) - 1}" if len(targets) > 1 else ""
    what = targets[0] + more if targets else DROPPED.get(one["scope"], one["scope"])
    tries = "?" if one["attempts"] is None else short(one["attempts"])
    return _who(one["vm"]), what, tries, left(one["until"] - at), one["proof"]


def _vms(answer: dict[str, Any], width: int) -> Section:
    vms = answer["vms"]
    spare = width - 5 * 6 - 7 - 16
    widths = (spare * 3 // 5, spare - spare * 3 // 5, -6, -6, -6, -6, -6, 16)
    head = _headed(widths, ("tap", "SYN/s", "UDP/s", "all/s", "bit/s", "in/s", "judged"))
    rows = [_columns(widths, _vm(one), BAND.get(one["band"] or "", "")) for one in vms["shown"]]
    return _section("VMs", vms["number"], "VMs none sends or receives", head, rows)


def _vm(one: dict[str, Any]) -> tuple[str, ...]:
    out, into = one["out"], one["into"]
    counts = (out["syn"], out["udp"], out["total"], out["bits"], into["total"])
    judged = f"{one['band']} {one['rule']}" if one["band"] else "null-routed" if one["null_routed"] else ""
    return _who(one["vm"]), one["tap"] or "", *map(short, counts), judged


def _remotes(answer: dict[str, Any], width: int) -> Section:
    remotes = answer["remotes"]
    limits = ", ".join(f"{name} {short(limit)}" for name, limit in remotes["limits"].items())
    above = f"above {limits} a second"
    widths = (5, width - 5 - 4 - 15 - 8 - 12, -15, 8, 12)
    rows = [_columns(widths, _remote(one)) for one in remotes["shown"]]
    return _section("REMOTE", remotes["number"], f"REMOTE none {above}", (("", BOLD), (f" {above}", QUIET)), rows)


def _remote(one: dict[str, Any]) -> tuple[str, ...]:
    network = one["network"]
    place = network.removesuffix("/128" if ":" in network else "/32")
    low, high = short(one["at_least"]), short(one["at_most"])
    packets = high if low == high else f"{low} to {high}"
    way = "to" if one["direction"] == "out" else "from"
    return way, place, packets, one["class"], f"at {one['tap']}" if one["tap"] else ""


# ---- words and widths --------------------------------------------------------------------------------


def _who(vm: str | None) -> str:
    return vm or "(unknown)"


def left(ns: int) -> str:
    """'3h59m', '12m30s', '9s'; '0s' when it is over."""
    text = duration_text(max(0, ns // SECOND * SECOND)) if ns >= SECOND else "0 s"
    return text.replace(" min", "m").replace(" ", "")


def short(n: float) -> str:
    """Three digits: '950', '1.2k', '12.3k', '812k', '1.24M'."""
    for size, sign in SHORT:
        if n >= size * 0.9995:
            return f"{n / size:.3g}{sign}" if n < 999.5 * size else f"{n / size:.0f}{sign}"
    return f"{n:.0f}"


def columns(text: str) -> int:
    """How wide a terminal shows a text that prints."""
    wide = (unicodedata.east_asian_width(sign) in "WF" for sign in text if not unicodedata.combining(sign))
    return sum(1 + broad for broad in wide)


def fitted(text: str, width: int) -> str:
    """Exactly so wide, safe for a terminal; cut with '..'. A negative width: to the right."""
    plain, room = told(text), abs(width)
    if columns(plain) > room:
        kept = ""
        for sign in plain:
            if columns(kept + sign) > room - 2:
                break
            kept += sign
        plain = (kept + "..")[:room]
    space = " " * (room - columns(plain))
    return space + plain if width < 0 else plain + space


def cut(line: Line, width: int) -> Line:
    """Not wider than the terminal."""
    parts: list[Span] = []
    for text, style in line:
        room = width - sum(columns(part) for part, _ in parts)
        if columns(text) > room:
            parts.append((fitted(text, room), style))
            break
        parts.append((text, style))
    return tuple(parts)


def size() -> tuple[int, int]:
    """Columns and lines of the terminal; $COLUMNS and $LINES go first, where there is none 80 and 24."""
    try:
        found = tuple(os.get_terminal_size(sys.stdout.fileno()))
    except (OSError, ValueError):
        found = (80, 24)
    wanted = (os.environ.get("COLUMNS", ""), os.environ.get("LINES", ""))
    width, height = (int(text) if text.isdecimal() and int(text) else n for text, n in zip(wanted, found, strict=True))
    return max(40, width), max(2, height)


def plain(lines: Iterable[Line]) -> str:
    """Without styles."""
    return "\n".join("".join(text for text, _ in line).rstrip() for line in lines)
