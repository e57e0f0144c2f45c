"""The three choices of `edgeguard next`, asked in a terminal: each is the command of its name, with its reason.

Enter at any question does nothing and leaves. What a choice would do is told before its last question.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import click

from edgeguard import clock, signature
from edgeguard.cases.case import Standing
from edgeguard.cases.reader import Reader
from edgeguard.cli import output, reading
from edgeguard.cli.acting import act
from edgeguard.cli.offer import Offer
from edgeguard.cli.release import release
from edgeguard.errors import UsageError
from edgeguard.grace import Disposition
from edgeguard.request import AskCase, HoldCase, ReleaseNullRoute
from edgeguard.signature import Signature, Wish
from edgeguard.target import target_text
from edgeguard.units import count
from edgeguard.urgent import Urgent

FOUND = {
    Disposition.FIXED: "its cause was found and taken away",
    Disposition.REBUILT: "the VM was made anew",
    Disposition.UNVERIFIED: "the owner says so; nobody looked",
    Disposition.OUR_FAULT: "nothing was wrong with it: we were",
    Disposition.EXEMPT: "it is meant to be: shows what would be left alone, and the command",
}


def choose(config_path: Path, one: Urgent, offer: Offer) -> None:
    """One choice, of all cases that go together. Whatever is none of them is none."""
    choice = _asked("Choice")
    if choice == "1" and (to_release := _release(config_path, one, offer)):
        release(config_path, to_release, as_json=False)
    elif choice == "2" and (to_hold := _hold(offer)):
        act(config_path, to_hold, as_json=False)
    elif choice == "3" and (question := _asked("Question")):
        act(config_path, AskCase(offer.case, question, offer.together), as_json=False)
    else:
        click.echo(f"nothing was done; {offer.frees}")


def _asked(what: str) -> str:
    """Nothing where Enter alone was pressed."""
    return str(click.prompt(what, default="", show_default=False)).strip()


def _release(config_path: Path, one: Urgent, offer: Offer) -> ReleaseNullRoute | None:
    wide = ", ".join(f"{n} {scope}" for scope, n in Counter(of.decision.scope for of in one.standing).items())
    vms = len({of.order.vm for of in one.standing})
    click.echo(f"It ends {_number(len(one.standing), 'null route')} ({wide}) of {_number(vms, 'VM')}. What was found:")
    for number, (each, meaning) in enumerate(FOUND.items(), 1):
        click.echo(f"  {number}  {each:<11} {meaning}")
    names = {name: found for n, found in enumerate(FOUND, 1) for name in (str(n), found.value)}
    disposition = names.get(_asked("Found"))
    if disposition is None:
        return None
    if disposition is Disposition.EXEMPT:
        for line in _exempting(config_path, one, offer):
            click.echo(output.told(line))
        return None
    why = _asked("Why")
    return ReleaseNullRoute(offer.case, why, disposition, together=offer.together) if why else None


def _number(n: int, what: str) -> str:
    return f"{n} {what}{'' if n == 1 else 's'}"


def _hold(offer: Offer) -> HoldCase | None:
    if offer.no_hold:
        click.echo(offer.no_hold)
        return None
    click.echo(f"It is kept until {clock.utc(offer.held_until)}, although it may be quiet: {offer.why_then}.")
    why = _asked("Why")
    return HoldCase(offer.case, why, together=offer.together) if why else None


def _exempting(config_path: Path, one: Urgent, offer: Offer) -> Iterator[str]:
    """What the command would leave alone, as its signature has it; and the command."""
    of: dict[str, list[Standing]] = {}
    for each in one.standing:
        of.setdefault(each.case.id, []).append(each)
    with reading.reader(config_path) as reader:
        for case, standing in of.items():
            yield from _signature(reader, case, standing)
    yield "The owner of a target that is not the customer's own has to agree; --ceiling and --for make it less:"
    to_all = " --together" if offer.together else ""
    yield f"edgeguard case release {offer.case}{to_all} --as exempt --consent 'who agreed' --why '...'"


def _signature(reader: Reader, case: str, standing: list[Standing]) -> Iterator[str]:
    rules = {each.verdict.rule for each in standing if each.verdict}
    judged = [verdict for verdict in reader.verdicts(case) if not rules or verdict.rule in rules]
    targets = {target.key(): target for each in standing for target in each.decision.targets}
    made = Signature(standing[0].order.vm, case, tuple(targets.values()), signature.rate(judged))
    try:
        exempts = signature.exemptions(made, Wish("", "", clock.now(), consent="asked for below"), ())
    except UsageError as error:
        yield f"  {error}"
        return
    for target, exempt in zip(made.targets, exempts, strict=True):
        most = f"{count(exempt.ceiling.packets)} packets a second" if exempt.ceiling.packets else "what was measured"
        yield f"  {exempt.vm} to {target_text(target)}, up to {most}, until {clock.utc(exempt.until)}"
