"""Servers that answer many, and victims that answer what floods them."""

from __future__ import annotations

import time

from bench.quality.record.play import Play
from bench.quality.record.plays.common import nginx
from bench.quality.record.stage import VM, Stage

_ZONES = 300


def _flood(stage: Stage, kind: str, port: int, sources: int, rate: int) -> None:
    """What comes into the VM, for 4 seconds."""
    stage.actor("world", f"raw {kind} {port} {sources} {rate} 4")


def _nsd(stage: Stage, side: str, addresses: list[str], records: str) -> None:
    """An authoritative server of z0.example to z299.example, with `records` in each."""
    room = stage.scratch
    zone = (
        f"$TTL 300\n@ IN SOA ns.example.net. desk.example.net. 1 3600 600 86400 60\n@ IN NS ns.example.net.\n{records}"
    )
    (room / "zone").write_text(zone, encoding="ascii")
    zones = "".join(f'zone:\n name: "z{i}.example"\n zonefile: "zone"\n' for i in range(_ZONES))
    listen = "".join(f" ip-address: {address}\n" for address in addresses)
    (room / f"nsd-{side}.conf").write_text(
        f'server:\n username: ""\n server-count: 1\n zonesdir: "{room}"\n database: ""\n'
        f' pidfile: "{room}/nsd-{side}.pid"\n'
        f' xfrdfile: "{room}/xfrd-{side}"\n zonelistfile: "{room}/zones-{side}"\n verbosity: 0\n ip-transparent: yes\n'
        f"{listen}remote-control:\n control-enable: no\n{zones}",
        encoding="ascii",
    )
    stage.start(side, f"nsd -d -c {room}/nsd-{side}.conf")
    time.sleep(3)


def authoritative(stage: Stage) -> None:
    _nsd(stage, "vm", [VM], "* IN A 192.0.2.80\n* IN A 192.0.2.81\n* IN AAAA 2001:db8:10::80\n")
    stage.actor("world", f"crowd {VM} 53 198.18.0.1 400 30000 dns 9")
    stage.record(1, 3)


def authoritative_one(stage: Stage) -> None:
    """One large resolver asks it all, and gets long answers."""
    _nsd(stage, "vm", [VM], "".join(f"* IN A 192.0.2.{host}\n" for host in range(100, 114)))
    stage.actor("world", f"crowd {VM} 53 198.18.0.1 1 16000 dns 9")
    stage.record(1, 3)


def resolver(stage: Stage) -> None:
    """Unbound asks 60 servers what 200 clients want to know."""
    servers = [f"198.18.{i}.53" for i in range(60)]
    _nsd(stage, "world", servers, "* IN A 192.0.2.80\n")
    stubs = "".join(
        f'stub-zone:\n name: "z{i}.example"\n' + "".join(f" stub-addr: {servers[(i + k) % 60]}\n" for k in range(3))
        for i in range(_ZONES)
    )
    (stage.scratch / "unbound.conf").write_text(
        f'server:\n username: ""\n chroot: ""\n directory: "{stage.scratch}"\n pidfile: "{stage.scratch}/unbound.pid"\n'
        f" interface: {VM}\n access-control: 0.0.0.0/0 allow\n use-syslog: no\n module-config: iterator\n"
        f" num-threads: 1\n outgoing-range: 8000\n num-queries-per-thread: 4000\n do-ip6: no\n"
        f" local-zone: example. nodefault\n"
        f" so-rcvbuf: 0\n outgoing-num-tcp: 10\nremote-control:\n control-enable: no\n{stubs}",
        encoding="ascii",
    )
    stage.start("vm", f"unbound -d -c {stage.scratch}/unbound.conf")
    time.sleep(2)
    stage.actor("world", f"crowd {VM} 53 198.18.1.1 200 6000 dns 9")
    stage.record(1.5, 3)


def ntp(stage: Stage) -> None:
    (stage.scratch / "chrony.conf").write_text(
        f"local stratum 2\nallow all\nclientloglimit 20000000\ndriftfile {stage.scratch}/drift\nport 123\n"
        f"cmdport 0\nbindcmdaddress /\npidfile {stage.scratch}/chronyd.pid\n",
        encoding="ascii",
    )
    stage.start("vm", f"chronyd -x -d -u root -f {stage.scratch}/chrony.conf")
    time.sleep(2)
    stage.actor("world", f"crowd {VM} 123 198.18.0.1 2000 20000 ntp 8")
    stage.record(1, 2)


