"""The configuration: defaults, overlay, findings, and a manual that is complete."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from edgeguard import config
from edgeguard.config.loading import IN_RULES
from edgeguard.errors import ConfigError

MANUAL = Path(__file__).parents[1] / "docs" / "configuration.md"
ROW = re.compile(r"^\| `([a-z_]+)` \| `(.+?)` \| \S.*\|$")
LIMITS_ROW = re.compile(r"^\| `([a-z]+)` \| `(\d+)` \| `(\d+)` \| `(\d+)` \| \S.*\|$")
RULES = ("syn", "udp", "icmp", "fragments", "tcp", "total")


def leaves(table: dict[str, Any], section: str = "") -> Iterator[tuple[str, str, Any]]:
    for key, value in table.items():
        if isinstance(value, dict) and key != "bits":
            yield from leaves(value, f"{section}.{key}".strip("."))
        else:
            yield section, key, value


def defaults() -> dict[str, Any]:
    return tomllib.loads(config.DEFAULTS.read_text())


def manual_rows() -> dict[tuple[str, str], str]:
    """(section, key) -> default, as the manual's tables say."""
    rows, section = {}, ""
    for line in MANUAL.read_text().splitlines():
        if heading := re.match(r"^## (?:`\[(.+)\]`)?", line):
            section = heading[1] or ""
        if row := LIMITS_ROW.match(line):
            for key, value in zip(("warn", "act", "hard"), row.groups()[1:], strict=True):
                rows[section.replace("RULE", row[1]), key] = value
        elif (row := ROW.match(line)) and section == "limits.RULE":  # said once for the rules of both directions
            rows |= {(f"limits.{way}{rule}", row[1]): row[2] for way in ("", "in.") for rule in RULES}
        elif row:
            rows[section, row[1]] = row[2]
    return rows


def test_the_defaults_are_a_whole_configuration() -> None:
    """The shipped defaults must be valid alone, and enforce nothing."""
    shipped = config.load(None)
    assert shipped.enforce == ()
    assert shipped.clocks.quiet == 15 * 60 * 10**9
    assert shipped.limits.syn.hard == 50_000


def test_every_default_has_its_reason_beside_it() -> None:
    """Each number of a limit must stand with the reason in the same line."""
    for line in config.DEFAULTS.read_text().splitlines():
        if re.match(r"^(warn|act|hard) = ", line):
            assert re.search(r"#\s+\S+", line), line


def test_a_file_names_only_what_differs(tmp_path: Path) -> None:
    """A file must change what it names and nothing else, down to single keys of a table."""
    file = tmp_path / "edgeguard.toml"
    file.write_text('enforce = ["syn.hard"]\n[limits.syn]\nhard = 90000\n')
    loaded, shipped = config.load(file), config.load(None)
    assert loaded.enforce == ("syn.hard",)
    assert loaded.limits.syn.hard == 90_000
    assert loaded.limits.syn.act == shipped.limits.syn.act
    assert loaded.limits.udp == shipped.limits.udp
    assert loaded.model_copy(update={"enforce": (), "limits": shipped.limits}) == shipped


def test_a_configuration_cannot_be_changed() -> None:
    """What was judged with must stay what it was."""
    with pytest.raises(ValidationError):
        config.load(None).enforce = ("all.hard",)  # type: ignore[misc]


