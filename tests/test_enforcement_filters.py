"""tc filters, read from the bytes that a kernel with a card that takes them would send."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeguard.enforcement import filters
from edgeguard.enforcement.filters import Filter
from edgeguard.enforcement.netlink import attribute, nested, text

SKIP_SW, IN_HW, NOT_IN_HW = 2, 4, 8  # linux/pkt_cls.h
MESSAGE = bytes(20)


def answer(kind: str, *options: bytes) -> bytes:
    return MESSAGE + text(1, kind) + nested(2, *options)


def mirred(eaction: int) -> bytes:
    parms = struct.pack("=IIiiiiI", 1, 0, 4, 1, 1, eaction, 7)
    return nested(1, text(1, "mirred"), nested(2, attribute(2, parms)))


def word(kind: int, value: int) -> bytes:
    return attribute(kind, struct.pack("=I", value))


@pytest.mark.parametrize(
    ("raw", "found"),
    [
        (answer("flower", word(22, SKIP_SW | IN_HW)), Filter("flower", True, False)),
        (answer("flower", nested(3, mirred(1)), word(22, NOT_IN_HW)), Filter("flower", False, True)),
        (answer("matchall", nested(2, mirred(3)), word(3, IN_HW)), Filter("matchall", True, True)),
        (answer("matchall", nested(2, mirred(2))), Filter("matchall", False, False)),
        (answer("u32", nested(7, mirred(4)), word(11, NOT_IN_HW)), Filter("u32", False, False)),
        (answer("bpf", word(9, 0)), Filter("bpf", False, False)),
        (answer("u32"), None),
        (answer("fw", word(1, IN_HW)), None),
    ],
    ids=["flower-card", "flower-sends", "matchall-both", "matchall-copies", "u32-copies", "bpf", "u32-head", "others"],
)
def test_hardware_and_redirects_are_told_apart(
    raw: bytes, found: Filter | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In hardware, redirecting, copying: each as the kernel's flags and mirred's action say."""
    monkeypatch.setattr(filters, "dumped", lambda *_: iter([raw]))
    assert filters.listed(3) == ([found] if found else [])


def test_what_takes_frames_first() -> None:
    """Hardware, a redirection and any BPF program pass a null route by; a copy or a drop in software does not."""
    firsts = [Filter("flower", True, False), Filter("u32", False, True), Filter("bpf", False, False)]
    assert [one.passes_by for one in firsts] == [True] * 3
    assert not Filter("u32", False, False).passes_by


@given(st.binary(max_size=200))
def test_any_bytes_are_read_without_an_error(raw: bytes) -> None:
    """Whatever follows a header, the reader gives a filter or nothing."""
    found = filters._filter(MESSAGE + raw)
    assert found is None or found.kind in {"u32", "bpf", "flower", "matchall"}
