"""What a process gives up besides capabilities: system calls and new code, tried in processes of their own."""

from __future__ import annotations

import os
import platform
import signal
import subprocess
import sys
import textwrap

import pytest

CALL = """
import ctypes, errno, json, os, sys
libc = ctypes.CDLL(None, use_errno=True)
def code(number, *arguments):
    ctypes.set_errno(0)
    done = libc.syscall(number, *arguments)
    return errno.errorcode[ctypes.get_errno()] if done < 0 else "done"
from edgeguard.native import confinement
"""
# What each call says where it is allowed: the arguments are wrong on purpose, so that nothing happens.
NUMBERS = {  # x86_64, aarch64 (asm/unistd.h)
    "execve": (59, 221),
    "execveat": (322, 281),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "pidfd_getfd": (438, 438),
    "setns": (308, 268),
    "unshare": (272, 97),
    "chroot": (161, 51),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "open_tree": (428, 428),
    "fsopen": (430, 430),
    "open_by_handle_at": (304, 265),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "kexec_load": (246, 104),
    "reboot": (169, 142),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "keyctl": (250, 219),
    "add_key": (248, 217),
    "swapon": (167, 224),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "adjtimex": (159, 171),
    "sethostname": (170, 161),
    "personality": (135, 92),
}
MACHINE = {"x86_64": 0, "aarch64": 1}.get(platform.machine())
pytestmark = pytest.mark.skipif(MACHINE is None, reason="the filter is written for x86_64 and aarch64")


def python(body: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", CALL + textwrap.dedent(body)], capture_output=True, text=True, timeout=600, check=False
    )


def printed(body: str) -> list[str]:
    done = python(body)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_every_listed_call_is_denied() -> None:
    """With impossible arguments each call fails with EPERM, and not as it did before the filter."""
    numbers = {name: both[MACHINE or 0] for name, both in NUMBERS.items()}
    out = printed(f"""
        confinement.calls_deny()
        for name, number in {numbers}.items():
            print(name, code(number, -1, -1, -1, -1, -1))
    """)
    assert dict(zip(out[::2], out[1::2], strict=True)) == dict.fromkeys(numbers, "EPERM")


def test_without_the_filter_they_are_not(tmp_path: object) -> None:
    """The same calls without the filter say something else, or the test above proves nothing."""
    numbers = {name: NUMBERS[name][MACHINE or 0] for name in ("execve", "execveat", "io_uring_setup", "open_tree")}
    out = printed(f"""
        for name, number in {numbers}.items():
            print(code(number, -1, -1, -1, -1, -1))
    """)
    assert "EPERM" not in out, out


def test_no_namespace_by_clone() -> None:
    """clone with a flag for a new namespace is denied, clone3 is not there, and fork and threads work as before."""
    clone, clone3 = ((56, 435), (220, 435))[MACHINE or 0]
    out = printed(f"""
        import threading
        confinement.calls_deny()
        for flag in (0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000):
            print(code({clone}, flag | 17, 0, 0, 0, 0))
        print(code({clone3}, 0, 0))
        said = []
        thread = threading.Thread(target=said.append, args=(1,))
        thread.start(); thread.join()
        child = os.fork()
        if not child:
            os._exit(7)
        print(len(said), os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    """)
    assert out == ["EPERM"] * 7 + ["ENOSYS", "1", "7"]


def test_every_thread_is_held() -> None:
    """Threads that were there before are held too, and none can take the filter off."""
    out = printed("""
        import pathlib, threading, time, numpy
        for _ in range(3):
            threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
        confinement.calls_deny()
        for task in pathlib.Path("/proc/self/task").iterdir():
            lines = dict(line.split(":", 1) for line in (task / "status").read_text().splitlines() if ":" in line)
            print(lines["Seccomp"].strip() + lines["NoNewPrivs"].strip())
        sys.stdout.flush()
        os._exit(0)
    """)
    assert len(out) >= 4 and set(out) == {"21"}


