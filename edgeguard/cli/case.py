"""`edgeguard case`: the cases, and one of them with its story."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgeguard.cli import release, work
from edgeguard.cli.group import Commands
from edgeguard.cli.options import config_option, example, json_option, term_argument

if TYPE_CHECKING:
    from edgeguard.cases.case import Letter

PLACES = {"claim-check": "edgeguard.cli.claim:claim_check"}


@click.group(cls=Commands, places=PLACES, epilog=example("edgeguard case list --open"))
def case() -> None:
    """Look at cases, and work them. What only looks reads the database and needs no daemon."""


for command in (
    *(release.of_case, work.claim, work.note, work.ask, work.close),
    *(work.hold, work.uphold, work.appeal, work.reopen),
):
    case.add_command(command)


@case.command("list", epilog=example("edgeguard case list --open", "edgeguard case list web1 --json"))
@click.argument("term", metavar="[TERM]", required=False)
@click.option("--open", "only_open", is_flag=True, help="Only cases that nobody and no clock has settled.")
@click.option("--each", is_flag=True, help="A line for every case, not one for those that go together.")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="The youngest so many.")
@json_option
@config_option
def list_cases(term: str | None, only_open: bool, each: bool, limit: int, as_json: bool, config_path: Path) -> None:
    """List cases, the youngest first: all, or those of a VM, address or tap.

    Those of one customer that began within ten minutes are one line, under the id of the first of them.
    """
    from edgeguard.cli import listing, reading  # noqa: PLC0415 - not for --help

    with reading.reader(config_path) as reader:
        if each or as_json:
            listing.of_cases(reader, term, only_open, limit, as_json)
        else:
            listing.of_matters(reader, term, only_open, limit)


@case.command(epilog=example("edgeguard case show web1", "edgeguard case show 192.0.2.10 --json"))
@term_argument
@json_option
@config_option
def show(term: str, as_json: bool, config_path: Path) -> None:
    """Show one case with its story, its notices and what was answered; and in short those that go with it.

    TERM is a case, VM, address or tap; where it has several cases, the open or youngest one is shown.
    """
    from edgeguard.cli import listing, output, reading  # noqa: PLC0415 - not for --help

    with reading.reader(config_path) as reader:
        found = reader.find(term)
        shown = reading.the_case(found, term)
        story, letters = reader.timeline(shown.id), reader.letters(shown.id)
        (matter,) = reader.matters([shown.leader or shown.id])
        others = [case for case in matter.cases if case.id != shown.id]
        answers = reader.replies.of_case(shown.id)
        elsewhere = [(case.id, taken.reply) for case in others for taken in reader.replies.of_case(case.id)]
    if as_json:
        parts = {"story": [output.plain(entry) for entry in story], "notices": [output.plain(x) for x in letters]}
        parts["replies"] = [output.plain(x.reply) for x in answers]
        parts["replies_with"] = [{"case": id, **output.plain(reply)} for id, reply in elsewhere]
        output.print_json({**output.plain(shown), **parts, "with": [case.id for case in others]})
        return
    click.echo(output.told(f"case {shown.id}: {reading.who(shown)}, {shown.state.lower()}"))
    click.echo(output.aligned([[output.when(e.at), e.what, output.told(e.text)] for e in story], "  "))
    for letter in (x for x in letters if x.text):
        click.echo(f"\n{_mail(letter)}")
    for answer in (x.reply for x in answers if x.reply.text):
        click.echo(f"\n{_answer(answer.sender, answer.subject, answer.text)}")
    for id, reply in elsewhere:
        click.echo(f"\nin {id}, which goes with this one, {_answer(reply.sender, reply.subject, reply.text)}")
    if others:
        click.echo(f"\n{listing.told_beside(shown, others)}")
    if len(found) > 1:
        click.echo(f"\n{len(found) - 1} more for {term}: edgeguard case list {term}")


def _mail(letter: Letter) -> str:
    back = f", which came back undelivered ({letter.undelivered})" if letter.undelivered else ""
    return _letter(f"mail to {letter.to or 'the desk'}{back}", letter.subject, letter.text)


def _answer(sender: str | None, subject: str, text: str) -> str:
    return _letter(f"answer from {sender or 'nobody known'}", subject, text)


def _letter(head: str, subject: str | None, text: str | None) -> str:
    from edgeguard.cli import output  # noqa: PLC0415

    body = "\n".join(output.told(line) for line in (text or "").splitlines())
    return f"{output.told(head)}: {output.told(subject)}\n\n{body}"
