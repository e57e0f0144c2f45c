"""The systemd units: hardened by systemd's own measure, and the real daemon lives with what they allow."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import unit
from test_rights_daemon import children, status, until
from test_runbook import Host, host  # noqa: F401 - a fixture

from edgeguard.cases.reader import Reader
from edgeguard.cases.store import Store

SERVICES = ("edgeguard.service", "edgeguard-reap.service", "edgeguard-replies.service")
MOST = 2.5
needs_analyze = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd-analyze")


def analyzed(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemd-analyze", *words], capture_output=True, text=True, timeout=120, check=False)


@needs_analyze
@pytest.mark.parametrize("name", SERVICES)
def test_the_exposure_is_small(name: str) -> None:
    """`systemd-analyze security` gives each service at most 2.5 of 10."""
    done = analyzed("security", "--offline=true", "--no-pager", str(unit.UNITS / name))
    if "offline" in done.stderr:
        pytest.skip("this systemd-analyze cannot look at a file (before 250)")
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
    assert found, done
    assert float(found[1]) <= MOST


@needs_analyze
def test_systemd_understands_every_line() -> None:
    """`systemd-analyze verify` has nothing to say but that the program is not installed here."""
    done = analyzed("verify", *(str(path) for path in sorted(unit.UNITS.iterdir())))
    rest = [line for line in done.stderr.splitlines() if "edgeguard" in line and "is not executable" not in line]
    assert not rest


def test_code_in_memory_is_for_the_compiling_daemon_alone() -> None:
    """MemoryDenyWriteExecute is on wherever numba does not compile."""
    allowed = {path.name for path in unit.UNITS.glob("*.service") if _denied(path.name) != ["yes"]}
    assert allowed == {"edgeguard.service"}


def _denied(name: str) -> list[str]:
    return unit.settings(name)["MemoryDenyWriteExecute"]


@pytest.fixture
def confined(host: Host, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:  # noqa: F811
    why = unit.missing()
    if why:
        pytest.skip(why)
    words = host._words
    monkeypatch.setattr(
        host, "_words", lambda *w: unit.command(SERVICES[0], *words(*w)) if w == ("run",) else words(*w)
    )
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(host.folder / "kernels"))  # empty: it is compiled under the unit too
    yield host


@pytest.mark.long  # a whole daemon of its own; the others are looked at by default
def test_the_daemon_lives_with_its_unit(confined: Host) -> None:
    """With the unit's capabilities, calls and sockets it starts cold, null-routes both ways, releases and stops."""
    confined.start()
    confined.null_route_both()
    assert confined.daemon
    held = status(Path(f"/proc/{confined.daemon.pid}"))
    assert (int(held["CapEff"], 16), held["Seccomp_filters"]) == (0, "2")  # the unit's filter and our own
    child = status(Path(f"/proc/{children(confined.daemon.pid)['edgeguard.enforcing']}"))
    assert int(child["CapEff"], 16) == 1 << 12 | 1 << 13
    for vm in ("vm-101", "vm-102"):
        confined.edgeguard("nullroute", "release", vm, "--as", "fixed", "--why", "a test")
    until(lambda: not confined.of_ours())
    assert confined.stop() == 0


def test_the_unit_is_really_put_on(confined: Host) -> None:
    """A call and a socket that the unit does not allow are refused, or the test above proves nothing."""
    tried = "import os, socket\nfor f in (lambda: os.chroot('/'), lambda: socket.socket(40, 1)):\n"
    tried += "    try: f(); print('done')\n    except OSError as e: print(e.errno)\n"
    done = subprocess.run(
        unit.command(SERVICES[0], "python3", "-c", tried), capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout.split() == ["1", "97"], done


@pytest.mark.long  # a whole daemon of its own; the others are looked at by default
def test_the_reaper_does_its_work_under_its_unit(confined: Host) -> None:
    """With one capability, netlink alone and no code in memory it ends what is overdue of a daemon that was killed."""
    confined.start()
    for vm, how in (("vm-101", ("--full",)), ("vm-102", ("--target", "203.0.113.7"))):
        confined.edgeguard("nullroute", "add", vm, *how, "--for", "20s", "--why", "a test")
    confined.stop(signal.SIGKILL)
    assert _stands(confined)
    reap = unit.command(SERVICES[1], *confined._words("reap"))
    until(lambda: confined.namespace.run(*reap).returncode == 0 and not _stands(confined))


def _stands(host: Host) -> bool:  # noqa: F811
    return bool(host.of_ours()) or "203.0.113.7" in host.namespace.run("nft", "list", "ruleset").stdout


def test_a_reply_is_taken_under_its_unit(tmp_path: Path) -> None:
    """Without any capability, network or code in memory a mail in a maildir is recorded, and moved to cur/."""
    why = unit.missing()
    if why:
        pytest.skip(why)
    for folder in ("new", "cur", "tmp"):
        (tmp_path / "abuse" / folder).mkdir(parents=True)
    mail = "From: ops@example.net\nTo: abuse@example.net\nSubject: your mail\nMessage-ID: <1@example.net>\n\nHELP\n"
    (tmp_path / "abuse" / "new" / "1.example").write_text(mail)
    config = tmp_path / "edgeguard.toml"
    config.write_text(f'[paths]\ndatabase = "{tmp_path}/cases.sqlite"\n')
    Store(tmp_path / "cases.sqlite").close()
    words = [sys.executable, "-m", "edgeguard", "reply", "--maildir", str(tmp_path / "abuse"), "-c", str(config)]
    done = subprocess.run(unit.command(SERVICES[2], *words), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done
    assert [*(tmp_path / "abuse" / "new").iterdir()] == []
    with Reader(tmp_path / "cases.sqlite") as reader:
        assert [one.reply.sender for one in reader.replies.unmatched()] == ["ops@example.net"]