@pytest.mark.skipif(platform.machine() != "x86_64", reason="of x86_64's other ABIs")
@pytest.mark.parametrize("abi", ["x32", "i386"])
def test_no_other_abi(abi: str) -> None:
    """The same calls under other numbers or another architecture's are no way around it."""
    if abi == "x32":
        assert printed("confinement.calls_deny(); print(code(0x40000000 | 520, -1, -1, -1))") == ["EPERM"]
        return
    done = python("""
        import mmap
        code = mmap.mmap(-1, 4096, prot=7)
        code.write(bytes.fromhex("b814000000cd80c3"))   # mov eax, 20 (getpid of i386); int 0x80; ret
        confinement.calls_deny()
        ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(code)))()
    """)
    assert -done.returncode in (signal.SIGSYS, signal.SIGSEGV), done  # the latter: a kernel without that ABI


def test_numba_still_compiles() -> None:
    """A kernel is compiled, cold, after the calls are denied: a daemon without a cache counts all the same."""
    out = printed("""
        confinement.calls_deny()
        from numba import njit
        @njit
        def doubled(n):
            return 2 * n
        print(doubled(21))
    """)
    assert out == ["42"]


def test_no_new_code() -> None:
    """Once code is frozen no memory can be mapped or made executable; libraries can still be loaded."""
    out = printed("""
        import mmap
        before = mmap.mmap(-1, 4096, prot=3)
        confinement.code_freeze()
        known = libc.prctl(66, 0, 0, 0, 0)   # PR_GET_MDWE; -1: the kernel is older than 6.3
        for prot in (7, 6):
            try:
                mmap.mmap(-1, 4096, prot=prot)
                print("mapped")
            except OSError as error:
                print(errno.errorcode[error.errno])
        at = ctypes.addressof(ctypes.c_char.from_buffer(before))
        ctypes.set_errno(0)
        print("made" if not libc.mprotect(ctypes.c_void_p(at), 4096, 5) else errno.errorcode[ctypes.get_errno()])
        import _lsprof
        print(known)
        sys.stdout.flush()
        os._exit(0)
    """)
    if out[-1] == "-1":
        pytest.skip("this kernel has no PR_SET_MDWE (Linux 6.3)")
    assert out == ["EACCES", "EACCES", "EACCES", "1"]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to have rights to lose")
def test_the_capturing_process_can_do_nothing_more() -> None:
    """With its rights nobody adds a route or a rule, opens a packet socket, runs a program or looks into another."""
    out = printed("""
        import socket, subprocess
        from pyroute2 import IPRoute
        from edgeguard.native import rights_keep
        assert libc.unshare(0x40000000) == 0   # a network namespace of this process: whatever works hits nobody
        other = os.fork()
        if not other:
            import time
            time.sleep(600)
        def tried(what):
            try:
                what()
                return "done"
            except Exception as error:
                number = getattr(error, "code", None) or getattr(error, "errno", None)
                return errno.errorcode.get(number, repr(error))
        ip = IPRoute()
        attempts = {
            "route": lambda: ip.route("add", dst="192.0.2.0/24", type="blackhole", proto=78),
            "rule": lambda: ip.rule("add", table=99, priority=600, protocol=78),
            "link": lambda: ip.link("set", index=1, state="up"),
            "packet": lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0),
            "raw": lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1),
            "exec": lambda: subprocess.run(["/bin/true"]),
            "spawn": lambda: os.posix_spawn("/bin/true", ["true"], {}),
            "memory": lambda: open(f"/proc/{other}/mem", "rb"),
            "namespace": lambda: os.close(os.open("/proc/self/ns/net", 0)) or (_ for _ in ()).throw(
                OSError(errno.EPERM if libc.unshare(0x10000000) else 0, "")),
        }
        rights_keep()
        confinement.calls_deny()
        for name, what in attempts.items():
            print(name, tried(what))
        print("ptrace", code(101 if os.uname().machine == "x86_64" else 117, 16, other, 0, 0))   # PTRACE_ATTACH
        import signal
        os.kill(other, signal.SIGKILL)
        sys.stdout.flush()
        os._exit(0)
    """)
    told = dict(zip(out[::2], out[1::2], strict=True))
    assert told.pop("memory") in ("EACCES", "done")  # of the same rights: no more than it has itself
    assert told == dict.fromkeys(told, "EPERM") and len(told) == 9, told
