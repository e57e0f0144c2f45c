"""Bad limits, groups and settings of VMs: one clear line each, all together, and nothing of the file is applied."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edgeguard import config
from edgeguard.errors import ConfigError


def refused(text: str, tmp_path: Path) -> list[str]:
    file = tmp_path / "edgeguard.toml"
    file.write_text(text)
    with pytest.raises(ConfigError) as error:
        config.load(file)
    assert all("\n" not in line and line.startswith(f"{file}: ") for line in error.value.findings)
    return [line.removeprefix(f"{file}: ") for line in error.value.findings]


@pytest.mark.parametrize(
    ("limits", "line"),
    [
        ("syn = { warn = 0 }", "[limits.syn] warn: 0 is no limit: at least 1 packet a second; a rule is switched off"),
        ("udp = { hard = -1 }", "[limits.udp] hard: -1 is no limit: at least 1 packet a second"),
        ("icmp = { hard = 2147483648 }", "[limits.icmp] hard: 2147483648 is more packets a second than any link can"),
        ("tcp = { warn = 1e6 }", "[limits.tcp] warn: 1000000.0 is no number of packets a second: write it in whole"),
        ("tcp = { warn = true }", "[limits.tcp] warn: True is no number of packets a second"),
        ('tcp = { warn = "2k" }', "[limits.tcp] warn: '2k' is no number of packets a second"),
        ("total = { warn = 9000000 }", "[limits] total: warn 9000000, act 2000000, hard 5000000 must not fall"),
        ("in.syn = { warn = 0 }", "[limits.in.syn] warn: 0 is no limit"),
        ("in.syn = { act = 5 }", "[limits.in] syn: warn 10000, act 5, hard 250000 must not fall"),
        ("udp.bits = { hard = 20_000_000_000_000 }", "[limits.udp.bits] hard: 20000000000000 is more bits a second"),
        ("udp.bits = { warn = -5 }", "[limits.udp.bits] warn: -5 is no limit: 0 (none) or more bits a second"),
        ("udp.bits = { warn = 5, act = 0, hard = 2 }", "[limits.udp] bits: warn 5, act 0, hard 2 must not fall"),
        ("udp.bits = { hrad = 5 }", "[limits.udp.bits] hrad: unknown key"),
        ("upd = { warn = 5 }", "[limits] upd: unknown key"),
        ("in.upd = { warn = 5 }", "[limits.in] upd: unknown key"),
        ("syn = { judged = 0 }", "[limits.syn] judged: must be true or false (given: 0)"),
        ("syn = 5", "[limits] syn: must be a table of keys (given: 5)"),
        ("in = 5", "[limits] in: must be a table of keys (given: 5)"),
    ],
)
def test_a_limit_that_cannot_be_is_one_clear_line(limits: str, line: str, tmp_path: Path) -> None:
    """Zero, negative, absurd, falling, misspelt and wrongly shaped limits are each told once, with section and key."""
    (found,) = refused(f"[limits]\n{limits}\n", tmp_path)
    assert found.startswith(line)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('name = ""', "[group, item 1] name: String should have at least 1 character (given: '')"),
        ("", "[group, item 1] name: is missing"),
        ('name = "g"\nvms = "vm-1"', '[group "g"] vms: must be a list, like ["one", "two"] (given: \'vm-1\')'),
        ('name = "g"\nvm = ["vm-1"]', '[group "g"] vm: unknown key'),
        ('name = "g"\nprefixes = ["192.0.2.1/24"]', "[group \"g\"] prefixes, item 1: '192.0.2.1/24' is not an address"),
        ('name = "g"\nlimits.syn.warn = 0', '[group "g".limits.syn] warn: 0 is no limit'),
        ('name = "g"\nlimits.syn.warn = 9000', '[group "g".limits] syn: warn 9000, act 5000, hard 50000 must not fall'),
        ('name = "g"\nlimits.snc.warn = 9000', '[group "g".limits] snc: unknown key'),
        ('name = "g"\nlimits.customer.syn.warn = 9', '[group "g".limits] customer: unknown key'),
        (
            'name = "g"\nlimits.in.syn.hard = 1',
            '[group "g".limits.in] syn: warn 10000, act 50000, hard 1 must not fall',
        ),
        ('name = "g"\nenforce = ["syn.hrad"]', "[group \"g\"] enforce: 'syn.hrad' is nothing that can be enforced"),
        ('name = "g"\nenforce = ["syn-in.hard"]', "[group \"g\"] enforce: 'syn-in.hard' is judged on the way in"),
        ('name = "g"\nenforce = { sny = "off" }', "[group \"g\"] enforce: 'sny' is no rule and no band of one"),
        ('name = "g"\nenforce = { syn = "on" }', "[group \"g\"] enforce: syn = 'on' is none of enforce, observe, off"),
        (
            'name = "g"\nenforce = { syn.warn = "enforce" }',
            "[group \"g\"] enforce: syn.warn = 'enforce': below act noth",
        ),
        ('name = "g"\nenforce = { udp-in = "enforce" }', "[group \"g\"] enforce: udp-in = 'enforce': what comes in is"),
        ('name = "g"\nenforce = { scan = "off" }', "[group \"g\"] enforce: scan = 'off': the syn rule finds scans"),
        ('name = "g"\nenforce = { syn.act = "off", "syn.act" = "off" }', '[group "g"] enforce: names the same band tw'),
        ('name = "g"\nenforce = "syn.hard"', '[group "g"] enforce: must be a list, like ["syn.hard"], or a table'),
        ('name = "g"\n[[group]]\nname = "g"', "group: 2 groups are named 'g'; nobody could tell which one is meant"),
    ],
)
def test_a_group_that_cannot_be_is_one_clear_line(text: str, line: str, tmp_path: Path) -> None:
    """Each mistake in a group is told once, with the group's name."""
    (found,) = refused(f"[[group]]\n{text}\n", tmp_path)
    assert found.startswith(line)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("group = 3", "group: is a list of tables, each written below [[group]] (given: 3)"),
        ("group = [3]", "[group, item 1] table: must be a table of keys (given: 3)"),
        ('[group]\nname = "g"', "group: is a list of tables, each written below [[group]]"),
        ('[[vm]]\nid = "vm-1"', 'vm: is a table for each VM, written below [vm."vm-101"]'),
        ('[vm."vm-1"]\nname = "g"', "[vm.vm-1] name: unknown key"),
        ('[vm."vm-1".limits.syn]\nwarn = -1', "[vm.vm-1.limits.syn] warn: -1 is no limit"),
        ("uplink_bits = -1", "uplink_bits: -1 is no limit"),
        (
            "uplink_bits = 10_000_000_000_001",
            "uplink_bits: 10000000000001 is more bits a second than any link can carry",
        ),
        ("[judging]\nuplink_warn = 0.6", "judging: uplink_warn 0.6, uplink_hard 0.5 must not fall"),
        (
            'enforce = ["syn-in.hard"]',
            "enforce, item 1: 'syn-in.hard' is judged on the way in: observed, never enforced",
        ),
    ],
)
def test_other_wrong_shapes(text: str, line: str, tmp_path: Path) -> None:
    """Wrong shapes of the new tables are told in words that say what is meant."""
    (found,) = refused(f"{text}\n", tmp_path)
    assert found.startswith(line)


