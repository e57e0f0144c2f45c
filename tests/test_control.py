"""The control socket, over real sockets: who may ask, what, and that nobody can hold up the daemon."""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import select
import socket
import stat
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeguard import control
from edgeguard.control import ControlServer, ask
from edgeguard.errors import DaemonError, UsageError
from edgeguard.request import AddNullRoute, ReleaseNullRoute, Request, Status, read_request, written
from edgeguard.target import target

LONG_S = 120  # a bound for machines that are slow

RELEASE = ReleaseNullRoute("vm-101", "cleaned", "fixed")
ADD = AddNullRoute("vm-101", "flood", 900 * 10**9, ("198.51.100.7:80/tcp",))


def echo(request: Request) -> Mapping[str, Any]:
    return {"by": request.by, "verb": request.verb}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run" / "edgeguard.sock"


@contextlib.contextmanager
def serving(path: Path, answer: Callable[[Request], Mapping[str, Any]] = echo) -> Iterator[ControlServer]:
    """A server polled by a thread, as the engine polls it: woken by its one descriptor."""
    server = ControlServer(path, LONG_S)
    stop = threading.Event()

    def loop() -> None:
        while not stop.is_set():
            select.select([server], [], [], 0.02)
            server.poll(answer)

    thread = threading.Thread(target=loop)
    thread.start()
    try:
        yield server
    finally:
        stop.set()
        thread.join()
        server.close()


def raw(path: Path) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(LONG_S)
    connection.connect(str(path))
    return connection


def received(connection: socket.socket) -> bytes:
    parts = []
    with contextlib.suppress(ConnectionResetError):
        while part := connection.recv(65_536):
            parts.append(part)
    return b"".join(parts)


@pytest.mark.parametrize(
    ("what", "verb"), [(Status(), "status"), (ADD, "nullroute.add"), (RELEASE, "nullroute.release")]
)
def test_a_request_reaches_the_daemon_as_it_was_asked(path: Path, what: Any, verb: str) -> None:
    """What a command asks must arrive with the same type and values, and its answer must come back."""
    seen: list[Request] = []

    def answer(request: Request) -> Mapping[str, Any]:
        seen.append(request)
        return echo(request)

    with serving(path, answer):
        told = ask(path, what)
    assert told["verb"] == verb
    assert seen[0].ask == what


def _named(uid: int) -> str:
    names = [one.pw_name for one in pwd.getpwall() if one.pw_uid == uid]
    return names[0] if names else f"uid {uid}"


def test_the_principal_is_who_the_kernel_says(path: Path) -> None:
    """The name must be the login or OS user of the asking process, whatever the request claims."""
    login = Path("/proc/self/loginuid")
    known = os.getuid() == 0 and login.exists() and login.read_text() not in ("4294967295", "0")
    expected = _named(int(login.read_text()) if known else os.getuid())
    with serving(path), raw(path) as client:
        assert ask(path, Status())["by"] == expected
        client.sendall(b'{"verb": "status", "by": "somebody"}\n')
        assert not json.loads(received(client))["ok"]


@pytest.mark.parametrize(("uid", "expected"), [("4294967295", 0), ("0", 0), ("1007", 1007), ("garbage", 0), (None, 0)])
def test_the_login_survives_sudo(tmp_path: Path, uid: str | None, expected: int) -> None:
    """The one who logged in must be read from /proc; nobody, or no such file, is nobody."""
    if uid is not None:
        (tmp_path / "loginuid").write_text(uid)
    assert control._login(tmp_path) == expected


def test_the_socket_is_private_whatever_the_umask(path: Path) -> None:
    """Under a umask that allows everything the socket must still be 0600 from its first moment."""
    before = os.umask(0)
    try:
        server = ControlServer(path)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(Path(f"{path}.lock").stat().st_mode) == 0o600
    server.close()
    assert not path.exists()


