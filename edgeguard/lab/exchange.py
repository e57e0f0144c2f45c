"""Real sockets that ask and wait for the answer all the time: does what should work, work?"""

from __future__ import annotations

import contextlib
import itertools
import socket
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from edgeguard import clock
from edgeguard.lab import addresses as plan

PERIOD_S = 0.04
WAIT_S = 1.0
TRIES = 2  # UDP asks again once, as resolvers do (RFC 1035, 4.2.1); TCP does so by itself


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, and of whom."""

    protocol: str  # 'udp' or 'tcp'
    address: str


@dataclass(frozen=True, slots=True)
class Exchange:
    """One question and whether it was answered."""

    at: int
    question: Question
    answered: bool
    tries: int


SERVICE = tuple(Question(p, a) for a in (plan.SERVICE, plan.SERVICE6) for p in ("udp", "tcp"))
WITH_TARGETS = SERVICE + tuple(
    Question(p, a) for a in (*plan.TARGETS, plan.TARGET6, plan.CARPET_HOST) for p in ("udp", "tcp")
)


def _ask(question: Question, text: bytes) -> bool:
    kind = socket.SOCK_DGRAM if question.protocol == "udp" else socket.SOCK_STREAM
    family = socket.AF_INET6 if ":" in question.address else socket.AF_INET
    with contextlib.suppress(OSError), socket.socket(family, kind) as sock:
        sock.settimeout(WAIT_S / 2 if kind == socket.SOCK_DGRAM else WAIT_S)
        sock.connect((question.address, plan.ECHO_PORT))
        sock.send(text)
        return sock.recv(1024) == text
    return False


def exchange(question: Question, number: int) -> Exchange:
    """Ask once, for UDP a second time where the first got no answer."""
    at = clock.now()
    tries = TRIES if question.protocol == "udp" else 1
    for attempt in range(1, tries + 1):
        if _ask(question, b"edgeguard lab %d" % number):
            return Exchange(at, question, True, attempt)
    return Exchange(at, question, False, tries)


def work(sends: Connection, stop: Any, questions: tuple[Question, ...]) -> None:
    """The body of a VM's worker: sends an Exchange for every question, in turn."""
    for number, question in enumerate(itertools.cycle(questions)):
        if stop.is_set():
            return
        sends.send(exchange(question, number))
        time.sleep(PERIOD_S)
