"""What a program or a server said, as one line for the log."""

from __future__ import annotations

LONGEST = 160


def line(said: bytes) -> str:
    """The first line that holds something; what does not print is a question mark, what is too long is cut."""
    for one in said.decode("utf-8", "replace").splitlines():
        shown = "".join(sign if sign.isprintable() else "?" for sign in one).strip()
        if shown:
            return shown if len(shown) <= LONGEST else shown[: LONGEST - 3] + "..."
    return ""
