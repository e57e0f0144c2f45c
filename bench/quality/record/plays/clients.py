"""Clients that open many connections, and scanners."""

from __future__ import annotations

import random
import time

from bench.quality.record.play import Play
from bench.quality.record.plays.common import crowd_of_hosts, nginx
from bench.quality.record.stage import SERVER, VM, Stage

_OWN = "actors.py: connections by the kernel's TCP (RFC 9293) at the rate of the issue"


def crawler(stage: Stage) -> None:
    nginx(stage, "world", 80)
    rng = random.Random(1)
    for part in range(4):
        hosts = crowd_of_hosts(rng, 3000, dead=0.05, refused=0.03)
        lines = "".join(f'url = "http://{host}/small"\noutput = "/dev/null"\n' for host in hosts)
        (stage.scratch / f"urls{part}").write_text(lines, encoding="ascii")
        stage.start("vm", f"curl -s -Z --parallel-max 250 --connect-timeout 3 -K urls{part}")
    stage.record(2, 1.5)


def load_test(stage: Stage) -> None:
    nginx(stage, "world", 80)
    stage.start("vm", f"ab -q -r -c 400 -n 400000 http://{SERVER}/small")
    stage.record(2, 2)


def syn_cookies(stage: Stage) -> None:
    nginx(stage, "world", 80, cookies=True)
    stage.start("vm", f"ab -q -r -c 60 -n 400000 http://{SERVER}/small")
    stage.record(2, 2)


def monitoring(stage: Stage) -> None:
    nginx(stage, "world", 80)
    hosts = crowd_of_hosts(random.Random(2), 1000, dead=0.06, refused=0.04)
    servers = "\n".join(
        f" server s{i} {host}:{8080 if i % 12 == 0 else 80} check inter 1s" for i, host in enumerate(hosts)
    )
    (stage.scratch / "ha.cfg").write_text(
        f"global\n maxconn 4000\ndefaults\n mode tcp\n timeout connect 3s\n timeout client 5s\n timeout server 5s\n"
        f" timeout check 1s\nlisten all\n bind 127.0.0.1:9999\n{servers}\n",
        encoding="ascii",
    )
    stage.start("vm", "haproxy -f ha.cfg")
    stage.record(4, 3)


def mail(stage: Stage) -> None:
    stage.start("world", "smtp-sink -u nobody 0.0.0.0:25 2000")
    stage.wait("world", 25)
    for host in crowd_of_hosts(random.Random(3), 60, dead=0.08, refused=0.05):
        stage.start("vm", f"smtp-source -s 8 -m 4000 -l 4000 -f a@example.net -t b@example.org {host}:25")
    stage.record(3, 2)


def proxy(stage: Stage) -> None:
    stage.actor("world", "slow 8000 128 1200 0.7")
    time.sleep(0.5)
    nginx(stage, "vm", 80, f"location / {{ proxy_pass http://{SERVER}:8000; proxy_connect_timeout 4s; }}")
    stage.start("world", f'wrk -t 1 -c 1500 -d 20 -H "Connection: close" --timeout 5s http://{VM}/')
    stage.record(4, 4)


def pools(stage: Stage) -> None:
    rng = random.Random(4)
    hosts = crowd_of_hosts(rng, 200, dead=0.12, refused=0.03)
    open_ones = [host for host in hosts if host.startswith("198.18.")][:20]
    stage.actor("world", f"pools 3333 {' '.join(open_ones)}")
    (stage.scratch / "pools").write_text("".join(f"{host} 3333\n" for host in hosts), encoding="ascii")
    time.sleep(0.5)
    stage.actor("vm", "connect 1600 2.5 3 14 pools")
    stage.record(4, 5)


def broken_path(stage: Stage) -> None:
    (stage.scratch / "target").write_text("198.19.0.80 443\n", encoding="ascii")
    stage.actor("vm", "connect 6000 0.9 1 8 target")
    stage.record(2, 2)


def nmap(stage: Stage) -> None:
    nginx(stage, "world", 80)
    stage.start("vm", "nmap -n -Pn -sS -p 22,80,443 --min-rate 3000 --max-rate 3500 --max-retries 1 -oG /dev/null "
                "198.18.240.0/21 198.19.0.0/18 --randomize-hosts")  # fmt: skip
    stage.record(3, 3)


def masscan(stage: Stage) -> None:
    nginx(stage, "world", 80)
    stage.start("vm", "masscan 198.18.0.0/17 198.19.0.0/17 -p80,443 --rate 10000 --wait 0 -e eth0 --seed 7 "
                "-oL /dev/null")  # fmt: skip
    stage.record(2, 3)


def sweep(stage: Stage) -> None:
    hosts = crowd_of_hosts(random.Random(6), 4000, dead=0.06, refused=0.04)
    (stage.scratch / "hosts").write_text("\n".join(hosts), encoding="ascii")
    stage.start("vm", "fping -l -q -i 0.4 -p 2000 -f hosts")
    stage.record(4, 3)


def peers(stage: Stage) -> None:
    """A client that fetches from some peers and seeds to others; most addresses that it was told are dead."""
    rng = random.Random(8)
    told = crowd_of_hosts(rng, 600, dead=0.5, refused=0.1)
    (stage.scratch / "told").write_text("\n".join(told), encoding="ascii")
    swarm = " ".join(f"198.18.{i}.200" for i in range(8))
    stage.actor("world", f"torrent seed told {swarm}")
    time.sleep(4)
    stage.actor("vm", f"torrent fetch told {VM} {swarm}")
    stage.record(4, 4)


PLAYS = (
    Play("crawler", "a crawler fetches small pages from 12,000 hosts, some dead", crawler,
         ("curl --version", "nginx -v"), rtt_ms=(20, 180), most=40_000),
    Play("load-test", "a load test without keep-alive of one web server that answers", load_test,
         ("ab -V", "nginx -v"), rtt_ms=(2, 4)),
    Play("syn-cookies", "a load test of a web server that answers with SYN cookies only", syn_cookies,
         ("ab -V", "nginx -v"), rtt_ms=(4, 6)),
    Play("monitoring", "health checks of 1,000 hosts, one a second, some dead, some with closed ports", monitoring,
         ("haproxy -v",)),
    Play("mail", "a mail server delivers to 60 hosts with 8 sessions each; some are dead", mail,
         ("postconf -h mail_version | sed 's/^/postfix smtp-source /'",), most=30_000),
    Play("proxy", "a reverse proxy whose upstream takes fewer connections than it is asked for", proxy,
         ("nginx -v", "wrk -v"), rtt_ms=(5, 40), most=30_000),
    Play("pools", "a miner's client: 1,600 connections a second at 200 pools, most refuse", pools, built=_OWN),
    Play("broken-path", "an open-loop load test, 6,000 connections a second, whose target's path is cut", broken_path,
         built=_OWN),
    Play("nmap", "nmap scans three ports of 18,000 addresses", nmap, ("nmap --version",)),
    Play("masscan", "masscan of two ports of a /16's worth of addresses, 10,000 a second", masscan,
         ("masscan --version | sed '/./!d'",)),
    Play("ping-sweep", "fping watches 4,000 hosts", sweep, ("fping --version",)),
    Play("bittorrent", "BitTorrent over TCP and uTP with 8 live peers and 600 that it was told of, most dead", peers,
         ("pip show libtorrent",), rtt_ms=(20, 150)),
)  # fmt: skip
