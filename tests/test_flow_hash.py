"""Hashes: the seeds are SipHash of a secret key, and keys of any pattern spread as by chance."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles.siphash import siphash

from edgeguard.counting.flow_memory import CLASSES, FlowMemory
from edgeguard.native import flows
from edgeguard.record import NOBODY, RECORD

KEY = (0x0706050403020100, 0x0F0E0D0C0B0A0908)
MASK = 2**64 - 1


def test_siphash_is_that_of_the_paper() -> None:
    """The oracle gives appendix A's digest of 00..0e, both the published vector for 00..07."""
    key = bytes(range(16))
    assert siphash(key, bytes(range(15))) == 0xA129CA6149BE45E5
    assert siphash(key, bytes(range(8))) == 0x93F5F5799A932462
    assert flows.siphash(*KEY, 0x0706050403020100) == 0x93F5F5799A932462


@given(st.integers(0, MASK), st.integers(0, MASK), st.integers(0, MASK))
def test_siphash_agrees_with_plain_python(k0: int, k1: int, message: int) -> None:
    """The seeds of slots are SipHash-2-4 of the secret key, for every key and word."""
    key, word = k0.to_bytes(8, "little") + k1.to_bytes(8, "little"), message.to_bytes(8, "little")
    assert flows.siphash(k0, k1, message) == siphash(key, word)


@pytest.mark.parametrize("how", ["random", "in a row", "last byte alone", "IPv6 in a row", "IPv6 of many /64"])
def test_keys_spread_over_the_lines(how: str) -> None:
    """Addresses of any pattern fill the lines as evenly as chance would: chi-square, with a loose bound."""
    n = 400_000
    row = np.arange(n, dtype=np.uint64)
    batch = np.zeros(n, RECORD)
    batch["packets"], batch["out_of"], batch["into"] = 1, NOBODY, NOBODY
    batch["family"], batch["src_hi"] = (6, 0x2001_0DB8 << 32) if "IPv6" in how else (4, 0)
    batch["src_lo"] = row + np.uint64(0xC000_0200)
    if how == "random":
        batch["src_lo"] = np.random.default_rng(1).permutation(2**22)[:n]
    if how == "last byte alone":
        batch["src_lo"] = row << np.uint64(8)
    if how == "IPv6 of many /64":
        batch["src_hi"] += row << np.uint64(4)
        batch["src_lo"] = 1
    made = FlowMemory(dict.fromkeys(CLASSES, 300_000), KEY)
    made.add(batch, 0, n)
    lines = made.flows.cells[made.flows.c.running, 0].astype(np.float64).sum(axis=1)
    keys, expected = lines * n / lines.sum(), n / flows.LINES
    assert ((keys - expected) ** 2 / expected).mean() < 2
