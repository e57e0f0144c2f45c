"""`edgeguard reply`: takes what customers answer, and shows what belongs to no case."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgeguard.cli.options import config_option, example, json_option, loaded

if TYPE_CHECKING:
    from edgeguard.config import Config
    from edgeguard.incoming import Reply
    from edgeguard.intake import Intake

Take = Callable[[bytes], str]  # records a mail, and says what became of it

COLUMNS = ("number", "came in", "kind", "from", "subject", "first line")
TRY_AGAIN = 75  # EX_TEMPFAIL of sysexits.h: a mail server keeps the mail and comes again
LOOK_S = 1.0  # how often a watched maildir is looked at


@click.command(
    epilog=example(
        "edgeguard reply < mail.eml",
        "edgeguard reply --maildir /var/mail/abuse --watch",
        "edgeguard reply --unmatched",
        "edgeguard reply --file 7 --case web1",
        "edgeguard reply --file 8 --no-case",
    )
)
@click.option("--maildir", type=click.Path(path_type=Path), help="Take every mail in new/ and move it to cur/.")
@click.option("--watch", is_flag=True, help="With --maildir: go on until stopped.")
@click.option("--unmatched", is_flag=True, help="List replies that name no case and that nobody has filed.")
@click.option("--file", "number", type=click.IntRange(1), metavar="NUMBER", help="File an unmatched reply.")
@click.option("--case", "term", metavar="TERM", help="With --file: under this case.")
@click.option("--no-case", is_flag=True, help="With --file: it belongs to none.")
@json_option
@config_option
def reply(
    *,
    maildir: Path | None,
    watch: bool,
    unmatched: bool,
    number: int | None,
    term: str | None,
    no_case: bool,
    as_json: bool,
    config_path: Path,
) -> None:
    """Take a customer's reply from standard input, or every one in a maildir.

    It is recorded in its case and acknowledged. It never frees, exempts or lengthens anything. Writes the database
    where that is here, else asks the daemon.
    """
    _one_of(maildir is not None, unmatched, number is not None)
    if watch and maildir is None:
        raise click.UsageError("--watch goes with --maildir")
    if (term is not None or no_case) and number is None:
        raise click.UsageError("--case and --no-case go with --file")
    config = loaded(config_path)
    if unmatched:
        _list(config, as_json)
    elif number is not None:
        _file(config, number, term, no_case)
    elif maildir is not None:
        _taking(config, lambda take: _folder(maildir, take, watch))
    else:
        _taking(config, _standard_input)


def _one_of(*modes: bool) -> None:
    if modes.count(True) > 1:
        raise click.UsageError("--maildir, --unmatched and --file are three things: name one")


def _taking(config: Config, read: Callable[[Take], None]) -> None:
    """`read` is given what takes one mail. Where nothing can be recorded a mail server may come again."""
    from edgeguard.errors import DaemonError, StoreError  # noqa: PLC0415 - not for --help

    try:
        if Path(config.paths.database).exists():
            from edgeguard.cases.store import Store  # noqa: PLC0415
            from edgeguard.intake import Intake  # noqa: PLC0415

            with Store(config.paths.database) as store:
                read(_here(config, Intake(store, config.mail, config.roster)))
        else:
            read(_asked(config))
    except (StoreError, DaemonError) as error:
        error.exit_code = TRY_AGAIN
        raise


def _here(config: Config, intake: Intake) -> Take:
    from edgeguard import clock  # noqa: PLC0415
    from edgeguard.intake import own  # noqa: PLC0415
    from edgeguard.replies.mail import read  # noqa: PLC0415

    ours = own(config.mail)
    return lambda raw: intake.take(read(raw, ours), clock.now())


def _asked(config: Config) -> Take:
    """By the daemon's socket: the mail is read here, and what it says is sent."""
    from edgeguard import control  # noqa: PLC0415
    from edgeguard.cases import codec  # noqa: PLC0415
    from edgeguard.intake import own  # noqa: PLC0415
    from edgeguard.replies.mail import read  # noqa: PLC0415
    from edgeguard.request import TakeReply  # noqa: PLC0415

    ours = own(config.mail)

    def take(raw: bytes) -> str:
        answer = control.ask(config.paths.socket, TakeReply(codec.dumps(read(raw, ours))))
        return str(answer["text"])

    return take


def _standard_input(take: Take) -> None:
    from edgeguard.cli import output  # noqa: PLC0415
    from edgeguard.replies.mail import LARGEST  # noqa: PLC0415

    raw = sys.stdin.buffer.read(LARGEST + 1)
    click.echo(output.told(take(raw)))


def _folder(path: Path, take: Take, watch: bool) -> None:
    import time  # noqa: PLC0415

    from edgeguard.cli import output  # noqa: PLC0415
    from edgeguard.replies.maildir import Maildir  # noqa: PLC0415

    folder = Maildir(path)
    while True:
        for mail in folder.waiting():
            raw = mail.raw()
            if raw is not None:
                click.echo(output.told(take(raw)))
                mail.settle()
        if not watch:
            return
        time.sleep(LOOK_S)


def _list(config: Config, as_json: bool) -> None:
    from edgeguard.cases.reader import Reader  # noqa: PLC0415
    from edgeguard.cli import output  # noqa: PLC0415

    with Reader(config.paths.database) as reader:
        found = reader.replies.unmatched()
    if as_json:
        for one in found:
            output.print_json(output.plain(one))
        return
    rows = [(t.seq, output.when(t.at), *_shown(t.reply)) for t in found]
    output.print_table(COLUMNS, rows, "no unmatched replies")


def _shown(reply: Reply) -> tuple[str | None, ...]:
    return reply.keyword or reply.sort, reply.sender, reply.subject, reply.text.partition("\n")[0][:80]


def _file(config: Config, number: int, term: str | None, no_case: bool) -> None:
    from edgeguard import clock  # noqa: PLC0415
    from edgeguard.cases.store import Store  # noqa: PLC0415
    from edgeguard.cli import reading  # noqa: PLC0415
    from edgeguard.control import own_name  # noqa: PLC0415
    from edgeguard.errors import UsageError  # noqa: PLC0415

    if (term is None) == (not no_case):
        raise click.UsageError(f"say --case TERM or --no-case: where reply {number} belongs")
    with Store(config.paths.database) as store:
        case = reading.the_case(store.find(term), term).id if term is not None else None
        if not store.replies.file(number, case, clock.now(), own_name()):
            raise UsageError(f"{number}: no unmatched reply has this number; see 'edgeguard reply --unmatched'")
    click.echo(f"reply {number} filed under {case or 'no case'}")
