"""The lab's hosts: every way works on every kind, as root and as an ordinary user, and the root
namespace never notices."""

from __future__ import annotations

import os
import smtplib
import socket
from pathlib import Path
from typing import Any

import pytest
from laboratory import NOBODY, in_lab

from edgeguard.lab import addresses as plan
from edgeguard.lab import exchange, wan
from edgeguard.lab.stage import ask, settle
from edgeguard.lab.topology import KINDS, Topology
from edgeguard.lab.worker import Worker


def _silent(topology: Topology) -> bool:
    """Whether a SYN to the flood's port gets no answer at all."""
    with topology.vm.namespace.inside(), socket.socket() as sock:
        sock.settimeout(0.3)
        try:
            sock.connect((plan.TARGETS[0], plan.SYN_PORT))
        except TimeoutError:
            return True
    return False


def _mail(topology: Topology) -> None:
    with topology.hypervisor.namespace.inside(), smtplib.SMTP(plan.MAIL, plan.MAIL_PORT, timeout=60) as server:
        server.sendmail("abuse@example.net", ["owner@example.net"], "Subject: hello\n\nworld\n")


def _visit(kind: str) -> dict[str, Any]:
    topology = Topology(kind)
    services = Worker(topology.wan.namespace, wan.serve)
    services.wait(60)
    settle(topology)
    answered = {
        (name, question.protocol, question.address): ask(node, question)
        for name, node in (("vm", topology.vm), ("neighbour", topology.neighbour))
        for question in exchange.WITH_TARGETS
    }
    found = {"answered": answered, "silent": _silent(topology), "pid": os.getpid()}
    _mail(topology)
    found["mails"] = [mail.recipients for mail in services.finish() if isinstance(mail, wan.Mail)]
    topology.close()
    return found


@pytest.mark.parametrize("uid", [None, NOBODY], ids=["root", "nobody"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_way_works(kind: str, uid: int | None) -> None:
    """VM and neighbour reach the service and all targets by TCP and UDP over IPv4 and IPv6, the host
    reaches the mail server, and the flood's ports answer nothing."""
    found = in_lab(lambda: _visit(kind), uid)
    assert all(found["answered"].values()), found["answered"]
    assert len(found["answered"]) == 28
    assert found["silent"]
    assert found["mails"] == [("owner@example.net",)]
    assert found["pid"] == 1


def _root_namespace() -> tuple[Any, ...]:
    forwarding = [Path(f"/proc/sys/net/{name}").read_text() for name in ("ipv4/ip_forward", "ipv6/conf/all/forwarding")]
    return socket.if_nameindex(), forwarding, Path("/proc/net/route").read_text(), Path("/proc/mounts").read_text()


def test_the_root_namespace_is_left_alone() -> None:
    """Interfaces, forwarding, routes and mounts outside are the same while and after a lab stands."""
    before = _root_namespace()
    in_lab(lambda: _visit("routed"))
    assert _root_namespace() == before
