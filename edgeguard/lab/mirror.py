"""The lab's mirror port: both directions of every tap copied to one interface by tc (tc-mirred(8)).

A veth pair whose both ends are on the hypervisor: what tc sends into one end is received at the
other, as from a switch. The copies are made before nftables sees a frame of the VM, so attempts
behind a null route are still seen, as at the tap.
"""

from __future__ import annotations

from typing import Any

from pyroute2.netlink.exceptions import NetlinkError

from edgeguard.errors import RightsError
from edgeguard.lab import addresses as plan
from edgeguard.lab.addresses import STATIONS
from edgeguard.lab.topology import Node

INTO = "mirror-in"  # the end that tc sends to
INGRESS, EGRESS = 0xFFFFFFF2, 0xFFFFFFF3  # linux/pkt_sched.h: TC_H_CLSACT and these two
ETH_P_ALL = 3
WHOLE = "0x0/0x0+0"  # u32: no bit is compared


def _copy(node: Node, tap: int, into: int) -> None:
    action = {"kind": "mirred", "direction": "egress", "action": "mirror", "ifindex": into}
    how: dict[str, Any] = {"prio": 1, "protocol": ETH_P_ALL, "target": 0x10000, "keys": [WHOLE], "action": action}
    node.ip.tc("add", "clsact", index=tap)
    for parent in (INGRESS, EGRESS):
        node.ip.tc("add-filter", "u32", index=tap, parent=parent, **how)


def make(hypervisor: Node) -> None:
    """The port `plan.MIRROR`, up, with copies of all taps. RightsError where the kernel cannot do that."""
    try:
        hypervisor.ip.link("add", ifname=plan.MIRROR, kind="veth", peer={"ifname": INTO})
        for name in (plan.MIRROR, INTO):
            hypervisor.up(name)
        for station in STATIONS:
            _copy(hypervisor, hypervisor.index(station.tap), hypervisor.index(INTO))
    except NetlinkError as error:
        needs = "tc's clsact, u32 and mirred (NET_SCH_INGRESS, NET_CLS_U32, NET_ACT_MIRRED)"
        raise RightsError(f"lab: the kernel cannot make a mirror port: {error}; it needs {needs}") from None
