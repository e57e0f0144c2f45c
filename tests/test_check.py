"""`edgeguard check`: each thing a run needs, wrong and right, against real files, sockets and servers."""

from __future__ import annotations

import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from mailserver import Sink, closed_port, serving

from edgeguard import check, config
from edgeguard.check import Finding, Grade, exit_code, findings
from edgeguard.check.mailserver import mail
from edgeguard.check.places import places
from edgeguard.check.rights import NEEDED, rights
from edgeguard.config import Config
from edgeguard.control import ControlServer
from edgeguard.inventory import FileInventory


def settings(tmp_path: Path, **sections: dict[str, object]) -> Config:
    paths = {"database": str(tmp_path / "edgeguard.sqlite"), "socket": str(tmp_path / "edgeguard.sock")}
    return config.build({"paths": paths, **sections})


def graded(found: list[Finding], what: str) -> list[tuple[str, str]]:
    return [(finding.grade, finding.text) for finding in found if finding.what == what]


@pytest.fixture
def server() -> Iterator[str]:
    with serving(Sink()) as port:
        yield f"127.0.0.1:{port}"


def test_missing_rights_are_named_with_what_they_are_for(tmp_path: Path) -> None:
    """A process without a capability must be told which, for what, and how to give it."""
    (tmp_path / "self").mkdir()
    (tmp_path / "self" / "status").write_text("Name:\tx\nCapEff:\t0000000000002000\n")
    told = {finding.what: finding for finding in rights(tmp_path)}
    assert told["CAP_NET_RAW"].grade is Grade.OK
    assert told["CAP_NET_ADMIN"].grade is Grade.WRONG
    assert "to null-route" in told["CAP_NET_ADMIN"].text


def test_rights_are_those_of_this_process() -> None:
    """What is read from /proc must be what the kernel grants: root's AF_PACKET socket, or its refusal."""
    try:
        socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0).close()
        may = True
    except PermissionError:
        may = False
    told = {finding.what: finding.grade for finding in rights()}
    assert set(told) == set(NEEDED)
    assert (told["CAP_NET_RAW"] is Grade.OK) == may


def test_without_rights_every_back_end_says_so() -> None:
    """Run as nobody, the check must name each back-end that is not permitted, and not stop at the first."""
    script = (
        "import os, edgeguard.native\n"
        "from edgeguard.check.rights import back_ends, rights\n"
        "if os.getuid() == 0: os.setgid(65534), os.setuid(65534)\n"
        "print([f.what for f in (*rights(), *back_ends()) if f.grade == 'wrong'])\n"
    )
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "['CAP_NET_RAW', 'CAP_NET_ADMIN', 'AF_PACKET ring', 'nf_tables']"


def test_places_that_can_be_made_are_right_and_stay_unmade(tmp_path: Path) -> None:
    """A first run's paths must be found right without anything being made."""
    told = list(places(settings(tmp_path / "not" / "yet").paths))
    assert [finding.grade for finding in told] == [Grade.OK] * 4
    assert not list(tmp_path.iterdir())


def test_places_that_cannot_be_used_are_wrong(tmp_path: Path) -> None:
    """A file where a folder should be, and a database that is none, must be wrong."""
    (tmp_path / "file").write_text("no folder")
    told = list(places(settings(tmp_path / "file").paths))
    assert "is not a directory" in graded(told, "database")[0][1]
    assert "is not a directory" in graded(told, "socket")[0][1]
    assert [grade for grade, _ in graded(told, "evidence")] == [Grade.WARNING]  # null routes go without
    (tmp_path / "edgeguard.sqlite").write_text("this is no database, only a text that is long enough to be read as one")
    ((grade, text),) = graded(list(places(settings(tmp_path).paths)), "database")
    assert grade == Grade.WRONG
    assert "is no SQLite database" in text


def test_a_running_daemon_is_seen(tmp_path: Path) -> None:
    """A daemon that answers at the socket, and a dead one's socket, must be told apart."""
    paths = settings(tmp_path).paths
    control = ControlServer(paths.socket, patience_s=120)
    stop = threading.Event()

    def serve() -> None:
        while not stop.wait(0.01):
            control.poll(lambda request: {})

    thread = threading.Thread(target=serve)
    thread.start()
    assert graded(list(places(paths)), "socket") == [("ok", f"{paths.socket}: a daemon answers")]
    stop.set()
    thread.join()
    control.close()
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(paths.socket)
    ((grade, text),) = graded(list(places(paths)), "socket")
    assert grade == Grade.WARNING
    assert "no daemon answers" in text


