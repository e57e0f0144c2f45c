"""`edgeguard case claim-check`: what a customer says beside what was measured."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgeguard.cli.options import config_option, example, json_option, loaded, term_argument

if TYPE_CHECKING:
    from edgeguard.cases.protocol import CaseStore
    from edgeguard.claims.claim import Finding
    from edgeguard.model import Network

PROTOCOLS = {"tcp": 6, "udp": 17, "icmp": 1, "icmpv6": 58, "quic": 17, "http/3": 17}


def _network(context: click.Context, option: click.Parameter, value: str | None) -> Network | None:
    import ipaddress  # noqa: PLC0415

    if value is None:
        return None
    try:
        return ipaddress.ip_network(value, strict=False)
    except ValueError as error:
        raise click.BadParameter(f"{error}; write an address like '198.51.100.7'") from None


@click.command(
    "claim-check",
    epilog=example(
        "edgeguard case claim-check web1 --program rsync --target 198.51.100.7 --rate 20000",
        "edgeguard case claim-check EG-20260131-1a2b3c4d5e6f --protocol http/3 --port 443",
    ),
)
@term_argument
@click.option("--program", metavar="NAME", help="What is said to have sent it, like rsync.")
@click.option("--protocol", type=click.Choice(sorted(PROTOCOLS), case_sensitive=False), help="QUIC and HTTP/3 are UDP.")
@click.option("--target", metavar="ADDR", callback=_network, help="Where it is said to have gone: address or prefix.")
@click.option("--port", type=click.IntRange(1, 65_535), help="To which port.")
@click.option("--rate", type=click.IntRange(1), metavar="N", help="How many packets a second.")
@json_option
@config_option
def claim_check(
    *,
    term: str,
    program: str | None,
    protocol: str | None,
    target: Network | None,
    port: int | None,
    rate: int | None,
    as_json: bool,
    config_path: Path,
) -> None:
    """Lay what a customer says beside what was measured, and note the answer in the case.

    It changes nothing else: what it means for the case, a person decides.
    """
    from edgeguard.claims.check import check  # noqa: PLC0415 - not for --help
    from edgeguard.claims.claim import Claim  # noqa: PLC0415

    claim = Claim(program, PROTOCOLS[protocol.lower()] if protocol else None, target, port, rate)
    if claim == Claim():
        raise click.UsageError("say what is claimed: --program, --protocol, --target, --port or --rate")
    from edgeguard.cases.store import Store  # noqa: PLC0415
    from edgeguard.cli import reading  # noqa: PLC0415

    reading.reader(config_path).close()  # says what is wrong where there is no database
    with Store(loaded(config_path).paths.database) as store:
        case = reading.the_case(store.find(term), term)
        findings = check(claim, store.verdicts(case.id))
        _note(store, case.id, findings)
    _print(case.id, findings, as_json)


def _note(store: CaseStore, case: str, findings: tuple[Finding, ...]) -> None:
    from edgeguard import clock  # noqa: PLC0415
    from edgeguard.control import own_name  # noqa: PLC0415

    told = "; ".join(f"{one.field} {one.said}: {one.answer}" for one in findings)
    store.note(case, clock.now(), own_name(), f"claim checked: {told}")


def _print(case: str, findings: tuple[Finding, ...], as_json: bool) -> None:
    from edgeguard.cli import output  # noqa: PLC0415

    if as_json:
        output.print_json({"case": case, "findings": [output.plain(one) for one in findings]})
        return
    for one in findings:
        click.echo(f"{one.field}: {output.told(one.answer)}")
        rows = [["said", output.told(one.said)], ["measured", output.told(one.measured)], ["why", output.told(one.why)]]
        click.echo(output.aligned(rows, "  "))