def test_a_second_daemon_is_refused_and_the_first_lives_on(path: Path) -> None:
    """Two daemons on one host must never both believe they own the routes."""
    with serving(path):
        with pytest.raises(DaemonError, match="another daemon runs"):
            ControlServer(path)
        assert ask(path, Status())["verb"] == "status"


def test_the_socket_of_a_dead_daemon_is_replaced(path: Path) -> None:
    """A socket left by a crash must not keep the next daemon from starting."""
    path.parent.mkdir()
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(str(path))
    dead.close()
    with pytest.raises(DaemonError, match="no daemon answers here"):
        ask(path, Status())
    with serving(path):
        assert ask(path, Status())["verb"] == "status"


def test_a_file_that_is_no_socket_is_not_deleted(path: Path) -> None:
    """A wrong [paths] socket must not cost the operator a file."""
    path.parent.mkdir()
    path.write_text("precious")
    with pytest.raises(DaemonError, match="no socket stands there"):
        ControlServer(path)
    assert path.read_text() == "precious"


def test_a_path_that_cannot_hold_a_socket_is_one_sentence(tmp_path: Path) -> None:
    """A path that is too long, or below a file, must be named with the reason."""
    with pytest.raises(DaemonError, match="path too long"):
        ControlServer(tmp_path / ("x" * 120))
    (tmp_path / "file").write_text("")
    with pytest.raises(DaemonError, match="File exists"):
        ControlServer(tmp_path / "file" / "edgeguard.sock")


def test_without_a_daemon_asking_says_so(path: Path) -> None:
    """An act without a daemon must be one sentence with what to do."""
    with pytest.raises(DaemonError, match="no daemon answers here; start it with 'edgeguard run'"):
        ask(path, RELEASE)


def test_a_refusal_reaches_the_one_who_asked(path: Path) -> None:
    """The daemon's own sentence must come back as the error."""

    def refuse(request: Request) -> Mapping[str, Any]:
        raise UsageError("vm-101 is not null-routed")

    with serving(path, refuse), pytest.raises(DaemonError, match=r"^vm-101 is not null-routed$"):
        ask(path, RELEASE)


def test_a_large_answer_arrives_whole(path: Path) -> None:
    """An answer larger than the socket's buffer must be sent in parts and arrive whole."""
    rows = [f"row {n}" for n in range(100_000)]
    with serving(path, lambda request: {"rows": rows}):
        assert ask(path, Status())["rows"] == rows


def test_an_answer_beyond_the_bound_is_refused(path: Path) -> None:
    """No answer may grow without end."""
    long = {"text": "x" * control.MAX_REPLY}
    with serving(path, lambda request: long), pytest.raises(DaemonError, match="too long"):
        ask(path, Status())


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"garbage\n", "not one line of JSON"),
        (b"[1]\n", "not a JSON object"),
        (b"[" * 60_000 + b"\n", "not one line of JSON"),
        (b"\xff\n", "not one line of JSON"),
        (b'{"verb": "power-off"}\n', "no such verb"),
        (b'{"verb": ["status"]}\n', "no such verb"),
        (b'{"verb": "status", "more": 1}\n', "wrong or missing fields"),
        (b'{"verb": "nullroute.release", "term": "vm-101"}\n', "wrong or missing fields"),
        (b'{"verb": "exempt.end", "term": "vm-101", "why": " "}\n', "why must be a line"),
        (b'{"verb": "nullroute.release", "term": 7, "why": "x", "disposition": "fixed"}\n', "term must be a line"),
        (b"x" * 70_000, "longer than 65536 bytes"),
    ],
)  # fmt: skip
def test_a_wrong_request_is_answered_with_the_reason(path: Path, line: bytes, why: str) -> None:
    """Whatever a client sends must be refused in words, and the daemon must live on."""
    with serving(path):
        with raw(path) as client, contextlib.suppress(BrokenPipeError, ConnectionResetError):
            client.sendall(line)
            reply = received(client)
            assert why in json.loads(reply)["error"]
        assert ask(path, Status())["verb"] == "status"


