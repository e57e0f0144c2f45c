"""What a machine says to its own network, and a few packets that carry another's address."""

from __future__ import annotations

import time

from bench.quality.record.play import Play
from bench.quality.record.stage import SERVER, Stage

_FAILOVER = "198.51.100.77"


def _towards_failover(stage: Stage) -> None:
    """The world finds the VM behind the address."""
    stage.run("world", f"ip route del local 198.51.100.0/24 dev lo table local; ip route add {_FAILOVER}/32 dev eth0")


def vrrp(stage: Stage) -> None:
    """The VM becomes master and uses the virtual address, too."""
    (stage.scratch / "keepalived.conf").write_text(
        "global_defs {\n script_user root\n vrrp_garp_master_refresh 1\n}\nvrrp_instance V1 {\n state MASTER\n"
        f" interface eth0\n virtual_router_id 51\n priority 200\n advert_int 0.2\n"
        f" virtual_ipaddress {{ {_FAILOVER}/32 }}\n"
        " version 3\n accept\n}\n",
        encoding="ascii",
    )
    _towards_failover(stage)
    stage.start("vm", f"keepalived -n -l -P -f {stage.scratch}/keepalived.conf -p k.pid -r v.pid -c c.pid")
    time.sleep(3)
    stage.actor("world", "answer 53 200")
    stage.actor("vm", f"shout {_FAILOVER} 198.18.0.1:53+20 60 300 12")
    stage.record(5, 1)


def failover(stage: Stage) -> None:
    """A failover address that the inventory does not know yet serves a speed test."""
    stage.run("vm", f"ip address add {_FAILOVER}/32 dev eth0")
    _towards_failover(stage)
    stage.start("world", f"iperf3 -s -B {SERVER}")
    time.sleep(1)
    stage.start("vm", f"iperf3 -c {SERVER} -B {_FAILOVER} -u -b 300M -l 1200 --bidir -t 10")
    stage.record(0.4, 3)


def containers(stage: Stage) -> None:
    """Containers whose packets missed the translation of addresses: nobody can answer them."""
    for host in range(2, 7):
        stage.run("vm", f"ip address add 198.51.100.{host}/32 dev lo")
    stage.actor("world", "answer 53 200")
    for host in range(2, 7):
        stage.actor("vm", f"shout 198.51.100.{host} 198.18.0.1:53+10 60 150 12")
    stage.actor("vm", "shout 192.0.2.10 198.18.0.1:53+10 60 2500 12")
    stage.record(4, 2)


def dhcp(stage: Stage) -> None:
    """A client without an address asks again and again; a server answers."""
    stage.start("world", "dnsmasq -d -C /dev/null -p 0 -i eth0 --dhcp-range=192.0.2.100,192.0.2.150,2m "
                "--dhcp-leasefile=leases --user=root")  # fmt: skip
    time.sleep(1)
    loop = "i=0; while [ $i -lt 60 ]; do udhcpc -i eth0 -n -q -t 2 -T 1 -s /bin/true; i=$((i+1)); done"
    (stage.scratch / "loop.sh").write_text(loop, encoding="ascii")
    stage.start("vm", "sh loop.sh")
    stage.record(6, 2)


def addresses(stage: Stage) -> None:
    """A router of containers takes 400 IPv6 addresses, and asks for each whether it is taken."""
    stage.run("vm", "echo 1 > /proc/sys/net/ipv6/conf/all/accept_dad; echo 1 > /proc/sys/net/ipv6/conf/eth0/accept_dad")
    batch = "".join(f"address add 2001:db8:10::{0x1000 + i:x}/64 dev eth0\n" for i in range(400))
    (stage.scratch / "batch").write_text(batch, encoding="ascii")
    stage.start("vm", "sh -c 'sleep 1; exec ip -batch batch'")
    stage.record(4, 0.5)


def announcements(stage: Stage) -> None:
    for side in ("vm", "world"):
        stage.run(side, "ip route add 224.0.0.0/4 dev eth0; ip route add 239.0.0.0/8 dev eth0")
    stage.actor("vm", "services 192.0.2.10 60")
    stage.actor("world", "services 192.0.2.1 5")
    stage.record(8, 2)


PLAYS = (
    Play("vrrp", "the VM is VRRP master and answers from the virtual address", vrrp, ("keepalived --version 2>&1",)),
    Play("failover", "a speed test from a failover address that is not in the inventory", failover,
         ("iperf3 --version",)),
    Play("containers", "five container addresses leak beside the VM's own queries", containers,
         built="actors.py: plain sockets at the foreign addresses (198.51.100.2 to .6 stand for 172.17.0.0/16)"),
    Play("dhcp", "a DHCP client that asks again and again", dhcp,
         ("udhcpc 2>&1 --help | head -1", "dnsmasq --version")),
    Play("duplicate-address", "400 IPv6 addresses are checked for duplicates at once", addresses,
         built="the kernel's duplicate address detection (RFC 4862)"),
    Play("announcements", "mDNS and SSDP announcements of 60 services", announcements,
         ("pip show zeroconf",),
         "actors.py: SSDP (UPnP device architecture 1.1)"),
)  # fmt: skip
