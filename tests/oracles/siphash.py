"""SipHash-2-4 in plain Python, after the text of the paper (Aumasson and Bernstein, 2012, section 2)."""

from __future__ import annotations

MASK = 2**64 - 1


def _left(x: int, n: int) -> int:
    return (x << n | x >> (64 - n)) & MASK


def _round(v: list[int]) -> None:
    for a, b, c, d, turn, turn_more in ((0, 1, 2, 3, 13, 16), (2, 1, 0, 3, 17, 21)):
        v[a] = (v[a] + v[b]) & MASK
        v[c] = (v[c] + v[d]) & MASK
        v[b] = _left(v[b], turn) ^ v[a]
        v[d] = _left(v[d], turn_more) ^ v[c]
        v[a] = _left(v[a], 32)


def siphash(key: bytes, message: bytes) -> int:
    """The 64-bit digest of any message under a key of 16 bytes."""
    k = [int.from_bytes(key[i : i + 8], "little") for i in (0, 8)]
    v = [k[i % 2] ^ int.from_bytes(b"somepseudorandomlygeneratedbytes"[8 * i : 8 * i + 8], "big") for i in range(4)]
    padded = message + bytes(7 - len(message) % 8) + bytes([len(message) % 256])
    for at in range(0, len(padded), 8):
        word = int.from_bytes(padded[at : at + 8], "little")
        v[3] ^= word
        _round(v)
        _round(v)
        v[0] ^= word
    v[2] ^= 0xFF
    for _ in range(4):
        _round(v)
    return v[0] ^ v[1] ^ v[2] ^ v[3]