@pytest.mark.parametrize(
    "change",
    [
        {"for_ns": 0}, {"for_ns": -1}, {"for_ns": "900"}, {"for_ns": True}, {"for_ns": 2**63},
        {"targets": "198.51.100.7"},
        {"targets": [7]}, {"targets": ["x"] * 65}, {"targets": []}, {"full": True}, {"full": 1},
        {"own_only": True}, {"own_only": 1}, {"targets": [], "full": True, "own_only": True}, {"why": "two\nlines"},
        {"why": "x" * 1_001}, {"term": ""},
    ],
)  # fmt: skip
def test_a_null_route_by_hand_is_checked_like_any_input(change: dict[str, Any]) -> None:
    """Types, sizes and contradictions must be refused before anybody acts on them."""
    whole = json.loads(written(ADD))
    with pytest.raises(DaemonError):
        read_request(json.dumps(whole | change).encode(), "root")


@given(
    st.binary(max_size=200)
    | st.recursive(st.none() | st.integers() | st.text(), lambda s: st.lists(s) | st.dictionaries(st.text(), s)).map(
        lambda d: json.dumps(d).encode()
    )
)
def test_no_line_gives_anything_but_a_request_or_a_refusal(line: bytes) -> None:
    """Any bytes at all must give a request or a DaemonError."""
    with contextlib.suppress(DaemonError):
        read_request(line, "root")


@given(
    st.dictionaries(
        st.sampled_from(["term", "why", "for_ns", "targets", "full", "own_only", "x"]),
        st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.text()),
    )
)
def test_no_fields_give_anything_but_a_request_or_a_refusal(fields: dict[str, Any]) -> None:
    """Any fields of a known verb must give a sound request or a DaemonError."""
    with contextlib.suppress(DaemonError):
        request = read_request(json.dumps({"verb": "nullroute.add", **fields}).encode(), "root")
        assert read_request(written(request.ask), "root") == request


def test_polling_never_waits_for_a_client(path: Path) -> None:
    """Silent, half-asking and half-reading clients must leave poll() with nothing to wait for, and are dropped."""
    clock = [1000.0]
    server = ControlServer(path, 0.2, lambda: clock[0])
    silent, half, deaf = raw(path), raw(path), raw(path)
    half.sendall(b'{"verb": ')
    deaf.sendall(b'{"verb": "status"}\n')
    answers = 0

    def answer(request: Request) -> Mapping[str, Any]:
        nonlocal answers
        answers += 1
        return {"text": "x" * 3_000_000}

    for _ in range(20):
        server.poll(answer)
    assert (answers, len(server._clients)) == (1, 3)
    clock[0] += 0.3
    server.poll(answer)
    assert not server._clients
    assert received(silent) == b""
    assert received(half) == b""
    assert len(received(deaf)) < 3_000_000
    server.close()


def test_many_clients_at_once_are_bounded_and_all_get_an_end(path: Path) -> None:
    """More clients than the bound must not cost the daemon more than the bound."""
    clock = [1000.0]
    server = ControlServer(path, 0.2, lambda: clock[0])
    clients = []
    for _ in range(control.MAX_CLIENTS + 4):
        clients.append(raw(path))
        server.poll(echo)
    assert len(server._clients) == control.MAX_CLIENTS
    for client in clients[control.MAX_CLIENTS :]:
        assert received(client) == b""
    clock[0] += 0.3
    server.poll(echo)
    assert not server._clients
    server.close()
    for client in clients:
        client.close()


