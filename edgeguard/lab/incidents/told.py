"""What a played incident came to: for programs as one object, for people as a timeline beside that of then."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from edgeguard import units
from edgeguard.clock import HOUR, MINUTE, SECOND
from edgeguard.lab.incidents.incident import Figure, Incident, Line, Played

_VIRTUAL = "Virtual time: packets, clocks and the kernel are played; engine, database and mail are the real ones."
_REAL = "Real time: real packets, the real daemon, real null routes, in namespaces of their own."
Print = Callable[[str, str], None]  # style, line


@dataclass(frozen=True, slots=True)
class Result:
    """The contract's object, and for people what is not as it must be."""

    values: dict[str, Any]
    wrong: tuple[str, ...]

    @property
    def ok(self) -> bool:
        return not self.wrong


def judge(incident: Incident, played: Played) -> Result:
    """Every expectation, asked."""
    asked = [(one.text, one.wrong(played)) for one in incident.expected]
    wrong = [f"{text}: {why}" for text, why in asked if why is not None] + list(played.troubles)
    values = {
        **heading(incident, played.lines, wrong),
        "expectations": [{"text": text, "ok": why is None, "wrong": why} for text, why in asked],
        "troubles": list(played.troubles),
        "figures": [_figure(one, played) for one in incident.figures],
        "mails": len(played.mails),
        "real": None,
    }
    return Result(values, tuple(wrong))


def heading(incident: Incident, here: Iterable[Line], wrong: Sequence[str]) -> dict[str, Any]:
    """What virtual and real runs have in common."""
    return {
        "incident": incident.name,
        "source": incident.source,
        "ok": not wrong,
        "then": [{"at_ns": line.at, "text": line.text} for line in incident.then],
        "here": [{"at_ns": line.at, "text": line.text} for line in here],
    }


def _figure(figure: Figure, played: Played) -> dict[str, Any]:
    unit = "count" if figure.counts else "ns"
    return {"text": figure.text, "then": figure.then, "here": figure.here(played), "unit": unit}


def tell(incident: Incident, result: Result, say: Print) -> None:
    """Both timelines in the order of time, the figures, and what had to be so."""
    say("bold", f"Incident {incident.name} ({incident.source}): {incident.sentence}.")
    say("dim", _REAL if result.values["real"] else _VIRTUAL)
    rows = [(line["at_ns"], "then", line["text"]) for line in result.values["then"]]
    rows += [(line["at_ns"], "here", line["text"]) for line in result.values["here"]]
    for at, whose, text in sorted(rows, key=lambda row: row[0]):
        say("yellow" if whose == "then" else "", f"{after(at):>14}  {whose}  {text}")
    for figure in result.values["figures"]:
        say("cyan", f"{figure['text']}: then {figure['then']}, here {_shown(figure)}")
    for one in result.values["expectations"]:
        say("green" if one["ok"] else "bold red", f"{'ok' if one['ok'] else 'NOT OK'}: {one['text']}{_why(one)}")
    for trouble in result.values["troubles"]:
        say("bold red", f"NOT OK: {trouble}")
    say("bold", f"{incident.name}: {'ok' if result.ok else 'NOT OK'}")


def _why(one: dict[str, Any]) -> str:
    return "" if one["ok"] else f"; {one['wrong']}"


def _shown(figure: dict[str, Any]) -> str:
    here = figure["here"]
    if here is None:
        return "never"
    return units.count(here) if figure["unit"] == "count" else length(here)


def length(ns: int) -> str:
    """'12 h 06 m', '25 m 03 s', '1.01 s': the two largest units."""
    if ns < MINUTE:
        return f"{ns / SECOND:.2f} s"
    if ns < HOUR:
        return f"{ns // MINUTE} m {ns % MINUTE // SECOND:02d} s"
    if ns < 48 * HOUR:
        return f"{ns // HOUR} h {ns % HOUR // MINUTE:02d} m"
    return f"{ns // (24 * HOUR)} d {ns % (24 * HOUR) // HOUR:02d} h"


def after(ns: int) -> str:
    """'+0:00:02.105', '+16 d 0:05:00'."""
    days, rest = divmod(ns, 24 * HOUR)
    clock = f"{rest // HOUR}:{rest % HOUR // MINUTE:02d}:{rest % MINUTE / SECOND:06.3f}"
    return f"+{days} d {clock}" if days else f"+{clock}"