def test_all_findings_come_together_with_file_section_and_key(tmp_path: Path) -> None:
    """A file with many mistakes must be refused once, each mistake named with its place."""
    file = tmp_path / "edgeguard.toml"
    file.write_text(
        """
        enforce = ["syn.hrad"]
        colour = "red"
        [limits.syn]
        warn = "2k"
        [limits.udp]
        warn = 9000000
        [judging]
        sustain_seconds = 6
        sustain_of = 5
        [clocks]
        quiet = 15
        lifetime = "4 parsecs"
        verify = "0s"
        [protected]
        targets = ["192.0.2.1/24"]
        [mail]
        server = "mail.example.net"
        sevrer = "mail.example.net:25"
        [paths]
        database = 7
        """
    )
    with pytest.raises(ConfigError) as refused:
        config.load(file)
    told = "\n".join(refused.value.findings)
    for part in (
        "enforce, item 1: 'syn.hrad' is nothing that can be enforced",
        "colour: unknown key",
        "[limits.syn] warn:",
        "[limits] udp: warn 9000000, act 50000, hard 250000 must not fall",
        "judging: sustain_seconds 6 of 5 can never be reached",
        "[clocks] quiet: 15 is not a duration",
        "[clocks] lifetime: '4 parsecs' is not a duration",
        "[clocks] verify: '0s' is no time at all",
        "[protected] targets, item 1: '192.0.2.1/24' is not an address or prefix",
        "[mail] server: 'mail.example.net' is not host:port",
        "[mail] sevrer: unknown key",
        "[paths] database:",
    ):
        assert f"{file}: {part}" in told
    assert len(refused.value.findings) == 12
    assert refused.value.exit_code == 3


@pytest.mark.parametrize("text", [b"[[[", b"\xff\xfe", b"enforce = ", b"limits = 3", b"[limits]\nsyn = []"])
def test_a_file_that_is_no_configuration_is_refused(tmp_path: Path, text: bytes) -> None:
    """Garbage and wrong shapes must give findings, never another exception."""
    file = tmp_path / "edgeguard.toml"
    file.write_bytes(text)
    with pytest.raises(ConfigError, match=re.escape(str(file))):
        config.load(file)


def test_a_missing_file_is_one_sentence(tmp_path: Path) -> None:
    """A file that cannot be read must be named with the reason."""
    with pytest.raises(ConfigError, match="cannot be read: No such file or directory; check the path given to -c"):
        config.load(tmp_path / "missing.toml")
    with pytest.raises(ConfigError, match="Is a directory"):
        config.load(tmp_path)


def test_the_manual_names_every_key_with_its_default() -> None:
    """docs/configuration.md must hold every key of every section with the shipped default, and no other."""
    shipped = {(section, key): value for section, key, value in leaves(defaults())}
    rows = manual_rows()
    assert sorted(rows) == sorted(shipped)
    for place, value in shipped.items():
        assert tomllib.loads(f"value = {rows[place]}")["value"] == value, place


@pytest.mark.parametrize("threads", [0, 9, -1, 1.5, "2", True])
def test_threads_are_one_to_eight(threads: Any) -> None:
    """Any other number of capture threads is refused in one line that names the setting."""
    with pytest.raises(ConfigError, match="threads"):
        config.build({"capture": {"threads": threads}})


def test_mirror_ports_are_read_by_one_thread() -> None:
    """More threads than one beside mirror ports are refused, and the line says what to do."""
    with pytest.raises(ConfigError, match="leave `threads` at 1"):
        config.build({"capture": {"threads": 2, "mirror": ["mon0"]}})


def test_the_example_of_the_manual_is_valid() -> None:
    """The example that operators copy must load."""
    examples = re.findall(r"```toml\n(.*?)```", MANUAL.read_text(), re.DOTALL)
    assert examples
    for example in examples:
        values = tomllib.loads(example)
        if not isinstance(values.get("vm"), list):  # an inventory
            config.build(values)


def test_the_manual_names_every_key_of_a_group() -> None:
    """The table of a group's keys must be complete, and the keys of a VM's own setting named."""
    text = MANUAL.read_text()
    table = re.search(r"^\| key of a group .*?\n\n", text, re.MULTILINE | re.DOTALL)
    assert table
    assert re.findall(r"^\| `([a-z]+)` \|", table[0], re.MULTILINE) == [
        *("name", "vms", "customers", "prefixes"),
        *config.Setting.model_fields,
    ]
    assert set(config.Group.model_fields) == {"name", "vms", "customers", "prefixes", *config.Setting.model_fields}
    for name in (*IN_RULES, *RULES, *(f"{rule}-in" for rule in ("syn", "udp"))):
        assert f"`{name}`" in text, name
