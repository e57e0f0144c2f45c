"""The only importer of the C extension: thin calls, negative codes turned into typed errors."""

from __future__ import annotations

from typing import Any

from edgeguard.record import RECORD

try:
    from edgeguard._native import ffi, lib
except ImportError as error:  # no slow silent fallback: say what to do
    raise SystemExit(
        f"edgeguard: the C extension cannot be loaded ({error}); "
        "build it with 'pip install .' (needs a C compiler and Python's headers)"
    ) from None

if ffi.sizeof("struct eg_record") != RECORD.itemsize:
    raise SystemExit("edgeguard: the C extension was built from another version; run 'pip install .' again")


def message(code: int) -> str:
    """The sentence for a negative code."""
    text: Any = ffi.string(lib.eg_error(code))
    return str(text.decode())
