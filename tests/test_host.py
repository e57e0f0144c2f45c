"""The host around the VMs: real counters and real packets in, harm and doubt out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from oracles.counting import Packet, rows
from test_harm_conntrack import tree

from edgeguard.capture.taps import Carrier
from edgeguard.counting.distinct import Distinct
from edgeguard.counting.window import Counting
from edgeguard.daemon.host import CALM, Host
from edgeguard.model import Subject, Tap, TapKind, Vm
from edgeguard.record import TCP, Records

SECOND = 1_000_000_000
T = 1_767_225_600 * SECOND
TABLE = 262_144
ACK, SYN_ACK = 0x10, 0x12


@dataclass
class Fleet:
    """VMs in the rows of a real counter; each hangs on a link that does not exist, so its tap counts nothing."""

    customers: list[str]
    proc: Path
    now: int = T
    connections: int = 0
    counting: Counting = field(init=False)
    host: Host = field(init=False)

    def __post_init__(self) -> None:
        self.counting = Counting(0, by_source=False)
        self.host = Host(self.counting, lambda: [Carrier(2**30, "up0", True, False)], 0, self.proc, lambda name: None)
        for point in range(len(self.customers)):
            self.counting.assign(point, Subject(f"vm-{point}", f"tap{point}", None), ())

    def taps(self) -> list[tuple[int, Tap]]:
        mac = "02:00:00:00:00:01"
        return [(n, Tap(2**30 + 1 + n, f"tap{n}", mac, TapKind.ROUTED)) for n in range(len(self.customers))]

    def vm(self, point: int) -> Vm | None:
        return Vm(f"vm-{point}", f"web{point}", self.customers[point], None)

    def second(self, syns: dict[int, tuple[int, bool]], entries: int = 1_000) -> None:
        """Each point's SYNs in this second, whether they are answered and completed, and the table's entries after."""
        records = np.concatenate([self._connections(point, *what) for point, what in syns.items()])
        self.counting.add(records[np.argsort(records["ts"], kind="stable")], 0)
        self.now += SECOND
        tree(self.proc, entries, TABLE)
        self.host.take(self.now, self)

    def _connections(self, point: int, number: int, complete: bool) -> Records:
        """SYNs over the first half of the second; answers and third ACKs at once."""
        syns = rows([Packet(self.now, "syn", out_of=point)] * number)
        syns["ts"] += np.arange(number) * (SECOND // 2 // max(number, 1))
        syns["src_port"] = 1_024 + (self.connections + np.arange(number)) % 60_000
        self.connections += number
        if not complete:
            return syns
        answers, acks = rows([Packet(self.now, "synack", into=point)] * number), syns.copy()
        for ours, theirs in (("src_hi", "dst_hi"), ("src_lo", "dst_lo"), ("src_port", "dst_port")):
            answers[ours], answers[theirs] = syns[theirs], syns[ours]
        answers["ts"], acks["ts"] = syns["ts"] + 1, syns["ts"] + 2
        acks["kind"], acks["tcp_flags"], answers["tcp_flags"] = TCP, ACK, SYN_ACK
        return np.concatenate([syns, answers, acks])


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    made = Fleet([f"c-{n}" for n in range(6)], tmp_path)
    yield made
    made.host.close()


HEALTHY = dict.fromkeys(range(6), (10, True))
CUT = dict.fromkeys(range(6), (10, False))
FILLING = {0: (6_000, False)}


def test_a_quiet_host_has_nothing_to_say(fleet: Fleet) -> None:
    """Healthy connections and an empty table: neither harm nor doubt, for a row in use or for any other."""
    for _ in range(70):
        fleet.second(HEALTHY)
    assert {fleet.host.circumstances(point) for point in range(-1, 9)} == {CALM}
    told = fleet.host.told()
    assert told["harmful_points"] == 0
    assert told["return_path"] == {"witnesses": 6, "failing": 0, "needed": 3, "doubt": None}
    assert told["conntrack"]["filling_syn_rate"] == round((TABLE - 1_000) / 120, 1)  # type: ignore[index]


def test_a_cut_way_back_is_in_doubt_for_everybody(fleet: Fleet) -> None:
    """From real SYNs, SYN-ACKs and third ACKs: when the answers stop, everybody is in doubt, harm is nobody's."""
    for _ in range(70):
        fleet.second(HEALTHY)
    for _ in range(3):
        fleet.second(CUT)
    assert list(fleet.host.troubles()) == ["way back"]
    for point in range(6):
        assert "5 of 5 other customers" in str(fleet.host.circumstances(point).in_doubt)
        assert fleet.host.circumstances(point).harm is None


def test_who_fills_the_table_is_not_shielded_by_what_it_does(fleet: Fleet) -> None:
    """A flood fills the table, and the others fail because of it: harm for the flood and no doubt; the others, who only
    suffer, are in doubt."""
    for _ in range(70):
        fleet.second(HEALTHY, 185_000)
    entries = 185_000
    for second in range(12):
        entries = min(TABLE, entries + 6_000)
        fleet.second((HEALTHY if second < 5 else CUT) | FILLING, entries)
    assert fleet.host.troubles()["connection table"].startswith("the connection table is 98 % full (257,000 of 262,144")
    flood = fleet.host.circumstances(0)
    assert "new flows a second are this VM's" in str(flood.harm)
    assert flood.in_doubt is None
    assert fleet.host.circumstances(1).in_doubt is not None
    assert fleet.host.circumstances(1).harm is None


def test_harm_that_came_after_the_cut_does_not_end_the_doubt(fleet: Fleet) -> None:
    """With the way back cut first, a busy client that retries until the table is full is still in doubt."""
    for _ in range(70):
        fleet.second(HEALTHY, 185_000)
    for _ in range(10):
        fleet.second(CUT, 185_000)
    entries = 185_000
    for _ in range(8):
        entries += 6_000
        fleet.second(CUT | FILLING, entries)
    around = fleet.host.circumstances(0)
    assert around.harm is not None
    assert around.in_doubt is not None


def test_udp_targets_fill_the_table_too(tmp_path: Path) -> None:
    """A UDP spray is found by how many targets it has, asked only while the table is in trouble."""
    fleet = Fleet(["c-0", "c-1"], tmp_path)
    fleet.counting = Counting(0, by_source=False, distinct=Distinct((1, 2), 2))
    fleet.counting.assign(0, Subject("vm-0", "tap0", None), ())
    fleet.counting.assign(1, Subject("vm-1", "tap1", None), ())
    fleet.host = Host(fleet.counting, list, 0, tmp_path, lambda name: None)
    for second in range(6):
        spray = rows([Packet(fleet.now + 800_000_000, "udp", out_of=0)] * 5_000)
        spray["dst_lo"] += np.arange(5_000, dtype=np.uint64)
        fleet.counting.add(spray, 0)
        fleet.now += SECOND
        fleet.counting.tick(fleet.now - 1)
        tree(tmp_path, 190_000 + second * 5_000, TABLE)
        fleet.host.take(fleet.now, fleet)
    assert fleet.host.circumstances(0).harm is not None
    assert fleet.host.circumstances(1).harm is None
    fleet.host.close()
