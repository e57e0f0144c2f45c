"""The sentences of the story: what each fact of a run is called when it is told."""

from __future__ import annotations

from collections.abc import Sequence

from edgeguard import units
from edgeguard.lab import result
from edgeguard.lab.account import NullRoute
from edgeguard.lab.exchange import Exchange
from edgeguard.lab.result import Measured, Result
from edgeguard.lab.story import Story, span
from edgeguard.lab.wan import Mail
from edgeguard.model import Happened, Verdict

_TROUBLE = (Happened.NOT_STOPPED, Happened.FAILED, Happened.NO_ATTEMPTS)


def mail(story: Story, delivered: Mail) -> None:
    subject = result.parsed(delivered)["headers"].get("Subject", "")
    story.tell(
        delivered.at,
        f"mail delivered to {', '.join(delivered.recipients)}: {subject}",
        "cyan",
        once=f"mail {delivered.at}",
    )


def null_route(story: Story, route: NullRoute, first: bool) -> None:
    """Everything that has happened to a null route so far; `first`: its crossing began the story."""
    id = route.decision.id
    if first and route.verdict:
        _crossing(story, route.verdict)
    name, proved = _names(route)
    where = route.decision.tap.name if route.decision.tap else "?"
    done = f"null-routed, {route.decision.scope}: {name} at {where}{_reaction(route) if first else ''}"
    story.tell(route.acknowledged, done, "red", once=f"acknowledged {id}")
    story.tell(route.verified, f"verified: {proved} any more", "green", once=f"verified {id}")
    story.tell(route.ended, f"quiet, so released: {name}", "green", once=f"ended {id}")
    for outcome in route.outcomes:
        if outcome.happened in _TROUBLE:
            story.tell(outcome.at, f"{outcome.happened}: {outcome.detail}", "red")


def _names(route: NullRoute) -> tuple[str, str]:
    """What is null-routed, and what therefore does not leave."""
    if route.full:
        return "all traffic of this VM", "nothing of this VM leaves"
    if route.own_only:
        return "whatever has a forged sender", "nothing with a forged sender leaves"
    places = ", ".join(route.places)
    return places, f"nothing leaves to {places}"


def _crossing(story: Story, verdict: Verdict) -> None:
    measured = f"{units.count(verdict.measured)} {verdict.rule.upper()} in {verdict.window_s} s"
    text = f"limit crossed: {measured}, the {verdict.band} limit is {units.count(verdict.limit)}"
    story.tell(verdict.crossed, text, "yellow", once="crossed")


def _reaction(route: NullRoute) -> str:
    if route.verdict is None or route.acknowledged is None:
        return ""
    return f", {span(route.acknowledged - route.verdict.crossed)} after the crossing"


def work(story: Story, at: int, who: str, exchanges: Sequence[Exchange]) -> None:
    """Whether a VM's ordinary work got through."""
    verb = "works" if result.working(exchanges) else "DOES NOT WORK"
    answered = sum(exchange.answered for exchange in exchanges)
    story.tell(at, f"{who} {verb}: {answered} of {len(exchanges)} exchanges answered", "green")


def end(story: Story, found: Result, measured: Measured) -> None:
    """The mail, the counts, and what is not as it must be."""
    mail = found.values["mail"]
    if mail:
        story.say("\nThe mail:\n", "bold")
        story.say("".join(f"{name}: {value}\n" for name, value in mail["headers"].items()), "dim")
        story.say(mail["text"])
    if measured.scenario.flood:
        story.say(_left(found))
    for line in found.wrong:
        story.say(f"WRONG: {line}", "bold red")
    if not found.ok:
        story.say(f"The daemon said:\n{measured.daemon_said}", "dim")
    story.say(f"{measured.scenario.name} on {measured.host}: {'ok' if found.ok else 'NOT OK'}", "bold")


def _left(found: Result) -> str:
    names = ("packets_before_route", "packets_leaked_after_route", "packets_leaked_after_verified")
    before, after, verified = ("?" if found.values[n] is None else units.count(found.values[n]) for n in names)
    return (
        f"Packets of the flood on the uplink: {before} before the null route, {after} to null-routed targets"
        f" after it, {verified} of them after the verification."
    )
