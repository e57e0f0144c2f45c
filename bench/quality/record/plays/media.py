"""QUIC, calls, video, files over UDP, and what is told one way."""

from __future__ import annotations

import time

from bench.quality.record.play import Play
from bench.quality.record.stage import GATEWAY, SERVER, VM, Stage

_VIDEO = (
    "-re -f lavfi -i testsrc2=size=1280x720:rate=30 -c:v mpeg2video -b:v {rate} -maxrate {rate} -bufsize 2M -f mpegts"
)
_AIOQUIC = ("pip show aioquic",)


def _quic(stage: Stage, direction: str) -> None:
    stage.run("world", "openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 30 "
              "-subj /CN=h3.example.net")  # fmt: skip
    stage.actor("world", f"quic_server {SERVER}")
    time.sleep(2)
    stage.actor("vm", f"quic_client {SERVER} {direction}")
    stage.record(1.5, 2)


def webrtc(stage: Stage) -> None:
    stage.actor("world", "webrtc answer")
    stage.actor("vm", "webrtc offer")
    stage.record(4, 8)


def voip(stage: Stage) -> None:
    """An exchange with 300 calls at once: 15,000 packets a second each way."""
    stage.actor("world", f"calls 198.18.0.1 {VM} 300 20 172 12")
    stage.actor("vm", f"calls {VM} 198.18.0.1 300 20 172 12")
    stage.record(0.8, 3)


def sip(stage: Stage) -> None:
    stage.start("world", f"sipp -sn uas -i {SERVER} -p 5060 -rtp_echo -nostdin -mi {SERVER}")
    time.sleep(1)
    stage.run("vm", "ln -s /usr/share/sip-tester pcap; ls pcap/")
    stage.start("vm", f"sipp -sn uac_pcap -i {VM} -mi {VM} -p 5060 -r 40 -d 8000 -l 400 -nostdin {SERVER}:5060")
    stage.record(2, 5)


def rtp_push(stage: Stage) -> None:
    stage.actor("world", "hear 5004")
    source = _VIDEO.format(rate="30M").replace("-f mpegts", "-f rtp_mpegts")
    stage.start("vm", f"ffmpeg -hide_banner -loglevel error {source} rtp://{SERVER}:5004?pkt_size=1316")
    stage.record(4, 3)


def srt_push(stage: Stage) -> None:
    stage.start("world", f"srt-live-transmit -q srt://{SERVER}:9000?mode=listener&latency=200 udp://127.0.0.1:9999"
                .replace("&", "\\&"))  # fmt: skip
    stage.start(
        "vm", f"ffmpeg -hide_banner -loglevel error {_VIDEO.format(rate='30M')} udp://127.0.0.1:7000?pkt_size=1316"
    )
    stage.start("vm", f"srt-live-transmit -q udp://127.0.0.1:7000 srt://{SERVER}:9000?mode=caller")
    stage.record(4, 4)


def srt_file(stage: Stage) -> None:
    """Bulk data over UDP with an acknowledgement every 64 packets or 10 ms (draft-sharabayko-srt)."""
    with (stage.scratch / "backup").open("wb") as file:
        file.truncate(1_500_000_000)
    (stage.scratch / "there").mkdir()
    stage.start("world", f"srt-file-transmit -q srt://{SERVER}:9000?mode=listener file://{stage.scratch}/there/")
    time.sleep(1)
    stage.start("vm", f"srt-file-transmit -q file://{stage.scratch}/backup srt://{SERVER}:9000?mode=caller")
    stage.record(0.6, 4)


def uftp(stage: Stage) -> None:
    """A backup by multicast file transfer to one receiver: status now and then."""
    with (stage.scratch / "backup").open("wb") as file:
        file.truncate(200_000_000)
    (stage.scratch / "there").mkdir()
    stage.run("vm", "ip route add 224.0.0.0/4 dev eth0")
    stage.start("world", f"uftpd -d -I eth0 -D {stage.scratch}/there -t")
    time.sleep(1)
    stage.start("vm", f"uftp -R 100000 -H {GATEWAY} -M {GATEWAY} -I eth0 backup")
    stage.record(1.5, 5)


