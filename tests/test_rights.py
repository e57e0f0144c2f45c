"""Giving up rights, tried in child processes: in every thread, for good."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import pytest

CAP_NET_RAW = 13

SHOW = """
import pathlib
def sets():
    for task in pathlib.Path("/proc/self/task").iterdir():
        lines = dict(line.split(":", 1) for line in (task / "status").read_text().splitlines() if ":" in line)
        yield tuple(int(lines[k], 16) for k in ("CapPrm", "CapEff", "CapInh", "CapAmb", "CapBnd", "NoNewPrivs"))
"""


def _child(body: str) -> str:
    """Run Python code in a process of its own; what it printed."""
    code = textwrap.dedent(SHOW) + textwrap.dedent(body)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_every_thread_keeps_only_what_was_named() -> None:
    """After rights_keep(CAP_NET_RAW) no thread, numpy's and ours included, holds anything else."""
    out = _child("""
        import threading, time, numpy
        from edgeguard.native import rights_keep
        for _ in range(3):
            threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
        before = {s[0] for s in sets()}
        rights_keep(13)
        after = list(sets())
        assert len(after) >= 4
        print(len(set(after)), *(f"{n:x}" for n in after[0]), int(before == {after[0][0]} or max(before) > after[0][0]))
    """)
    different, permitted, effective, inheritable, ambient, bounding, no_new_privs, sane = out.split()
    had = os.geteuid() == 0
    assert (different, inheritable, ambient, no_new_privs, sane) == ("1", "0", "0", "1", "1")
    assert permitted == effective and int(permitted, 16) & ~(1 << CAP_NET_RAW) == 0
    if had:
        assert int(permitted, 16) == 1 << CAP_NET_RAW and bounding == "0"


def test_nothing_kept_and_nothing_comes_back() -> None:
    """With nothing kept, neither a second call nor a program started later holds a capability."""
    out = _child("""
        import subprocess
        from edgeguard.native import rights_keep
        rights_keep()
        rights_keep(12, 13, 21)
        assert all(s[0] == s[1] == 0 for s in sets())
        print(subprocess.run(["grep", "CapEff", "/proc/self/status"], capture_output=True, text=True).stdout.split()[1])
    """)
    assert int(out, 16) == 0


def test_a_ring_without_the_right_is_one_clear_line() -> None:
    """Without CAP_NET_RAW opening the ring names the capability and what to do."""
    out = _child("""
        from edgeguard.errors import RightsError
        from edgeguard.native import Ring, rights_keep
        rights_keep()
        try:
            Ring(65536, 4, 4)
        except RightsError as error:
            print(error)
    """)
    assert "ring: an AF_PACKET socket was refused: the capability CAP_NET_RAW is missing" in out and "\n" not in out


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to have a right to keep")
def test_what_is_kept_still_works_and_what_is_not_fails() -> None:
    """With CAP_NET_RAW alone a packet socket opens and a link cannot be changed."""
    out = _child("""
        import ctypes, socket
        from pyroute2 import IPRoute
        from edgeguard.native import link_counters, rights_keep
        assert ctypes.CDLL(None).unshare(0x40000000) == 0   # a network namespace of this process
        rights_keep(13)
        socket.socket(socket.AF_PACKET, socket.SOCK_RAW).close()
        assert link_counters()
        try:
            with IPRoute() as ip:
                ip.link("set", index=1, state="up")
        except Exception as error:
            print(getattr(error, "code", error))
    """)
    assert out == "1"
