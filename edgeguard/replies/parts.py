"""The parts of a mail, in the order they are read."""

from __future__ import annotations

from collections.abc import Iterator
from email.message import Message

MOST = 100  # parts of one mail
DEEPEST = 10  # one in the other


def leaves(message: Message, into_messages: bool = False, depth: int = 0) -> Iterator[Message]:
    """Parts that hold no others. A mail that was attached is one part: what it says is not the sender's answer.

    `into_messages`: those that attached mails consist of are given as well, behind them.
    """
    inner = message.get_payload()
    if message.get_content_maintype() == "message":
        yield message
        if not into_messages:
            return
    if not isinstance(inner, list) or depth >= DEEPEST:
        if message.get_content_maintype() != "message":
            yield message
        return
    for part in inner[:MOST]:
        if isinstance(part, Message):
            yield from leaves(part, into_messages, depth + 1)
