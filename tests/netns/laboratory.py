"""Running a function as process 1 of the lab's namespaces, and what it returned."""

from __future__ import annotations

import codecs
import ctypes
import importlib
import os
import pickle
from collections.abc import Callable
from typing import Any

from edgeguard.lab.namespace import isolated

NOBODY = 65534
PR_SET_DUMPABLE = 4


def in_lab(body: Callable[[], Any], uid: int | None = None) -> Any:
    """The value of `body()`, run in namespaces of its own; as `uid` where given."""
    reads, writes = os.pipe()

    def reporting() -> int:
        os.write(writes, pickle.dumps(body()))
        return 0

    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.close(reads)
            if uid is not None:
                _become(uid)
            code = isolated(reporting)
        finally:
            os._exit(code)
    os.close(writes)
    with os.fdopen(reads, "rb") as file:
        told = file.read()
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code == 0, f"the lab's process ended with code {code}"
    return pickle.loads(told)


def _become(uid: int) -> None:
    # read now what is read late: the interpreter may live where `uid` may not look
    for encoding in ("ascii", "idna", "latin-1"):
        codecs.lookup(encoding)
    for module in ("connection", "heap", "popen_fork", "queues", "sharedctypes", "synchronize"):
        importlib.import_module(f"multiprocessing.{module}")
    os.setgroups([])
    os.setgid(uid)
    os.setuid(uid)
    os.chdir("/")
    # a changed uid makes /proc/self root's (proc(5)); a process that nobody started by exec has it undone
    ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)
