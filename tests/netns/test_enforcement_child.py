"""The enforcing child as a process: its rights, what it survives, what it says when it cannot act."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from enforcement_host import TARGET4, UNCHECKED, Host, target, until
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeguard.enforcement import wire
from edgeguard.model import Happened, Order

_CAP_NET_ADMIN, _CAP_NET_RAW = 12, 13


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    with Host("routed") as host:
        host.start()
        yield host


def _rules(host: Host) -> list[Any]:
    """The policy rules of ours."""
    with host.host.routes() as ip:
        return [rule for rule in ip.get_rules(family=2) if rule.get_attr("FRA_PROTOCOL") == 78]


def _blackholes(host: Host) -> list[Any]:
    """The routes of ours."""
    with host.host.routes() as ip:
        return [route for route in ip.get_routes(family=2) if route["proto"] == 78]


def test_its_rights_and_files(host: Host) -> None:
    """The child holds two capabilities, for good, and of its parent's files the socketpair alone."""
    status = Path(f"/proc/{host.enforcer.pid}/status").read_text()
    values = dict(line.split(":\t") for line in status.splitlines() if ":\t" in line)
    assert int(values["CapEff"], 16) == int(values["CapPrm"], 16) == 1 << _CAP_NET_ADMIN | 1 << _CAP_NET_RAW
    assert values["NoNewPrivs"] == "1"
    files = [str(link.readlink()) for link in Path(f"/proc/{host.enforcer.pid}/fd").iterdir()]
    assert not [name for name in files if name.startswith("net:")]  # the test's own namespaces


@settings(max_examples=60, deadline=None)
@given(raw=st.binary(max_size=200))
def test_no_bytes_end_it(host: Host, raw: bytes) -> None:
    """Whatever arrives is refused in one outcome, and the child lives."""
    host.enforcer._channel.send(raw)
    assert host.wait("", Happened.FAILED).detail.startswith("refused: ")


def test_it_still_works_after_that(host: Host) -> None:
    """Oversized and malformed messages do not keep the next order from being carried out."""
    host.enforcer._channel.send(b"x" * (wire.MAX_MESSAGE + 10))
    host.wait("", Happened.FAILED)
    order = host.order("d-after")
    host.enforcer.order(order)
    host.wait("d-after", Happened.ACKNOWLEDGED)
    host.released(order)


def test_many_orders_at_once(host: Host) -> None:
    """Twenty orders with sixty-four targets each are all carried out, proved beside each other, and all end."""
    orders = [
        host.order(f"d-many-{n}", targets=tuple(target(f"198.18.{n}.{host_}") for host_ in range(1, 65)))
        for n in range(20)
    ]
    for order in orders:
        host.enforcer.order(order)
    for order in orders:
        host.until(order.decision, Happened.ACKNOWLEDGED)
    for order in orders:
        host.release(order)
    for order in orders:
        host.until(order.decision, Happened.RELEASED)
    assert not _rules(host)


def test_a_parent_that_does_not_listen(host: Host) -> None:
    """Orders are carried out and end in time while nobody reads their outcomes."""
    host.enforcer._channel.setblocking(True)
    for _ in range(1000):
        host.enforcer._channel.send(b'{"kind":"nothing"}')
    stood = False
    for seconds in (0.5, 2, 8, 32):  # a machine may be too slow to see a short one stand
        end = time.time_ns() + int(seconds * 1e9)
        for n in range(5):
            host.enforcer.order(host.order(f"d-deaf-{seconds}-{n}", targets=(target(f"198.18.0.{n}"),), until=end))
        while not stood and time.time_ns() < end:
            stood = len(_blackholes(host)) == 5
        if stood:
            break
    host.enforcer._channel.setblocking(False)
    assert stood
    until(lambda: not _blackholes(host) and not _rules(host), "all have ended")
    order = host.order("d-heard")
    host.enforcer.order(order)
    assert host.until("d-heard", Happened.ACKNOWLEDGED)
    host.released(order)


NO_RIGHTS = """
import sys
from edgeguard import config, native
from edgeguard.enforcement import wire
from edgeguard.enforcement.client import Enforcer
from edgeguard.enforcement.place import Place
from edgeguard.errors import EdgeGuardError
native.rights_keep()
order = wire.decode_request(sys.argv[1].encode())
try:
    place = Place.of(config.build({}).enforcement, ("wan0",), 10**9)
    enforcer = Enforcer.start(place, sys.argv[2:])
except EdgeGuardError as error:
    sys.exit(print(error))
enforcer.order(order)
while not (said := enforcer.poll()):
    pass
print(said[0].happened, said[0].detail)
enforcer.close()
"""


@pytest.mark.parametrize("kind", ["routed", "bridged"])
def test_without_rights(kind: str) -> None:
    """Without CAP_NET_ADMIN an order fails in one line that names the right; there is no traceback."""
    with Host(kind) as host, host.host.inside():
        order: Order = host.order("d-none", targets=(target(TARGET4),))
        done = subprocess.run(
            [sys.executable, "-c", NO_RIGHTS, wire.encode(order).decode(), *UNCHECKED],
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
    assert "CAP_NET_ADMIN is missing" in done.stdout, done
    assert "Traceback" not in done.stderr and len(done.stdout.splitlines()) == 1
