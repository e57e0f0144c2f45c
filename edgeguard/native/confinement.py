"""What a process gives up besides capabilities, once it has everything it needs."""

from __future__ import annotations

from edgeguard._native import lib
from edgeguard.errors import RightsError
from edgeguard.native import message


def code_freeze() -> None:
    """Let no memory of this process become executable any more, where the kernel can do that (6.3)."""
    _given_up(lib.eg_code_freeze(), "memory cannot be kept from being written and executed")


def calls_deny() -> None:
    """Deny the system calls that no process of ours needs once it runs (native/seccomp.c), in every thread."""
    _given_up(lib.eg_calls_deny(), "system calls cannot be denied")


def _given_up(code: int, what: str) -> None:
    if code < 0:
        raise RightsError(f"rights: {what}: {message(code)}; not running with more than needed")
