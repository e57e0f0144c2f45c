"""tc filters at a link's ingress, as far as they take frames away before a null route: in hardware, or by redirecting.

tc is asked before netfilter's ingress hook and before any route. Formats: linux/pkt_cls.h, linux/tc_act/tc_mirred.h.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from edgeguard.enforcement.dump import dumped
from edgeguard.enforcement.netlink import attributes

_RTM_NEWTFILTER, _RTM_GETTFILTER = 44, 46
_TCMSG = struct.Struct("=BxxxiIII")  # family, ifindex, handle, parent, info
_INGRESS = 0xFFFFFFF2  # TC_H_CLSACT and TC_H_MIN_INGRESS; of an ingress qdisc, too
_TCA_KIND, _TCA_OPTIONS = 1, 2
# Where each classifier keeps actions and flags: TCA_U32_ACT, TCA_U32_FLAGS, ..., TCA_BPF_FLAGS_GEN.
_PLACES = {"u32": (7, 11), "bpf": (1, 9), "flower": (3, 22), "matchall": (2, 3)}
_IN_HARDWARE = 1 << 2  # TCA_CLS_FLAGS_IN_HW
_ACT_KIND, _ACT_OPTIONS, _MIRRED_PARMS = 1, 2, 2
_MIRRED = struct.Struct("=IIiiiiI")  # tc_gen, then eaction and ifindex
_REDIRECTS = (1, 3)  # TCA_EGRESS_REDIR, TCA_INGRESS_REDIR; 2 and 4 copy


@dataclass(frozen=True, slots=True)
class Filter:
    """What one filter does to frames before we see them. A BPF program may do anything."""

    kind: str  # 'flower', 'matchall', 'u32', 'bpf'
    hardware: bool
    redirects: bool

    @property
    def passes_by(self) -> bool:
        return self.hardware or self.redirects or self.kind == "bpf"


def listed(ifindex: int) -> list[Filter]:
    """The filters at a link's ingress. EnforcementError when the kernel refuses to list them."""
    body = _TCMSG.pack(0, ifindex, 0, _INGRESS, 0)
    found = (_filter(part) for part in dumped(_RTM_GETTFILTER, _RTM_NEWTFILTER, body, f"the tc filters of {ifindex}"))
    return list(dict.fromkeys(one for one in found if one))


def _filter(part: bytes) -> Filter | None:
    values = dict(attributes(part[_TCMSG.size :]))
    kind = values.get(_TCA_KIND, b"").rstrip(b"\0").decode(errors="replace")
    options = dict(attributes(values.get(_TCA_OPTIONS, b"")))
    if kind not in _PLACES or not options:
        return None
    actions, flags = _PLACES[kind]
    hardware = int.from_bytes(options.get(flags, b""), sys.byteorder) & _IN_HARDWARE
    return Filter(kind, bool(hardware), any(_redirections(options.get(actions, b""))))


def _redirections(actions: bytes) -> Iterator[bool]:
    for _, action in attributes(actions):
        values = dict(attributes(action))
        if values.get(_ACT_KIND, b"").rstrip(b"\0") == b"mirred":
            parms = dict(attributes(values.get(_ACT_OPTIONS, b""))).get(_MIRRED_PARMS, b"")
            yield len(parms) >= _MIRRED.size and _MIRRED.unpack_from(parms)[5] in _REDIRECTS
