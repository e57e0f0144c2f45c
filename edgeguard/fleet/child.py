"""The process that asks the fleet, so that a decision never waits for a program or a network.

It is started before the daemon gives up its rights, has none itself, and ends with its socketpair. Started as
`python -m edgeguard.fleet.child FD`. Whom to ask comes first through the socketpair, as a URL may hold a secret and
everybody may read arguments.
"""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Callable

from edgeguard import native
from edgeguard.exchange import NoAnswerError
from edgeguard.fleet import wire
from edgeguard.fleet.asking import by_program, by_url

Asked = Callable[[bytes], bool]


def main(arguments: list[str]) -> int:
    """The process's whole life; its exit code."""
    channel = socket.socket(fileno=int(arguments[0]))
    asked = _asked(wire.whom(channel.recv(wire.MAX_WHOM)))
    native.rights_keep()
    channel.send(wire.encode(wire.Reply(0, None)))
    try:
        while raw := channel.recv(wire.MAX_MESSAGE):
            channel.send(wire.encode(_reply(wire.ask(raw), asked)))
    except (OSError, KeyboardInterrupt):
        pass  # the daemon has gone
    return 0


def _asked(whom: wire.Whom) -> Asked:
    if whom.command:
        return lambda document: by_program(tuple(whom.command), document, whom.seconds)
    return lambda document: by_url(whom.url, document, whom.seconds)


def _reply(ask: wire.Ask, asked: Asked) -> wire.Reply:
    document = {"host": ask.host, "customers": ask.customers, "null_routes": ask.null_routes}
    try:
        return wire.Reply(ask.number, asked(json.dumps(document).encode() + b"\n"))
    except NoAnswerError as why:
        return wire.Reply(ask.number, None, str(why)[: wire.MAX_WORDS])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
