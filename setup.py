"""Build the C extension; everything else is declared in pyproject.toml."""

from setuptools import setup

setup(cffi_modules=["native/build_ffi.py:ffi"])
