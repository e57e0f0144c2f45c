"""A recording in the tree: NAME.pcap.xz, headers only, and NAME.toml, which says how it came about."""

from __future__ import annotations

import hashlib
import lzma
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from bench.quality.frames import ROOM, Frames, plain

HERE = Path(__file__).parents[1] / "recordings"
_FILE_HEADER, _RECORD_HEADER = 24, 16
_SECOND = 1_000_000_000


class RecordingError(Exception):
    """A recording is not what its TOML says; which, and what differs."""


@dataclass(frozen=True, slots=True)
class Recording:
    """Frames with times from 0, and for how long they were recorded."""

    name: str
    about: str
    seconds: float
    mac: str  # of the VM
    addresses: tuple[str, ...]
    frames: Frames
    outward: Any  # bool: frame i left the VM

    @property
    def out_pps(self) -> float:
        return float(self.outward.sum()) / self.seconds


def names() -> list[str]:
    return sorted(path.stem for path in HERE.glob("*.toml"))


def said(name: str) -> dict[str, Any]:
    """Its TOML."""
    return tomllib.loads((HERE / f"{name}.toml").read_text(encoding="utf-8"))


@lru_cache(maxsize=4)
def load(name: str) -> Recording:
    """RecordingError where its sha256 is not the one that was written down."""
    packed = (HERE / f"{name}.pcap.xz").read_bytes()
    facts = said(name)
    if hashlib.sha256(packed).hexdigest() != facts["sha256"]:
        raise RecordingError(f"{name}: the file is not the one recorded: its sha256 differs from {name}.toml")
    frames = _frames(lzma.decompress(packed))
    mac = facts["vm"]["mac"]
    outward = (frames.head[:, 6:12] == np.frombuffer(bytes.fromhex(mac.replace(":", "")), np.uint8)).all(axis=1)
    addresses = tuple(facts["vm"]["addresses"])
    return Recording(name, facts["about"], facts["seconds"], mac, addresses, frames, outward)


def _frames(raw: bytes) -> Frames:
    starts, at = [], _FILE_HEADER
    while at < len(raw):
        starts.append(at)
        at += _RECORD_HEADER + int.from_bytes(raw[at + 8 : at + 12], "little")
    where = np.array(starts, np.int64)
    everything = np.frombuffer(raw + bytes(ROOM), np.uint8)
    heads = everything[where[:, None] + np.arange(_RECORD_HEADER)].reshape(-1).view("<u4").reshape(-1, 4)
    sec, nsec, captured, length = (heads[:, i].astype(np.int64) for i in range(4))
    head = everything[where[:, None] + _RECORD_HEADER + np.arange(ROOM)]
    head[np.arange(ROOM) >= captured[:, None]] = 0
    return plain(sec * _SECOND + nsec, head, captured.astype(np.uint16), length.astype(np.uint32))


def save(name: str, pcap: bytes, facts: Mapping[str, Any]) -> Path:
    """Compressed, with its TOML; the path of the TOML."""
    packed = lzma.compress(pcap, preset=9 | lzma.PRESET_EXTREME)
    HERE.mkdir(exist_ok=True)
    (HERE / f"{name}.pcap.xz").write_bytes(packed)
    told = HERE / f"{name}.toml"
    told.write_text(_toml({**facts, "sha256": hashlib.sha256(packed).hexdigest()}), encoding="utf-8")
    return told


def _toml(facts: Mapping[str, Any]) -> str:
    """Plain values first, then one level of tables."""
    lines = [f"{key} = {_value(value)}" for key, value in facts.items() if not isinstance(value, dict)]
    for table, values in facts.items():
        if isinstance(values, dict):
            lines += ["", f"[{table}]", *(f"{key} = {_value(value)}" for key, value in values.items())]
    return "\n".join(lines) + "\n"


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ").replace("\t", " ") + '"'
    return "[" + "".join(f"\n    {_value(item)}," for item in value) + ("\n]" if value else "]")