def test_a_mail_server_that_answers_is_right(tmp_path: Path, server: str) -> None:
    """A server that greets as configured must be right, and an empty sender wrong."""
    told = list(mail(settings(tmp_path, mail={"server": server, "tls": "none", "desk": "noc@example.net"}).mail))
    assert [(finding.what, finding.grade) for finding in told] == [("server", "ok"), ("from", "wrong")]


def test_a_reply_address_without_a_place_for_the_case_is_a_warning(tmp_path: Path, server: str) -> None:
    """Where every case's answers go to one address, `check` says what that costs; with {case} it says nothing."""
    grades = []
    for address in ("abuse@example.net", "abuse+{case}@example.net"):
        told = {"server": server, "tls": "none", "desk": "noc@example.net", "reply_to": address}
        found = {one.what: one.grade for one in mail(settings(tmp_path, mail=told).mail)}
        grades.append(found.get("reply_to"))
    assert grades == [Grade.WARNING, None]


def test_a_mail_server_that_cannot_be_used_is_wrong(tmp_path: Path, server: str) -> None:
    """No listener, no STARTTLS where it is demanded, silence, and no SMTP at all must each be told."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        silent = mail(settings(tmp_path, mail={"server": f"127.0.0.1:{port}", "timeout": "200ms"}).mail)
        assert "does not answer" in next(silent).text
    with closed_port() as port:
        refused = next(mail(settings(tmp_path, mail={"server": f"127.0.0.1:{port}"}).mail))
    assert "Connection refused" in refused.text
    plain = next(mail(settings(tmp_path, mail={"server": server, "tls": "starttls"}).mail))
    assert plain.grade is Grade.WRONG
    assert "STARTTLS" in plain.text
    wrapped = next(mail(settings(tmp_path, mail={"server": server, "tls": "tls"}).mail))
    assert wrapped.grade is Grade.WRONG


def test_a_password_others_may_read_is_a_warning(tmp_path: Path, server: str) -> None:
    """The password file must be readable by us alone, be there, and not be empty."""
    file = tmp_path / "password"
    section = {"server": server, "tls": "none", "password_file": str(file)}

    def told() -> list[tuple[str, str]]:
        return graded(list(mail(settings(tmp_path, mail=section).mail)), "password_file")

    assert "cannot be read" in told()[0][1]
    file.write_text("\n")
    assert "is empty" in told()[0][1]
    file.write_text("secret\n")
    file.chmod(0o644)
    assert told()[0][0] == Grade.WARNING
    file.chmod(stat.S_IRUSR)
    assert told()[0][0] == Grade.OK


def test_a_wrong_configuration_is_told_with_everything_else(tmp_path: Path) -> None:
    """Wrong sections must be told, the right ones still be used, the rest still be checked, with exit code 3."""
    inventory = tmp_path / "inventory.toml"
    inventory.write_text('[[vm]]\nid = "a"\ntaps = ["tap1"]\n[[vm]]\nid = "b"\ntaps = ["tap1"]\n')
    file = tmp_path / "edgeguard.toml"
    file.write_text(
        f'[clocks]\nquiet = 15\n[mail]\nsevrer = "x"\n[inventory]\nfile = "{inventory}"\n'
        f'[paths]\ndatabase = "{tmp_path}/db"\nsocket = "{tmp_path}/sock"\n'
    )
    found = findings(file)
    told = [(finding.area, finding.text) for finding in found if finding.grade is Grade.WRONG]
    assert ("inventory", "vm 2 (b): tap tap1 already belongs to vm 1 (a)") in told
    assert len([text for area, text in told if area == "configuration"]) == 2
    assert f"{tmp_path}/db: will be made" in [finding.text for finding in found]
    assert exit_code(found) == 3


@pytest.mark.parametrize(
    ("wrong", "code"),
    [([], 0), (["mail"], 1), (["mail", "taps"], 1), (["inventory", "mail"], 3), (["configuration"], 3)],
)
def test_the_exit_code_follows_what_is_wrong(wrong: list[str], code: int) -> None:
    """Warnings pass; anything wrong is 1; the operator's own text is 3."""
    fine = [check.Finding("taps", "x", Grade.WARNING, ""), check.Finding("rights", "x", Grade.OK, "")]
    assert exit_code([*fine, *(check.Finding(area, "x", Grade.WRONG, "") for area in wrong)]) == code


def test_a_missing_inventory_is_a_warning_and_a_vm_without_contact_too(tmp_path: Path) -> None:
    """Both work, but not as most operators want it."""
    told = graded(findings(None), "file")
    assert told == [("warning", "none: no VM is known and nothing is ever enforced")]
    inventory = tmp_path / "inventory.toml"
    inventory.write_text('[[vm]]\nid = "a"\ntaps = ["tap1"]\n')
    found = list(check._known("f", FileInventory(inventory)))
    assert [finding.grade for finding in found] == [Grade.OK, Grade.WARNING]
