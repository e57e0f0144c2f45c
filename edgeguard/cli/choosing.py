"""The three choices of `edgeguard next`, asked in a terminal: each is the command of its name, with its reason."""

from __future__ import annotations

from pathlib import Path

import click

from edgeguard.cli import asking
from edgeguard.cli.acting import act
from edgeguard.cli.release import release
from edgeguard.grace import Disposition
from edgeguard.request import AskCase, HoldCase, ReleaseNullRoute

WITHOUT_MORE = [one for one in Disposition if one is not Disposition.EXEMPT]  # an exemption says more: its command does


def choose(config_path: Path, case: str, frees: str) -> None:
    """One choice. Whatever is none of them is none."""
    choice = click.prompt("Choice", default="", show_default=False).strip()
    if choice == "1":
        _release(config_path, case)
    elif choice == "2":
        act(config_path, HoldCase(case, _reason()), as_json=False)
    elif choice == "3":
        act(config_path, AskCase(case, click.prompt("Question")), as_json=False)
    else:
        click.echo(f"nothing was done; {frees}")


def _release(config_path: Path, case: str) -> None:
    for number, one in enumerate(WITHOUT_MORE, 1):
        click.echo(f"  {number}  {one}")
    click.echo(f"  to exempt it: edgeguard case release {case} --as exempt --why ...")
    number = click.prompt("What was found", type=click.IntRange(1, len(WITHOUT_MORE)))
    what = ReleaseNullRoute(case, _reason(), WITHOUT_MORE[number - 1])
    asking.tell(release(config_path, what), as_json=False)


def _reason() -> str:
    return str(click.prompt("Why"))
