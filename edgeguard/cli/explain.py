"""`edgeguard explain`: how a decision came about, number by number.

A customer may be sent the same print but for its line of estimates."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgeguard.cli.options import config_option, example, json_option, term_argument

if TYPE_CHECKING:
    from edgeguard.cases.reader import Reader


@click.command(epilog=example("edgeguard explain web1", "edgeguard explain 192.0.2.10 --json"))
@term_argument
@json_option
@config_option
def explain(term: str, as_json: bool, config_path: Path) -> None:
    """Explain a case: what was measured, against which limit, what each safety said, what happened.

    TERM is a case, VM, address or tap; where it has several cases, the open or youngest one is explained.
    """
    from edgeguard.cli import output, reading  # noqa: PLC0415 - not for --help

    with reading.reader(config_path) as reader:
        case = reading.the_case(reader.find(term), term)
        if as_json:
            output.print_json({**output.plain(case), "decisions": list(_documents(reader, case.id))})
            return
        opened = f"opened {output.when(case.opened)}, {case.state.lower()}"
        click.echo(output.told(f"case {case.id}: {reading.who(case)}, {opened}"))
        for line in _lines(reader, case.id):
            click.echo(line)


def _documents(reader: Reader, case: str) -> Iterator[dict[str, object]]:
    from edgeguard.cli import output  # noqa: PLC0415

    verdicts = {verdict.id: verdict for verdict in reader.verdicts(case)}
    for decision in reader.decisions(case):
        yield {
            "decision": output.plain(decision),
            "verdict": output.plain(verdicts.get(decision.verdict or "")),
            "outcomes": [output.plain(outcome) for outcome in reader.outcomes(decision.id)],
        }


def _lines(reader: Reader, case: str) -> Iterator[str]:
    from edgeguard.cli import arithmetic, output  # noqa: PLC0415

    verdicts = {verdict.id: verdict for verdict in reader.verdicts(case)}
    for decision in reader.decisions(case):
        yield ""
        yield output.told(arithmetic.headline(decision))
        verdict = verdicts.get(decision.verdict or "")
        rows = arithmetic.of_verdict(verdict) if verdict else []
        for title, part in (
            ("arithmetic", rows),
            ("safeties", arithmetic.of_safeties(decision)),
            ("outcomes", arithmetic.of_outcomes(reader.outcomes(decision.id))),
        ):
            if part:
                yield f"  {title}"
                yield output.aligned([[output.told(cell) for cell in row] for row in part], "    ")
