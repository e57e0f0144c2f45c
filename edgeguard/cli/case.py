"""`edgeguard case`: the cases, and one of them with its story."""

from __future__ import annotations

from pathlib import Path

import click

from edgeguard.cli.group import Commands
from edgeguard.cli.options import config_option, example, json_option, term_argument

COLUMNS = ("case", "opened", "state", "vm", "name", "tap", "customer", "outcome")


@click.group(cls=Commands, epilog=example("edgeguard case list --open"))
def case() -> None:
    """Look at cases. Reads the database; needs no daemon."""


@case.command("list", epilog=example("edgeguard case list --open", "edgeguard case list web1 --json"))
@click.argument("term", metavar="[TERM]", required=False)
@click.option("--open", "only_open", is_flag=True, help="Only cases that nobody and no clock has settled.")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="The youngest so many.")
@json_option
@config_option
def list_cases(term: str | None, only_open: bool, limit: int, as_json: bool, config_path: Path) -> None:
    """List cases, the youngest first: all, or those of a VM, address or tap."""
    from edgeguard.cli import output, reading  # noqa: PLC0415 - not for --help

    with reading.reader(config_path) as reader:
        found = reader.find(term) if term else reader.open_cases()[::-1] if only_open else reader.cases(limit)
    shown = [case for case in found if case.closed is None or not only_open][:limit]
    if as_json:
        for row in shown:
            output.print_json(output.plain(row))
        return
    rows = [(c.id, output.when(c.opened), c.state, c.vm, c.vm_name, c.tap, c.customer, c.outcome) for c in shown]
    output.print_table(COLUMNS, rows, "no cases")


@case.command(epilog=example("edgeguard case show web1", "edgeguard case show 192.0.2.10 --json"))
@term_argument
@json_option
@config_option
def show(term: str, as_json: bool, config_path: Path) -> None:
    """Show one case with its story and its notices.

    TERM is a case, VM, address or tap; where it has several cases, the open or youngest one is shown.
    """
    from edgeguard.cli import output, reading  # noqa: PLC0415 - not for --help

    with reading.reader(config_path) as reader:
        found = reader.find(term)
        shown = reading.the_case(found, term)
        story, letters = reader.timeline(shown.id), reader.letters(shown.id)
    if as_json:
        parts = {"story": [output.plain(entry) for entry in story], "notices": [output.plain(x) for x in letters]}
        output.print_json({**output.plain(shown), **parts})
        return
    click.echo(output.told(f"case {shown.id}: {reading.who(shown)}, {shown.state.lower()}"))
    click.echo(output.aligned([[output.when(e.at), e.what, output.told(e.text)] for e in story], "  "))
    for letter in (x for x in letters if x.text):
        click.echo(f"\n{_mail(letter.to, letter.subject, letter.text)}")
    if len(found) > 1:
        click.echo(f"\n{len(found) - 1} more for {term}: edgeguard case list {term}")


def _mail(to: str | None, subject: str | None, text: str | None) -> str:
    from edgeguard.cli import output  # noqa: PLC0415

    body = "\n".join(output.told(line) for line in (text or "").splitlines())
    return f"mail to {output.told(to or 'the desk')}: {output.told(subject)}\n\n{body}"
