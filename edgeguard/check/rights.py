"""The rights of this process, read from /proc and tried on the kernel."""

from __future__ import annotations

import errno
import importlib
import os
import socket
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

from edgeguard.check.finding import Finding, ok, wrong

# Numbers in linux/capability.h, and what each is for.
NEEDED = {
    "CAP_NET_RAW": (13, "to capture"),
    "CAP_NET_ADMIN": (12, "to null-route; only the enforcing child keeps it"),
}
_AS_ROOT = "run as root, or give it with systemd's AmbientCapabilities"

SOL_PACKET, PACKET_VERSION, TPACKET_V3, PACKET_VNET_HDR = 263, 10, 2, 15  # linux/if_packet.h
RTM_GETRULE, NLMSG_ERROR = 34, 2
NLM_F_REQUEST_DUMP = 0x301
_NLMSG = struct.Struct("=IHHII")
_RULE = struct.Struct("=BBBBBBBBI")  # struct fib_rule_hdr


def rights(proc: Path = Path("/proc")) -> Iterator[Finding]:
    """Each capability a run needs."""
    held = effective(proc)
    for name, (number, why) in NEEDED.items():
        if held >> number & 1:
            yield ok("rights", name, f"held, {why}")
        else:
            yield wrong("rights", name, f"missing, needed {why}: {_AS_ROOT}")


def effective(proc: Path) -> int:
    """CapEff of this process as a number; 0 where it cannot be read."""
    for line in (proc / "self" / "status").read_text().splitlines():
        if line.startswith("CapEff:"):
            return int(line.split()[1], 16)
    return 0


def back_ends() -> Iterator[Finding]:
    """What captures and what null-routes, each tried without changing anything."""
    yield _extension()
    yield _tried("AF_PACKET ring", "TPACKET_V3 with PACKET_VNET_HDR", _open_ring)
    yield _tried("routing rules", "for routed taps", _list_rules)
    yield _tried("nf_tables", "for taps in a bridge", _list_tables)


def _extension() -> Finding:
    """native refuses to load in words; here the words are a finding."""
    try:
        importlib.import_module("edgeguard.native")  # not above: without it the other checks go on
    except SystemExit as refused:
        return wrong("back-end", "C extension", str(refused).removeprefix("edgeguard: "))
    return ok("back-end", "C extension", "loaded")


def _tried(what: str, use: str, attempt: Callable[[], object]) -> Finding:
    try:
        attempt()
    except OSError as error:
        return wrong("back-end", what, f"{use}: {_why(error)}")
    return ok("back-end", what, use)


def _why(error: OSError) -> str:
    if error.errno in (errno.EPERM, errno.EACCES):
        return f"not permitted: {_AS_ROOT}"
    return f"the kernel refuses: {os.strerror(error.errno or 0)}; it was built without, or a module is missing"


def _open_ring() -> None:
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as ring:  # protocol 0: nothing is delivered
        ring.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
        ring.setsockopt(SOL_PACKET, PACKET_VERSION, TPACKET_V3)


def _list_rules() -> None:
    """A dump of the IPv4 rules; a kernel without CONFIG_IP_MULTIPLE_TABLES refuses it."""
    _dump(socket.NETLINK_ROUTE, RTM_GETRULE, _RULE.pack(socket.AF_INET, 0, 0, 0, 0, 0, 0, 0, 0))


def _list_tables() -> None:
    """A dump of the netdev tables: NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETTABLE, nfgenmsg NFPROTO_NETDEV."""
    _dump(12, 10 << 8 | 1, struct.pack(">BBH", 5, 0, 0))


def _dump(family: int, kind: int, body: bytes) -> None:
    """Ask for a listing; OSError with the kernel's errno when it refuses."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, family) as netlink:
        netlink.settimeout(10)  # the kernel may load a module first
        netlink.sendto(_NLMSG.pack(_NLMSG.size + len(body), kind, NLM_F_REQUEST_DUMP, 1, 0) + body, (0, 0))
        answer = netlink.recv(65_536)
    if _NLMSG.unpack_from(answer)[1] == NLMSG_ERROR:
        number = -struct.unpack_from("=i", answer, _NLMSG.size)[0]
        if number:
            raise OSError(number, os.strerror(number))
