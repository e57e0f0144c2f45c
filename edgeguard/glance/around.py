"""What `edgeguard status` says of the host around the VMs, and of those that deserve care."""

from __future__ import annotations

from typing import Any

from edgeguard.units import bits_per_second, percent


def trouble_line(cause: str, words: str) -> str:
    """The cause once: the sentences about files begin with it."""
    return words if cause in words.partition("/")[0] else f"{cause}: {words}"


def host_lines(host: dict[str, Any] | None) -> list[str]:
    """Uplinks, the connection table, the way back; nothing from a daemon that does not look at them."""
    if host is None:
        return []
    return [*map(_uplink, host["uplinks"]), _table(host["conntrack"]), _way_back(host["return_path"])]


def _uplink(one: dict[str, Any]) -> str:
    fill = one["fill"]
    if fill is None:
        carried = f"{bits_per_second(one['bits'])} out, speed not known"
    else:
        carried = f"{bits_per_second(one['bits'])} of {bits_per_second(one['speed_bits'])} out ({percent(fill)})"
    suffers = "; what leaves the host suffers" if one["suffers"] else ""
    return f"uplink {one['name']}: {carried}; {one['frames']:,} frames, {one['dropped']:,} dropped a second{suffers}"


def _table(table: dict[str, Any] | None) -> str:
    if table is None:
        return "connection table: none, nf_conntrack is not loaded"
    lost = f", {table['turned_away']:,} flows turned away just now" if table["turned_away"] else ""
    return (
        f"connection table: {table['count']:,} of {table['max']:,} entries ({percent(table['fill'])}), "
        f"{table['growth']:+,.0f} a second{lost}; {table['filling_syn_rate']:,.0f} unanswered SYNs a second fill it"
    )


def _way_back(path: dict[str, Any]) -> str:
    if path["doubt"]:
        return str(path["doubt"])
    seen, needed = path["witnesses"], path["needed"]
    few = f"; fewer than {needed} other customers are too few to doubt it" if seen <= needed else ""
    said = f"{seen:,} customer{'' if seen == 1 else 's'} completed connections before and still tr"
    return f"way back: {said}{'ies' if seen == 1 else 'y'}, {path['failing']:,} of them in vain{few}"


def care_lines(care: list[dict[str, Any]]) -> list[str]:
    """VMs far above what they are used to, and below warn."""
    return [
        f"deserves care: VM {one['vm']}: {one['rule']}: {one['packets']:,} packets a second, {one['why']}"
        for one in care
    ]