def game(stage: Stage) -> None:
    stage.actor("vm", "game 27015 128 80 400")
    time.sleep(0.5)
    stage.actor("world", f"crowd {VM} 27015 198.18.0.1 200 12800 40-90 9")
    stage.record(1, 4)


def turn(stage: Stage) -> None:
    """A TURN server relays between 20 clients."""
    stage.start("vm", f"turnserver -n --no-auth --listening-ip {VM} --relay-ip {VM} --no-tls --no-dtls "
                "--log-file stdout --no-cli --allow-loopback-peers --pidfile turn.pid --db turn.db")  # fmt: skip
    time.sleep(2)
    stage.start("world", f"turnutils_uclient -y -c -m 20 -n 3000 -z 5 -l 700 {VM}")
    stage.record(0.6, 7)


def syn_answers(stage: Stage) -> None:
    nginx(stage, "vm", 80)
    _flood(stage, "syn", 80, 20_000, 100_000)
    stage.record(0.3, 1.7)


def syn_resets(stage: Stage) -> None:
    _flood(stage, "syn", 81, 20_000, 100_000)
    stage.record(0.3, 1.7)


def ack_resets(stage: Stage) -> None:
    _flood(stage, "ack", 443, 300, 100_000)
    stage.record(0.3, 1.7)


def unreachables(stage: Stage) -> None:
    stage.run("vm", "cd /proc/sys/net/ipv4; echo 0 > icmp_ratemask; echo 0 > icmp_ratelimit")
    _flood(stage, "udp", 0, 500, 60_000)
    stage.record(0.3, 1.7)


def echoes(stage: Stage) -> None:
    _flood(stage, "ping", 0, 200, 60_000)
    stage.record(0.3, 1.7)


def upload_into(stage: Stage) -> None:
    """The VM only sends acknowledgements."""
    stage.start("vm", "iperf3 -s")
    time.sleep(1)
    stage.start("world", f"iperf3 -c {VM} -B 198.18.1.9 -t 10 -P 4 -w 4M")
    stage.record(0.4, 4)


_CROWD = "actors.py: the clients' side"
_ATTACK = "actors.py: the flood that comes in; the VM's kernel answers it"
PLAYS = (
    Play("dns-authoritative", "an authoritative DNS server answers 30,000 queries a second of 400 resolvers",
         authoritative, ("nsd -v 2>&1",), _CROWD, most=14_000),
    Play("dns-one-resolver", "an authoritative DNS server gives long answers to one large resolver",
         authoritative_one, ("nsd -v 2>&1",), _CROWD, most=14_000),
    Play("dns-resolver", "a busy DNS resolver asks 60 servers for 200 clients", resolver,
         ("unbound -V 2>&1 | sed 's/^/unbound /'", "nsd -v 2>&1"), _CROWD),
    Play("ntp-server", "an NTP server answers 2,000 clients, 20,000 a second", ntp, ("chronyd --version",), _CROWD),
    Play("game-server", "a games server with 200 players, 128 ticks a second", game,
         built="actors.py: both sides, after the rates that Source-engine servers document (128 ticks, 64 commands)"),
    Play("turn", "a TURN server relays media between 20 clients", turn,
         ("turnserver --version 2>&1 | tail -1 | sed 's/^/coturn /'",)),
    Play("syn-answers", "the VM is under a SYN flood of 100,000/s and answers with SYN-ACKs", syn_answers,
         ("nginx -v",), _ATTACK, most=30_000),
    Play("syn-resets", "the VM is under a SYN flood at a closed port and answers with resets", syn_resets,
         built=_ATTACK),
    Play("ack-resets", "the VM is under an ACK flood and answers with resets", ack_resets, built=_ATTACK),
    Play("udp-unreachables", "the VM is under a UDP flood at closed ports and answers with ICMP unreachables",
         unreachables, built=_ATTACK),
    Play("echo-replies", "the VM is under a ping flood and answers it", echoes, built=_ATTACK),
    Play("tcp-download", "TCP into the VM, which only acknowledges", upload_into, ("iperf3 --version",)),
)  # fmt: skip
