"""Speed tests, uploads, downloads and tunnels: much data over few flows."""

from __future__ import annotations

import time

from bench.quality.record.play import Play
from bench.quality.record.plays.common import nginx
from bench.quality.record.stage import SERVER, SERVER6, VM, Stage

_IPERF = ("iperf3 --version",)
_WIREGUARD = ("wg --version", "wireguard-go --version")


def _iperf(stage: Stage, flags: str, seconds: float, settle: float, server: str = SERVER) -> None:
    stage.start("world", f"iperf3 -s -B {server}")
    time.sleep(1)
    stage.start("vm", f"iperf3 -c {server} -t 12 {flags}")
    stage.record(seconds, settle)


def tcp_upload(stage: Stage) -> None:
    _iperf(stage, "-P 4 -w 4M", 0.5, 4)


def tcp_upload_v6(stage: Stage) -> None:
    _iperf(stage, "-P 4 -w 4M", 0.5, 4, SERVER6)


def udp_both_v6(stage: Stage) -> None:
    _iperf(stage, "-u -b 300M -l 1200 --bidir", 0.4, 2, SERVER6)


def iperf_udp_one_way(stage: Stage) -> None:
    _iperf(stage, "-u -b 800M -l 1448", 0.3, 2)


def iperf_udp_both(stage: Stage) -> None:
    _iperf(stage, "-u -b 300M -l 1200 --bidir", 0.4, 2)


def iperf_udp_return(stage: Stage) -> None:
    _iperf(stage, "-u -b 500M -l 1400 -R", 0.3, 2)


def tls_download(stage: Stage) -> None:
    nginx(stage, "vm", 443, tls=True)
    stage.start("world", f"wrk -t 1 -c 64 -d 20 https://{VM}/large")
    stage.record(0.5, 3)


def wireguard(stage: Stage, flags: str) -> None:
    """A tunnel between two user-space endpoints, with TCP in it."""
    for side, own in (("vm", "198.51.100.1"), ("world", "198.51.100.2")):
        stage.run(side, f"wg genkey > {side}.key; wg pubkey < {side}.key > {side}.pub")
        stage.start(side, f"sh -c 'WG_PROCESS_FOREGROUND=1 exec wireguard-go -f wg{side}'")
        time.sleep(1)
        stage.run(side, f"ip address add {own}/30 dev wg{side}; ip link set wg{side} mtu 1420 up")
    stage.run("world", f"ip route add {VM}/32 dev eth0; ip route del local 198.51.100.0/24 dev lo table local")
    stage.run("vm", f"wg set wgvm private-key vm.key listen-port 51820 peer $(cat world.pub) allowed-ips 0.0.0.0/0 "
              f"endpoint {SERVER}:51820 persistent-keepalive 5")  # fmt: skip
    stage.run("world", f"wg set wgworld private-key world.key listen-port 51820 peer $(cat vm.pub) allowed-ips "
              f"0.0.0.0/0 endpoint {VM}:51820")  # fmt: skip
    stage.start("world", "iperf3 -s")
    time.sleep(1)
    stage.start("vm", f"iperf3 -c 198.51.100.2 -t 12 {flags} -w 2M")
    stage.record(0.5, 4)


PLAYS = (
    Play("tcp-upload", "TCP upload of a VM with 4 connections, ACKs for every second segment", tcp_upload, _IPERF),
    Play(
        "tcp-upload-stretched", "the same to a receiver that merges segments and acknowledges many at once",
        tcp_upload, _IPERF, merge=True,
    ),
    Play("udp-one-way", "iperf3 -u out of the VM: nothing comes back", iperf_udp_one_way, _IPERF),
    Play("udp-speed-test", "iperf3 -u --bidir: a speed test with its return", iperf_udp_both, _IPERF),
    Play("udp-speed-test-down", "iperf3 -u -R: a speed test into the VM", iperf_udp_return, _IPERF),
    Play("tls-download", "a CDN server in the VM: TLS downloads over 64 connections", tls_download,
         ("nginx -v", "wrk -v")),
    Play(
        "wireguard-both", "a WireGuard tunnel out of the VM with TCP in both directions",
        lambda stage: wireguard(stage, "--bidir"), _WIREGUARD, most=14_000,
    ),
    Play(
        "wireguard-upload", "an upload of the VM through a WireGuard tunnel",
        lambda stage: wireguard(stage, ""), _WIREGUARD, most=14_000,
    ),
    Play("tcp-upload-v6", "TCP upload of a VM over IPv6", tcp_upload_v6, _IPERF, most=10_000),
    Play("udp-speed-test-v6", "iperf3 -u --bidir over IPv6", udp_both_v6, _IPERF, most=10_000),
)  # fmt: skip
