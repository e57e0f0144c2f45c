"""Every play by name."""

from __future__ import annotations

from bench.quality.record.play import Play
from bench.quality.record.plays import bulk, clients, media, neighbours, servers

_ROOMS = (clients, bulk, servers, media, neighbours)
PLAYS: dict[str, Play] = {play.name: play for room in _ROOMS for play in room.PLAYS}
