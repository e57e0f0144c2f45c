"""The tables [breaker], [pace] and [fleet]: what they refuse, and what they are reckoned to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edgeguard import config
from edgeguard.check.hooks import fleet
from edgeguard.errors import ConfigError

WRONG: list[tuple[dict[str, Any], str]] = [
    ({"breaker": {"customers": 0}}, "[breaker] customers:"),
    ({"breaker": {"share": 1.5}}, "[breaker] share:"),
    ({"breaker": {"on": "no"}}, "[breaker] on: must be true or false"),
    ({"breaker": {"within": "25h"}}, "within: what was null-routed is remembered for 24h at most"),
    ({"pace": {"within": "2d"}}, "within: what was null-routed is remembered for 24h at most"),
    ({"pace": {"standing": True}}, "[pace] standing:"),
    ({"fleet": {"command": ["may-i"]}}, "'may-i': name the program by its whole path"),
    ({"fleet": {"command": "/bin/true"}}, "[fleet] command: write the program and its arguments as a list"),
    ({"fleet": {"url": "ftp://fleet.example.net/"}}, "[fleet] url:"),
    ({"fleet": {"url": "https://fleet.example.net/", "command": ["/bin/true"]}}, "one of the two"),
    ({"fleet": {"timeout": "2s"}}, "timeout: 1s at most"),
]


@pytest.mark.parametrize(("values", "words"), WRONG)
def test_what_cannot_be_is_refused(values: dict[str, Any], words: str) -> None:
    """Each mistake is one finding that names its place."""
    with pytest.raises(ConfigError) as refused:
        config.build(values)
    (finding,) = refused.value.findings
    assert words in finding


@pytest.mark.parametrize(("customers", "most"), [(0, 5), (100, 5), (119, 5), (120, 6), (1_000, 50)])
def test_the_breaker_allows_five_or_a_twentieth(customers: int, most: int) -> None:
    """As shipped: more than five customers, and more than 5 % of those on the host, are too many."""
    assert config.build({}).breaker.most(customers) == most


def test_check_looks_at_the_fleets_program(tmp_path: Path) -> None:
    """A program that is not there, or may not be executed, is found before the daemon starts."""
    file = tmp_path / "may-i"
    settings = config.build({"fleet": {"command": [str(file)]}})
    found = [next(fleet(settings)).grade]
    file.touch(0o644)
    found.append(next(fleet(settings)).grade)
    file.chmod(0o755)
    found.append(next(fleet(settings)).grade)
    assert found == ["wrong", "wrong", "ok"]
    assert list(fleet(config.build({}))) == []
