"""What commands share: the configuration, the term, JSON output, examples in the help."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from edgeguard.config import Config
    from edgeguard.duty import Duty

DEFAULT_CONFIG = Path("/etc/edgeguard/edgeguard.toml")

F = TypeVar("F", bound=Callable[..., Any])


def example(*commands: str) -> str:
    """The end of a help text: commands to paste."""
    return "\b\nExample:\n" + "\n".join(f"  {command}" for command in commands)


def loaded(path: Path, rules: bool = False) -> Config:
    """The configuration; where nobody made the default file, the shipped defaults.

    `rules` True: with its rules file. Who only looks does not need it: one that is refused must not keep them out.
    """
    from edgeguard import config  # noqa: PLC0415 - pydantic takes a while: not for --help

    return config.load(given(path), rules)


def given(path: Path) -> Path | None:
    """The file that was named; None where it is the default one, which nobody made."""
    return None if path == DEFAULT_CONFIG and not path.exists() else path


def socket_of(path: Path) -> str:
    """Where the daemon listens; where that cannot be read by itself the whole configuration is, and says why."""
    from edgeguard.glance import place  # noqa: PLC0415 - not for --help

    return place.socket_of(str(path)) or loaded(path).paths.socket


def duty_of(path: Path) -> Duty:
    """The clocks of people and their roster; out of the whole where they cannot be read by themselves."""
    from edgeguard import duty  # noqa: PLC0415 - not for --help

    return duty.read(str(path)) or loaded(path)


def with_rules(path: Path) -> Config:
    """The configuration with its rules file, for who shows limits; without it, and saying so, while it is wrong."""
    from edgeguard.errors import ConfigError  # noqa: PLC0415

    try:
        return loaded(path, rules=True)
    except ConfigError as error:
        config = loaded(path)  # raises again where it is the configuration itself that is wrong
        click.echo(f"edgeguard: {error.findings[0]}; limits are shown without the rules file", err=True)
        return config


def together_option(command: F) -> F:
    """`--together`: what is said of one case is said of all that go with it."""
    said = "Also of the same customer's cases that go with it, each by itself."
    return click.option("--together", is_flag=True, help=said)(command)


def config_option(command: F) -> F:
    """`-c FILE`, passed as `config_path`."""
    return click.option(
        "-c",
        "--config",
        "config_path",
        type=click.Path(path_type=Path),
        default=DEFAULT_CONFIG,
        envvar="EDGEGUARD_CONFIG",
        show_default=True,
        show_envvar=True,
        help="The configuration file.",
    )(command)


def json_option(command: F) -> F:
    """`--json`, passed as `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON: one object a line.")(command)


def why_option(command: F) -> F:
    """`--why TEXT`, required: nothing is bound or freed without a reason."""
    return click.option("--why", required=True, metavar="TEXT", help="The reason, kept in the case.")(command)


def duration(ctx: click.Context, parameter: click.Parameter, value: str | None) -> int | None:
    """A callback: '30m' as nanoseconds; what is not given stays so."""
    from edgeguard import units  # noqa: PLC0415 - not for --help

    if value is None:
        return None
    try:
        ns = units.duration(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
    if ns <= 0:
        raise click.BadParameter(f"{value!r} is no time at all")
    return ns


def term_argument(command: F) -> F:
    """TERM: whatever an operator has at hand."""
    return click.argument("term", metavar="TERM")(command)
