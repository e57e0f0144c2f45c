"""A click group that loads a command when it is named, and tells errors in one line each."""

from __future__ import annotations

import contextlib
import errno
import importlib
import os
import sys
from collections.abc import Mapping
from typing import IO, Any, NoReturn

import click

from edgeguard.errors import EdgeGuardError
from edgeguard.glance.words import told

HELP: Any = getattr(click.exceptions, "NoArgsIsHelpError", ())  # click before 8.2 has none, and needs none
INTERRUPTED = 130  # as shells say it: 128 + SIGINT


class Refusal(click.ClickException):
    """An EdgeGuardError on its way out: its sentences on standard error, its exit code."""

    def __init__(self, error: EdgeGuardError) -> None:
        super().__init__(str(error))
        self.exit_code = error.exit_code  # type: ignore[misc] # click's own subclasses do the same

    def show(self, file: IO[Any] | None = None) -> None:
        for line in self.message.splitlines():
            click.echo(f"edgeguard: {told(line)}", file=file, err=True)


class WrongUse(click.ClickException):
    """A command line that makes no sense, on its way out: one line, however many click has for it."""

    exit_code = 2

    def __init__(self, error: click.UsageError) -> None:
        path = error.ctx.command_path if error.ctx else "edgeguard"
        said = " ".join(error.format_message().split()).rstrip(".")
        super().__init__(f"{said[:1].lower()}{said[1:]}; see '{path} --help'")

    def show(self, file: IO[Any] | None = None) -> None:
        click.echo(f"edgeguard: {told(self.message)}", file=file, err=True)


class Commands(click.Group):
    """`places` maps a command's name to 'module:attribute'; a place that is not installed is left out."""

    def __init__(self, *args: Any, places: Mapping[str, str] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._places = dict(places or {})

    def list_commands(self, ctx: click.Context) -> list[str]:
        lazy = [name for name in self._places if self.get_command(ctx, name)]
        return sorted({*lazy, *super().list_commands(ctx)})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        place = self._places.get(cmd_name)
        return _load(place) if place else super().get_command(ctx, cmd_name)

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        try:
            return super().make_context(*args, **kwargs)
        except click.UsageError as error:
            _retell(error)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            told = super().invoke(ctx)
            _flush(ctx)
            return told
        except click.UsageError as error:
            _retell(error)
        except EdgeGuardError as error:
            raise Refusal(error) from None
        except KeyboardInterrupt:
            click.echo(err=True)
            ctx.exit(INTERRUPTED)
        except OSError as error:
            if error.errno == errno.EPIPE:
                _give_up_output()
                ctx.exit(1)
            with contextlib.suppress(EdgeGuardError):
                _flush(ctx)  # where it is the output that broke, the interpreter must not try again at its end
            raise Refusal(_unforeseen(error)) from None


def _retell(error: click.UsageError) -> NoReturn:
    """Wrong use as one line; a group without a command prints its help, as it is asked what there is."""
    if isinstance(error, HELP):
        raise error
    raise WrongUse(error) from None


def _flush(ctx: click.Context) -> None:
    """Here a closed pipe or a full disk below the output can still be told."""
    try:
        sys.stdout.flush()
    except OSError as error:
        _give_up_output()
        if error.errno != errno.EPIPE:
            raise EdgeGuardError(f"standard output: cannot be written: {error.strerror}; nothing was lost") from None
        ctx.exit(1)


def _load(place: str) -> click.Command | None:
    module, _, attribute = place.partition(":")
    try:
        loaded = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name == module:
            return None
        raise Refusal(_not_installed(error)) from None
    command: click.Command = getattr(loaded, attribute)
    return command


def _not_installed(error: ModuleNotFoundError) -> EdgeGuardError:
    return EdgeGuardError(f"this command needs the Python package {error.name!r}: pip install 'edgeguard[lab]'")


def _unforeseen(error: OSError) -> EdgeGuardError:
    """An operating system error that nobody below put into words; still one line, not a traceback."""
    what = f"{error.filename}: " if error.filename else ""
    return EdgeGuardError(f"{what}{error.strerror or error}")


def _give_up_output() -> None:
    """Whoever read our output has gone: the interpreter must not try to flush the rest at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
