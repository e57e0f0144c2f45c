"""What several plays need: a web server, and crowds of hosts."""

from __future__ import annotations

import ipaddress
import random

from bench.quality.record.stage import ALIVE, DEAD, REFUSED, Stage


def crowd_of_hosts(rng: random.Random, number: int, dead: float = 0.0, refused: float = 0.0) -> list[str]:
    """Addresses of the world; these shares of them never answer, or have a router that says so."""
    nets = {name: ipaddress.ip_network(name) for name in (ALIVE, DEAD, REFUSED)}
    chosen = rng.choices((ALIVE, DEAD, REFUSED), (1 - dead - refused, dead, refused), k=number)
    return [str(nets[name][rng.randrange(256, nets[name].num_addresses)]) for name in chosen]


def nginx(stage: Stage, side: str, port: int, location: str = "", tls: bool = False, cookies: bool = False) -> None:
    """A web server with 1 MB and 2 KB of zeros, or with `location` at its root.

    `cookies`: it answers every SYN with a cookie (tcp_syncookies 2)."""
    room = stage.scratch
    (room / "www").mkdir(exist_ok=True)
    (room / "www" / "large").write_bytes(bytes(1_000_000))
    (room / "www" / "small").write_bytes(bytes(2_000))
    listen = f"listen {port} backlog=65535;"
    if tls:
        stage.run(side, "openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 30 "
                  "-subj /CN=cdn.example.net")  # fmt: skip
        listen = f"listen {port} ssl; ssl_certificate {room}/cert.pem; ssl_certificate_key {room}/key.pem;"
    temporary = "".join(f"{what}_temp_path {room}/{what};" for what in ("proxy", "fastcgi", "uwsgi", "scgi"))
    conf = room / f"nginx-{side}.conf"
    conf.write_text(
        f"""daemon off; worker_processes 1; pid {room}/nginx-{side}.pid;
events {{ worker_connections 19000; }}
http {{ access_log off; client_body_temp_path {room}/body; {temporary} sendfile on; tcp_nopush on;
server {{ {listen} root {room}/www; {location} }} }}""",
        encoding="ascii",
    )
    room.chmod(0o755)
    if cookies:
        stage.run(side, "echo 2 > /proc/sys/net/ipv4/tcp_syncookies")
    stage.start(side, f"nginx -c {conf} -e {room}/error-{side}.log")
    stage.wait(side, port)
