"""What the running daemon says of a mirror port when it is asked."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

from capturing import send, udp
from namespaces import Namespace
from test_mirror import GATEWAY, ONE, PORT, UNKNOWN, between

from edgeguard.control import ask
from edgeguard.errors import DaemonError
from edgeguard.request import Status

START_S = 600  # the first start compiles the kernels, on a machine that may be slow and shared
CONFIG = f"""
uplinks = ["uplink0"]
[capture]
mirror = ["{PORT}"]
vxlan = true
sampling = 2
[[inventory.vm]]
id = "vm-1"
macs = ["{ONE}"]
taps = ["tap1"]
[paths]
database = "{{0}}/edgeguard.sqlite"
socket = "{{0}}/edgeguard.sock"
"""


def _status(folder: Path, until: int) -> dict[str, Any]:
    """The daemon's answer, once it has received so many frames."""
    deadline = time.monotonic() + START_S
    while True:
        assert time.monotonic() < deadline
        try:
            found = ask(folder / "edgeguard.sock", Status())
            if found["received"] >= until:
                return found
        except DaemonError:
            pass
        time.sleep(0.1)


def test_status_tells_of_the_mirror_port(tmp_path: Path) -> None:
    """Ports, strangers, sampling, copies and clock steps are in the answer; taps are not captured."""
    (tmp_path / "edgeguard.toml").write_text(CONFIG.format(tmp_path), encoding="utf-8")
    with Namespace() as host, Namespace() as outside:
        for name in ("uplink0", PORT, "tap1"):
            host.veth(name, outside, f"far-{name}")
        command = [sys.executable, "-m", "edgeguard", "run", "-c", str(tmp_path / "edgeguard.toml")]
        daemon = host.popen(*command)
        try:
            _status(tmp_path, 0)
            send(outside, f"far-{PORT}", [between(ONE, GATEWAY, udp()), between(UNKNOWN, GATEWAY, udp())], 20)
            send(outside, "far-tap1", [between(ONE, GATEWAY, udp())], 50)
            found = _status(tmp_path, 20)
        finally:
            daemon.terminate()
            assert daemon.wait(120) == 0
    assert (found["received"], found["taps"], found["clock_steps"]) == (20, 1, 0)
    assert found["mirror"] == {
        "ports": [PORT],
        "macs_unknown": {UNKNOWN: 10},
        "frames_of_further_macs": 0,
        "frames_out_of_vxlan": 0,
        "duplicates": 0.0,
        "sampling": 2,
        "sampling_seen": None,
    }
