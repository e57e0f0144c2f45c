"""The other cases that go with one: what to type for them, too, and which of several it was not done to."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from edgeguard.cli.options import DEFAULT_CONFIG
from edgeguard.clock import SECOND
from edgeguard.errors import EdgeGuardError
from edgeguard.glance.words import told
from edgeguard.request import Ask, ReleaseNullRoute, verb_of

OPTIONS = {"disposition": "--as", "conditions": "--ends-when", "consent": "--consent", "ceiling": "--ceiling"}


def tell(answer: Mapping[str, Any], what: Ask, config_path: Path, as_json: bool) -> None:
    """One line, the last one; a program has the ids in the answer."""
    others = answer.get("others")
    if others and not as_json:
        are = "is" if len(others) == 1 else "are"
        line = f"{', '.join(others)} of the same customer {are} null-routed, too; for all: "
        click.echo(told(f"{line}{command(what, answer['leader'], config_path)}"))


def command(what: Ask, leader: str, config_path: Path) -> str:
    """What does to all of them what was done to one, to paste."""
    verb = "release" if isinstance(what, ReleaseNullRoute) else verb_of(what).rpartition(".")[2]
    words = ["edgeguard", "case", verb, leader, "--together", "--why", getattr(what, "why", "")]
    for name, option in OPTIONS.items():
        value = getattr(what, name, None) or ()
        words += [word for one in ([*value] if isinstance(value, tuple) else [value]) for word in (option, str(one))]
    if length := getattr(what, "for_ns", 0):
        words += ["--for", f"{length // SECOND}s"]
    return shlex.join(words if config_path == DEFAULT_CONFIG else [*words, "-c", str(config_path)])


def fail(answer: Mapping[str, Any], missing: Mapping[str, str] | None = None) -> None:
    """An error of one line for each case to which it was not done. missing: of which that was found afterwards."""
    refused = {one["case"]: one["why"] for one in answer.get("failed", ())}
    lines = [why if why.startswith(case) else f"{case}: {why}" for case, why in {**refused, **(missing or {})}.items()]
    if lines:
        raise EdgeGuardError("\n".join(f"not done: {line}" for line in lines))
