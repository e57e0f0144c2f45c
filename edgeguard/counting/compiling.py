"""How kernels are compiled, and where they are kept compiled: `COLD`, `HOT`."""

from __future__ import annotations

import logging
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numba
from numba import njit

log = logging.getLogger("edgeguard.counting")

_HERE = Path(__file__).parent
_SOURCES = (*sorted(_HERE.glob("*.py")), _HERE.parent / "record.py")


def folder(base: str, sources: tuple[Path, ...] = _SOURCES) -> str:
    """Where compiled kernels of these sources are kept, below `base` or in the package.

    numba looks for changes in a kernel's own file alone. A constant or a function that it takes from
    another file would stay what it was, and index arrays that have another shape by now.
    """
    digest = blake2b(digest_size=8)
    for source in sources:
        digest.update(source.read_bytes())
    return str((Path(base) if base else _HERE / "__pycache__") / f"kernels-{digest.hexdigest()}")


def _cacheable() -> bool:
    """Whether numba finds a folder to keep compiled kernels in; without one every start compiles them."""
    try:
        njit(cache=True)(lambda: None)
    except RuntimeError:
        log.warning("no folder to cache the counting kernels in; set NUMBA_CACHE_DIR to one that can be written")
        return False
    return True


_settings: Any = numba.config
_settings.CACHE_DIR = folder(_settings.CACHE_DIR)  # what NUMBA_CACHE_DIR says comes first
COLD: Any = {"cache": _cacheable(), "nogil": True, "error_model": "numpy"}
HOT: Any = {**COLD, "forceinline": True}  # what runs for every packet