def openvpn(stage: Stage) -> None:
    stage.run("vm", "openvpn --genkey secret static.key")
    common = "--dev tun0 --cipher AES-256-CBC --secret static.key --verb 1"
    stage.start("world", f"openvpn {common} --ifconfig 198.51.100.2 198.51.100.1 --local {SERVER}")
    stage.run("world", f"ip route del local 198.51.100.0/24 dev lo table local; ip route add {VM}/32 dev eth0")
    stage.start("vm", f"openvpn {common} --ifconfig 198.51.100.1 198.51.100.2 --remote {SERVER}")
    time.sleep(3)
    stage.start("world", "iperf3 -s")
    time.sleep(1)
    stage.start("vm", "iperf3 -c 198.51.100.2 -t 12")
    stage.record(0.8, 5)


def nfs(stage: Stage) -> None:
    stage.actor("world", "answer 2049 160")
    time.sleep(1)
    stage.actor("vm", f"writes {SERVER} 2049 32768 48 8")
    stage.record(0.6, 3)


def syslog(stage: Stage) -> None:
    stage.actor("world", "hear 514")
    (stage.scratch / "rsyslog.conf").write_text(
        f'global(workDirectory="{stage.scratch}")\nmodule(load="imudp" TimeRequery="20")\n'
        'input(type="imudp" address="127.0.0.1" port="10514" ratelimit.interval="0")\n'
        f'action(type="omfwd" target="{SERVER}" port="514" protocol="udp")\n',
        encoding="ascii",
    )
    stage.start("vm", f"rsyslogd -n -f {stage.scratch}/rsyslog.conf -i {stage.scratch}/rsyslog.pid")
    time.sleep(1)
    stage.actor("vm", "tell 127.0.0.1 10514 80 400 5000 10")
    stage.record(2, 3)


def statsd(stage: Stage) -> None:
    stage.actor("world", "hear 8125")
    time.sleep(0.5)
    stage.actor("vm", f"tell {SERVER} 8125 30 90 9000 9")
    stage.record(1.5, 3)


def netflow(stage: Stage) -> None:
    stage.actor("world", "hear 2055")
    time.sleep(0.5)
    stage.actor("vm", f"tell {SERVER} 2055 1464 1464 2500 9")
    stage.record(3, 3)


PLAYS = (
    Play("quic-upload", "HTTP/3 upload of the VM", lambda stage: _quic(stage, "up"), _AIOQUIC),
    Play("quic-download", "HTTP/3 download of the VM", lambda stage: _quic(stage, "down"), _AIOQUIC),
    Play("webrtc", "a WebRTC call with video both ways", webrtc,
         ("pip show aiortc",)),
    Play("voip", "a telephone exchange with 300 calls", voip,
         built="actors.py: RTP of both ends (RFC 3550, G.711)", most=14_000),
    Play("sip-calls", "SIP calls with RTP that comes back", sip, ("sipp -v | sed '/./!d'",)),
    Play("rtp-push", "a video pushed by RTP: nothing comes back", rtp_push, ("ffmpeg -version",)),
    Play("srt-push", "a video pushed by SRT: acknowledgements come back", srt_push,
         ("ffmpeg -version", "srt-live-transmit -version 2>&1 | grep -i version | head -1")),
    Play("srt-backup", "a backup by SRT's file mode: one acknowledgement in 64 packets", srt_file,
         ("srt-file-transmit -version 2>&1 | grep -i version | head -1",)),
    Play("uftp-backup", "a backup by UFTP at 100 Mbit/s: a status now and then", uftp, ("dpkg-query -W uftp",)),
    Play("openvpn", "an upload through an OpenVPN tunnel", openvpn, ("openvpn --version",)),
    Play("nfs", "NFS writes over UDP: 22 later fragments to a first, one answer to a write", nfs,
         built="actors.py: WRITE calls and answers by their sizes (RFC 1813); the kernel fragments them"),
    Play("syslog", "syslog to one collector, 5,000 lines a second", syslog, ("rsyslogd -v",)),
    Play("statsd", "statsd counters, 9,000 a second", statsd, built="actors.py: datagrams of statsd's sizes"),
    Play("netflow", "a NetFlow exporter, 2,500 full datagrams a second", netflow,
         built="actors.py: datagrams of a NetFlow v9 exporter's size (RFC 3954)"),
)  # fmt: skip
