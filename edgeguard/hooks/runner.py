"""The runner: a process of its own, the only one of the daemon's that starts programs and speaks HTTP.

It has no capabilities, is told once which programs there are, and then hands over what comes through the
socketpair, each channel by itself: a program that hangs holds up no webhook and no page. When the socketpair
closes it lets what runs come to its end, or to its time's end, and goes. Started as
`python -m edgeguard.hooks.runner FD`.
"""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import socket
import sys
import threading

from edgeguard import native
from edgeguard.clock import SECOND
from edgeguard.errors import EdgeGuardError
from edgeguard.hooks import webhook, wire
from edgeguard.hooks.program import Programs
from edgeguard.letters import Channel

QUEUED = 4  # of one channel; the daemon sends the next one after the answer


def main(arguments: list[str]) -> int:
    """The process's whole life; its exit code."""
    channel = socket.socket(fileno=int(arguments[0]))
    channel.set_inheritable(False)
    try:
        runner = Runner(channel)
    except (EdgeGuardError, OSError) as error:
        channel.send(wire.encode(wire.Ready(f"the runner of hooks cannot start: {error}")))
        return 1
    signal.signal(signal.SIGTERM, lambda *_: runner.cut())
    channel.send(wire.encode(wire.Ready("")))
    with contextlib.suppress(KeyboardInterrupt):
        runner.run()
    return 0


class Runner:
    """The loop: takes what is to be handed over, gives it to its channel's lane."""

    def __init__(self, channel: socket.socket) -> None:
        native.rights_keep()
        first = wire.decode(channel.recv(wire.MAX_MESSAGE + 1))
        if not isinstance(first, wire.Settings):
            raise wire.WireError("the first message must be the settings")
        self._settings = first
        self._target = webhook.Target.of(first.url, webhook.secret(first.secret_file)) if first.url else None
        self._channel = channel
        self._programs = Programs()
        self._lanes: dict[Channel, queue.Queue[wire.Hand | None]] = {one: queue.Queue(QUEUED) for one in wire.CHANNELS}
        self._threads = [threading.Thread(target=self._serve, args=(lane,)) for lane in self._lanes.values()]

    def run(self) -> None:
        """Until the other side closes."""
        for thread in self._threads:
            thread.start()
        while raw := self._heard():
            self._take(raw)
        for lane in self._lanes.values():
            lane.put(None)
        for thread in self._threads:
            thread.join()

    def cut(self) -> None:
        """End at once, with what runs."""
        self._programs.kill()
        os._exit(0)

    def _heard(self) -> bytes:
        try:
            return self._channel.recv(wire.MAX_MESSAGE + 1)
        except OSError:
            return b""

    def _take(self, raw: bytes) -> None:
        try:
            message = wire.decode(raw)
            if not isinstance(message, wire.Hand):
                raise wire.WireError("only what is to be handed over is taken now")
        except wire.WireError as refused:
            print(f"edgeguard: the runner of hooks {refused}", file=sys.stderr, flush=True)
            return
        try:
            self._lanes[message.channel].put_nowait(message)
        except queue.Full:
            self._say(wire.Answer(message.id, False, "the one before it is not done yet"))

    def _serve(self, lane: queue.Queue[wire.Hand | None]) -> None:
        """One channel's thread. Nothing it meets ends it."""
        while (hand := lane.get()) is not None:
            try:
                taken, detail = self._hand_over(hand)
            except Exception as error:
                taken, detail = False, f"the runner met an error of its own: {type(error).__name__}: {error}"
            self._say(wire.Answer(hand.id, taken, detail))

    def _hand_over(self, hand: wire.Hand) -> tuple[bool, str]:
        settings = self._settings
        if hand.channel is Channel.WEBHOOK:
            if self._target is None:
                return False, "no [hooks] url is configured"
            return webhook.post(self._target, hand.id, hand.body, settings.timeout / SECOND)
        if hand.channel is Channel.PAGE:
            return self._wake(hand)
        if not settings.program:
            return False, "no [hooks] program is configured"
        return self._run(settings.program, hand, settings.timeout)

    def _wake(self, hand: wire.Hand) -> tuple[bool, str]:
        """Everybody on duty who has a program of his own; the page's where none of them was reached."""
        settings, own = self._settings, dict(self._settings.people)
        ended = [self._run(own[name], hand, settings.page_timeout) for name in hand.people if own.get(name)]
        if settings.page and not any(taken for taken, _ in ended):
            ended.append(self._run(settings.page, hand, settings.page_timeout))
        if not ended:
            return False, "no [page] program is configured, and nobody on duty has one"
        return any(taken for taken, _ in ended), "; ".join(detail for _, detail in ended)

    def _run(self, program: tuple[str, ...], hand: wire.Hand, timeout: int) -> tuple[bool, str]:
        ended = self._programs.run([*program, *hand.arguments], hand.body, timeout / SECOND, dict(hand.environment))
        return ended.well, f"{program[0]}: {ended.detail}"

    def _say(self, answer: wire.Answer) -> None:
        """Several threads may: one datagram is whole or not at all. Who has gone hears nothing."""
        with contextlib.suppress(OSError):
            self._channel.send(wire.encode(answer))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
