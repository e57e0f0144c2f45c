"""Faults at named steps of the product: inside the daemon's process, and inside its enforcing child.

A fault is a plain object, so that it can go through a pipe and an environment variable:

    {"at": "edgeguard.cases.store:Store.record", "when": "before", "nth": 1, "do": "kill"}

at    module and function or method that is wrapped
when  before or after it runs
nth   at which call, from 1; 0: at every one
if    {"act": "release"}: only calls with an argument of which these attributes have these values
is    "del": only calls with this argument
do    kill; sleep (seconds); netlink, refused, os (errno: raised); powerless (rights given up)
mark  a file to write a line into first: proof that the step was reached
"""

from __future__ import annotations

import functools
import importlib
import json
import mmap
import os
import signal
import time
from pathlib import Path
from typing import Any

CLOCK_BYTES = 8


def install(faults: list[dict[str, Any]]) -> None:
    """Wrap every function that is named."""
    for fault in faults:
        owner, name = _place(fault["at"])
        setattr(owner, name, _wrapped(getattr(owner, name), fault))


def _place(at: str) -> tuple[Any, str]:
    module, _, path = at.partition(":")
    owner: Any = importlib.import_module(module)
    *outer, name = path.split(".")
    for part in outer:
        owner = getattr(owner, part)
    return owner, name


def _wrapped(function: Any, fault: dict[str, Any]) -> Any:
    calls = 0

    @functools.wraps(function)
    def wrapper(*arguments: Any, **named: Any) -> Any:
        nonlocal calls
        hit = _meant(fault, (*arguments, *named.values()))
        calls += hit
        hit = hit and fault.get("nth", 1) in (0, calls)
        if hit and fault["when"] == "before":
            _happen(fault)
        result = function(*arguments, **named)
        if hit and fault["when"] == "after":
            _happen(fault)
        return result

    return wrapper


def _meant(fault: dict[str, Any], arguments: tuple[Any, ...]) -> bool:
    if "is" in fault:
        return fault["is"] in [one for one in arguments if isinstance(one, str)]
    wanted = fault.get("if", {})
    return not wanted or any(
        all(getattr(one, name, None) == value for name, value in wanted.items()) for one in arguments
    )


def _happen(fault: dict[str, Any]) -> None:
    if "mark" in fault:
        with Path(fault["mark"]).open("a", encoding="utf-8") as file:
            file.write(f"{fault['when']} {fault['at']}\n")
    kind, value = fault["do"], fault.get("value", 0)
    if kind == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif kind == "sleep":
        time.sleep(value)
    else:
        _refuse(kind, value)


def _refuse(kind: str, value: int) -> None:
    """What the kernel would answer, in the words of the function that asks it."""
    if kind == "netlink":
        from edgeguard.enforcement.rtnetlink import RouteRefusedError  # noqa: PLC0415 - in the process that has it

        raise RouteRefusedError(value)
    if kind == "refused":
        from edgeguard.enforcement.netfilter import RefusedError  # noqa: PLC0415

        raise RefusedError(value)
    if kind == "os":
        raise OSError(value, os.strerror(value))
    if kind == "powerless":  # really: the capability is given up, and the kernel refuses by itself
        from edgeguard import native  # noqa: PLC0415

        native.rights_keep()


def deafen(at: str, size: int) -> None:
    """A constant of a module: the size of the buffer that link events wait in."""
    module, _, name = at.partition(":")
    setattr(importlib.import_module(module), name, size)


# ---- the clock ------------------------------------------------------------------------------------


def shift_clock(path: str) -> None:
    """Let the wall clock of this process be the machine's plus the nanoseconds in a file, from now on."""
    with Path(path).open("r+b") as file:
        offset = memoryview(mmap.mmap(file.fileno(), CLOCK_BYTES)).cast("q")
    real_ns = time.time_ns
    time.time_ns = lambda: real_ns() + offset[0]
    time.time = lambda: time.time_ns() / 1e9
    _shift_frames(offset)


def _shift_frames(offset: Any) -> None:
    """The kernel stamps frames with the machine's clock: on a host whose clock steps they step too."""
    if os.environ.get(CHILD):
        return
    from edgeguard.capture.tpacket import RingCapture  # noqa: PLC0415 - the child has no ring

    fill = RingCapture._fill

    def filled(self: Any) -> int:
        n = int(fill(self))
        self._rows["ts"][:n] += offset[0]
        return n

    RingCapture._fill = filled  # type: ignore[method-assign]


# ---- how late it is -------------------------------------------------------------------------------


def watch_ticks(path: str) -> None:
    """Keep in a file the longest time [ns] between two turns beside the packets; who reads it may set it to 0."""
    from edgeguard.daemon.live import Live  # noqa: PLC0415 - in the daemon alone

    with Path(path).open("r+b") as file:
        longest = memoryview(mmap.mmap(file.fileno(), CLOCK_BYTES)).cast("q")
    beside, last = Live._beside, 0

    def timed(self: Any, *arguments: Any) -> None:
        nonlocal last
        now = time.monotonic_ns()
        longest[0] = max(longest[0], now - last if last else 0)
        last = now
        beside(self, *arguments)

    Live._beside = timed  # type: ignore[method-assign]


# ---- in the child ---------------------------------------------------------------------------------

CHILD, CHILD_PLAN = "EDGEGUARD_IS_THE_CHILD", "EDGEGUARD_FAULT_PLAN"


def told_child(plan: dict[str, Any]) -> None:
    """Let the child that this process starts have faults of its own; see sitecustomize.py."""
    above = os.environ.get("PYTHONPATH")
    here = str(Path(__file__).parent)
    os.environ["PYTHONPATH"] = os.pathsep.join([here, *([above] if above else [])])
    os.environ[CHILD_PLAN] = json.dumps(plan)


def obey(plan: dict[str, Any]) -> None:
    """All that a plan says of this process."""
    if plan.get("clock"):
        shift_clock(plan["clock"])
    if plan.get("ticks"):
        watch_ticks(plan["ticks"])
    for at, size in plan.get("deaf", {}).items():
        deafen(at, size)
    install(plan.get("faults", []))
