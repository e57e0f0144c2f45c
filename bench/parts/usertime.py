"""Which part of a process's time is its own and which the kernel's, by samples of its own running time.

Where the kernel accounts by ticks (CONFIG_TICK_CPU_ACCOUNTING) the two numbers of /proc/PID/stat are one
exact sum, divided by where the process stood at the ticks of the clock. Whoever is woken by a timer, as a
reader of a ring is, stands at the same place of its work at every tick: the division may come out as all
user or all kernel. Here a timer that runs only while a thread runs counts where it is found in user mode
(perf_event_open(2), PERF_COUNT_SW_CPU_CLOCK); the sum is the scheduler's (/proc/PID/task/*/schedstat).
"""

from __future__ import annotations

import contextlib
import ctypes
import mmap
import os
import platform
import struct
from pathlib import Path

PERIOD_NS = 150_000  # of a thread's running time: no part of any clock's tick
NUMBERS = {"x86_64": 298, "aarch64": 241}  # of the system call
SOFTWARE, CPU_CLOCK = 1, 0
INHERIT, EXCLUDE_KERNEL, EXCLUDE_HYPERVISOR = 1 << 1, 1 << 5, 1 << 6  # bits of perf_event_attr
RECORD_BYTES = 8  # a sample without fields is its header
DATA_HEAD = 1024  # in struct perf_event_mmap_page
CLOSE_ON_EXEC = 8


class NoSamplesError(Exception):
    """The kernel does not let us sample; why."""


class UserTime:
    """Samples in user mode of every thread of a process, and of those it starts, on one core."""

    def __init__(self, pid: int, core: int) -> None:
        self._rings: list[mmap.mmap] = []
        for process in family(pid):
            for thread in _threads(process):
                self._rings.append(_sampled(thread, core))

    def read(self) -> int:
        """Running total in ns."""
        return sum(_head(ring) for ring in self._rings) // RECORD_BYTES * PERIOD_NS

    def close(self) -> None:
        for ring in self._rings:
            ring.close()


def running(pid: int) -> int:
    """ns that the threads of a process and its children have run so far, user and kernel."""
    total = 0
    for process in family(pid):
        for thread in _threads(process):
            with contextlib.suppress(OSError):  # it has ended in the meantime
                total += int(Path(f"/proc/{process}/task/{thread}/schedstat").read_text("ascii").split()[0])
    return total


def family(pid: int) -> list[int]:
    """A process and its children, and theirs."""
    found = [pid]
    for thread in _threads(pid):
        with contextlib.suppress(OSError):
            children = Path(f"/proc/{pid}/task/{thread}/children").read_text("ascii").split()
            found += [one for child in children for one in family(int(child))]
    return found


def _threads(pid: int) -> list[int]:
    return [int(path.name) for path in Path(f"/proc/{pid}/task").iterdir()]


def _head(ring: mmap.mmap) -> int:
    head: int = struct.unpack_from("Q", ring, DATA_HEAD)[0]
    return head


def _sampled(thread: int, core: int) -> mmap.mmap:
    """Mapped without the right to write, a ring goes round by itself, and its head counts the samples."""
    number = NUMBERS.get(platform.machine())
    if number is None:
        raise NoSamplesError(f"the system call's number on {platform.machine()} is not known here")
    flags = INHERIT | EXCLUDE_KERNEL | EXCLUDE_HYPERVISOR
    attributes = struct.pack("IIQQQQQ", SOFTWARE, 112, CPU_CLOCK, PERIOD_NS, 0, 0, flags).ljust(112, b"\0")
    libc = ctypes.CDLL(None, use_errno=True)
    fd = libc.syscall(number, attributes, thread, core, -1, CLOSE_ON_EXEC)
    if fd < 0:
        raise NoSamplesError(f"perf_event_open: {os.strerror(ctypes.get_errno())}")
    try:
        return mmap.mmap(fd, 2 * mmap.PAGESIZE, mmap.MAP_SHARED, mmap.PROT_READ)
    except OSError as error:
        raise NoSamplesError(f"perf_event_open: its ring cannot be mapped: {error.strerror}") from None
    finally:
        os.close(fd)  # Python's mapping has a descriptor of its own
