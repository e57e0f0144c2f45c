"""Compile native/*.c into edgeguard._native.

abi.h is the one contract: cffi reads it here as cdef, and the C code includes it, so a
difference between the two sides cannot be built.
"""

from pathlib import Path

from cffi import FFI

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent

ffi = FFI()
ffi.cdef((HERE / "abi.h").read_text())
ffi.set_source(
    "edgeguard._native",
    '#include "native.h"',
    sources=[str(p.relative_to(ROOT)) for p in sorted(HERE.glob("*.c"))],
    include_dirs=["native"],
    depends=[str(p.relative_to(ROOT)) for p in sorted(HERE.glob("*.h"))],
    extra_compile_args=["-O3", "-std=gnu11", "-Wall", "-Wextra", "-Wno-unused-parameter", "-fno-strict-aliasing"],
)

if __name__ == "__main__":
    ffi.compile(tmpdir=str(ROOT), verbose=True)
