"""The commands: parse, call, print. Heavy parts are imported by the command that needs them."""

from __future__ import annotations

import click

from edgeguard import __version__
from edgeguard.cli.group import Commands
from edgeguard.cli.options import example

PLACES = {
    "backtest": "edgeguard.cli.backtest:backtest",
    "baseline": "edgeguard.cli.baseline:baseline",
    "case": "edgeguard.cli.case:case",
    "check": "edgeguard.cli.check:check",
    "evidence": "edgeguard.cli.evidence:evidence",
    "exempt": "edgeguard.cli.exempt:exempt",
    "explain": "edgeguard.cli.explain:explain",
    "hooks": "edgeguard.cli.hooks:hooks",
    "lab": "edgeguard.cli.lab:lab",
    "next": "edgeguard.cli.next:next_case",
    "notice": "edgeguard.cli.notice:notice",
    "nullroute": "edgeguard.cli.nullroute:nullroute",
    "panic": "edgeguard.cli.reap:panic",
    "reap": "edgeguard.cli.reap:reap",
    "replay": "edgeguard.cli.replay:replay",
    "reply": "edgeguard.cli.reply:reply",
    "report": "edgeguard.cli.report:report",
    "run": "edgeguard.cli.run:run",
    "signal": "edgeguard.cli.signal:signal",
    "status": "edgeguard.cli.status:status",
    "top": "edgeguard.cli.top:top",
    "why": "edgeguard.cli.why:why",
}


@click.group(
    cls=Commands,
    places=PLACES,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=example("edgeguard check -c /etc/edgeguard/edgeguard.toml"),
)
@click.version_option(__version__, message="%(prog)s %(version)s")
def main() -> None:
    """EdgeGuard finds floods that leave virtual machines, null-routes them, and tells their owners.

    Exit codes: 0 done, 1 failed, 2 wrong use, 3 wrong configuration.
    """
