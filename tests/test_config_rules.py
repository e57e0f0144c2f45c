"""The rules file: laid on the configuration, followed, and refused whole where anything in it is wrong."""

from __future__ import annotations

import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from edgeguard import config
from edgeguard.cli.options import with_rules
from edgeguard.config.rules_file import RulesFile
from edgeguard.daemon.live import Live
from edgeguard.errors import ConfigError
from edgeguard.notice.values import Background

GOOD = '[limits.syn]\nwarn = 2500\n[[group]]\nname = "g"\nvms = ["vm-1"]\nlimits.udp.warn = 21000\n'


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """A configuration that names a rules file, and that file with good rules."""
    main, rules = tmp_path / "edgeguard.toml", tmp_path / "rules.toml"
    main.write_text(f'[rules]\nfile = "{rules}"\n[limits.syn]\nact = 6000\n')
    rules.write_text(GOOD)
    return main, rules


def test_what_both_say_the_rules_file_decides(files: tuple[Path, Path]) -> None:
    """A rules file must complete the configuration's limits, key by key, and hold groups."""
    loaded = config.load(files[0])
    assert (loaded.limits.syn.warn, loaded.limits.syn.act, loaded.limits.syn.hard) == (2500, 6000, 50_000)
    assert loaded.group[0].limits.udp and loaded.group[0].limits.udp.warn == 21_000
    assert not config.load(files[0], rules=False).group


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[limits.syn\n", "is not TOML: Expected ']'"),
        ("[limits.syn]\nwran = 1\n", "[limits.syn] wran: unknown key"),
        ("[limits.syn]\nwarn = 0\n", "[limits.syn] warn: 0 is no limit"),
        ("[limits.syn]\nwarn = 7000\n", "[limits] syn: warn 7000, act 6000, hard 50000 must not fall"),
        ("[mail]\ndesk = 'x'\n", "mail: a rules file holds enforce, limits, group, vm; all else is of "),
        ('enforce = ["syn.hrad"]\n', "enforce, item 1: 'syn.hrad' is nothing that can be enforced"),
        ("group = 3\n", "group: is a list of tables"),
    ],
)
def test_a_wrong_one_is_refused_whole(files: tuple[Path, Path], text: str, line: str) -> None:
    """At start a wrong rules file is an error; later one line is said, once, and nothing of it is applied."""
    main, rules = files
    followed = RulesFile(config.load(main))
    before = followed.config
    rules.write_text(f"{text}[limits.icmp]\nwarn = 1001\n")
    with pytest.raises(ConfigError) as error:
        config.load(main)
    assert error.value.findings[0].startswith(f"{rules}: {line}")
    said = followed.changed()
    assert said == followed.trouble and said and "\n" not in said
    assert said.startswith(f"rules {rules}: {line}") and said.endswith("refused whole, the running ones stay in force")
    assert followed.config is before
    assert followed.changed() is None


def test_all_mistakes_of_both_files_come_together(files: tuple[Path, Path]) -> None:
    """Each mistake is told with the file that it is in, and none of them twice."""
    main, rules = files
    main.write_text(main.read_text() + "[mail]\nsevrer = 'x'\n")
    rules.write_text("colour = 1\n[limits.tcp]\nwarn = 0\n")
    with pytest.raises(ConfigError) as error:
        config.load(main)
    assert [line.partition(": ")[0] for line in error.value.findings] == [str(main), str(rules), str(rules)]


def test_what_would_be_replaced_stands_in_one_file(files: tuple[Path, Path]) -> None:
    """Groups in both files must be refused: half of them would be lost without a word."""
    main, rules = files
    main.write_text(main.read_text() + '[[group]]\nname = "h"\n')
    with pytest.raises(ConfigError, match=r"group: stands in .*edgeguard\.toml too; write it in one of the two"):
        config.load(main)
    assert rules.exists()


def test_a_good_one_is_taken_up(files: tuple[Path, Path]) -> None:
    """Every change to a good file must be in force at once and said; a broken one, then its mending, too."""
    main, rules = files
    followed = RulesFile(config.load(main))
    assert followed.changed() is None  # what was loaded
    rules.write_text(GOOD.replace("2500", "2600"))
    assert followed.changed() == f"rules {rules}: read again, in force from now on"
    assert followed.config.limits.syn.warn == 2600
    rules.unlink()
    said = followed.changed()
    assert said and "cannot be read: No such file or directory" in said
    rules.write_text(GOOD.replace("2500", "2600"))
    assert followed.changed() == f"rules {rules}: good again, and as the running ones"
    assert (followed.trouble, followed.config.limits.syn.warn) == (None, 2600)
    rules.write_text("")
    assert followed.changed() and followed.config.limits.syn.warn == 2000


def test_a_change_between_loading_and_following_is_seen(files: tuple[Path, Path]) -> None:
    """A version written after the start read the file must not wait for the next one."""
    loaded = config.load(files[0])
    files[1].write_text(GOOD.replace("2500", "2700"))
    followed = RulesFile(loaded)
    assert followed.changed() and followed.config.limits.syn.warn == 2700


def test_without_one_nothing_is_followed() -> None:
    """A configuration that names no rules file has nothing to say about one."""
    followed = RulesFile(config.load(None))
    assert followed.changed() is None and followed.trouble is None


def test_the_daemon_takes_up_a_good_one_and_keeps_what_runs(
    files: tuple[Path, Path], caplog: pytest.LogCaptureFixture
) -> None:
    """The daemon's own look every second: a good file reaches the engine, a bad one only the log, once."""
    main, rules = files
    given: list[Any] = []
    loaded = config.load(main)
    live = SimpleNamespace(
        config=loaded,
        rules=RulesFile(loaded),
        engine=SimpleNamespace(configure=lambda settings, rows: given.append((settings, rows))),
        attachments=SimpleNamespace(rows=lambda: [(0, None)]),
        counting=SimpleNamespace(),
        _background=Background("host"),
    )

    live.configure = lambda settings: Live.configure(live, settings)  # type: ignore[arg-type]

    def second() -> None:
        Live._follow_rules(live)  # type: ignore[arg-type]

    with caplog.at_level(logging.WARNING, "edgeguard"):
        second()
        assert not given and not caplog.messages
        rules.write_text(GOOD.replace("2500", "0"))
        second()
        second()
        assert not given and live.config is loaded
        rules.write_text(GOOD.replace("2500", "2600"))
        second()
    ((settings, rows),) = given
    assert (settings.limits.syn.warn, rows) == (2600, [(0, None)])
    assert live.config is settings
    assert live._background.host == "host"
    assert [message.partition(": ")[2][:40] for message in caplog.messages] == [
        "[limits.syn] warn: 0 is no limit: at lea",
        "read again, in force from now on",
    ]


def test_who_shows_limits_is_not_kept_out_by_a_wrong_rules_file(
    files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """`explain` and `baseline` use the rules file's limits; while it is wrong they say so and go on without it."""
    main, rules = files
    assert with_rules(main).limits.syn.warn == 2500
    rules.write_text("[limits.syn]\nwarn = 0\n")
    assert with_rules(main).limits.syn.warn == 2000
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"edgeguard: {rules}: [limits.syn] warn: 0 is no limit")
    assert line.endswith("limits are shown without the rules file")
    main.write_text("[limits.snc]\n")
    with pytest.raises(ConfigError, match="snc: unknown key"):
        with_rules(main)
