"""What passes a host by is said by `check`: virtual functions, vhost-user sockets, flowtables, XDP programs."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgeguard.check import unseen as module
from edgeguard.check.finding import Grade
from edgeguard.check.unseen import PassedBy, unseen
from edgeguard.enforcement import links
from edgeguard.enforcement.flowtables import Flowtable
from edgeguard.enforcement.links import Link
from edgeguard.model import Tap, TapKind

UNIX = """Num       RefCount Protocol Flags    Type St Inode Path
0000000000000000: 00000002 00000000 00010000 0001 01 17041 /run/edgeguard/edgeguard.sock
0000000000000000: 00000002 00000000 00010000 0001 01 17042 /var/run/openvswitch/vhu7c0ffee1-02
0000000000000000: 00000002 00000000 00010000 0001 01 17043 /var/lib/vhost-user/vm 103.sock
0000000000000000: 00000003 00000000 00000000 0001 03 17044
"""


def _tree(folder: Path, functions: str = "2", unix: str = UNIX) -> tuple[Path, Path]:
    """A /sys with one card, and a /proc."""
    device = folder / "sys" / "class" / "net" / "eth0" / "device"
    device.mkdir(parents=True)
    (device / "sriov_numvfs").write_text(functions)
    for number in range(2):
        place = folder / "sys" / "devices" / f"0000:3b:02.{number}"
        place.mkdir(parents=True)
        (device / f"virtfn{number}").symlink_to(place)
    (folder / "sys" / "class" / "net" / "lo").mkdir()
    (folder / "proc" / "net").mkdir(parents=True)
    (folder / "proc" / "net" / "unix").write_text(unix)
    return folder / "sys", folder / "proc"


def _tap(name: str) -> Tap:
    return Tap(0, name, "52:54:00:00:00:01", TapKind.ROUTED)


def test_virtual_functions_and_vhost_user_are_told(tmp_path: Path) -> None:
    """How many, where, and that nothing of them is seen or stopped; each as a warning."""
    card, sockets = unseen(*_tree(tmp_path))
    assert (card.grade, card.what, sockets.grade) == (Grade.WARNING, "eth0", Grade.WARNING)
    assert "2 virtual functions (0000:3b:02.0, 0000:3b:02.1)" in card.text and "neither seen nor stopped" in card.text
    assert "2 vhost-user sockets (/var/lib/vhost-user/vm 103.sock, /var/run/openvswitch/vhu7c0ffee1-02)" in sockets.text


@pytest.mark.parametrize("functions", ["0", "", "many"])
def test_a_host_without_them_hears_nothing(tmp_path: Path, functions: str) -> None:
    """A card that hands out none, or says nonsense, and sockets of others are no finding."""
    assert list(unseen(*_tree(tmp_path, functions, UNIX.splitlines()[0]))) == []
    assert list(unseen(tmp_path / "nowhere", tmp_path / "nowhere")) == []


def test_what_goes_round_a_null_route_is_told_by_tap(monkeypatch: pytest.MonkeyPatch) -> None:
    """A flowtable before our chain makes a tap impossible to null-route, a later one or an XDP program is said."""
    tables = [Flowtable("filter/fast", 0, False, ("tap1",)), Flowtable("filter/hard", 0, True, ("tap2",))]
    known = [Link(3, "tap3", 0, "veth", xdp=True), Link(4, "tap4", 0, "veth")]
    monkeypatch.setattr(module.flowtables, "listed", lambda netfilter: tables)
    monkeypatch.setattr(module.links, "listed", lambda: known)
    passed_by = PassedBy()
    assert passed_by.stops("tap2") == "its flows are in the flowtable filter/hard, before any chain of ours"
    assert [passed_by.stops(name) for name in ("tap1", "tap3", "tap4")] == [None, None, None]
    assert "by a chain because it is in the flowtable filter/fast" in passed_by.notes(_tap("tap1"))
    assert "an XDP program is attached" in passed_by.notes(_tap("tap3"))
    assert passed_by.notes(_tap("tap4")) == ""


def test_links_of_this_host_are_read() -> None:
    """The kernel's own listing is understood: no link here has an XDP program, and lo is among them."""
    found = links.listed()
    assert "lo" in {link.name for link in found}
    assert not any(link.xdp for link in found)
