"""`edgeguard explain`: how a decision came about, number by number.

A customer may be sent the same print but for its estimates: the line 'about', and the readings."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgeguard.cli.options import config_option, example, json_option, term_argument, with_rules

if TYPE_CHECKING:
    from edgeguard.cases.case import Case
    from edgeguard.cases.protocol import Cases
    from edgeguard.model import Decision, Verdict
    from edgeguard.policy import Policy


def _states(ctx: click.Context, parameter: click.Parameter, wanted: bool) -> None:
    """Print the table of states and be done: it needs no case, no daemon and no configuration."""
    if not wanted or ctx.resilient_parsing:
        return
    from edgeguard.cli import states  # noqa: PLC0415 - not for --help

    for line in states.lines():
        click.echo(line)
    ctx.exit()


@click.command(epilog=example("edgeguard explain web1", "edgeguard explain v-1f0c2ab9d44e --json"))
@term_argument
@click.option(
    "--states",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_states,
    help="Print the states of a case and the ways between them instead.",
)
@json_option
@config_option
def explain(term: str, as_json: bool, config_path: Path) -> None:
    """Explain a case: what was measured, against which limit, what else it could be, what each safety said.

    TERM is a case, VM, address or tap; where it has several cases, the open or youngest one is explained.
    The id of a verdict or a decision explains that alone.
    """
    from edgeguard.cli import output, reading  # noqa: PLC0415 - not for --help

    with reading.reader(config_path) as reader:
        case = reading.the_case(reader.find(term), term)
        holds = _policy(case, config_path)
        if as_json:
            output.print_json(_document(reader, case, term, holds))
            return
        opened = f"opened {output.when(case.opened)}, {case.state.lower()}"
        click.echo(output.told(f"case {case.id}: {reading.who(case)}, {opened}"))
        for decision, verdict in _decided(reader, case.id, term):
            for line in _lines(reader, decision, verdict, holds):
                click.echo(line)


def _policy(case: Case, config_path: Path) -> Policy:
    """What holds for the case's VM by the configuration as it is now."""
    from edgeguard.model import Vm  # noqa: PLC0415
    from edgeguard.policy import policy  # noqa: PLC0415

    vm = Vm(case.vm, case.vm_name or case.vm, case.customer, None, addresses=case.addresses) if case.vm else None
    return policy(with_rules(config_path), vm)


def _decided(reader: Cases, case: str, term: str) -> Iterator[tuple[Decision, Verdict | None]]:
    """The case's decisions with their verdicts; of a verdict's or decision's id that alone."""
    verdicts = {verdict.id: verdict for verdict in reader.verdicts(case)}
    decisions = reader.decisions(case)
    only = [decision for decision in decisions if term in (decision.id, decision.verdict)]
    for decision in only or decisions:
        yield decision, verdicts.get(decision.verdict or "")


def _document(reader: Cases, case: Case, term: str, holds: Policy) -> dict[str, Any]:
    from edgeguard.cli import output  # noqa: PLC0415

    decisions = [
        {
            "decision": output.plain(decision),
            "verdict": output.plain(verdict),
            "limits": _limits(verdict, holds),
            "outcomes": [output.plain(outcome) for outcome in reader.outcomes(decision.id)],
        }
        for decision, verdict in _decided(reader, case.id, term)
    ]
    return {**output.plain(case), "policy": holds.from_, "enforce": sorted(holds.enforce), "decisions": decisions}


def _limits(verdict: Verdict | None, holds: Policy) -> dict[str, Any] | None:
    """The limits that hold now for the rule of a verdict, and who says so; None: a person's, or not judged any more."""
    found = holds.limits.get(verdict.rule) if verdict else None
    if verdict is None or found is None or verdict.subject.customer is not None:
        return None
    bits = found.bits
    return {
        "from": holds.sources[verdict.rule],
        **{band: getattr(found, band) for band in ("warn", "act", "hard")},
        "bits": {band: getattr(bits, band) for band in ("warn", "act", "hard")} if bits else None,
    }


def _lines(reader: Cases, decision: Decision, verdict: Verdict | None, holds: Policy) -> Iterator[str]:
    from edgeguard.cli import arithmetic, output  # noqa: PLC0415

    yield ""
    yield output.told(arithmetic.headline(decision))
    for title, part in (
        ("arithmetic", [*arithmetic.of_verdict(verdict), *_source(verdict, holds)] if verdict else []),
        ("readings", arithmetic.of_readings(verdict) if verdict else []),
        ("safeties", arithmetic.of_safeties(decision)),
        ("outcomes", arithmetic.of_outcomes(reader.outcomes(decision.id))),
    ):
        if part:
            yield f"  {title}"
            yield output.aligned([[output.told(cell) for cell in row] for row in part], "    ")


def _source(verdict: Verdict, holds: Policy) -> list[tuple[str, str]]:
    """Who says the limit, by the configuration as it is now."""
    from edgeguard.units import bits_per_second, count  # noqa: PLC0415

    limits = _limits(verdict, holds)
    if limits is None:
        why = "a customer's sum" if verdict.subject.customer is not None else "this rule is not judged any more"
        return [("limit by", why)]
    now = (limits["bits"] or {}).get(verdict.band) if verdict.unit == "bits" else limits[verdict.band]
    told = "none" if now is None else bits_per_second(now) if verdict.unit == "bits" else count(now)
    return [("limit by", f"{limits['from']}" if now == verdict.limit else f"{limits['from']}, where it is {told} now")]
