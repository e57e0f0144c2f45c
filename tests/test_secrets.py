"""Passwords and secrets appear nowhere: not in the log, an error, `check`, the database, a command line."""

from __future__ import annotations

import base64
import logging
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from mailserver import raw, until
from samples import CASE, DECISION, ORDER, VERDICT, happened, notices

from edgeguard.cases.store import Store
from edgeguard.check import findings
from edgeguard.cli import main
from edgeguard.config import build, load
from edgeguard.errors import ConfigError, DeliveryError
from edgeguard.handing import settings as handed
from edgeguard.hooks import webhook
from edgeguard.model import Happened
from edgeguard.notice.outbox import Outbox

PASSWORD = "Xk29-hidden-pw"
SECRET = "Zq81-hidden-key"
TOKEN = "Tt77-hidden-token"
HIDDEN = (PASSWORD, SECRET, TOKEN)


def shown(text: str) -> list[str]:
    """The secrets that a text gives away, plainly or as base64, wherever in a line it begins."""
    found = [one for one in HIDDEN if one in text]
    for one in HIDDEN:
        for shift in range(3):  # base64 of something inside something longer has one of three forms
            encoded = base64.b64encode(b"\0" * shift + one.encode()).decode()
            if encoded[4 if shift else 0 : -4] in text:
                found.append(one)
    return found


def echoing(mechanisms: str, *challenges: str) -> Any:
    """A server that refuses every log-in and says again all that it was given."""

    def script(connection: socket.socket) -> None:
        connection.sendall(b"220 hello\r\n")
        said: list[bytes] = []
        with connection.makefile("rb") as lines:
            for line in lines:
                word = line.split(b" ")[0].strip().upper()
                if word == b"EHLO":
                    connection.sendall(f"250-here\r\n250 AUTH {mechanisms}\r\n".encode())
                elif word in (b"QUIT", b"RSET"):
                    connection.sendall(b"221 bye\r\n")
                else:
                    said.append(line.strip())
                    if word == b"AUTH":
                        waiting = list(challenges)
                    if waiting:
                        connection.sendall(f"334 {waiting.pop(0)}\r\n".encode())
                    else:
                        plain = b" ".join(_decoded(part) for one in said for part in one.split())
                        connection.sendall(b"535 5.7.8 no: " + b" ".join(said) + b" " + plain + b"\r\n")

    return script


def _decoded(part: bytes) -> bytes:
    try:
        return base64.b64decode(part, validate=True).replace(b"\0", b" ")
    except ValueError:
        return part


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "cases.sqlite") as opened:
        opened.record(CASE, VERDICT, DECISION, notices(DECISION), ORDER)
        opened.outcome(happened(Happened.VERIFIED, decision=DECISION.id))
        yield opened


def written(folder: Path) -> dict[str, Any]:
    (folder / "password").write_text(PASSWORD + "\n")
    (folder / "secret").write_text(SECRET + "\n")
    for name in ("password", "secret"):
        (folder / name).chmod(0o600)
    return {"user": "edge", "password_file": str(folder / "password"), "from": "abuse@example.net", "tls": "none"}


def test_the_finder_finds() -> None:
    """The tests below look for a secret in every form that a mail server is given, or they prove nothing."""
    assert shown(f"no: {PASSWORD}") == [PASSWORD]
    for before in ("", "a", "\0edge\0", "\0edge2\0"):
        assert shown("535 " + base64.b64encode((before + PASSWORD).encode()).decode()) == [PASSWORD]


@pytest.mark.parametrize("mechanisms, challenges", [("PLAIN", ()), ("LOGIN", ("UGFzc3dvcmQ6",))])
def test_a_server_that_says_the_password_again(
    store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture, mechanisms: str, challenges: tuple[str, ...]
) -> None:
    """A refused log-in is told with its code; what the server said of it, the password with it, is told nobody."""
    with raw(echoing(mechanisms, *challenges)) as port, caplog.at_level(logging.DEBUG):
        mail = build({"mail": {**written(tmp_path), "server": f"127.0.0.1:{port}", "retry": "1h"}}).mail
        outbox = Outbox(store.box(), mail)
        outbox.start()
        until(lambda: store.letters(CASE.id)[0].last_error is not None, "the failure is recorded")
        outbox.stop()
    told = caplog.text + str(outbox.last_error) + str(store.letters(CASE.id))
    assert "535" in told and "correct [mail] user and password_file" in told
    assert not shown(told)
    assert not shown((tmp_path / "cases.sqlite-wal").read_bytes().decode("latin-1"))


