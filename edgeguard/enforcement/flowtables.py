"""Devices in somebody's nft flowtables: established flows between them pass routes, rules and the stack by.

A packet of such a flow is handed from one device's ingress hook to the other's transmit queue, so a
routing table that would stop it is never asked. A netdev chain is: on the way in the hooks come by
their priority, ours (-150) before a flowtable's, which nft(8) counts from `filter` (0); on the way
out the egress hook comes after it. In hardware neither sees the packet. Formats: linux/netfilter/nf_tables.h.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable
from dataclasses import dataclass

from edgeguard.enforcement.chain_messages import PRIORITY
from edgeguard.enforcement.netfilter import Message, Netfilter, RefusedError
from edgeguard.enforcement.netlink import attributes

_GETFLOWTABLE = 23
_TABLE, _NAME, _HOOK, _FLAGS = 1, 2, 3, 7  # NFTA_FLOWTABLE_
_PRIORITY, _DEVICES = 2, 3  # NFTA_FLOWTABLE_HOOK_
_HARDWARE = 1  # NFT_FLOWTABLE_HW_OFFLOAD
_EVERY_FAMILY = 0
_NONE = (errno.ENOENT, errno.EOPNOTSUPP, errno.EINVAL, errno.EPROTONOSUPPORT)  # a kernel without flowtables


@dataclass(frozen=True, slots=True)
class Flowtable:
    """One flowtable and its devices."""

    name: str  # with its table: 'filter/fast'
    priority: int
    hardware: bool  # its flows are handed to the devices themselves
    devices: tuple[str, ...]

    @property
    def comes_first(self) -> bool:
        """Whether even a chain of ours is passed by."""
        return self.hardware or self.priority <= PRIORITY


def listed(netfilter: Netfilter) -> list[Flowtable]:
    """All flowtables of this namespace. RefusedError where they may not be looked at."""
    try:
        return [read(part) for part in netfilter.dump(Message(_GETFLOWTABLE, 0, b"", family=_EVERY_FAMILY))]
    except RefusedError as refused:
        if refused.number in _NONE:
            return []
        raise


def read(part: bytes) -> Flowtable:
    """One answer to GETFLOWTABLE."""
    values = dict(attributes(part))
    hook = dict(attributes(values.get(_HOOK, b"")))
    return Flowtable(
        name=f"{_text(values.get(_TABLE, b''))}/{_text(values.get(_NAME, b''))}",
        priority=int.from_bytes(hook.get(_PRIORITY, b"\0"), "big", signed=True),
        hardware=bool(int.from_bytes(values.get(_FLAGS, b""), "big") & _HARDWARE),
        devices=tuple(_text(name) for _, name in attributes(hook.get(_DEVICES, b""))),
    )


def of(tables: Iterable[Flowtable], device: str) -> Flowtable | None:
    """The flowtable a device is in; of several the one that passes even a chain by."""
    found = sorted((one for one in tables if device in one.devices), key=lambda one: not one.comes_first)
    return found[0] if found else None


def _text(raw: bytes) -> str:
    return raw.rstrip(b"\0").decode(errors="replace")
