"""The fault table: `pytest -n 0 -m faults`. Needs namespaces, ip and nft; prints its table at the end."""

from __future__ import annotations

import contextlib
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self

import pytest

HERE = Path(__file__).parent
for folder in (HERE, HERE.parent, HERE.parent / "netns"):
    sys.path.insert(0, str(folder))

from namespaces import unavailable  # noqa: E402
from preloaded import Preloaded  # noqa: E402
from stage import Stage, missing  # noqa: E402

ROWS: list[tuple[str, str, float]] = []
RECOVERED: list[float] = []
TOOK: dict[str, float] = {}  # of rows that ran beside others
AT_ONCE = 4


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything of this folder is a row of the table."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.faults)


@pytest.fixture(scope="session")
def preloaded() -> Iterator[Preloaded]:
    if why := unavailable() or missing():
        pytest.skip(why)
    with Preloaded() as preloaded:
        yield preloaded


class Stages:
    """The stages of one row: `make("routed", quiet="2s")`. All are closed at its end."""

    def __init__(self, preloaded: Preloaded, folder: Path) -> None:
        self._preloaded, self._folder = preloaded, folder
        self._made: list[Stage] = []
        self._rooms = contextlib.ExitStack()

    def make(self, kind: str, memory: bool = False, **settings: Any) -> Stage:
        """`memory`: its files lie where a sync costs nothing, because how fast the disk is is not the question."""
        shm = Path("/dev/shm")
        beside = self._rooms.enter_context(tempfile.TemporaryDirectory(dir=shm)) if memory and shm.is_dir() else ""
        folder = (Path(beside) if beside else self._folder) / f"stage{len(self._made)}"
        folder.mkdir()
        self._made.append(Stage(kind, self._preloaded, folder, **settings))
        return self._made[-1]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for stage in self._made:
            RECOVERED.extend(stage.recovered)
            stage.__exit__()
        self._rooms.close()


@pytest.fixture
def make(preloaded: Preloaded, tmp_path: Path) -> Iterator[Callable[..., Stage]]:
    """Makes the stages of a row."""
    with Stages(preloaded, tmp_path) as stages:
        yield stages.make


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.when == "call" and "tests/faults/" in report.nodeid:
        row = report.nodeid.rpartition("::")[2].removeprefix("test_").replace("_", " ")
        ROWS.append((row, report.outcome, TOOK.get(report.nodeid, report.duration)))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if not ROWS:
        return
    terminalreporter.section("the fault table")
    for row, result, seconds in ROWS:
        terminalreporter.write_line(f"{row:<88} {result:<7} {seconds:7.1f} s")
    terminalreporter.write_line(f"{len(ROWS)} rows")
    if RECOVERED:
        text = f"{len(RECOVERED)} starts after a death; ready to ledger = kernel: at most {max(RECOVERED):.3f} s"
        terminalreporter.write_line(text)


class Beside:
    """Rows that run beside each other, a few at a time: most of a row is waiting for processes to start."""

    def __init__(self, preloaded: Preloaded, items: list[pytest.Item], folder: Path) -> None:
        self._preloaded, self._items, self._folder = preloaded, items, folder
        self._pool = ThreadPoolExecutor(AT_ONCE)
        self._rows: dict[str, Future[None]] = {}

    def run(self, request: pytest.FixtureRequest, body: Callable[..., None]) -> None:
        """The row of this test: `body(make, **parameters)`. With the first, all of its function begin."""
        if request.node.nodeid not in self._rows:
            for item in self._items:
                if isinstance(item, pytest.Function) and item.function is request.function:
                    self._rows[item.nodeid] = self._pool.submit(self._one, item, body)
        self._rows[request.node.nodeid].result()

    def _one(self, item: pytest.Function, body: Callable[..., None]) -> None:
        folder = Path(tempfile.mkdtemp(dir=self._folder))
        began = time.monotonic()
        with Stages(self._preloaded, folder) as stages:
            body(stages.make, **item.callspec.params)
        TOOK[item.nodeid] = time.monotonic() - began

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)


@pytest.fixture(scope="session")
def beside(
    preloaded: Preloaded, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Beside]:
    beside = Beside(preloaded, request.session.items, tmp_path_factory.mktemp("beside"))
    yield beside
    beside.close()
