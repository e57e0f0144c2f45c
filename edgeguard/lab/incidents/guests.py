"""The VMs of an incident's hosts, as an inventory has them, and the configuration that holds there."""

from __future__ import annotations

from typing import Any

from edgeguard import config
from edgeguard.config import Config

DESK = "desk@example.net"
READ_WITHIN = "30m"
ENFORCE = ["all.act", "all.hard"]


def guests(number: int, customer: str = "", contact: str = "") -> tuple[dict[str, Any], ...]:
    """So many VMs, each of a customer of its own unless one is named for all."""
    return tuple(
        {
            "id": f"vm-{n}",
            "name": f"server{n}.example.net",
            "customer": customer or f"customer {n}",
            "contact": contact or f"owner{n}@example.net",
            "taps": [f"tap{n}"],
            "addresses": [address(n)],
        }
        for n in range(number)
    )


def address(vm: int) -> str:
    """The VM's own."""
    return f"192.0.2.{10 + vm}"


def configured(host: int, vms: tuple[dict[str, Any], ...], server: str) -> Config:
    """The shipped defaults, and what an operator who enforces would set."""
    return config.build(
        {
            "enforce": ENFORCE,
            "host": {"name": f"hv{host + 1}.example.net", "place": "rack 12"},
            "inventory": {"vm": list(vms)},
            "mail": {
                "server": server,
                "from": "EdgeGuard <abuse@example.net>",
                "reply_to": "abuse+{case}@example.net",
                "desk": DESK,
                "tls": "none",
                "read_within": READ_WITHIN,
            },
        }
    )
