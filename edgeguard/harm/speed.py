"""The speed of a link, asked of its driver by ethtool's ioctl.

/sys/class/net/NAME/speed tells the same, but of the network namespace that mounted /sys, which need not
be ours; an ioctl is always of the namespace of its socket. It needs no right.
"""

from __future__ import annotations

import array
import fcntl
import socket
import struct

SIOCETHTOOL = 0x8946
ETHTOOL_GSET = 1
UNKNOWN = (0, 0xFFFF, 0xFFFF_FFFF)  # SPEED_UNKNOWN; 0 while there is no carrier
MEGABIT = 1_000_000

_SETTINGS = struct.Struct("=IIIHBBBBBBIIHBBI8x")  # struct ethtool_cmd
_SPEED, _SPEED_HIGH = 3, 12  # of its fields


def speed(name: str) -> int | None:
    """Bits a second of a link of this namespace; None: it has none, does not tell it, or is not there."""
    settings = array.array("B", struct.pack("=I", ETHTOOL_GSET).ljust(_SETTINGS.size, b"\0"))
    request = struct.pack("16sQ16x", name.encode()[:15], settings.buffer_info()[0])
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
            fcntl.ioctl(sock, SIOCETHTOOL, request)
    except OSError:
        return None
    fields = _SETTINGS.unpack(settings)
    megabits = fields[_SPEED] | fields[_SPEED_HIGH] << 16
    return None if megabits in UNKNOWN else megabits * MEGABIT
