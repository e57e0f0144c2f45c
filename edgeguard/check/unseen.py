"""What passes this host by: machines whose frames never meet a tap, and flows that never meet a null route."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from edgeguard.check.finding import Finding, warning
from edgeguard.enforcement import filters, flowtables, links
from edgeguard.enforcement.flowtables import Flowtable
from edgeguard.enforcement.netfilter import Netfilter
from edgeguard.errors import EnforcementError
from edgeguard.model import Tap

SHOWN = 4  # of a list
VHOST_USER = ("vhost-user", "vhostuser", "/vhu")  # in the names that Open vSwitch, VPP and OpenStack give their sockets
_PATH = 7  # the column of /proc/net/unix


def unseen(sys: Path = Path("/sys"), proc: Path = Path("/proc")) -> Iterator[Finding]:
    """Virtual functions of network cards, and vhost-user sockets: neither counted nor stopped here."""
    for functions in sorted(sys.glob("class/net/*/device/sriov_numvfs")):
        number = _number(functions)
        if number:
            name = functions.parents[1].name
            places = sorted(link.resolve().name for link in functions.parent.glob("virtfn*"))
            text = f"{number} virtual functions ({_some(places)}) are handed out by SR-IOV"
            yield warning("unseen", name, f"{text}: their frames pass this host by, neither seen nor stopped")
    sockets = sorted(_vhost_user(proc))
    if sockets:
        text = f"{len(sockets)} vhost-user sockets ({_some(sockets)}): VMs behind them have no tap"
        yield warning("unseen", "vhost-user", f"{text}, they are neither seen nor stopped")


def _number(file: Path) -> int:
    try:
        return int(file.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return 0


def _vhost_user(proc: Path) -> Iterator[str]:
    try:
        lines = (proc / "net" / "unix").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return
    for line in lines[1:]:
        columns = line.split(maxsplit=_PATH)
        if len(columns) > _PATH and any(word in columns[_PATH] for word in VHOST_USER):
            yield columns[_PATH]


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "") if names else "of unknown place"


class PassedBy:
    """What goes round a tap's null route, looked up once for all taps. Without the right to look nothing is known."""

    def __init__(self) -> None:
        self._flowtables: list[Flowtable] = []
        self._programs: set[str] = set()
        try:
            with Netfilter() as netfilter:
                self._flowtables = flowtables.listed(netfilter)
            self._programs = {link.name for link in links.listed() if link.xdp}
        except (EnforcementError, OSError):
            return

    def stops(self, tap: str) -> str | None:
        """Why nothing can stop what comes out of a tap; None: something can."""
        first = [one.name for one in self._flowtables if tap in one.devices and one.comes_first]
        return f"its flows are in the flowtable {first[0]}, before any chain of ours" if first else None

    def notes(self, tap: Tap) -> str:
        """What else there is to know of it, to be put behind a sentence."""
        tables = [one.name for one in self._flowtables if tap.name in one.devices]
        told = f", by a chain because it is in the flowtable {tables[0]}" if tables else ""
        if tap.name in self._programs:
            told += "; an XDP program is attached: what it redirects or drops is not seen"
        return told + _filters(tap.ifindex)


def _filters(ifindex: int) -> str:
    try:
        first = [one for one in filters.listed(ifindex) if one.passes_by]
    except (EnforcementError, OSError):
        return ""
    kinds = _some(sorted({f"{one.kind} in hardware" if one.hardware else one.kind for one in first}))
    return f"; tc filters ({kinds}) take frames before any null route: those are not stopped" if first else ""
