"""A case with its verdicts and decisions, as rows; each inside the caller's transaction."""

from __future__ import annotations

import ipaddress
import sqlite3

from edgeguard import __version__
from edgeguard.cases import allowed, codec, together
from edgeguard.cases.case import Case
from edgeguard.cases.packing import pack, searched
from edgeguard.model import Decision, Order, Verdict


def key(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bytes:
    """Bytes whose order is the addresses' order within a family, and that keep the families apart."""
    return bytes([address.version]) + address.packed


def put_case(db: sqlite3.Connection, case: Case) -> None:
    """A closed case keeps its end, and every case its leader; all else is as the youngest writer knows it."""
    names = (case.vm, case.vm_name, case.tap, case.mac, case.customer, case.source, case.state)
    vm, vm_name, tap, mac, customer, source, state = (codec.text(name) for name in names)
    leader = together.leader(db, case)
    db.execute(
        "INSERT INTO cases (id, vm, vm_name, tap, ifindex, mac, customer, source, opened, state, leader)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (id) DO UPDATE SET vm = excluded.vm, vm_name = excluded.vm_name, tap = excluded.tap,"
        " ifindex = excluded.ifindex, mac = excluded.mac, customer = excluded.customer,"
        " source = excluded.source, state = excluded.state WHERE closed IS NULL",
        (case.id, vm, vm_name, tap, case.ifindex, mac, customer, source, int(case.opened), state, leader),
    )
    db.executemany(
        "INSERT OR IGNORE INTO case_addresses (case_id, prefix, first, last) VALUES (?, ?, ?, ?)",
        [(case.id, str(prefix), key(prefix[0]), key(prefix[-1])) for prefix in case.addresses],
    )


def put_verdict(db: sqlite3.Connection, case: str, verdict: Verdict) -> None:
    # Ids derive from content: the same verdict may lead to a second decision, narrow and then full.
    text = codec.dumps(verdict)
    db.execute(
        "INSERT OR IGNORE INTO verdicts (id, case_id, at, body, packed, version) VALUES (?, ?, ?, ?, ?, ?)",
        (verdict.id, case, int(verdict.at), searched("verdicts", text), pack(text), __version__),
    )


def put_decision(
    db: sqlite3.Connection, case: str, verdict: Verdict | None, decision: Decision, order: Order | None
) -> None:
    until, text = None if decision.until is None else int(decision.until), codec.dumps(decision)
    allowed.put_grace(db, decision)
    db.execute(
        "INSERT INTO decisions (id, case_id, verdict, at, act, enforced, until, body, packed, orders)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            decision.id,
            case,
            verdict.id if verdict else None,
            int(decision.at),
            decision.act,
            decision.enforced,
            until,
            searched("decisions", text),
            pack(text),
            codec.dumps(order) if order else None,
        ),
    )
    db.executemany(
        "INSERT INTO releases (decision, ends) VALUES (?, ?)", [(decision.id, ends) for ends in decision.releases]
    )
