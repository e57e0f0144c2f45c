"""Real database servers for tests: each in a temporary folder of its own, at a socket in it, ended with the test."""

from __future__ import annotations

import contextlib
import ctypes
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PATIENCE_S = 120
PASSWORD = "opens sesame"
_PR_SET_PDEATHSIG = 1


class Server:
    """A server that can be stopped, frozen and started again. `user`: who it runs as, None: whoever runs the test."""

    def __init__(self, folder: Path, command: list[str], ready: Path, user: str | None) -> None:
        self.folder = folder
        self._command = command
        self._ready = ready
        self._user = user
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                stdout=log,
                stderr=log,
                preexec_fn=_end_with_us,  # noqa: PLW1509 - one system call, which takes no lock
                **_as(self._user),
            )
        deadline = time.monotonic() + PATIENCE_S
        while not self._listens():
            assert self._process.poll() is None and time.monotonic() < deadline, (self.folder / "log").read_text()
            time.sleep(0.05)

    def _listens(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(self._ready)) == 0

    def stop(self) -> None:
        """At once, whoever is connected."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self._process.send_signal(signal.SIGQUIT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(PATIENCE_S)
            self._process.kill()
            self._process.wait()
            self._process = None

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """It takes connections, as the kernel does that, and says nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)


def _end_with_us() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGQUIT)


def _as(user: str | None) -> dict[str, Any]:
    if user is None:
        return {}
    entry = pwd.getpwnam(user)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def _is_user(name: str) -> bool:
    """Servers refuse to run as root: there must be somebody else. Who is not root needs nobody."""
    return os.geteuid() != 0 or any(entry.pw_name == name for entry in pwd.getpwall())


@contextlib.contextmanager
def _folder(user: str | None) -> Iterator[Path]:
    """Its path is short, as a socket's must be, and `user` may go there, who may not into a folder of pytest's."""
    folder = Path(tempfile.mkdtemp(prefix="eg-db-"))
    try:
        if user is not None:
            shutil.chown(folder, user, pwd.getpwnam(user).pw_gid)
            folder.chmod(0o711)  # the socket is for who has given up root's rights, too
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _program(name: str, *places: str) -> str | None:
    return shutil.which(name) or next((str(one) for place in places for one in sorted(Path("/").glob(place))), None)


def _run(command: list[str], user: str | None, **more: Any) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False, **_as(user), **more)
    assert done.returncode == 0, done.stderr


def missing_postgres() -> str:
    """Why no PostgreSQL can be started here; empty where one can."""
    if _program("initdb", "usr/lib/postgresql/*/bin/initdb") is None or not _is_user("postgres"):
        return "no PostgreSQL server is installed (Debian: postgresql)"
    return ""


@contextlib.contextmanager
def postgres(schema: str) -> Iterator[Server]:
    """A cluster with the database `crm`, in which `schema` was run; user admin, password above."""
    initdb = Path(str(_program("initdb", "usr/lib/postgresql/*/bin/initdb"))).resolve()
    user = "postgres" if os.geteuid() == 0 else None
    with _folder(user) as folder:
        secret = folder / "secret"
        secret.write_text(PASSWORD)
        secret.chmod(0o644)
        shape = ["--auth=scram-sha-256", f"--pwfile={secret}", "--encoding=UTF8", "--locale=C", "--no-sync"]
        _run([str(initdb), "-D", str(folder / "data"), "-U", "admin", *shape], user, cwd="/")
        place = ["-D", str(folder / "data"), "-k", str(folder), "-c", "listen_addresses=", "-c", "fsync=off"]
        command = [str(initdb.with_name("postgres")), *place, "-c", "shared_buffers=8MB"]
        server = Server(folder, command, folder / ".s.PGSQL.5432", user)
        try:
            server.start()
            psql = [str(initdb.with_name("psql")), "-h", str(folder), "-U", "admin", "-v", "ON_ERROR_STOP=1", "-qX"]
            env = {**os.environ, "PGPASSWORD": PASSWORD}
            _until_accepted([*psql, "-c", "SELECT 1", "postgres"], env)
            _run([*psql, "-c", "CREATE DATABASE crm", "postgres"], user, env=env)
            _run([*psql, "-c", schema, "crm"], user, env=env)
            yield server
        finally:
            server.stop()


def _until_accepted(command: list[str], env: dict[str, str]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while subprocess.run(command, env=env, capture_output=True, check=False).returncode:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def missing_mariadb() -> str:
    """Why no MariaDB can be started here; empty where one can."""
    programs = _program("mariadbd", "usr/sbin/mariadbd"), _program("mariadb-install-db")
    if None in programs or not _is_user("mysql"):
        return "no MariaDB server is installed (Debian: mariadb-server)"
    return ""


@contextlib.contextmanager
def mariadb(schema: str) -> Iterator[Server]:
    """A server with the database `crm`, in which `schema` was run."""
    daemon = str(_program("mariadbd", "usr/sbin/mariadbd"))
    user = "mysql" if os.geteuid() == 0 else None
    with _folder(user) as folder:
        place = [f"--datadir={folder}/data", "--no-defaults"][::-1]
        shape = ["--auth-root-authentication-method=normal", "--skip-test-db"]
        _run([str(_program("mariadb-install-db")), *place, *shape], user, cwd="/")
        listen = [f"--socket={folder}/socket", "--skip-networking", f"--pid-file={folder}/pid"]
        small = ["--innodb-buffer-pool-size=8M", "--innodb-flush-log-at-trx-commit=0"]
        server = Server(folder, [daemon, *place, *listen, *small], folder / "socket", user)
        try:
            server.start()
            client = [str(_program("mariadb")), "--no-defaults", f"--socket={folder}/socket", "-uroot"]
            _run([*client, "-e", f"CREATE DATABASE crm; USE crm; {schema}"], None)
            yield server
        finally:
            server.stop()
