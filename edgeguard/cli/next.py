"""`edgeguard next`: what is most urgent on one screen, evidence first, and three choices."""

from __future__ import annotations

import sys
import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgeguard.cli.options import config_option, duty_of, example, json_option

if TYPE_CHECKING:
    from edgeguard.cases.case import Standing
    from edgeguard.cases.reader import Reader
    from edgeguard.cli.offer import Offer
    from edgeguard.duty import Duty
    from edgeguard.urgent import Urgent

WIDTH, HEIGHT = 80, 24
MEASURED = ("rule", "measured", "limit", "target", "came back", "forged")  # of the arithmetic, what fits a screen
TARGETS = 2
NOTHING = "no case is open"


@click.command("next", epilog=example("edgeguard next", "edgeguard next --json"))
@json_option
@config_option
def next_case(as_json: bool, config_path: Path) -> None:
    """Show what needs a person first: what was measured, what was done, what it waits for, three choices.

    Cases of one customer that go together are one: each choice is of all of them. Enter chooses nothing, and says when
    the clock frees it. In a pipe it asks nothing.
    """
    from edgeguard import clock  # noqa: PLC0415 - not for --help
    from edgeguard.cli import output, reading  # noqa: PLC0415
    from edgeguard.cli.offer import offer  # noqa: PLC0415
    from edgeguard.urgent import freed, urgent  # noqa: PLC0415

    duty = duty_of(config_path)
    with reading.reader(config_path) as reader:
        found = urgent(reader, duty, clock.now())
        if as_json:
            for one in found[:1]:
                output.print_json(document(one, len(found), reader, duty))
            return
        if not found:
            click.echo(NOTHING)
            return
        first, frees = found[0], freed(found[0].standing, reader, duty, clock.now())
        offered = offer(first, reader, duty, frees, clock.now())
        for line in screen(first, len(found), reader, offered, clock.now()):
            click.echo(line)
    if sys.stdin.isatty() and sys.stdout.isatty() and first.standing:
        from edgeguard.cli import choosing  # noqa: PLC0415

        choosing.choose(config_path, first, offered)


def document(one: Urgent, number: int, reader: Reader, duty: Duty) -> dict[str, Any]:
    """The same for programs."""
    from edgeguard import clock  # noqa: PLC0415
    from edgeguard.cli import output  # noqa: PLC0415
    from edgeguard.urgent import freed  # noqa: PLC0415

    waits = [{"kind": wait.kind, "due": wait.due, "says": wait.says} for wait in one.waits]
    return {
        "case": output.plain(one.case),
        "leader": one.id,
        "cases": [case.id for case in one.cases],
        "open": number,
        "priority": one.priority,
        "why": list(one.why),
        "null_routes": [output.plain(standing.decision) for standing in one.standing],
        "waits": waits,
        "frees": freed(one.standing, reader, duty, clock.now()),
    }


def screen(one: Urgent, number: int, reader: Reader, offered: Offer, now: int) -> list[str]:
    """At most 80 columns and, with the line that asks, 24 rows."""
    from edgeguard.cli import output, reading  # noqa: PLC0415

    of, of_them = reading.who(one.case), f"customer {one.case.customer or 'not known'}"
    who = f"{of}, {of_them}" if len(one.cases) == 1 else f"{_number(one)} of {of_them}; most urgent: {of}"
    shown = _shown(one)
    title = textwrap.wrap(f"{one.id}  priority {one.priority}: {', '.join(one.why)}", WIDTH)
    measured = list(_measured(one, shown, reader))
    done, below = ["", *_done(one, shown, now), ""], [*_waits(one, reader, now), "", *_choices(one, offered)]
    more = [f"{number - 1} more: edgeguard case list --open"] if number > 1 else []
    room = HEIGHT - 1 - len([*title, who, "", *done, *below, *more])  # the evidence has what the rest leaves
    lines = [*title, who, "", *measured[: max(room, 0)], *done]
    kept = [*lines[: HEIGHT - 1 - len(below) - len(more)], *below, *more]
    return [_cut(output.told(line)) for line in kept]


def _shown(one: Urgent) -> list[Standing]:
    """Of the most urgent case: both of two null routes; of more the widest, and that which the evidence is of."""
    of_it = [standing for standing in one.standing if standing.case.id == one.case.id] or list(one.standing)
    first = sorted(of_it, key=lambda of: (of.decision.scope == "full", of.verdict is not None, of.decision.at))[::-1]
    evident = next((n for n, standing in enumerate(first) if standing.verdict), 0)
    return first if len(first) <= 2 else [first[n] for n in sorted({0, evident})]


