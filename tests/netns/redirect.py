"""A leak that nothing of ours can stop: a tcx program sends a link's frames on before netfilter or routes see them.

Loaded by the bare system call, as the four instructions need no compiler. linux/bpf.h, Linux 6.6 or newer.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct

_NUMBER = {"x86_64": 321, "aarch64": 280}
_PROG_LOAD, _LINK_CREATE = 5, 28
_SCHED_CLS, _TCX_INGRESS = 3, 46
_MOVE, _CALL, _EXIT, _BPF_REDIRECT = 0xB7, 0x85, 0x95, 23
_libc = ctypes.CDLL(None, use_errno=True)


def _bpf(command: int, attributes: bytes) -> int:
    buffer = ctypes.create_string_buffer(attributes.ljust(144, b"\0"), 144)
    fd = int(_libc.syscall(_NUMBER[platform.machine()], command, buffer, 144))
    if fd < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"bpf: {os.strerror(number)}")
    return fd


def _instruction(code: int, register: int = 0, immediate: int = 0) -> bytes:
    return struct.pack("=BBhi", code, register, 0, immediate)


def redirect(from_ifindex: int, to_ifindex: int) -> int:
    """Every frame that the one link receives leaves by the other, as long as the returned descriptor is open."""
    program = _instruction(_MOVE, 1, to_ifindex) + _instruction(_MOVE, 2, 0)
    program += _instruction(_CALL, 0, _BPF_REDIRECT) + _instruction(_EXIT)
    code, licence = ctypes.create_string_buffer(program), ctypes.create_string_buffer(b"Apache-2.0")
    load = struct.pack("=IIQQ", _SCHED_CLS, len(program) // 8, ctypes.addressof(code), ctypes.addressof(licence))
    loaded = _bpf(_PROG_LOAD, load)
    try:
        return _bpf(_LINK_CREATE, struct.pack("=IIII", loaded, from_ifindex, _TCX_INGRESS, 0))
    finally:
        os.close(loaded)
