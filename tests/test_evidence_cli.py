"""`edgeguard evidence`: listing, showing, taking along and removing, each noted with who did it."""

from __future__ import annotations

import json
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from samples import DECISION, another
from test_evidence_bundle import FILES, START

from edgeguard.cli import main
from edgeguard.clock import SECOND
from edgeguard.control import principal
from edgeguard.evidence import bundle, manifest, place

NOW = START.frozen


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two bundles of one case and an old one of another, beside a database that is not needed."""
    (tmp_path / "edgeguard.toml").write_text(
        f'[paths]\ndatabase = "{tmp_path}/edgeguard.sqlite"\nsocket = "{tmp_path}/edgeguard.sock"\n'
    )
    (tmp_path / "evidence").mkdir()
    days = 86_400 * SECOND
    for number, (case, age) in enumerate(
        [(another(1)[0].id, 40 * days), (DECISION.case, 3 * days), (DECISION.case, 0)]
    ):
        first = START.adding(FILES, {"before.pcap": 512}, NOW)
        changed = {
            "case": case,
            "decision": f"d-{number}",
            "frozen": NOW - age,
            "vm": f"vm-{number}",
            "vm_name": "web1",
        }
        whole = manifest.parse(json.dumps({**json.loads(first.text()), **changed}).encode(), tmp_path)
        bundle.write(tmp_path / "evidence", place.name(whole.frozen, whole.decision), whole, FILES)
    return tmp_path


def me() -> str:
    """As the daemon would name whoever runs this."""
    here, there = socket.socketpair()
    with here, there:
        return principal(here)


def run(folder: Path, *words: str) -> Result:
    return CliRunner().invoke(main, ["evidence", *words, "-c", str(folder / "edgeguard.toml")], prog_name="edgeguard")


def documents(told: Result) -> list[dict[str, Any]]:
    assert told.exit_code == 0, told.output
    return [json.loads(line) for line in told.stdout.splitlines()]


def noted(folder: Path) -> list[dict[str, Any]]:
    path = folder / "evidence" / "access.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_listing_shows_all_and_is_no_look(folder: Path) -> None:
    """All bundles, the oldest first, or those of a term; only what is in one is worth a line."""
    assert [one["decision"] for one in documents(run(folder, "list", "--json"))] == ["d-0", "d-1", "d-2"]
    for term, found in ((DECISION.case, 2), ("vm-0", 1), ("web1", 3), ("tap1", 3), ("d-2", 1), ("nobody", 0)):
        assert len(documents(run(folder, "list", term, "--json"))) == found
    assert "d-2" in run(folder, "list").output
    assert noted(folder) == []


def test_no_evidence_at_all(tmp_path: Path) -> None:
    """Without a folder there is nothing to list, and nothing is made by looking."""
    (tmp_path / "edgeguard.toml").write_text(f'[paths]\ndatabase = "{tmp_path}/edgeguard.sqlite"\n')
    assert run(tmp_path, "list").output == "no evidence\n"
    told = run(tmp_path, "show", "web1")
    assert (told.exit_code, told.output.count("\n")) == (1, 1)
    assert "removed 0 bundles" in run(tmp_path, "purge").output
    assert [path.name for path in tmp_path.iterdir()] == ["edgeguard.toml"]


def test_showing_is_noted(folder: Path) -> None:
    """Files, hashes and whether they fit; a line says who looked."""
    told = run(folder, "show", DECISION.case)
    assert told.exit_code == 0
    assert told.output.count("every file is what was written") == 2
    assert "512 frames" in told.output
    assert [(one["did"], one["case"]) for one in noted(folder)] == [("show", DECISION.case)] * 2
    assert noted(folder)[0]["by"] == me()
    assert documents(run(folder, "show", "d-2", "--json"))[0]["findings"] == []


def test_exporting(folder: Path) -> None:
    """What comes out is what was written, with sums that sha256sum(1) checks, and is never laid over other files."""
    out = folder / "out"
    told = run(folder, "export", DECISION.case, str(out))
    assert told.exit_code == 0, told.output
    copies = sorted(path.parent for path in out.rglob("SHA256SUMS"))
    assert len(copies) == 2
    for to in copies:
        there = folder / "evidence" / DECISION.case / to.name
        assert {path.name for path in to.iterdir()} == {*FILES, "manifest.json", "SHA256SUMS"}
        subprocess.run(["sha256sum", "-c", "--quiet", "SHA256SUMS"], cwd=to, check=True)
        for name in FILES:
            assert (to / name).read_bytes() == (there / name).read_bytes()
    assert [(one["did"], one["to"]) for one in noted(folder)] == [("export", str(to)) for to in copies]
    again = run(folder, "export", DECISION.case, str(out))
    assert again.exit_code == 1
    assert "is there already" in again.output


def test_a_manifest_comes_out_as_it_was_written(tmp_path: Path) -> None:
    """The copy of a manifest has the very hash that the case's story keeps."""
    whole = START.adding(FILES, {"before.pcap": 512}, NOW)
    assert manifest.parse(whole.text(), tmp_path).text() == whole.text()


def test_what_does_not_fit_is_not_exported(folder: Path) -> None:
    """Of a bundle with a changed file nothing is copied, which is said and noted; the others are."""
    (folder / "evidence" / DECISION.case / place.name(NOW, "d-2") / "record.json").write_text("[]")
    told = run(folder, "export", DECISION.case, str(folder / "out"))
    assert told.exit_code == 1
    assert "record.json: its SHA-256 is not that of the manifest" in told.output
    assert len(list((folder / "out").rglob("SHA256SUMS"))) == 1
    assert [one["did"] for one in noted(folder)] == ["export", "export refused"]
    shown = run(folder, "show", "d-2")
    assert shown.exit_code == 1
    assert "its SHA-256 is not that" in shown.output


def test_an_unreadable_bundle_hides_no_other(folder: Path) -> None:
    """One with a broken manifest is told of on standard error; the others are listed."""
    (folder / "evidence" / DECISION.case / place.name(NOW, "d-2") / "manifest.json").write_text("{")
    told = run(folder, "list", "--json")
    assert [json.loads(line)["decision"] for line in told.stdout.splitlines()] == ["d-0", "d-1"]
    assert "is no manifest of evidence" in told.stderr


def test_no_look_without_its_line(folder: Path) -> None:
    """Where the record of accesses cannot be written, nothing is shown or copied."""
    (folder / "evidence" / "access.jsonl").mkdir()
    for words in (("show", "d-2"), ("export", "d-2", str(folder / "out"))):
        told = run(folder, *words)
        assert told.exit_code == 1
        assert "evidence is not touched unless that is noted" in told.output
        assert "512" not in told.output
    assert not (folder / "out").exists()


def test_purging(folder: Path) -> None:
    """By the limits, by age, by case: what went is said and noted, and is gone with its folder."""
    assert [one["why"] for one in documents(run(folder, "purge", "--json"))] == ["age"]
    assert documents(run(folder, "purge", "--json")) == []
    assert len(documents(run(folder, "purge", "--older", "2d", "--json"))) == 1
    assert [one["decision"] for one in documents(run(folder, "list", "--json"))] == ["d-2"]
    assert "removed 1 bundle\n" in run(folder, "purge", "--case", DECISION.case).output
    assert [path.name for path in (folder / "evidence").iterdir()] == ["access.jsonl"]
    assert [one["did"] for one in noted(folder)] == ["removed"] * 3
    assert {one["by"] for one in noted(folder)} == {me()}
    for words in (("--case", DECISION.case), ("--older", "soon")):
        assert run(folder, "purge", *words).exit_code in (1, 2)
