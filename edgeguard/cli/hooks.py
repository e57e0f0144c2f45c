"""`edgeguard hooks`: whether programs and webhooks can be told."""

from __future__ import annotations

from pathlib import Path

import click

from edgeguard.cli.group import Commands
from edgeguard.cli.options import config_option, example, json_option, loaded

COLUMNS = ("channel", "taken", "answer")


@click.group(cls=Commands, epilog=example("edgeguard hooks test"))
def hooks() -> None:
    """Programs, webhooks and pages. Needs no daemon."""


@hooks.command(epilog=example("edgeguard hooks test", "edgeguard hooks test --action ban"))
@click.option(
    "--action",
    type=click.Choice(["test", "ban", "unban"]),
    default="test",
    show_default=True,
    help="The fourth argument; the address is always 192.0.2.1, which is nobody's.",
)
@json_option
@config_option
@click.pass_context
def test(ctx: click.Context, action: str, as_json: bool, config_path: Path) -> None:
    """Send one test document to the program, the webhook and the page's program, and print what each answered.

    They run here, with no more rights than in the daemon. Exit 0 only when each has taken it.
    """
    from edgeguard import clock, handing, native  # noqa: PLC0415 - not for --help
    from edgeguard.cli import output  # noqa: PLC0415
    from edgeguard.errors import UsageError  # noqa: PLC0415
    from edgeguard.hooks.trial import tried  # noqa: PLC0415

    config = loaded(config_path)
    settings = handing.settings(config)
    if not (settings.program or settings.url or settings.page):
        raise UsageError("nothing to test: [hooks] program, [hooks] url and [page] program are empty")
    native.rights_keep()
    found = list(tried(settings, handing.host(config), action, clock.now()))
    if as_json:
        for one in found:
            output.print_json(output.plain(one))
    else:
        rows = [(one.channel, "yes" if one.taken else "no", one.detail) for one in found]
        output.print_table(COLUMNS, rows, "")
    ctx.exit(0 if all(one.taken for one in found) else 1)