def test_clients_in_parallel_each_get_their_own_answer(path: Path) -> None:
    """Answers must never be mixed up between clients."""
    told: dict[str, str] = {}

    def one(term: str) -> None:
        told[term] = ask(path, ReleaseNullRoute(term, "test", "fixed"))["term"]

    with serving(path, lambda request: {"term": getattr(request.ask, "term", "")}):
        threads = [threading.Thread(target=one, args=(f"vm-{n}",)) for n in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert told == {f"vm-{n}": f"vm-{n}" for n in range(12)}


def test_a_daemon_that_stops_answering_is_said(path: Path) -> None:
    """A client must not wait for ever for a daemon that hangs or dies in the middle."""
    path.parent.mkdir()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(2)
        with pytest.raises(DaemonError, match=r"did not answer within 0\.1 s"):
            ask(path, Status(), timeout_s=0.1)

        def die() -> None:
            for _ in range(2):
                listener.accept()[0].close()

        thread = threading.Thread(target=die)
        thread.start()
        with pytest.raises(DaemonError):
            ask(path, Status(), LONG_S)
        thread.join()


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("198.51.100.7", ("198.51.100.7", 0, None)),
        ("198.51.100.7/udp", ("198.51.100.7", 17, None)),
        ("198.51.100.7:80/tcp", ("198.51.100.7", 6, 80)),
        ("2001:db8::7", ("2001:db8::7", 0, None)),
        ("[2001:db8::7]", ("2001:db8::7", 0, None)),
        ("[2001:db8::7]:53/udp", ("2001:db8::7", 17, 53)),
        ("2001:db8::7/icmpv6", ("2001:db8::7", 58, None)),
        ("203.0.113.0/24", ("203.0.113.0/24", 0, None)),
        ("203.0.113.8/29", ("203.0.113.8/29", 0, None)),
        ("203.0.113.8/32", ("203.0.113.8", 0, None)),
        ("2001:db8:7::/48", ("2001:db8:7::/48", 0, None)),
    ],
)
def test_a_target_is_read_as_operators_write_it(text: str, key: tuple[str, int, int | None]) -> None:
    """Address alone, with a protocol, with port and protocol, and a prefix, of both families, must be understood."""
    assert target(text).key() == key


@pytest.mark.parametrize(
    "text",
    [
        "", "example.net", "198.51.100.7:80", "198.51.100.7:0/tcp", "198.51.100.7:65536/udp", "198.51.100.7/24",
        "[]:1/tcp", "[198.51.100.7/udp", "::1]", "198.51.100.7:80/sctp", "198.51.100.7:80/icmp", "2001:db8::7:53/udp ",
        "[198.51.100.7", "fe80::1%eth0:1/udp", "198.51.100.7/", "198.51.100.0/33", "/tcp", "198.51.100.7::80/tcp",
    ],
)  # fmt: skip
def test_what_is_no_target_is_refused(text: str) -> None:
    """A null route must never be made from a guess at what a target could mean."""
    with pytest.raises(ValueError, match="is no target"):
        target(text)


@pytest.mark.parametrize("text", ["203.0.112.0/23", "0.0.0.0/0", "2001:db8::/47", "::/0"])
def test_a_prefix_wider_than_any_null_route_is_refused(text: str) -> None:
    """No person can name more than a /24 or a /48 by mistake: one line says what is too wide, and what is not."""
    with pytest.raises(ValueError, match=r"is too wide: a null route names at most a /(24|48)$"):
        target(text)


def test_who_only_looks_cannot_end_the_daemon(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """An error of the daemon's own is the answer to a look, with its whole story in the log; the next one is served."""

    def broken(request: Request) -> Mapping[str, Any]:
        if request.verb == "status":
            raise ZeroDivisionError("nobody foresaw this")
        return echo(request)

    with serving(path, broken):
        with pytest.raises(DaemonError, match=r"an error of its own \(ZeroDivisionError\); its log has all of it"):
            ask(path, Status(), LONG_S)
        assert ask(path, RELEASE, LONG_S)["verb"] == "nullroute.release"
    assert "status could not be answered" in caplog.text and "nobody foresaw this" in caplog.text


def test_an_error_in_an_act_is_not_hidden() -> None:
    """Whoever binds or frees must not be told a refusal while half of it may be done: that error ends the daemon."""

    def broken(request: Request) -> Mapping[str, Any]:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        control._reply(written(RELEASE), "root", broken)
