"""Negative codes of the C side become words."""

from __future__ import annotations

import errno
import os

import pytest

from edgeguard.native import lib, message

OURS = [lib.EG_E_EMPTY, lib.EG_E_NOT_SAVEFILE, lib.EG_E_VERSION, lib.EG_E_CORRUPT, lib.EG_E_CUT_HEADER]


@pytest.mark.parametrize("number", OURS)
def test_ours(number: int) -> None:
    """Every code of ours is a clause that goes on a sentence about a file."""
    assert message(-number).startswith(("it ", "its ", "a length "))


@pytest.mark.parametrize("number", [errno.EPERM, errno.ENODEV, errno.ENOSPC])
def test_the_kernels(number: int) -> None:
    """A negative errno is the C library's text."""
    assert message(-number) == os.strerror(number)


@pytest.mark.parametrize("code", [0, 1, -9999, -lib.EG_E_BASE, -10006, -(2**31), 2**31 - 1])
def test_unknown(code: int) -> None:
    """Any other number is an unknown error, never a crash."""
    assert message(code) == "unknown error"
