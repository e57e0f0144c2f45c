"""`edgeguard replay`: a savefile through the whole engine, in its own time, enforcing nothing."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgeguard.cli.options import example, json_option
from edgeguard.cli.output import print_json

if TYPE_CHECKING:
    from edgeguard.letters import Notice
    from edgeguard.model import Decision, Verdict
    from edgeguard.replay import Found, Replay


@click.command(epilog=example("edgeguard replay flood.pcap -c flood.toml", "edgeguard replay flood.pcap --json"))
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "-c",
    "--config",
    "config_path",
    type=click.Path(path_type=Path),
    default=None,
    help="Limits and inventory to judge with; without it the shipped defaults, and every source is judged.",
)
@json_option
def replay(file: Path, config_path: Path | None, as_json: bool) -> None:
    """Read FILE (pcap or pcapng, gzipped or not) and say what would have been done, and mailed.

    Enforces nothing, needs no rights, and prints the same for the same file.
    """
    from edgeguard import config, summary  # noqa: PLC0415 - numba: not for --help
    from edgeguard.inventory import configured  # noqa: PLC0415
    from edgeguard.replay import Replay  # noqa: PLC0415

    settings = config.load(config_path)
    printer = _Lines() if as_json else _Story()
    run = Replay(file, settings, configured(settings.inventory), printer.tell)
    _run(run)
    printer.summary(summary.summarise(run))
    empty = not run.capture.totals()["frames"]
    for finding in run.capture.findings() or (["holds no frames: nothing was captured into it"] if empty else []):
        click.echo(f"edgeguard: {file}: {finding}", err=True)
    if empty:
        sys.exit(1)


def _run(run: Replay) -> None:
    if not sys.stderr.isatty():
        run.run()
        return
    from rich.console import Console  # noqa: PLC0415 - only a terminal pays for it
    from rich.progress import Progress  # noqa: PLC0415

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("reading", total=1.0)
        run.run(lambda share: progress.update(task, completed=share))


class _Lines:
    """JSON Lines: one verdict, decision or notice each, the summary last."""

    def tell(self, found: Found) -> None:
        from edgeguard import jsonl  # noqa: PLC0415

        print_json(jsonl.line(found))

    def summary(self, document: dict[str, Any]) -> None:
        print_json(document)


class _Story:
    """The same for people."""

    def tell(self, found: Found) -> None:
        from edgeguard.model import Decision, Verdict  # noqa: PLC0415

        if isinstance(found, Verdict):
            self._verdict(found)
        elif isinstance(found, Decision):
            self._decision(found)
        else:
            self._notice(found)

    def _verdict(self, verdict: Verdict) -> None:
        from edgeguard import clock  # noqa: PLC0415
        from edgeguard.cli.arithmetic import of_readings, of_verdict  # noqa: PLC0415
        from edgeguard.cli.output import aligned, told  # noqa: PLC0415

        click.echo(f"{clock.utc_millis(verdict.at)}  verdict: {verdict.rule} {verdict.band}")
        for rows in (of_verdict(verdict), of_readings(verdict)):
            click.echo(aligned([[told(cell) for cell in row] for row in rows], "    "))

    def _decision(self, decision: Decision) -> None:
        from edgeguard import clock  # noqa: PLC0415
        from edgeguard.cli.output import told  # noqa: PLC0415

        said = f"decision: {decision.act}, {decision.scope}: {decision.reason}"
        click.echo(told(f"{clock.utc_millis(decision.at)}  {said}"))
        for answer in decision.safeties:
            click.echo(told(f"    {answer.answer:8}{answer.name}: {answer.reason}"))

    def _notice(self, notice: Notice) -> None:
        from edgeguard import jsonl  # noqa: PLC0415

        document = jsonl.line(notice)
        click.echo(f"    the mail that would have been sent to {document['to'] or 'the desk'}:\n")
        click.echo(f"      Subject: {document['subject']}\n")
        for line in document["text"].splitlines():
            click.echo(f"      {line}".rstrip())
        click.echo()

    def summary(self, document: dict[str, Any]) -> None:
        for line in _summary_lines(document):
            click.echo(line)


def _summary_lines(document: dict[str, Any]) -> list[str]:
    names = ("frames", "ipv4", "ipv6", "tcp_syn", "tcp_synack", "udp", "icmp", "fragments")
    rest = ("non_ip", "malformed", "other_link")
    lines = [
        ", ".join(f"{document[name]:,} {name}" for name in names),
        ", ".join(f"{document[name]:,} {name}" for name in rest),
    ]
    for rule in ("syn", "udp"):
        peak = document[f"peak_{rule}_1s"]
        told = f"{peak['packets']:,} packets from {peak['source']} (at most {peak['at_most']:,})" if peak else "none"
        lines.append(f"busiest second, {rule}: {told}")
    return lines
