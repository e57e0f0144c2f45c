"""The process that asks for standings, so that the daemon never waits for a disk or a network.

It is started before the daemon gives up its rights, has none itself, and ends with its socketpair. Started as
`python -m edgeguard.standing.child FD`. Whom to ask comes first through the socketpair, as a URL may hold a secret and
everybody may read arguments.
"""

from __future__ import annotations

import socket
import sys

from edgeguard import clock, native
from edgeguard.context import Told
from edgeguard.exchange import NoAnswerError, within
from edgeguard.standing import answer, wire
from edgeguard.standing.driver import NoDriverError
from edgeguard.standing.provider import Provider, provider

MOST_QUOTED = 60  # characters


def main(arguments: list[str]) -> int:
    """The process's whole life; its exit code."""
    channel = socket.socket(fileno=int(arguments[0]))
    whom = wire.decode(wire.Whom, channel.recv(wire.MAX_MESSAGE))
    native.rights_keep()
    try:
        asked = provider(whom)
    except NoDriverError as why:
        channel.send(wire.encode(wire.Reply(0, None, str(why)[: wire.LONGEST_WORDS])))
        return 1
    channel.send(wire.encode(wire.Reply(0, None)))
    try:
        while raw := channel.recv(wire.MAX_MESSAGE):
            channel.send(wire.encode(_reply(wire.decode(wire.Ask, raw), asked, whom.seconds)))
    except (OSError, KeyboardInterrupt):
        pass  # the daemon has gone
    return 0


def ask(asked: Provider, customer: str, seconds: float) -> Told:
    """What it says now, within the time. NoAnswerError where it cannot be believed, or says nothing."""
    try:
        with within(seconds):
            found = asked.ask(customer)
    except TimeoutError:
        raise NoAnswerError(f"it did not answer within {seconds * 1000:.0f} ms") from None
    except OSError as error:
        raise NoAnswerError(error.strerror or type(error).__name__) from None
    try:
        return answer.read(found, clock.now())
    except NoAnswerError as why:
        raise NoAnswerError(f"its answer about {customer[:MOST_QUOTED]!r} is not believed: {why}") from None


def _reply(one: wire.Ask, asked: Provider, seconds: float) -> wire.Reply:
    try:
        return wire.Reply(one.number, ask(asked, one.customer, seconds))
    except NoAnswerError as why:
        return wire.Reply(one.number, None, str(why)[: wire.LONGEST_WORDS])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
