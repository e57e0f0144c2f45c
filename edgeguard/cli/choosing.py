"""The three choices of `edgeguard next`, asked in a terminal: each is the command of its name, with its reason."""

from __future__ import annotations

from pathlib import Path

import click

from edgeguard.cli.acting import act
from edgeguard.cli.release import release
from edgeguard.grace import Disposition
from edgeguard.request import AskCase, HoldCase, ReleaseNullRoute

WITHOUT_MORE = [one for one in Disposition if one is not Disposition.EXEMPT]  # an exemption says more: its command does


def choose(config_path: Path, case: str, frees: str, together: bool) -> None:
    """One choice, of all cases that go together. Whatever is none of them is none."""
    choice = click.prompt("Choice", default="", show_default=False).strip()
    if choice == "1":
        _release(config_path, case, together)
    elif choice == "2":
        act(config_path, HoldCase(case, _reason(), together=together), as_json=False)
    elif choice == "3":
        act(config_path, AskCase(case, click.prompt("Question"), together), as_json=False)
    else:
        click.echo(f"nothing was done; {frees}")


def _release(config_path: Path, case: str, together: bool) -> None:
    for number, one in enumerate(WITHOUT_MORE, 1):
        click.echo(f"  {number}  {one}")
    to_all = " --together" if together else ""
    click.echo(f"  to exempt it: edgeguard case release {case}{to_all} --as exempt --why ...")
    number = click.prompt("What was found", type=click.IntRange(1, len(WITHOUT_MORE)))
    what = ReleaseNullRoute(case, _reason(), WITHOUT_MORE[number - 1], together=together)
    release(config_path, what, as_json=False)


def _reason() -> str:
    return str(click.prompt("Why"))
