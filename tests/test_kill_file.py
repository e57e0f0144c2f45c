"""The kill file as people make it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edgeguard.kill_file import reason


def test_no_file_is_no_reason(tmp_path: Path) -> None:
    """Nothing there, and not even a folder, means that automation may act."""
    assert reason(str(tmp_path / "observe-only")) is None
    assert reason(str(tmp_path / "not" / "yet" / "observe-only")) is None
    (tmp_path / "file").touch()
    assert reason(str(tmp_path / "file" / "observe-only")) is None


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", ""),
        (b"switch upgrade, Alex\nsecond line\n", ": switch upgrade, Alex"),
        (b"\x1b[31mred\x07 alert\r\n", ": [31mred alert"),
        (b"\xff\xfe\n", ": \ufffd\ufffd"),
        (b"x" * 100_000, f": {'x' * 200}"),
    ],
)
def test_its_first_line_is_the_reason(tmp_path: Path, content: bytes, words: str) -> None:
    """Its first line is told, without what a terminal would obey, and not at any length."""
    file = tmp_path / "observe-only"
    file.write_bytes(content)
    assert reason(str(file)) == f"the kill file {file} is there{words}"


def test_whatever_has_the_name_is_a_kill_file(tmp_path: Path) -> None:
    """A folder, a link to nowhere and a pipe that nobody writes count, and nothing waits for them."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("/nonexistent")
    os.mkfifo(tmp_path / "pipe")
    for name in ("folder", "link", "pipe"):
        assert reason(str(tmp_path / name)) == f"the kill file {tmp_path / name} is there"


def test_what_cannot_be_seen_is_taken_to_be_there(tmp_path: Path) -> None:
    """Where nobody can say whether it is there, nothing is null-routed, and the reason says so."""
    path = tmp_path / ("x" * 300)
    assert reason(str(path)) == f"whether the kill file {path} is there cannot be seen: File name too long"
