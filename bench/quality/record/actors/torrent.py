"""BitTorrent by libtorrent, TCP and uTP, with a DHT among the swarm."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import libtorrent

PORT = 6881
_SIZE = 256 << 20


def _session(address: str, others: list[str]) -> Any:
    settings = {
        "listen_interfaces": f"{address}:{PORT}",
        "outgoing_interfaces": address,
        "enable_lsd": False,
        "enable_upnp": False,
        "enable_natpmp": False,
        "allow_multiple_connections_per_ip": True,
        "dht_bootstrap_nodes": ",".join(f"{other}:{PORT}" for other in others),
        "connections_limit": 1000,
        "connection_speed": 200,
        "torrent_connect_boost": 200,
        "dht_restrict_routing_ips": False,
        "dht_restrict_search_ips": False,
    }
    return libtorrent.session(settings)


def _metadata(room: Path) -> Any:
    """The same torrent in every process: zeros, of a fixed date."""
    content = room / "content"
    if not content.exists():
        with content.open("wb") as file:
            file.truncate(_SIZE)
    files = libtorrent.file_storage()
    libtorrent.add_files(files, str(content))
    made = libtorrent.create_torrent(files, 64 * 1024)
    made.set_creation_date(1_767_225_600)
    libtorrent.set_piece_hashes(made, str(room))
    return libtorrent.torrent_info(libtorrent.bdecode(libtorrent.bencode(made.generate())))


def torrent(role: str, told: str, *addresses: str) -> None:
    """`role` seed: one session at each address has all of it, and a second at each the half of nothing.
    `role` fetch: the first address is ours, the others are live peers; `told` names hundreds more."""
    info = _metadata(Path())
    if role == "seed":
        sessions = [_session(address, list(addresses)) for address in addresses]
        for i, session in enumerate(sessions):
            room = Path() if i % 2 == 0 else Path(f"leech{i}")
            room.mkdir(exist_ok=True)
            flags = libtorrent.torrent_flags.seed_mode if i % 2 == 0 else libtorrent.torrent_flags.upload_mode
            handle = session.add_torrent({"ti": info, "save_path": str(room), "flags": flags})
            handle.set_upload_limit(2_000_000)
            if i % 2:
                handle.unset_flags(libtorrent.torrent_flags.upload_mode)
    else:
        session = _session(addresses[0], list(addresses[1:]))
        Path("fetched").mkdir()
        handle = session.add_torrent({"ti": info, "save_path": "fetched"})
        for peer in [*addresses[1:], *Path(told).read_text().split()]:
            handle.connect_peer((peer, PORT))
    time.sleep(60)
