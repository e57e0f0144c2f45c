"""The disk is full, or takes nothing any more: nothing is done that is not recorded, and nothing is lost after."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from agreement import agree
from preloaded import Preloaded
from stage import Stage

from edgeguard.cases.reader import Reader
from edgeguard.lab import addresses as plan

SIZE = 3 << 20  # bytes of the small disk
FULL_FIRST, FULL_LATER = "before anything is decided", "while something stands"


Body = Callable[[Stage], None]


@pytest.fixture
def place(preloaded: Preloaded, tmp_path: Path) -> Iterator[Path]:
    """Where a disk of the daemons' own is mounted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    yield folder
    preloaded.shell("umount", "-l", str(folder))


@pytest.fixture
def small(preloaded: Preloaded, place: Path) -> Path:
    preloaded.shell("mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=0755", "none", str(place))
    return place


def _on(disk: Path, preloaded: Preloaded, kind: str, body: Body) -> None:
    """Run a row on that disk."""

    def there() -> None:
        with Stage(kind, preloaded, disk) as stage:
            body(stage)

    preloaded.within(there)


def _fill(stage: Stage) -> None:
    """Take whatever space there is."""
    with (stage.folder / "filler").open("wb", buffering=0) as file:
        try:
            while file.write(bytes(1 << 12)):
                pass
        except OSError:
            return


@pytest.mark.parametrize("when", [FULL_FIRST, FULL_LATER])
@pytest.mark.parametrize("kind", ["routed", "bridged"])
def test_disk_full(kind: str, when: str, small: Path, preloaded: Preloaded) -> None:
    """A null route that cannot be recorded is not put in place; with room again the flood is stopped and told."""

    def body(stage: Stage) -> None:
        stage.start()
        if when == FULL_LATER:
            stage.add((plan.TARGETS[1],), vm="102")
            agree(stage)
        before = len(stage.ledger().null_routes)
        _fill(stage)
        with stage.flood():
            stage.until(lambda: "the disk is full" in stage.said(), "the daemon says so")
            agree(stage, mails=False)
            assert len(stage.ledger().null_routes) == before
            (stage.folder / "filler").unlink()
            stage.until_null_routed(before + 1)
            agree(stage)

    _on(small, preloaded, kind, body)


def test_disk_full_at_the_end_of_a_null_route(small: Path, preloaded: Preloaded) -> None:
    """What ends while the disk is full is gone from the kernel in time, and recorded when there is room, once."""

    def body(stage: Stage) -> None:
        stage.start()
        stage.add((plan.TARGETS[1],), seconds=2)
        stage.until_null_routed()
        _fill(stage)
        stage.until(lambda: not _ours(stage), "the kernel holds nothing of it")
        (stage.folder / "filler").unlink()
        agree(stage)
        assert stage.ledger().standing == []

    _on(small, preloaded, "routed", body)


def _ours(stage: Stage) -> int:
    import kernel  # noqa: PLC0415

    return len(kernel.standing(stage.namespace, stage.place))


def test_disk_turns_read_only(preloaded: Preloaded, place: Path, tmp_path: Path) -> None:
    """A file system that gives up in the middle (ext4, errors=remount-ro) frees nobody; on a good disk all goes on."""
    image = tmp_path / "image"
    try:
        preloaded.shell("dd", "if=/dev/zero", f"of={image}", "bs=1M", "count=24", "status=none")
        preloaded.shell("mkfs.ext4", "-q", "-O", "^has_journal", str(image))
        preloaded.shell("mount", "-o", "loop,errors=remount-ro", str(image), str(place))
    except OSError as error:
        pytest.skip(f"no loop device with ext4 here: {error}")

    def body(stage: Stage) -> None:
        stage.start()
        with stage.flood():
            stage.until_null_routed()
            agree(stage)
            preloaded.shell("mount", "-o", "remount,abort", str(place))
            with stage.flood(plan.TARGETS[1]):
                stage.until(lambda: "nothing was done about" in stage.said(), "the daemon says that it cannot write")
            standing = _ours(stage)
            assert standing, "what was decided before still stands"
            stage.kill()
            assert _ours(stage) == standing, "nor is it freed by a death"

    _on(place, preloaded, "routed", body)


def test_disk_read_only_at_the_start(preloaded: Preloaded, small: Path) -> None:
    """On a disk that may only be read the daemon refuses to start with one line, and touches no null route."""

    def body(stage: Stage) -> None:
        stage.start()
        stage.add((plan.TARGETS[1],))
        agree(stage)
        stage.kill(signal.SIGTERM)
        stands = _ours(stage)
        preloaded.shell("mount", "-o", "remount,ro", str(small))
        stage.launch()
        assert stage.dead() == 1
        assert len(stage.said().strip().splitlines()) == 1, stage.said()
        assert _ours(stage) == stands > 0
        preloaded.shell("mount", "-o", "remount,rw", str(small))
        stage.restart()
        agree(stage)
        with Reader(stage.database) as reader:
            assert reader.open_cases()

    _on(small, preloaded, "routed", body)
