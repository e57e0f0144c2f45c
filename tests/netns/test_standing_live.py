"""The real daemon and a provider of standings: waited for, told, null-routed; and a settled case over a restart."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from test_precautions_live import configure, decisions, flooding, is_null_routed, refused
from test_rules_file import until
from test_runbook import Host, host  # noqa: F401 - a fixture

from edgeguard.model import Act, Decision, Scope

STANDING = '[standing]\nfile = "{}"\nkeep = "2s"\npatience_hard = "4s"\n'


def provider(host: Host, **entry: object) -> Path:  # noqa: F811
    """A file in which both customers have this entry."""
    file = host.folder / "customers.json"
    new = file.with_suffix(".new")
    new.write_text(json.dumps({"customer": {"C-101": entry, "C-102": entry}}))
    new.rename(file)
    return file


def own(host: Host, *customers: str) -> None:  # noqa: F811
    """The VMs have customers."""
    file = host.folder / "inventory.toml"
    text = file.read_text()
    for vm, customer in zip(("vm-101", "vm-102"), customers, strict=True):
        text = text.replace(f'id = "{vm}"', f'id = "{vm}"\ncustomer = "{customer}"')
    file.write_text(text, encoding="utf-8")


def trouble(host: Host) -> str:  # noqa: F811
    return str(json.loads(host.edgeguard("status", "--json"))["trouble"])


def null_routes(host: Host, vm: str) -> list[Decision]:  # noqa: F811
    return [decision for decision in decisions(host, vm) if decision.act is Act.NULL_ROUTE]


def test_a_good_customer_is_waited_for(host: Host) -> None:  # noqa: F811
    """Its hard flood is held back for as long as configured, silently, and then null-routed; `explain` says
    what the provider said; a fact that is no ground is trouble of the provider's, and nobody waits any more."""
    file = provider(host, standing="good", facts={"contact_verified": True})
    configure(host, STANDING.format(file))
    own(host, "C-101", "C-102")
    host.start()
    until(lambda: "standing" not in trouble(host))
    with flooding(host, "tap101"):
        until(lambda: is_null_routed(host, "vm-101"))
        host.settles(1)
    first, second = (one for one in decisions(host, "vm-101") if one.act is not Act.RELEASE)
    assert (first.scope, first.silent, second.scope) == (Scope.OBSERVE, True, Scope.NARROW)
    assert (second.at - first.at) / 1e9 >= 4.0
    assert "contact verified: yes" in refused(host, "vm-101", "standing")
    assert "good by the provider, as of" in host.edgeguard("explain", "vm-101")
    provider(host, standing="good", facts={"payment_overdue": False})
    until(lambda: "payment_overdue" in trouble(host))
    with flooding(host, "tap102"):
        until(lambda: is_null_routed(host, "vm-102"))
    (only,) = (one for one in decisions(host, "vm-102") if one.act is not Act.RELEASE)
    (said,) = (answer for answer in only.safeties if answer.name == "standing")
    assert said.answer == "unknown" and "may not be a ground" in said.reason
    assert host.stop() == 0


@pytest.mark.long  # a whole daemon of its own; the other is looked at by default
def test_a_settled_case_counts_over_a_restart(host: Host) -> None:  # noqa: F811
    """Closed as confirmed, the next hard flood of the customer is full, also in the eyes of the next daemon."""
    configure(host, "loss = 1.0\n")  # of [capture]: full needs whole counts, and a ring that starts may lose a frame
    own(host, "C-1", "C-1")
    host.start()
    with flooding(host, "tap101"):
        until(lambda: is_null_routed(host, "vm-101"))
        host.settles(1)
    host.edgeguard("case", "release", "vm-101", "--as", "rebuilt", "--why", "made anew")
    host.edgeguard("case", "close", "vm-101", "--outcome", "confirmed", "--why", "a bot on it")
    assert host.stop() == 0
    host.start()
    with flooding(host, "tap102"):
        until(lambda: is_null_routed(host, "vm-102"))
    assert [(one.scope, one.page) for one in null_routes(host, "vm-102")] == [(Scope.FULL, "counted prior")]
    assert host.stop() == 0
