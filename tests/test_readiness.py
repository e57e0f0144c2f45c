"""What systemd is told, over a real Unix datagram socket."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgeguard.daemon.readiness import Readiness


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(60)
        yield listening


def heard(systemd: socket.socket) -> list[str]:
    return systemd.recv(4096).decode().split("\n")


def test_each_word_is_what_systemd_reads(systemd: socket.socket) -> None:
    """Ready, alive, reloading, stopping: the assignments of sd_notify(3), one datagram each."""
    readiness = Readiness(systemd.getsockname())
    readiness.ready("taps: 2")
    assert heard(systemd) == ["READY=1", "STATUS=taps: 2"]
    readiness.turned("taps: 3")
    assert heard(systemd) == ["WATCHDOG=1", "STATUS=taps: 3"]
    before = time.monotonic_ns() // 1000
    readiness.reloading()
    word, stamp = heard(systemd)
    assert word == "RELOADING=1"
    assert before <= int(stamp.removeprefix("MONOTONIC_USEC=")) <= time.monotonic_ns() // 1000
    readiness.stopping()
    assert heard(systemd)[0] == "STOPPING=1"
    readiness.close()


def test_a_status_stays_one_line(systemd: socket.socket) -> None:
    """A line break in a status cannot say another word, as READY or MAINPID."""
    readiness = Readiness(systemd.getsockname())
    readiness.turned("taps: 1\nMAINPID=1\r\nSTOPPING=1")
    assert heard(systemd) == ["WATCHDOG=1", "STATUS=taps: 1 MAINPID=1 STOPPING=1"]
    readiness.close()


def test_an_abstract_socket_is_reached() -> None:
    """systemd in a container listens at a name without a file."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind("\0edgeguard-test-notify")
        listening.settimeout(60)
        readiness = Readiness("@edgeguard-test-notify")
        readiness.ready("here")
        assert heard(listening)[0] == "READY=1"
        readiness.close()


def test_what_is_started_later_cannot_speak_for_the_daemon(systemd: socket.socket) -> None:
    """The socket's address and the watchdog's are taken out of the environment."""
    environment = {"NOTIFY_SOCKET": systemd.getsockname(), "WATCHDOG_USEC": "1", "WATCHDOG_PID": "1", "PATH": "/bin"}
    readiness = Readiness.of(environment)
    assert environment == {"PATH": "/bin"}
    readiness.stopping()
    assert heard(systemd)[0] == "STOPPING=1"
    readiness.close()


def test_without_a_unit_nothing_happens() -> None:
    """Started by hand nobody is told, and nothing fails."""
    readiness = Readiness.of({})
    readiness.ready("")
    readiness.turned("")
    readiness.reloading()
    readiness.stopping()
    readiness.close()


def test_a_supervisor_that_is_gone_is_one_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A socket that nobody reads any more is told once, and keeps nothing from going on."""
    readiness = Readiness(str(tmp_path / "nobody"))
    with caplog.at_level(logging.WARNING):
        for _ in range(5):
            readiness.turned("taps: 1")
    assert [r.getMessage() for r in caplog.records] == [
        "systemd cannot be told how the daemon is: No such file or directory"
    ]
    readiness.close()


def test_a_supervisor_that_does_not_read_is_not_waited_for(systemd: socket.socket) -> None:
    """A full socket costs words, not time: the loop that captures goes on."""
    readiness = Readiness(systemd.getsockname())
    began = time.monotonic()
    for _ in range(5000):
        readiness.turned("x" * 100)
    assert time.monotonic() - began < 30
    readiness.close()