def test_all_mistakes_come_together(tmp_path: Path) -> None:
    """Mistakes in limits, groups and VMs of one file are all told at once."""
    found = refused(
        'enforce = ["snc.hard"]\n[limits.syn]\nwarn = 0\n[limits.in.udp]\nhard = 3e9\n'
        '[[group]]\nname = "a"\nvmz = []\nlimits.udp.bits.warn = -1\n[vm.x]\nenforce = { syn = "no" }\n',
        tmp_path,
    )
    assert len(found) == 6


@pytest.mark.parametrize("written", [["syn.act", "all.hard", "scan.act"], ["icmp.hard", "fragments.act", "total.hard"]])
def test_every_rule_out_may_be_enforced(written: list[str]) -> None:
    """Each rule out of a VM, scans by their own name, and `all` may stand in the list."""
    assert config.build({"enforce": written}).enforce == tuple(written)


def test_limits_by_rule_have_the_names_of_the_rules() -> None:
    """The twelve rules must have their limits under the names that verdicts carry."""
    values: dict[str, Any] = {"limits": {"udp": {"hard": 300_000}, "in": {"udp": {"hard": 600_000}}}}
    by_rule = config.build(values).limits.by_rule()
    assert (by_rule["udp"].hard, by_rule["udp-in"].hard) == (300_000, 600_000)
    assert by_rule["udp"].bits is None