def _number(one: Urgent) -> str:
    """'10 VMs', or where a VM has several cases, '3 cases'."""
    vms = {case.vm for case in one.cases} - {None}
    return f"{len(vms)} VMs" if len(vms) > 1 else f"{len(one.cases)} cases"


def _cut(line: str) -> str:
    return line if len(line) <= WIDTH else line[: WIDTH - 3] + "..."


def _measured(one: Urgent, shown: Sequence[Standing], reader: Reader) -> Iterator[str]:
    """Of the first verdict that a null route shown rests on, else of the case's youngest."""
    from edgeguard.cli import arithmetic  # noqa: PLC0415

    verdicts = [standing.verdict for standing in shown if standing.verdict][:1] or reader.verdicts(one.case.id)
    if not verdicts:
        yield "measured   nothing: a person null-routed it by hand"
        return
    left, last = TARGETS, ""
    for name, text in arithmetic.of_verdict(verdicts[-1]):
        last = name or last
        if last == "target" and (left := left - 1) < 0:
            continue
        if last in MEASURED:
            yield f"{name:<10} {text}"
    dropped = [a for a in verdicts[-1].alternatives if a.holds and a.kind != verdicts[-1].kind]
    yield f"taken for  {verdicts[-1].kind}{''.join(f', or {a.kind}: {a.why}' for a in dropped[:1])}"


def _done(one: Urgent, shown: Sequence[Standing], now: int) -> Iterator[str]:
    from edgeguard import clock  # noqa: PLC0415
    from edgeguard.target import drops  # noqa: PLC0415
    from edgeguard.units import count, duration_text  # noqa: PLC0415

    if not one.standing:
        yield f"done       nothing is null-routed; the case is {one.case.state}"
    elif len(one.cases) > 1:
        yield from _done_together(one)
        return
    for standing in shown:
        made, facts = standing.decision, standing.facts
        since = duration_text(max(clock.SECOND, now - made.at))
        yield f"done       {made.scope} for {since} by {made.by}: {drops(standing.order)}"
        dropped = f", {count(facts.dropped)} frames dropped" if facts.dropped is not None else ""
        yield f"           proof: {facts.proof}{dropped}"
    if len(one.standing) > len(shown):
        yield f"           and {len(one.standing) - len(shown)} more: edgeguard nullroute list"


def _done_together(one: Urgent) -> Iterator[str]:
    """In all, by how wide it is; and how much of it is proved."""
    from edgeguard.target import dropped, target_text  # noqa: PLC0415
    from edgeguard.units import count  # noqa: PLC0415

    vms = len({standing.order.vm for standing in one.standing})
    wide = Counter(standing.decision.scope for standing in one.standing)
    to = dict.fromkeys(target_text(target) for standing in one.standing for target in dropped(standing.order))
    told = ", ".join(f"{number} {scope}" for scope, number in wide.items())
    yield f"done       null-routed at {vms} of {_number(one)} ({told}): {', '.join(to) or 'all of them'}"
    proofs = Counter(standing.facts.proof for standing in one.standing)
    frames = sum(standing.facts.dropped or 0 for standing in one.standing)
    proved = ", ".join(f"{number} {proof}" for proof, number in proofs.items())
    yield f"           proof: {proved}{f'; {count(frames)} frames dropped' if frames else ''}"
    yield f"           each by itself: edgeguard case show {one.id}"


def _waits(one: Urgent, reader: Reader, now: int) -> Iterator[str]:
    from edgeguard.cli.answered import answers  # noqa: PLC0415

    first = {wait.kind: wait for wait in reversed(one.waits)}  # of several cases', of each kind that breaks first
    for wait in sorted(first.values(), key=lambda wait: wait.due)[:2]:
        label = "OVERDUE" if wait.due <= now else "waits for"
        yield from textwrap.wrap(f"{label:<10} {wait.says}", WIDTH, subsequent_indent=" " * 11)
    for answer in answers(reader, (case.id for case in one.cases)):
        yield f"{'owner says' if answer.known else 'answered':<10} {answer.who}: {answer.says}"


def _choices(one: Urgent, offered: Offer) -> Iterator[str]:
    if not one.standing:
        yield f"edgeguard case show {one.case.id}, edgeguard case close {one.case.id} --outcome ..."
        return
    release = "1  release" if len(one.standing) == 1 else f"1  release all {len(one.standing)}"
    hold = "2  hold to the next shift" if not offered.no_hold else "2  no hold any more"
    yield f"{release}   {hold}   3  ask the desk"
    yield from textwrap.wrap(f"Enter does nothing: {offered.frees}", WIDTH)
