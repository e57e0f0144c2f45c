"""`edgeguard lab`: the whole job, watched, in namespaces that vanish."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import click

from edgeguard.cli import incident
from edgeguard.cli.options import example
from edgeguard.errors import EdgeGuardError, UsageError
from edgeguard.lab.scenario import SCENARIOS, Scenario
from edgeguard.lab.topology import KINDS

DEFAULT = "syn-flood"


def _scenario(name: str) -> Scenario:
    if name not in SCENARIOS:
        raise UsageError(f"lab: there is no scenario {name!r}; known are {', '.join(SCENARIOS)}")
    return SCENARIOS[name]


def _list(as_json: bool) -> None:
    for scenario in SCENARIOS.values():
        if as_json:
            row = {"scenario": scenario.name, "sentence": scenario.sentence, "expected": scenario.expected.as_json()}
            click.echo(json.dumps(row))
        else:
            click.echo(f"{scenario.name:15}{scenario.sentence}")


def _installed() -> None:
    for package in ("scapy", "aiosmtpd"):
        if not importlib.util.find_spec(package):
            raise EdgeGuardError(f"lab: needs the Python package {package!r}: pip install 'edgeguard[lab]'")


def _progress(frames: int) -> None:
    if sys.stderr.isatty():
        click.echo(f"\r{frames:,} frames ...", err=True, nl=False)


def _write(name: str, out: str) -> None:
    _installed()
    from edgeguard.lab import write  # noqa: PLC0415 - scapy takes a while: not for --help

    path = Path(out)
    beside, frames = write.write(_scenario(name), path, _progress)
    if sys.stderr.isatty():
        click.echo("\r", err=True, nl=False)
    click.echo(f"{path}: {frames:,} frames; replay it with: edgeguard replay {path} -c {beside}")


def _incident(names: tuple[str, ...], host: str, listing: bool, every: bool, real: bool, as_json: bool) -> int:
    _installed()
    if listing:
        incident.listed(as_json)
        return 0
    wanted = incident.wanted(names, every)
    return incident.play_real(wanted, host, as_json) if real else incident.play(wanted, as_json)


def _play(name: str, host: str, as_json: bool) -> int:
    _installed()
    from edgeguard.lab import story  # noqa: PLC0415
    from edgeguard.lab.namespace import isolated  # noqa: PLC0415

    scenario = _scenario(name)

    def body() -> int:
        from edgeguard.lab.run import run  # noqa: PLC0415 - in the child alone: it may start threads

        found = run(scenario, host, story.Story(story.printer(story.for_output(as_json))))
        if as_json:
            click.echo(json.dumps(found.values))
        return 0 if found.ok else 1

    return isolated(body)


@click.command(
    epilog=example(
        "edgeguard lab",
        "edgeguard lab moving-flood --host bridged",
        "edgeguard lab --list",
        "edgeguard lab write udp-flood /tmp/udp-flood.pcap",
        "edgeguard lab incident ten-workers",
        "edgeguard lab incident --all --json",
    )
)
@click.argument("words", metavar="[SCENARIO] | write SCENARIO OUT.pcap | incident [NAME]", nargs=-1)
@click.option("--host", type=click.Choice(KINDS), default=KINDS[0], show_default=True, help="The kind of hypervisor.")
@click.option("--list", "listing", is_flag=True, help="List the scenarios, or the incidents.")
@click.option("--all", "every", is_flag=True, help="Of `incident`: all of them, one after the other.")
@click.option("--real", is_flag=True, help="Of `incident`: real packets and null routes, where it can be so shown.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON: the result as one object; with --list one a line.")
def lab(words: tuple[str, ...], host: str, listing: bool, every: bool, real: bool, as_json: bool) -> None:
    """Watch the whole job: a VM floods, the daemon stops it and writes the mail.

    Builds a VM, its neighbour, a hypervisor and the WAN in namespaces of its own and runs the real
    daemon there; nothing is sent anywhere else, and nothing is left behind. Needs no root where the
    kernel permits user namespaces. SCENARIO is syn-flood unless named. Exit 0 when all went as it must.

    `write` puts the scenario's frames into a savefile instead, and beside it OUT.toml, the
    configuration to replay it with; that needs no rights at all.

    `incident` plays again what happened to operators and their customers: what was done then beside what
    is done here, in virtual time unless --real. Exit 0 when all came as it must.
    """
    if words[:1] == ("incident",):
        sys.exit(_incident(words[1:], host, listing, every, real, as_json))
    elif every or real:
        raise UsageError("lab: --all and --real are of 'edgeguard lab incident'")
    elif listing:
        _list(as_json)
    elif words[:1] == ("write",):
        if len(words) != 3:
            raise UsageError("lab write: give a scenario and a file, like 'edgeguard lab write syn-flood out.pcap'")
        _write(words[1], words[2])
    elif len(words) > 1:
        raise UsageError(f"lab: one scenario at a time, not {' '.join(words)}")
    else:
        sys.exit(_play(words[0] if words else DEFAULT, host, as_json))
