"""The inventory: who owns a tap, a MAC, an address, and what a wrong file does."""

from __future__ import annotations

import json
import os
import tomllib
from ipaddress import IPv4Address, IPv4Network, IPv6Network, ip_address
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeguard import config
from edgeguard.errors import ConfigError, UsageError
from edgeguard.inventory import FileInventory, Index, configured
from edgeguard.inventory.entries import parse
from edgeguard.model import Vm

TOML = """
[[vm]]
id = "vm-101"
name = "web1"
customer = "C-7"
contact = "owner@example.net"
taps = ["tap101"]
macs = ["02-00-5E-10-00-01"]
addresses = ["192.0.2.10", "2001:db8:101::/64"]
place = "rack 12"

[[vm]]
id = "vm-102"
name = "db1"
taps = ["tap102"]
addresses = ["192.0.2.11"]
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "inventory.toml"
    path.write_text(TOML)
    return path


def rewrite(path: Path, text: str) -> None:
    """As editors do it: a new file renamed over the old one."""
    new = path.with_suffix(".new")
    new.write_text(text)
    new.replace(path)


def test_every_field_of_an_entry_is_kept(file: Path) -> None:
    """A VM read from a file must carry all that the file says, in the spelling the model uses."""
    assert FileInventory(file).vms()[0] == Vm(
        id="vm-101",
        name="web1",
        customer="C-7",
        contact="owner@example.net",
        taps=("tap101",),
        macs=("02:00:5e:10:00:01",),
        addresses=(IPv4Network("192.0.2.10/32"), IPv6Network("2001:db8:101::/64")),
        place="rack 12",
    )


@pytest.mark.parametrize(
    "term",
    ["vm-101", "web1", "tap101", "02:00:5e:10:00:01", "02-00-5E-10-00-01", "192.0.2.10", "2001:db8:101::99"],
)
def test_an_operator_may_name_a_vm_by_anything_it_has(file: Path, term: str) -> None:
    """Id, name, tap, MAC in any spelling and address must all lead to the same VM."""
    found = FileInventory(file).by_term(term)
    assert found is not None
    assert found.id == "vm-101"


@pytest.mark.parametrize("term", ["", "vm-103", "192.0.2.12", "2001:db8:102::1", "02:00:5e:10:00:02", "tap"])
def test_an_unknown_term_is_nobody(file: Path, term: str) -> None:
    """What no VM has must find no VM."""
    assert FileInventory(file).by_term(term) is None


def test_a_name_that_fits_two_vms_is_refused_with_their_ids() -> None:
    """Customers choose names freely, so an ambiguous one must be answered with the ids."""
    twins = Index(Vm(id=f"vm-{n}", name="web", customer=None, contact=None) for n in (1, 2))
    with pytest.raises(UsageError, match=r"'web' fits 2 VMs \(vm-1, vm-2\)"):
        twins.by_term("web")


def test_json_and_toml_give_the_same_vms(file: Path, tmp_path: Path) -> None:
    """The two formats must differ in spelling only."""
    as_json = tmp_path / "inventory.json"
    rows = [
        {
            "id": "vm-101",
            "name": "web1",
            "customer": "C-7",
            "contact": "owner@example.net",
            "taps": ["tap101"],
            "macs": ["02:00:5e:10:00:01"],
            "addresses": ["192.0.2.10", "2001:db8:101::/64"],
            "place": "rack 12",
        },
        {"id": "vm-102", "name": "db1", "taps": ["tap102"], "addresses": ["192.0.2.11"]},
    ]
    for document in (rows, {"vm": rows}):
        as_json.write_text(json.dumps(document))
        assert FileInventory(as_json).vms() == FileInventory(file).vms()


def test_all_findings_come_together() -> None:
    """A file with many mistakes must be refused once, naming each mistake and its VM."""
    text = """
    [[vm]]
    id = "a"
    taps = ["tap1"]
    macs = ["02:00:5e:10:00:01"]
    addresses = ["192.0.2.10"]
    [[vm]]
    id = "a"
    taps = ["tap1"]
    macs = ["02:00:5e:10:00:01"]
    addresses = ["192.0.2.10/32"]
    [[vm]]
    id = "b"
    taps = ["a-name-too-long-for-linux"]
    macs = ["01:00:5e:00:00:01", "2:0:5e:10:0:1"]
    addresses = ["192.0.2.1/24", "0.0.0.0/0", 7]
    contact = "owner@example.net\\nBcc: all@example.net"
    colour = "red"
    [[vm]]
    id = "c"
    """
    with pytest.raises(ConfigError) as refused:
        parse(text, "inventory.toml")
    told = "\n".join(refused.value.findings)
    for part in (
        "vm 2 (a): id a already belongs to vm 1 (a)",
        "vm 2 (a): tap tap1 already belongs to vm 1 (a)",
        "vm 2 (a): MAC 02:00:5e:10:00:01 already belongs to vm 1 (a)",
        "vm 2 (a): address 192.0.2.10/32 already belongs to vm 1 (a)",
        "vm 3 (b): taps.0: 'a-name-too-long-for-linux'",
        "vm 3 (b): macs.0: '01:00:5e:00:00:01' is a group",
        "vm 3 (b): macs.1: '2:0:5e:10:0:1' is no MAC",
        "vm 3 (b): addresses.0: '192.0.2.1/24' is not an address or prefix: 192.0.2.1/24 has host bits set",
        "vm 3 (b): addresses.1: '0.0.0.0/0'",
        "vm 3 (b): addresses.2: 7 is not an address",
        "vm 3 (b): contact:",
        "vm 3 (b): colour: unknown key",
        "vm 4 (c): has no tap, MAC or address",
    ):
        assert part in told
    assert all(finding.startswith("inventory.toml: vm ") for finding in refused.value.findings)


@pytest.mark.parametrize(
    "text",
    ["[[vm]", '{"vm": [', "vm = 3", "[vms]\nid = 'a'", "[[vm]]\nname = 'no id'", '{"vm": [3]}', "vm = [1979-05-27]"],
)
def test_a_file_that_is_no_inventory_is_refused(text: str) -> None:
    """Broken text and wrong shapes must give findings, never another exception."""
    with pytest.raises(ConfigError):
        parse(text, "inventory")


def test_an_unreadable_file_is_one_sentence(tmp_path: Path) -> None:
    """A file that is missing, a folder or no text must be named with the reason."""
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        FileInventory(tmp_path / "missing.toml")
    with pytest.raises(ConfigError, match="Is a directory"):
        FileInventory(tmp_path)
    garbage = tmp_path / "garbage"
    garbage.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="not UTF-8"):
        FileInventory(garbage)


def test_no_file_is_an_inventory_without_vms() -> None:
    """With no file configured nobody is known, and that is no error."""
    nobody = configured(config.build({}).inventory)
    assert nobody.vms() == ()
    assert nobody.by_tap("tap101") is None


def test_vms_may_stand_in_the_configuration_itself(file: Path) -> None:
    """A configuration that carries its VMs must give the same inventory as a file, with the same checks."""
    rows = tomllib.loads(TOML)["vm"]
    inline = configured(config.build({"inventory": {"vm": rows}}).inventory)
    assert inline.vms() == FileInventory(file).vms()
    assert inline.reload_if_changed() is None
    with pytest.raises(ConfigError, match=r"\[inventory\]: vm 2 \(vm-101\): tap tap101 already belongs"):
        configured(config.build({"inventory": {"vm": [rows[0], rows[0]]}}).inventory)
    with pytest.raises(ConfigError, match="one of the two"):
        config.build({"inventory": {"file": str(file), "vm": rows}})


def test_a_changed_file_is_read_again_once(file: Path) -> None:
    """A change must be seen, said once, and not again."""
    inventory = FileInventory(file)
    assert inventory.reload_if_changed() is None
    rewrite(file, TOML.replace("tap101", "tap999"))
    assert inventory.reload_if_changed() == f"inventory {file}: read again, 2 VMs: other: vm-101 (taps)"
    assert inventory.reload_if_changed() is None
    assert inventory.by_tap("tap101") is None
    assert inventory.by_tap("tap999") == inventory.by_term("vm-101")


def test_a_wrong_file_keeps_the_last_good_one(file: Path) -> None:
    """A tap that belongs to two VMs, garbage or a deleted file must change nothing and be said once each."""
    inventory = FileInventory(file)
    before = inventory.vms()
    rewrite(file, TOML.replace("tap102", "tap101"))
    told = inventory.reload_if_changed()
    assert told is not None
    assert "vm 2 (vm-102): tap tap101 already belongs to vm 1 (vm-101)" in told
    assert "the last good one with 2 VMs stays in use" in told
    assert inventory.reload_if_changed() is None
    assert inventory.trouble == told

    file.write_bytes(b"\xff")
    assert "not UTF-8" in (inventory.reload_if_changed() or "")
    file.unlink()
    assert "No such file" in (inventory.reload_if_changed() or "")
    assert inventory.reload_if_changed() is None
    assert inventory.vms() == before

    file.write_text(TOML)
    assert "read again" in (inventory.reload_if_changed() or "")
    assert inventory.trouble is None


def test_a_change_that_keeps_size_and_mtime_is_seen(file: Path) -> None:
    """A file replaced by a tool that restores the modification time must still be read again."""
    inventory = FileInventory(file)
    was = file.stat()
    rewrite(file, TOML.replace("tap101", "tap109"))
    os.utime(file, ns=(was.st_atime_ns, was.st_mtime_ns))
    assert inventory.reload_if_changed() is not None
    assert inventory.by_tap("tap109") is not None


PREFIXES = st.builds(
    lambda value, length: IPv4Network((value >> (32 - length) << (32 - length), length)),
    st.integers(int(IPv4Address("198.51.100.0")), int(IPv4Address("198.51.100.255"))),
    st.integers(24, 32),
)


@given(st.lists(PREFIXES, unique=True, max_size=30), st.integers(0, 255))
def test_the_longest_prefix_wins(prefixes: list[IPv4Network], host: int) -> None:
    """An address must belong to the longest prefix that holds it, as a plain walk over all finds it."""
    index = Index(Vm(id=str(p), name=str(p), customer=None, contact=None, addresses=(p,)) for p in prefixes)
    address = IPv4Address("198.51.100.0") + host
    holding = [p for p in prefixes if address in p]
    found = index.by_address(address)
    assert (found.id if found else None) == (str(max(holding, key=lambda p: p.prefixlen)) if holding else None)


def test_ten_thousand_vms_are_all_found(tmp_path: Path) -> None:
    """A large inventory must answer for every one of its VMs."""
    file = tmp_path / "large.json"
    rows = [
        {"id": f"vm-{n}", "taps": [f"tap{n}"], "macs": [f"02:00:00:00:{n >> 8:02x}:{n & 255:02x}"],
         "addresses": [f"2001:db8:{n:x}::/48"]}
        for n in range(10_000)
    ]  # fmt: skip
    file.write_text(json.dumps(rows))
    inventory = FileInventory(file)
    for n, vm in enumerate(inventory.vms()):
        assert inventory.by_tap(f"tap{n}") is vm
        assert inventory.by_mac(vm.macs[0]) is vm
        assert inventory.by_address(ip_address(f"2001:db8:{n:x}::1")) is vm


def test_a_customer_with_a_blank_around_it_is_said_in_one_line() -> None:
    """VMs are added up by the very text, so one that would split a customer in two by mistake is refused."""
    with pytest.raises(ConfigError) as refused:
        parse('[[vm]]\nid = "vm-1"\ntaps = ["tap1"]\ncustomer = "Example Ltd "\n', "vms.toml")
    (line,) = refused.value.findings
    assert line.startswith("vms.toml: vm 1 (vm-1): customer: 'Example Ltd ' begins or ends with a blank")


def test_further_contacts_come_after_the_first() -> None:
    """In their order; without a first one they are refused in one line, as is what is no address."""
    row = '[[vm]]\nid = "vm-1"\ntaps = ["tap1"]\n'
    further = 'contacts = ["second@example.net", "third@example.net"]\n'
    (vm,) = parse(f'{row}contact = "first@example.net"\n{further}', "vms.toml")
    assert (vm.contact, vm.contacts) == ("first@example.net", ("second@example.net", "third@example.net"))
    for wrong, told in (
        (further, "name the first one there"),
        ('contact = "a@b"\ncontacts = ["x"]\n', "no mail address"),
    ):
        with pytest.raises(ConfigError) as refused:
            parse(row + wrong, "vms.toml")
        (line,) = refused.value.findings
        assert line.startswith("vms.toml: vm 1 (vm-1): ") and told in line


def test_a_contact_stands_for_no_customer() -> None:
    """Without a customer a VM is nobody's, whoever gets its mails: one address may be many customers'."""
    (vm,) = parse('[[vm]]\nid = "vm-1"\ntaps = ["tap1"]\ncontact = "ops@example.net"\n', "vms.toml")
    assert vm.customer is None
