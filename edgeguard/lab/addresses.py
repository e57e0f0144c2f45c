"""The lab's address plan: documentation addresses (RFC 5737, RFC 3849, RFC 7042), and where those are
too few, the addresses of benchmarks (RFC 2544)."""

from __future__ import annotations

from dataclasses import dataclass

GATEWAY_MAC = "00:00:5e:00:53:01"  # whatever the VMs' next hop is: a tap, the bridge or the WAN host
GATEWAY = "198.51.100.1"
GATEWAY6 = "2001:db8:100::1"

UPLINK = "uplink0"
BRIDGE = "br0"
MIRROR = "mirror0"

HOST_MAC = "00:00:5e:00:53:02"
HOST_IN_BRIDGE = "198.51.100.2"  # the bridged host's own address
HOST_ON_UPLINK, WAN_ON_UPLINK = "192.0.2.2", "192.0.2.1"
HOST_ON_UPLINK6, WAN_ON_UPLINK6 = "2001:db8:2::2", "2001:db8:2::1"
WAN_MAC = "00:00:5e:00:53:03"

SERVICE, SERVICE6 = "203.0.113.5", "2001:db8:200::5"  # what the VM and its neighbour work with
MAIL = "203.0.113.25"
TARGETS = ("203.0.113.80", "203.0.113.81", "203.0.113.82")
TARGET6 = "2001:db8:200::81"
CARPET, CARPET_HOST = "198.18.7.0/24", "198.18.7.80"  # a prefix under flood, and who answers in it
ANYWHERE, ANYWHERE6 = "198.18.0.0/15", "2001:db8::/32"  # what random addresses are drawn from
PEERS = tuple(f"203.0.113.{n}" for n in range(129, 137))  # nobody's: frames to them end at the WAN host
CROWD = tuple(f"192.0.2.{n}" for n in range(129, 161))  # where an inbound SYN flood says it comes from

ECHO_PORT = 7  # RFC 862
DISCARD_PORT = 9  # RFC 863: where the upload goes
MAIL_PORT = 25
SYN_PORT = 443
UDP_PORT = 27015

MARK = 0xEC  # traffic class of the VM's flood frames: DSCP 59, which nobody has assigned


@dataclass(frozen=True, slots=True)
class Station:
    """One VM of the lab: as the inventory knows it, and how it is attached."""

    id: str
    name: str
    customer: str
    contact: str
    tap: str
    mac: str
    address: str
    address6: str
    spare: str  # owned, but not configured in the VM: built frames use it, and no kernel answers them

    @property
    def addresses(self) -> tuple[str, ...]:
        return self.address, self.spare, self.address6


VM = Station(
    id="101",
    name="shop.example.net",
    customer="Example Shop",
    contact="owner@example.net",
    tap="tap-vm",
    mac="00:00:5e:00:53:65",
    address="198.51.100.10",
    address6="2001:db8:100::10",
    spare="198.51.100.11",
)
NEIGHBOUR = Station(
    id="102",
    name="mail.example.org",
    customer="Example Neighbour",
    contact="neighbour@example.org",
    tap="tap-neighbour",
    mac="00:00:5e:00:53:66",
    address="198.51.100.20",
    address6="2001:db8:100::20",
    spare="198.51.100.21",
)
STATIONS = (VM, NEIGHBOUR)
