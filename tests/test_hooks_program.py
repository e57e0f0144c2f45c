"""Running programs and posting documents: bounded, never a shell, nothing believed."""

from __future__ import annotations

import hashlib
import hmac
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hooks import script, serving, speaking, until
from mailserver import certificate

from edgeguard.errors import DeliveryError
from edgeguard.hooks.program import Programs
from edgeguard.hooks.webhook import Target, post, secret

HOSTILE = "'; touch /tmp/never; $(id) `id` \x1b[2J\r\nX: y %s {0} \u202e"


def gone(pid: int) -> bool:
    """A process that has ended, whether or not anybody has reaped it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_a_program_gets_arguments_and_a_document(tmp_path: Path) -> None:
    """The four arguments, the whole document and the environment reach the program exactly as they are."""
    out = tmp_path / "out"
    hook = script(tmp_path, f'printf "%s|" "$@" "$EDGEGUARD_ID" > {out}; cat >> {out}; echo done; echo more')
    ended = Programs().run([hook, "192.0.2.1", HOSTILE], HOSTILE * 5000, 60, {"EDGEGUARD_ID": "delivery-1"})
    assert ended.well and ended.detail.startswith("taken") and ended.detail.endswith(": done")
    assert out.read_bytes().decode() == f"192.0.2.1|{HOSTILE}|delivery-1|{HOSTILE * 5000}"


def test_its_surroundings_are_ours_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable of the daemon's and no open file of its reaches a program."""
    monkeypatch.setenv("SMTP_PASSWORD", "secret")
    os.set_inheritable(os.open("/dev/null", os.O_RDONLY), True)
    out = tmp_path / "out"
    hook = script(tmp_path, f"{{ env; ls /proc/self/fd | wc -l; pwd; }} > {out}")
    assert Programs().run([hook], "", 60, {"EDGEGUARD_ID": "x"}).well
    told = out.read_text()
    assert "secret" not in told and "EDGEGUARD_ID=x" in told and told.splitlines()[-1] == "/"
    assert int(told.splitlines()[-2]) <= 5  # three, the folder itself, and the shell's script


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("exit 3", "exit status 3"),
        ("kill -9 $$", "ended by signal 9"),
        ("echo oh no >&2; exit 1", "oh no"),
        ("printf '\\033[2J\\n'; exit 1", "?[2J"),
    ],
)
def test_a_failure_is_one_line(tmp_path: Path, text: str, told: str) -> None:
    """How a program ended, and the first line it said, are told in one printable line."""
    ended = Programs().run([script(tmp_path, text)], "document", 60, {})
    assert not ended.well and told in ended.detail and ended.detail.isprintable()


@pytest.mark.parametrize("command", ["/nonexistent/hook", "/etc/passwd", "/tmp"])
def test_what_is_no_program_is_told(command: str) -> None:
    """A program that is not there or may not be started is a failure in a sentence."""
    ended = Programs().run([command], "", 60, {})
    assert not ended.well and "cannot be started" in ended.detail


def test_a_program_that_reads_nothing_is_no_failure(tmp_path: Path) -> None:
    """FastNetMon's scripts do not read at an unban: a document that nobody wants is dropped."""
    assert Programs().run([script(tmp_path, "exit 0")], "x" * 1_000_000, 60, {}).well


def test_endless_output_is_read_and_dropped(tmp_path: Path) -> None:
    """A program that says a hundred megabytes ends all the same, and one line of it is kept."""
    ended = Programs().run([script(tmp_path, "head -c 100000000 /dev/zero | tr '\\0' x")], "", 110, {})
    assert ended.well and len(ended.detail) < 250


def test_its_time_ends_with_all_it_started(tmp_path: Path) -> None:
    """At the timeout the program and its children are killed, even where they ignore every other signal."""
    pids = tmp_path / "pids"
    text = f"trap '' TERM HUP INT; (trap '' TERM; echo $$ >> {pids}; sleep 1000) & echo $! >> {pids}; sleep 1000"
    ended = Programs().run([script(tmp_path, text)], "", 1.0, {})
    assert not ended.well and "did not end within 1 s" in ended.detail
    for pid in pids.read_text().split():
        until(lambda pid=pid: gone(int(pid)), f"{pid} is gone")


def test_what_it_leaves_running_holds_nobody(tmp_path: Path) -> None:
    """A background process that keeps the output open does not keep the program's end from being seen."""
    pid = tmp_path / "pid"
    began = time.monotonic()
    ended = Programs().run([script(tmp_path, f"sleep 100 & echo $! > {pid}; echo started")], "", 90, {})
    assert ended.well and "started" in ended.detail and time.monotonic() - began < 90
    os.kill(int(pid.read_text()), signal.SIGKILL)


def test_all_that_run_can_be_ended(tmp_path: Path) -> None:
    """`kill` from another thread ends a program at once."""
    programs, started = Programs(), tmp_path / "started"
    hook = script(tmp_path, f"touch {started}; sleep 1000")
    thread = threading.Thread(target=programs.run, args=([hook], "", 1000.0, {}))
    thread.start()
    until(started.exists, "the program runs")
    programs.kill()
    thread.join(100)
    assert not thread.is_alive()


# ---- posting ------------------------------------------------------------------------------------


