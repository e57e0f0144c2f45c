"""`edgeguard notice`: a mail before it is sent, and one that is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgeguard.cli.group import Commands
from edgeguard.cli.options import config_option, example, json_option, loaded

if TYPE_CHECKING:
    from edgeguard.config import Config
    from edgeguard.letters import Facts
    from edgeguard.notice.kinds import Kind

SAMPLE = "sample"


@click.group(cls=Commands, epilog=example("edgeguard notice preview sample narrow"))
def notice() -> None:
    """The mails: look at one before it is sent, and try the way to the mail server. Needs no daemon."""


@notice.command(
    epilog=example(
        "edgeguard notice preview EG-20260131-0123456789ab narrow",
        "edgeguard notice preview sample repeat --texts ./texts",
    )
)
@click.argument("term", metavar="CASE")
@click.argument("kind", metavar="KIND")
@click.option("--texts", "folder", metavar="DIR", help="Texts of this folder in place of those of [notice] texts.")
@click.option("--html", "as_html", is_flag=True, help="Print the HTML part.")
@json_option
@config_option
@click.pass_context
def preview(
    ctx: click.Context, term: str, kind: str, folder: str | None, as_html: bool, as_json: bool, config_path: Path
) -> None:
    """Print the mail of a KIND as it would tell of CASE: a case, VM, address or tap; or `sample`, an invented flood.

    What is wrong with it goes to standard error, and makes the exit code 1. Nothing is sent or recorded.
    """
    from edgeguard import clock  # noqa: PLC0415 - not for --help
    from edgeguard.cli import output  # noqa: PLC0415
    from edgeguard.letters import Proof  # noqa: PLC0415
    from edgeguard.notice import hypertext, lint, sample  # noqa: PLC0415
    from edgeguard.notice.adopted import adopt  # noqa: PLC0415
    from edgeguard.notice.render import render  # noqa: PLC0415

    config, chosen = loaded(config_path), _kind(kind)
    adopted = adopt(config.notice.texts if folder is None else folder)
    if term == SAMPLE:
        values, facts, at = sample.slots(chosen), sample.FACTS, sample.AT + 2 * clock.SECOND
    else:
        values, facts, at = _of_case(config, term, chosen)
    if values.get("act") == "release":
        facts = replace(facts, proof=Proof.RELEASED)
    rendered = render(chosen, values, facts, at, adopted.texts)
    found = [*adopted.findings, *map(str, lint.check(chosen, values, facts, at, adopted.texts))]
    html = hypertext.page(rendered.subject, rendered.text, rendered.language)
    if as_json:
        told = {"kind": kind, "subject": rendered.subject, "text": rendered.text, "html": html, "findings": found}
        output.print_json(told)
    else:
        click.echo(html if as_html else f"Subject: {rendered.subject}\n\n{rendered.text}", nl=False)
    for finding in found:
        click.echo(f"edgeguard: {output.told(finding)}", err=True)
    ctx.exit(1 if found else 0)


@notice.command(epilog=example("edgeguard notice test", "edgeguard notice test --to noc@example.net"))
@click.option("--to", metavar="ADDRESS", help="Where to; without it to [mail] desk.")
@json_option
@config_option
def test(to: str | None, as_json: bool, config_path: Path) -> None:
    """Send one real mail through the configured server, and print what the server answered.

    It has the parts of a customer's mail, so whoever gets it sees what of them arrives.
    """
    from edgeguard import clock, handing  # noqa: PLC0415 - not for --help
    from edgeguard.cli import output  # noqa: PLC0415
    from edgeguard.errors import DeliveryError, UsageError  # noqa: PLC0415
    from edgeguard.notice.refusal import Refusal  # noqa: PLC0415
    from edgeguard.notice.trial import tried  # noqa: PLC0415

    config = loaded(config_path)
    if not config.mail.server:
        raise UsageError("nothing to test: [mail] server is empty; name one as host:port")
    try:
        done = tried(config.mail, handing.host(config), to, clock.now())
    except Refusal as refusal:
        raise DeliveryError(f"the test mail was not taken: {refusal}") from None
    if as_json:
        output.print_json(output.plain(done))
        return
    click.echo(output.told(f"{done.server} took it for {done.to}: {done.answer}"))
    click.echo(output.told(f"Message-ID: {done.message_id}; look whether it arrives with its text, HTML and TEST.json"))
    if done.refused:
        click.echo(output.told(f"not taken for {done.refused}"), err=True)


def _kind(name: str) -> Kind:
    from edgeguard.errors import UsageError  # noqa: PLC0415
    from edgeguard.notice.kinds import Kind  # noqa: PLC0415

    try:
        return Kind(name)
    except ValueError:
        raise UsageError(f"{name!r} is no kind of notice; there are {', '.join(Kind)}") from None


def _of_case(config: Config, term: str, kind: Kind) -> tuple[dict[str, Any], Facts, int]:
    """What a mail about the case would say: of its last null route, else of its last decision."""
    from edgeguard import clock, handing  # noqa: PLC0415
    from edgeguard.cases.reader import Reader  # noqa: PLC0415
    from edgeguard.cli.reading import the_case  # noqa: PLC0415
    from edgeguard.errors import UsageError  # noqa: PLC0415
    from edgeguard.inventory import configured  # noqa: PLC0415
    from edgeguard.model import Act, Vm  # noqa: PLC0415
    from edgeguard.notice import sample  # noqa: PLC0415
    from edgeguard.notice.preview import preview  # noqa: PLC0415
    from edgeguard.notice.values import background  # noqa: PLC0415

    with Reader(Path(config.paths.database)) as reader:
        case = the_case(reader.find(term), term)
        decisions, verdicts = reader.decisions(case.id), reader.verdicts(case.id)
    if not decisions:
        raise UsageError(f"{case.id}: nothing was decided in it yet, so there is nothing to tell")
    decision = next((one for one in reversed(decisions) if one.act is Act.NULL_ROUTE), decisions[-1])
    verdict = next((one for one in verdicts if one.id == decision.verdict), verdicts[-1] if verdicts else None)
    vm = next((one for one in configured(config.inventory).vms() if one.id == case.vm), None)
    if vm is None and case.vm is not None:
        vm = Vm(case.vm, case.vm_name or case.vm, case.customer, None, addresses=case.addresses)
    values = preview(kind, decision, verdict, vm, background(config, handing.host(config)))
    return values, replace(sample.facts(decision.at), leader=case.leader), decision.at + 2 * clock.SECOND
