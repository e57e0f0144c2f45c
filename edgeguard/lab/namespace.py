"""Namespaces that vanish: unnamed, held by the lab's first process, gone with it.

isolated(body)         three processes: the command, a keeper that made the namespaces, and `body`
                       as process 1 in them. Each dies with the one before it (PR_SET_PDEATHSIG,
                       prctl(2)), and the kernel ends everything when process 1 ends
                       (pid_namespaces(7)): so nothing survives, not even kill -9 of the command.
Namespace()            one more network namespace, held by a file descriptor
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

from edgeguard.errors import EdgeGuardError, RightsError

# linux/sched.h
CLONE_NEWNS = 0x00020000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000
PR_SET_PDEATHSIG = 1  # linux/prctl.h
MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REC, MS_PRIVATE = 2, 4, 8, 0x4000, 0x40000  # linux/mount.h

_SYSCTLS = (  # what can forbid user namespaces: file below /proc/sys, the value that forbids
    ("kernel/unprivileged_userns_clone", "0"),
    ("user/max_user_namespaces", "0"),
    ("user/max_net_namespaces", "0"),
    ("kernel/apparmor_restrict_unprivileged_userns", "1"),
)
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_libc = ctypes.CDLL(None, use_errno=True)


def _checked(code: int, tried: str) -> None:
    if code != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{tried}: {os.strerror(number)}")


def forbidding(root: Path = Path("/proc/sys")) -> list[str]:
    """The sysctls, as 'name = value', that forbid an ordinary user what the lab needs."""
    found = []
    for name, forbids in _SYSCTLS:
        with contextlib.suppress(OSError):
            if (root / name).read_text(encoding="utf-8").strip() == forbids:
                found.append(f"{name.replace('/', '.')} = {forbids}")
    return found


def _refused(error: OSError, root: Path = Path("/proc/sys")) -> RightsError:
    """What to do when the kernel gives no namespaces."""
    by = forbidding(root)
    remedy = f"change the sysctl {' and '.join(by)}" if by else "in a container, allow it the unshare and mount calls"
    return RightsError(f"lab: cannot make namespaces of its own ({error.strerror}): {remedy}, or run the lab as root")


def _unshare() -> None:
    """User (where not root), mount, PID and network namespaces for the children to come."""
    below_user = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET
    if os.geteuid() == 0 and _libc.unshare(below_user) == 0:
        return
    uid, gid = os.geteuid(), os.getegid()
    _checked(_libc.unshare(CLONE_NEWUSER | below_user), "unshare")
    Path("/proc/self/setgroups").write_text("deny", encoding="utf-8")  # user_namespaces(7): before gid_map
    Path("/proc/self/uid_map").write_text(f"0 {uid} 1", encoding="utf-8")
    Path("/proc/self/gid_map").write_text(f"0 {gid} 1", encoding="utf-8")


def _die_with(parent: int) -> None:
    """SIGKILL when the parent's thread ends; it may have ended before we asked.

    `parent` 0: it lives in an outer PID namespace, where getppid() shows nothing else.
    """
    _checked(_libc.prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0), "prctl")
    if os.getppid() != parent:
        os._exit(1)


def _mount(kind: str, at: str, flags: int, options: str | None = None) -> None:
    data = options.encode() if options else None
    _checked(_libc.mount(kind.encode(), at.encode(), kind.encode(), flags, data), f"mount {kind} on {at}")


def _hides(directory: Path) -> bool:
    """Whether a file system mounted there would cover what this process still reads."""
    read = [*sys.path, sys.prefix, sys.base_prefix, sys.executable, os.environ.get("HOME", ""), str(Path.cwd())]
    return any(Path(path).resolve().is_relative_to(directory) for path in read if path)


def private_directory() -> Path:
    """Memory that only this mount namespace sees, so that not even kill -9 leaves a file behind."""
    for name in ("/mnt", "/media", "/srv", "/opt", "/run"):
        if Path(name).is_dir() and not Path(name).is_symlink() and not _hides(Path(name)):
            _mount("tmpfs", name, MS_NOSUID | MS_NODEV, "size=512m,mode=0755")
            return Path(name)
    raise RightsError("lab: found no directory to mount its private files on: tried /mnt, /media, /srv, /opt, /run")


def _own_mounts() -> None:
    _mount("none", "/", MS_REC | MS_PRIVATE)
    with contextlib.suppress(OSError):  # a container may forbid it; nothing of ours reads other processes
        _mount("proc", "/proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)


def _forward_to(child: int) -> None:
    """Pass the signals that end the lab on to `child`, which cleans up."""

    def forward(number: int, _frame: FrameType | None) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, number)

    for number in _ENDING:
        signal.signal(number, forward)


def _exit_code(status: int) -> int:
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _await(child: int) -> int:
    before = {number: signal.getsignal(number) for number in _ENDING}
    _forward_to(child)
    try:
        return _exit_code(os.waitpid(child, 0)[1])
    finally:
        for number, action in before.items():
            signal.signal(number, action)


def _said(body: Callable[[], int]) -> int:
    """Run `body`; an operator's error becomes its one line and exit code."""
    try:
        return body()
    except EdgeGuardError as error:
        print(f"edgeguard: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("edgeguard: interrupted; nothing of the lab is left", file=sys.stderr)
        return 130


def _fork(body: Callable[[], int]) -> int:
    """A child that runs `body` and ends without returning here; its process id."""
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        code = _said(body)
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(code)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    for number in _ENDING:  # one is enough: the terminal and the keeper may both send it
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def _first_process(body: Callable[[], int]) -> int:
    _die_with(0)
    for number in _ENDING:
        signal.signal(number, _interrupt)
    try:
        _own_mounts()
    except OSError as error:
        raise _refused(error) from None
    return body()


def isolated(body: Callable[[], int]) -> int:
    """Run `body` as process 1 of fresh namespaces; its exit code, 128 + n when signal n ended it.

    As root outside, or as root of a user namespace that maps the caller alone.
    RightsError's sentence and code 1 where the kernel does not permit it.
    """
    command = os.getpid()

    def keeper() -> int:
        try:
            _unshare()
        except OSError as error:
            raise _refused(error) from None
        _die_with(command)  # after unshare: changed credentials clear it (prctl(2))
        return _await(_fork(lambda: _first_process(body)))

    return _await(_fork(keeper))


class Namespace:
    """A network namespace of this process's own making. Threads of the process share none of it."""

    def __init__(self) -> None:
        home = _current()
        try:
            _checked(_libc.unshare(CLONE_NEWNET), "unshare a network namespace")
            self.fd = _current()
        except OSError as error:
            raise _refused(error) from None
        finally:
            _enter(home)
            os.close(home)

    @contextlib.contextmanager
    def inside(self) -> Iterator[None]:
        """The calling thread works in this namespace; sockets and children made here stay in it."""
        home = _current()
        _enter(self.fd)
        try:
            yield
        finally:
            _enter(home)
            os.close(home)

    def close(self) -> None:
        """The kernel removes namespace and links with the last user."""
        os.close(self.fd)


def _current() -> int:
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


def _enter(fd: int) -> None:
    _checked(_libc.setns(fd, CLONE_NEWNET), "setns")
