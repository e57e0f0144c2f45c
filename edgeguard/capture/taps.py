"""Attachment points: which links virtual machines hang on, how they can be enforced, and changes.

Counted: tun/tap, macvtap, and a veth whose other end is in another namespace. Not counted: uplinks,
bridges and all else that carries copies of what the taps carry. Both ends of a veth pair that joins
two bridges of the host (Proxmox's firewall bridges) are such copies too.
"""

from __future__ import annotations

from dataclasses import dataclass

from edgeguard.capture.links import Link, Links, default_devices
from edgeguard.errors import CaptureError
from edgeguard.model import Tap, TapKind

REVERSED_KINDS = ("macvtap",)  # received = into the VM
WITH_A_SPEED = ("", "bond", "team")  # kinds of links whose speed is that of a wire; "": a device of its own driver


@dataclass(frozen=True, slots=True)
class Change:
    """A tap that appeared, is gone, or changed (name, MAC, how it can be enforced)."""

    what: str  # 'appeared', 'gone', 'changed'
    tap: Tap  # as it is; of one that is gone, as it was


@dataclass(frozen=True, slots=True)
class Carrier:
    """An uplink, or what lies below one."""

    index: int
    name: str
    has_speed: bool  # that its driver can be asked for: a veth and a tun make one up
    below: bool


class Taps:
    """The attachment points of this namespace, followed as links come and go."""

    def __init__(self, exclude: tuple[str, ...], uplinks: tuple[str, ...]) -> None:
        """`exclude` and `uplinks` are names; no uplinks: the devices of the default routes."""
        self.uplinks = uplinks or default_devices()
        self._left_out = frozenset(exclude) | frozenset(self.uplinks)
        self._links = Links()
        self.generation = 0  # grows when any link changed, a tap or not
        self._taps: dict[int, Tap] = self._classified()

    def current(self) -> dict[int, Tap]:
        """The taps by ifindex."""
        return dict(self._taps)

    def excluded(self) -> list[int]:
        """Ifindexes of the links that are no attachment points."""
        return [index for index in self._links.by_index if index not in self._taps]

    def reversed(self, ifindex: int) -> bool:
        """Whether a frame received on this tap goes into the VM."""
        link = self._links.by_index.get(ifindex)
        return link is not None and link.kind in REVERSED_KINDS

    def poll(self) -> list[Change]:
        """What has changed at taps since the last call, without waiting."""
        if not self._links.refresh():
            return []
        self.generation += 1
        before, self._taps = self._taps, self._classified()
        return _differences(before, self._taps)

    def named(self, names: tuple[str, ...]) -> list[int]:
        """Ifindexes of the links of these names that there are."""
        return [link.index for link in self._links.by_index.values() if link.name in names]

    def carriers(self) -> list[Carrier]:
        """The uplinks that there are, and below each what carries its frames."""
        return carriers(self._links.by_index, self.uplinks, set(self._taps))

    def macs(self) -> set[str]:
        """The MAC addresses of this host's own links."""
        return {link.mac for link in self._links.by_index.values() if len(link.mac) == 17}

    def require_uplinks(self) -> None:
        """CaptureError unless each uplink exists and is up: without one nothing can be verified."""
        self._require("uplink", "`uplinks`", self.uplinks)

    def require_mirrors(self, names: tuple[str, ...]) -> None:
        """CaptureError unless each mirror port exists and is up: without one nothing is counted."""
        self._require("mirror port", "`mirror` in [capture]", names)

    def _require(self, what: str, key: str, names: tuple[str, ...]) -> None:
        by_name = {link.name: link for link in self._links.by_index.values()}
        for name in names:
            link = by_name.get(name)
            if link is None:
                raise CaptureError(f"{what} {name}: there is no such interface; correct {key} (see 'ip link')")
            if not link.up:
                raise CaptureError(f"{what} {name}: the interface is down; run 'ip link set {name} up'")

    def fileno(self) -> int:
        """Readable when a link may have changed."""
        return self._links.fileno()

    def close(self) -> None:
        self._links.close()

    def _classified(self) -> dict[int, Tap]:
        links, addressed = self._links.by_index, self._links.addressed()
        return {
            link.index: _tap(link, links, addressed)
            for link in links.values()
            if link.name not in self._left_out and _is_attachment(link, links)
        }


def carriers(links: dict[int, Link], uplinks: tuple[str, ...], taps: set[int]) -> list[Carrier]:
    """The links of these names, then what lies below them: a VLAN's device, the ports of a bond or a bridge that
    are no taps."""
    found: dict[int, Carrier] = {}
    waiting = [(link, False) for link in links.values() if link.name in uplinks]
    while waiting:
        link, below = waiting.pop(0)
        if link.index not in found:
            found[link.index] = Carrier(link.index, link.name, link.kind in WITH_A_SPEED, below)
            waiting += [(lower, True) for lower in _below(link, links) if lower.index not in taps]
    return list(found.values())


def _below(link: Link, links: dict[int, Link]) -> list[Link]:
    ports = [port for port in links.values() if port.master == link.index]
    lower = links.get(link.peer) if link.peer is not None and link.kind == "vlan" and not link.elsewhere else None
    return [port for port in (lower, *ports) if port is not None and port.kind in (*WITH_A_SPEED, "vlan")]


def _is_attachment(link: Link, links: dict[int, Link]) -> bool:
    if link.kind == "veth":
        return link.peer is not None and not _pair_inside(link, links)
    return link.kind in ("tun", *REVERSED_KINDS)


def _pair_inside(link: Link, links: dict[int, Link]) -> bool:
    """Whether both ends of a veth pair are here.

    The kernel tells no news of an end when the *other* one moves, so either end may be out of
    date; the one that moved last is right. The number of a peer that is elsewhere may be any link's
    here: only one that names this end says otherwise. One that is being made names nobody yet.
    """
    peer = links.get(link.peer) if link.peer is not None else None
    if peer is None or peer.kind != "veth":
        return False
    if peer.peer is None:
        return not link.elsewhere
    return peer.peer == link.index and not (link.elsewhere and peer.elsewhere)


def _tap(link: Link, links: dict[int, Link], addressed: set[int]) -> Tap:
    kind, detail = _how(link, links, addressed)
    return Tap(link.index, link.name, link.mac, kind, detail)


def _how(link: Link, links: dict[int, Link], addressed: set[int]) -> tuple[TapKind, str]:
    """How the tap's frames leave the host, with the words for people."""
    if link.kind in REVERSED_KINDS:
        return TapKind.NONE, f"{link.kind}: frames pass the host's routes and bridges by"
    if link.master is None:
        return TapKind.ROUTED, "routed"
    master = links.get(link.master)
    if master is None:
        return TapKind.NONE, f"port of link {link.master}, which is not visible here"
    if master.kind == "bridge":
        return TapKind.BRIDGED, f"{'routed bridge' if master.index in addressed else 'bridge'} {master.name}"
    if master.kind == "openvswitch":
        return TapKind.NONE, f"port of Open vSwitch ({master.name}): its flows pass routes and bridges by"
    return TapKind.NONE, f"port of {master.name} ({master.kind or 'unknown kind'})"


def _differences(before: dict[int, Tap], after: dict[int, Tap]) -> list[Change]:
    gone = [Change("gone", tap) for index, tap in before.items() if index not in after]
    appeared = [Change("appeared", tap) for index, tap in after.items() if index not in before]
    changed = [Change("changed", tap) for index, tap in after.items() if before.get(index, tap) != tap]
    return gone + appeared + changed
