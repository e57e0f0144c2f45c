"""Programs and webhooks: looked at, never started and never called; `edgeguard hooks test` does that for hooks."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from edgeguard.check.finding import Finding, ok, warning, wrong
from edgeguard.config import Config
from edgeguard.errors import DeliveryError
from edgeguard.hooks import webhook


def hooks(config: Config) -> Iterator[Finding]:
    if config.hooks.program:
        yield _program("hooks", config.hooks.program[0])
    if config.hooks.url:
        yield _webhook(config)
    if config.page.program:
        yield _program("page", config.page.program[0])
    elif any(shift.page for shift in config.roster.shift):
        yield warning("page", "program", "none: where nobody on duty has one, pages are in the desk's mail or the log")
    elif config.mail.server and config.mail.desk:
        yield ok("page", "program", "none: pages go to the desk's mail and the log")
    else:
        yield warning("page", "program", "none, and no desk's mail: pages are in the log alone; set [page] program")


def roster(config: Config) -> Iterator[Finding]:
    """Programs of people on duty."""
    for name, program in {shift.name: shift.page for shift in config.roster.shift if shift.page}.items():
        yield _program("roster", program[0], f"page of {name}", "")


def fleet(config: Config) -> Iterator[Finding]:
    """The program that is asked for the fleet; a URL answers or does not, and may be another one tomorrow."""
    if config.fleet.command:
        yield _program("fleet", config.fleet.command[0], "command", "")


def _program(area: str, path: str, key: str = "program", then: str = "; try it with 'edgeguard hooks test'") -> Finding:
    if not Path(path).is_file():
        return wrong(area, key, f"{path}: is no file; check the path")
    if not os.access(path, os.X_OK):
        return wrong(area, key, f"{path}: may not be executed; chmod +x")
    return ok(area, key, f"{path}: may be executed{then}")


def _webhook(config: Config) -> Finding:
    file, target = config.hooks.secret_file, webhook.Target.of(config.hooks.url)
    if not file:
        return warning("hooks", "url", f"{target}: nothing is signed; set [hooks] secret_file")
    try:
        webhook.secret(file)
    except DeliveryError as error:
        return wrong("hooks", "secret_file", str(error))
    if Path(file).stat().st_mode & 0o077:
        return warning("hooks", "secret_file", f"{file}: others may read it; chmod 600")
    if not target.secure:
        return warning("hooks", "url", f"{target}: documents are signed and go in clear; use https")
    return ok("hooks", "url", f"{target}: signed; try it with 'edgeguard hooks test'")
