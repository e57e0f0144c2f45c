"""The usual protocols and ports of programs, from programs.toml."""

from __future__ import annotations

import functools
import tomllib
from dataclasses import dataclass
from pathlib import Path

FILE = Path(__file__).with_name("programs.toml")
PROTOCOLS = {"tcp": (6,), "udp": (17,), "icmp": (1, 58)}


@dataclass(frozen=True, slots=True)
class Usual:
    """One way a program usually speaks. port None: any."""

    protocols: tuple[int, ...]
    port: int | None
    text: str  # 'tcp port 873'


@functools.cache
def known() -> dict[str, tuple[Usual, ...]]:
    """By name in small letters."""
    rows = tomllib.loads(FILE.read_text(encoding="utf-8"))
    return {name.lower(): tuple(map(_usual, usual)) for name, usual in rows.items()}


def usual(program: str) -> tuple[Usual, ...] | None:
    """None: it is not in the list. 'MySQL' and 'mysql' are one; so are 'HTTP/3' and 'http3'."""
    names = {name.replace("/", ""): name for name in known()}
    word = program.strip().lower().replace("/", "")
    return known()[names[word]] if word in names else None


def _usual(text: str) -> Usual:
    protocol, _, port = text.partition("/")
    number = None if port == "*" else int(port)
    return Usual(
        PROTOCOLS[protocol], number, f"{protocol}, any port" if number is None else f"{protocol} port {number}"
    )