def test_what_is_posted_can_be_checked() -> None:
    """Method, path, type, id, and a signature that the receiver computes by itself from timestamp and body."""
    with serving() as web:
        taken, detail = post(Target.of(web.url, b"s3cret"), "delivery-1", '{"a":1}', 60)
    assert taken and "204" in detail
    (got,) = web.got
    assert (got.method, got.path, got.body) == ("POST", "/hook?token=of-the-url", b'{"a":1}')
    assert got.headers["Content-Type"] == "application/json"
    assert got.headers["Idempotency-Key"] == "delivery-1"
    timestamp = got.headers["X-EdgeGuard-Timestamp"]
    assert abs(time.time() - int(timestamp)) < 120
    # As docs/hooks.md tells receivers to do it.
    wanted = hmac.new(b"s3cret", timestamp.encode() + b"." + got.body, hashlib.sha256).hexdigest()
    assert hmac.compare_digest(got.headers["X-EdgeGuard-Signature"], f"sha256={wanted}")


def test_without_a_secret_nothing_is_signed() -> None:
    """No signature is better than one that anybody can make."""
    with serving() as web:
        assert post(Target.of(web.url), "delivery-1", "{}", 60)[0]
    assert "X-EdgeGuard-Signature" not in web.got[0].headers


@pytest.mark.parametrize("status", [301, 302, 307, 308, 400, 404, 500, 503])
def test_anything_but_a_2xx_is_a_failure(status: int) -> None:
    """A redirect is not followed, whatever it points to; an error is told with what the server said."""
    with serving() as web:
        web.answers.append((status, {"Location": f"{web.url}&again"}, b"\x1b[31mno thanks\r\nmore"))
        taken, detail = post(Target.of(web.url, b"s3cret"), "delivery-1", "{}", 60)
        assert not taken and str(status) in detail and detail.isprintable()
    assert len(web.got) == 1


def test_no_secret_and_no_token_is_told() -> None:
    """What is said of a post must not hold the URL's path, where tokens are, nor the secret."""
    with serving() as web:
        web.answers.append((500, {}, b""))
        target = Target.of(web.url, b"s3cret")
        told = f"{target!r} {target} {post(target, 'delivery-1', '{}', 60)}"
    assert "of-the-url" not in told and "s3cret" not in told


def _silent(connection: socket.socket) -> None:
    connection.recv(65_536)
    time.sleep(3)


def _drip(connection: socket.socket) -> None:
    for sign in b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 100:
        connection.sendall(bytes([sign]))
        time.sleep(0.05)


def _continues(connection: socket.socket) -> None:
    while True:
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        time.sleep(0.01)


@pytest.mark.parametrize("say", [_silent, _drip, _continues])
def test_a_slow_server_has_its_time_and_no_more(say: Callable[[socket.socket], None]) -> None:
    """A server that is silent, sends a byte now and then, or never comes to its answer is given up in time."""
    with speaking(say) as port:
        began = time.monotonic()
        taken, detail = post(Target.of(f"http://127.0.0.1:{port}/"), "delivery-1", "{}", 0.5)
    assert not taken and "no answer within 0.5 s" in detail
    assert time.monotonic() - began < 60


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"SMTP ready\r\n",
        b"HTTP/1.1 99999 No\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000 + b"\r\n",
        b"\0" * 100_000,
    ],
)
def test_what_is_no_answer_is_a_failure(said: bytes) -> None:
    """A server that speaks no HTTP, or too much of it, has taken nothing."""

    def say(connection: socket.socket) -> None:
        connection.recv(65_536)
        connection.sendall(said)

    with speaking(say) as port:
        taken, detail = post(Target.of(f"http://127.0.0.1:{port}/"), "delivery-1", "{}", 60)
    assert not taken and detail.isprintable() and len(detail) < 250


@pytest.mark.parametrize(
    "body", [b"Content-Length: 1000000\r\n\r\nshort", b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", b"\r\n"]
)
def test_a_2xx_is_taken_whatever_follows(body: bytes) -> None:
    """The status is the answer; a body that is broken or endless changes nothing."""

    def say(connection: socket.socket) -> None:
        connection.recv(65_536)
        connection.sendall(b"HTTP/1.1 200 OK\r\n" + body)

    with speaking(say) as port:
        assert post(Target.of(f"http://127.0.0.1:{port}/"), "delivery-1", "{}", 60)[0]


def test_nobody_there_is_a_failure() -> None:
    """A closed port and a server without TLS where TLS is configured are told."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    assert "refused" in post(Target.of(f"http://127.0.0.1:{port}/"), "delivery-1", "{}", 60)[1]
    with serving() as web:
        taken, _ = post(Target.of(web.url.replace("http:", "https:")), "delivery-1", "{}", 60)
    assert not taken and not web.got


def test_tls_is_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over TLS a certificate that nobody vouches for is refused before a byte is posted; a known one is taken."""
    context = certificate(tmp_path)
    with serving(context) as web:
        target = Target.of(web.url.replace("http:", "https:"))
        taken, detail = post(target, "delivery-1", "{}", 60)
        assert not taken and "certificate is not accepted" in detail and not web.got
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
        assert post(target, "delivery-1", "{}", 60)[0] and len(web.got) == 1


def test_a_secret_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    """A secret file that is missing or empty is an error, so that nothing goes out unsigned; else its first line."""
    file = tmp_path / "secret"
    with pytest.raises(DeliveryError, match="cannot be read"):
        secret(str(file))
    file.write_text("\nsecond")
    with pytest.raises(DeliveryError, match="empty"):
        secret(str(file))
    file.write_text("s3cret \r\nsecond")
    assert secret(str(file)) == b"s3cret " and secret("") == b""
