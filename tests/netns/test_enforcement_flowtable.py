"""A tap in a real nft flowtable: its established flows pass routes by, and the chain stops them."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Iterator

import pytest
from enforcement_host import TARGET4, UDP_PORT, Host, answered, echo, target, unanswered, until

from edgeguard.enforcement.flowtables import Flowtable, listed
from edgeguard.enforcement.netfilter import Netfilter
from edgeguard.model import Happened

RULES = """
table inet fast {
    flowtable f { hook ingress priority 0; devices = { tap0, wan0 }; }
    chain forward { type filter hook forward priority 0; meta l4proto udp flow add @f; }
}
"""


@pytest.fixture
def host() -> Iterator[Host]:
    if not shutil.which("nft"):
        pytest.skip("the program nft is needed to make a flowtable")
    with Host("routed") as host:
        with host.host.inside():
            made = subprocess.run(["nft", "-f", "-"], input=RULES, text=True, capture_output=True, check=False)
        if made.returncode:
            pytest.skip(f"this kernel has no flowtables (CONFIG_NF_FLOW_TABLE): {made.stderr.splitlines()[0]}")
        host.start()
        yield host


def test_it_is_found(host: Host) -> None:
    """The kernel's own listing must give the flowtable with its devices."""
    with host.host.inside(), Netfilter() as netfilter:
        assert listed(netfilter) == [Flowtable("fast/f", 0, False, ("tap0", "wan0"))]


def test_an_established_flow_in_a_flowtable_is_stopped(host: Host) -> None:
    """A flow that the flowtable carries ends with a narrow null route, which is put as a chain, and then goes on."""
    stop, _ = echo(host.wan, TARGET4, UDP_PORT)
    with host.vm.inside():
        flow = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    flow.connect((TARGET4, UDP_PORT))
    tracked = host.host.run
    until(lambda: answered(flow) and "OFFLOAD" in tracked("cat", "/proc/net/nf_conntrack").stdout, "it is offloaded")
    order = host.order("d-fast", targets=(target(TARGET4),))
    host.enforcer.order(order)
    assert "of the tap's chain" in host.wait("d-fast", Happened.ACKNOWLEDGED).detail
    assert unanswered(flow)
    host.released(order)
    assert answered(flow)
    stop()
