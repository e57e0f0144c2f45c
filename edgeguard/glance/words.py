"""What comes from outside, made safe for a terminal."""

from __future__ import annotations


def told(text: object) -> str:
    """What does not print is shown as a question mark."""
    return "".join(sign if sign.isprintable() else "?" for sign in str(text))