def test_a_password_that_cannot_be_sent(
    store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One beyond ASCII is one line that names the file, with no letter of it, and the mail waits."""
    with raw(echoing("PLAIN")) as port, caplog.at_level(logging.DEBUG):
        values = {**written(tmp_path), "server": f"127.0.0.1:{port}", "retry": "1h"}
        (tmp_path / "password").write_text(PASSWORD + "\u00e9")
        outbox = Outbox(store.box(), build({"mail": values}).mail)
        outbox.start()
        until(lambda: store.letters(CASE.id)[0].last_error is not None, "the failure is recorded")
        outbox.stop()
    assert "letters beyond ASCII" in str(outbox.last_error)
    assert "Traceback" not in caplog.text and not shown(caplog.text) and "\u00e9" not in caplog.text


def configuration(folder: Path, **changes: str) -> Path:
    written(folder)
    values = {"url": f'"https://hooks.example.net/{TOKEN}"', "server": '"127.0.0.1:1"', **changes}
    file = folder / "edgeguard.toml"
    file.write_text(
        f'[mail]\nserver = {values["server"]}\nfrom = "abuse@example.net"\nuser = "edge"\n'
        f'password_file = "{folder}/password"\n[hooks]\nurl = {values["url"]}\nsecret_file = "{folder}/secret"\n'
        f'[paths]\ndatabase = "{folder}/db"\nsocket = "{folder}/socket"\n{changes.get("more", "")}'
    )
    return file


def test_check_shows_none(tmp_path: Path) -> None:
    """`check` reads both files and prints neither, nor the path of the webhook, which may be what lets somebody in."""
    file = configuration(tmp_path)
    told = " ".join(f"{one.what} {one.text}" for one in findings(file))
    told += CliRunner().invoke(main, ["check", "-c", str(file)]).output
    told += CliRunner().invoke(main, ["check", "-c", str(file), "--json"]).output
    assert "password_file" in told and "hooks.example.net" in told
    assert not shown(told)


@pytest.mark.parametrize(
    "changes",
    [
        {"url": f'"ftp://hooks.example.net/{TOKEN}"'},
        {"url": f'"https://edge:{TOKEN}@hooks.example.net/"'},
        {"url": f'["https://hooks.example.net/{TOKEN}"]'},
        {"url": f'"https://hooks.example.net:{TOKEN}/"'},
        {"url": f'"https://hooks.example.net/{TOKEN}" x'},
        {"more": f'[mailing]\npassword = "{PASSWORD}"\n'},
        {"more": f'[page]\npassword = "{PASSWORD}"\n'},
        {"more": f'[page]\nsecret = "{SECRET}"\nprogram = []\n'},
    ],
)
def test_no_finding_about_a_configuration_shows_one(tmp_path: Path, changes: dict[str, str]) -> None:
    """However wrong the line is that holds a secret, what is said about it does not hold it."""
    file = configuration(tmp_path, **changes)
    with pytest.raises(ConfigError) as refused:
        load(file)
    told = str(refused.value)
    told += " ".join(f"{one.what} {one.text}" for one in findings(file))
    told += CliRunner().invoke(main, ["run", "-c", str(file)]).output
    assert not shown(told), told


def test_no_value_shows_one(tmp_path: Path) -> None:
    """What holds the secret while it runs shows it to nobody who prints it, and no command line has it."""
    settings = handed(load(configuration(tmp_path)))
    target = webhook.Target.of(settings.url, webhook.secret(settings.secret_file))
    assert not shown(f"{target!r} {target}")
    with pytest.raises(DeliveryError) as error:
        webhook.secret(str(tmp_path / "nowhere"))
    assert not shown(str(error.value))
    assert not shown(Path("/proc/self/cmdline").read_text())
    assert sys.argv


def test_a_webhook_that_fails_shows_none(tmp_path: Path) -> None:
    """Neither secret nor path is in what is told of a server that refuses, hangs up or speaks no HTTP."""

    def nonsense(connection: socket.socket) -> None:
        heard = connection.recv(65536)
        connection.sendall(b"HTTP/1.1 500 no\r\nContent-Type: x\r\n\r\n" + heard.split(b"\r\n")[0])

    for script in (nonsense, lambda connection: connection.sendall(b"\x15\x03\x01\x00\x02\x02\x46")):
        with raw(script) as port:
            target = webhook.Target.of(f"http://127.0.0.1:{port}/{TOKEN}", SECRET.encode())
            taken, told = webhook.post(target, "delivery-1", "{}", 10.0)
        assert not taken
        assert not shown(told), told
