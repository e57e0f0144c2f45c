"""Runs one actor by name; arguments are strings, as its function takes them."""

from __future__ import annotations

import importlib
import sys

ROOMS = {
    "connect": "tcp", "pools": "tcp", "slow": "tcp",
    "crowd": "udp", "hear": "udp", "answer": "udp", "game": "udp", "calls": "udp", "writes": "udp", "tell": "udp",
    "shout": "udp",
    "raw": "raw",
    "quic_server": "quic", "quic_client": "quic",
    "webrtc": "webrtc",
    "torrent": "torrent",
    "services": "announce",
}  # fmt: skip

if __name__ == "__main__":
    room = importlib.import_module(f"bench.quality.record.actors.{ROOMS[sys.argv[1]]}")
    getattr(room, sys.argv[1])(*sys.argv[2:])
