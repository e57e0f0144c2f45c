"""Two VMs of one customer at the real daemon: one entry, one command, and both are looked at in the kernel."""

from __future__ import annotations

import json
import shlex
import subprocess

import pytest
from test_runbook import INVENTORY, Host, host  # noqa: F401 - a fixture


def test_both_are_one_entry_and_freed_by_what_the_last_line_says(host: Host) -> None:  # noqa: F811
    """A routed tap and a bridged one: released alone, the command names the other; pasted, it frees that, too, each
    with its own decision, and the kernel holds nothing of either."""
    owned = INVENTORY.replace("[[vm]]", '[[vm]]\ncustomer = "Example Batch"')
    (host.folder / "inventory.toml").write_text(owned, encoding="utf-8")
    host.start()
    host.null_route_both()
    listed = host.edgeguard("case", "list", "--open").splitlines()
    assert len(listed) == 2 and "full (1 of 2)" in listed[1] and "2 VMs" in listed[1]
    shown = host.edgeguard("next")
    assert "null-routed at 2 of 2 VMs (1 full, 1 narrow)" in shown
    (leader,) = {json.loads(line)["leader"] for line in host.edgeguard("case", "list", "--json").splitlines()}
    assert shown.startswith(leader)

    told = host.edgeguard("case", "release", "vm-101", "--as", "fixed", "--why", "it's clean").splitlines()
    assert "the kernel holds nothing of it any more" in "".join(told) and host.of_ours() == []
    who, _, command = told[-1].partition(" of the same customer is null-routed, too; for all: ")
    assert "vm-101" not in who and "null routes" not in who and who.startswith("EG-")
    rest = host.edgeguard(*shlex.split(command)[1:-2])
    assert "vm-102: idle, or not reached" in rest
    assert host.edgeguard("nullroute", "list") == "nothing is null-routed\n"
    assert "203.0.113.7" not in host.namespace.run("nft", "list", "ruleset").stdout
    for vm in ("vm-101", "vm-102"):
        (found,) = [
            entry["text"]
            for entry in json.loads(host.edgeguard("case", "show", vm, "--json"))["story"]
            if entry["what"] == "decision" and "release" in entry["text"]
        ]
        assert "as fixed: it's clean" in found
    with pytest.raises(subprocess.CalledProcessError):
        host.edgeguard("case", "release", leader, "--as", "fixed", "--why", "again", "--together")
