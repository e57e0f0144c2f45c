"""The rules file of a running daemon: a wrong one is refused whole and said, a good one holds without a restart."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from capturing import VM6, send
from scapy.layers.inet import TCP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether
from test_runbook import CONFIG, INVENTORY, SETTLE_S, Host, host  # noqa: F401 - a fixture

LOW = "[limits.syn]\nwarn = 50\nact = 100\nhard = 200\n"
RATE = 500  # a second: far above the low limits, far below the shipped ones


def written(path: Path, text: str) -> None:
    """As docs/configuration.md says: beside it, then moved into place."""
    beside = path.with_suffix(".new")
    beside.write_text(text, encoding="utf-8")
    beside.rename(path)


def until(holds: Callable[[], Any]) -> None:
    deadline = time.monotonic() + SETTLE_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.parametrize("threads", [1, pytest.param(2, marks=pytest.mark.long)])
def test_a_rules_file_is_followed(host: Host, threads: int) -> None:  # noqa: F811
    """With a typo it is refused whole: status says so, nothing is judged by it. Mended, it is judged by at once."""
    rules = host.folder / "rules.toml"
    more = f'\n[rules]\nfile = "{rules}"\n[capture]\nthreads = {threads}\nblocks = 64\n'
    (host.folder / "edgeguard.toml").write_text(CONFIG.format(host.folder) + more, encoding="utf-8")
    own = INVENTORY.replace('"192.0.2.10"', f'"192.0.2.10", "{VM6}"')
    (host.folder / "inventory.toml").write_text(own, encoding="utf-8")
    rules.write_text("", encoding="utf-8")
    host.start()

    def status() -> dict[str, Any]:
        found: dict[str, Any] = json.loads(host.edgeguard("status", "--json"))
        return found

    def cases() -> list[str]:
        return host.edgeguard("case", "list", "--json").splitlines()

    assert status()["rules"] == {"file": str(rules), "trouble": None}
    frame = bytes(Ether(dst="02:00:00:00:00:09") / IPv6(src=VM6, dst="2001:db8:7::7") / TCP(dport=80, flags="S"))
    stopped = threading.Event()

    def flood() -> None:  # for as long as it takes, however slow the machine is
        end = time.monotonic() + 2 * SETTLE_S
        while not stopped.is_set() and time.monotonic() < end:
            send(host._outside, "far-tap101", [frame], RATE, RATE)

    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(flood)
        try:
            written(rules, LOW.replace("hard", "hrad"))
            until(lambda: status()["rules"]["trouble"])
            trouble = status()["rules"]["trouble"]
            assert trouble.startswith(f"rules {rules}: [limits.syn] hrad: unknown key")
            assert trouble in host.edgeguard("status")
            before = status()["received"]
            until(lambda: status()["received"] > before + 2 * RATE)
            assert cases() == []
            written(rules, LOW)
            until(lambda: status()["rules"]["trouble"] is None)
            until(cases)
        finally:
            stopped.set()
        sending.result()
    (case,) = map(json.loads, cases())
    assert case["vm"] == "vm-101"
    assert "limit" in (told := host.edgeguard("explain", "vm-101")) and "200 packets in 1 s" in told
    assert host.stop() == 0
