"""The layers of the house, read from the source with `ast`: imports point down only.

values <- native <- config <- stages <- metrics, control <- engine, check <- daemon, replay <- assembly <- cli, lab

A stage may import config for the types of its own section; config imports no stage. Imports under
`if TYPE_CHECKING` and inside functions count like all others.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "edgeguard"

STAGES = {"capture", "counting", "harm", "baselines", "detection", "decision", "enforcement", "inventory", "evidence"}
STAGES |= {"notice", "cases", "hooks", "replies", "claims", "signals"}
LEVELS: list[set[str]] = [
    {
        "record",
        "model",
        "letters",
        "incoming",
        "reading",
        "errors",
        "clock",
        "units",
        "logs",
        "kill_file",
        "companion",
        "context",
        "exchange",
        "states",
        "grace",
        "word",
        "week",
    },
    {"glance"},
    {"native", "duty"},
    {"config"},
    {"policy", "roster", "xarf"},
    STAGES,
    {"metrics", "signature", "target", "request", "control"},
    {"policies", "enforcing"},
    {"crossings", "docket", "sums", "retries", "surroundings", "allowances", "fleet", "standing"},
    {"questions", "ends"},
    {"engine", "way_back"},
    {"intake", "outside", "handing", "deadlines", "earlier", "check"},
    {"reminding", "urgent"},
    {"wordbook"},
    {"daemon", "replay"},
    {"reaping"},
    {"assembly", "backtest", "summary", "jsonl", "report"},
    {"cli", "lab"},
    {"__main__"},
]
LEVEL = {room: number for number, rooms in enumerate(LEVELS) for room in rooms}

# Who alone may import a library (first part of the dotted name).
ONLY_IN = {
    "cffi": set(),
    "numba": {"counting"},
    "pyroute2": {"capture", "enforcement", "inventory", "lab"},
    "click": {"cli"},
    "scapy": {"lab"},
    "aiosmtpd": {"lab"},
    "smtplib": {"notice", "check"},
    "sqlite3": {"cases", "standing"},
    "jinja2": {"notice"},
    "rich": {"cli", "lab"},
    "prometheus_client": {"metrics"},
    "pytest": set(),
    "hypothesis": set(),
}

# What opens an SQLite file of ours: the case database, and that of the baselines. All else that others import of cases/
# is words, values and reckoning.
OPENS = {"edgeguard.cases.store", "edgeguard.cases.reader", "edgeguard.cases.baseline_file"}

MAX_LINES = 350
LONGER = {"edgeguard.counting.kernels"}  # kernels that inline each other stand and compile together


def sources() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def module(path: Path) -> str:
    """'edgeguard.inventory.file'; a package is its __init__."""
    parts = list(path.relative_to(PACKAGE.parent).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room(name: str) -> str:
    """'inventory' of 'edgeguard.inventory.file'; '' for the package itself."""
    return name.split(".")[1] if "." in name else ""


PATHS = {module(path): path for path in sources()}
MODULES = set(PATHS)


def imported(path: Path) -> Iterator[str]:
    """Every module a file imports, wherever the import stands; `from package import module` too."""
    own = module(path)
    package = own if path.name == "__init__.py" else own.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package.split(".")[: len(package.split(".")) - node.level + 1]) if node.level else ""
            name = ".".join(filter(None, [base, node.module or ""]))
            below = [f"{name}.{alias.name}" for alias in node.names if f"{name}.{alias.name}" in MODULES]
            yield from below or [name]


def ours(path: Path) -> list[str]:
    return [name for name in imported(path) if name.split(".")[0] == "edgeguard" and name != "edgeguard"]


def loaded_at_import(path: Path) -> Iterator[str]:
    """Like `ours`, without imports inside functions: what could close a circle while loading."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    inside = {
        id(child)
        for node in ast.walk(tree)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        for child in ast.walk(node)
        if child is not node
    }
    for node in ast.walk(tree):
        if id(node) not in inside and isinstance(node, (ast.Import, ast.ImportFrom)):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
            if isinstance(node, ast.ImportFrom):
                below = [f"{node.module}.{alias.name}" for alias in node.names]
                names = [name for name in below if name in MODULES] or names
            yield from (name for name in names if name in MODULES and name != "edgeguard")


@pytest.mark.parametrize("path", sources(), ids=module)
def test_every_room_stands_on_a_level(path: Path) -> None:
    """A new module must be given its place in LEVELS, or the layers mean nothing."""
    name = room(module(path))
    assert name in LEVEL or name in ("", "_native"), f"{name} has no level in tests/test_layers.py"


@pytest.mark.parametrize("path", sources(), ids=module)
def test_imports_point_down(path: Path) -> None:
    """No module may import one of a higher level, and no stage another stage."""
    here = room(module(path))
    for name in ours(path):
        there = room(name)
        if there in ("", "_native") or there == here:
            continue
        assert here, f"edgeguard/__init__.py imports {name}"
        assert LEVEL[there] <= LEVEL[here], f"{module(path)} imports {name}, which stands above it"
        assert not {here, there} <= STAGES, f"{module(path)} imports {name}: stages exchange values of model.py"


@pytest.mark.parametrize("path", sources(), ids=module)
def test_each_library_lives_in_its_own_room(path: Path) -> None:
    """cffi, numba, pyroute2, click, scapy and the like must be imported only where they belong."""
    here = room(module(path))
    for name in imported(path):
        library = name.split(".")[0]
        if library in ONLY_IN:
            assert here in ONLY_IN[library], f"{module(path)} imports {library}"
        assert not name.startswith("edgeguard._native") or here == "native", f"{module(path)} imports the C extension"


def test_no_module_imports_itself_by_a_detour() -> None:
    """Loading must have an order: no circle of imports."""
    graph = {module(path): set(loaded_at_import(path)) - {module(path)} for path in sources()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"a circle of imports: {' -> '.join(error.args[1])}")


def test_the_middle_is_pure() -> None:
    """Counting, detection and decision must import nothing that reads a clock, a file or the network."""
    impure = {"time", "os", "socket", "sqlite3", "subprocess", "select", "random", "secrets", "urllib", "threading"}
    for path in sources():
        if room(module(path)) in ("counting", "detection", "decision"):
            assert not impure & {name.split(".")[0] for name in imported(path)}, module(path)


def reached(name: str) -> set[str]:
    """A module, and all of ours that it imports, and those."""
    found, left = set(), [name]
    while left:
        one = left.pop()
        if one in PATHS and one not in found:
            found.add(one)
            left += ours(PATHS[one])
    return found


def speaks_sql(name: str) -> set[str]:
    return {one for one in reached(name) if "sqlite3" in imported(PATHS[one])}


def test_the_protocol_of_the_store_knows_no_database() -> None:
    """Nor do the values that it is said in: another database's store imports nothing of SQLite's."""
    assert {"edgeguard.cases.protocol", "edgeguard.cases.case", "edgeguard.cases.told"} <= reached(
        "edgeguard.cases.protocol"
    )
    assert speaks_sql("edgeguard.cases.protocol") == set()
    assert "edgeguard.cases.database" in speaks_sql("edgeguard.cases.store"), "or nothing is seen"


@pytest.mark.parametrize("path", sources(), ids=module)
def test_statements_stay_where_cases_are_kept(path: Path) -> None:
    """Who is no part of cases/ opens a store and asks its protocol: nobody reaches for rows."""
    for name in ours(path):
        if room(module(path)) != "cases" and room(name) == "cases" and name not in OPENS:
            assert not speaks_sql(name), f"{module(path)} imports {name}, which speaks SQL"


@pytest.mark.parametrize("path", sources(), ids=module)
def test_no_file_is_longer_than_its_noun(path: Path) -> None:
    """A file above 350 lines holds more than one noun: split it, or give the reason in LONGER."""
    assert module(path) in LONGER or len(path.read_text(encoding="utf-8").splitlines()) <= MAX_LINES


def test_the_rules_themselves_are_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reader must see imports of every spelling, or the tests above prove nothing."""
    package = tmp_path / "edgeguard" / "notice"
    package.mkdir(parents=True)
    file = package / "render.py"
    file.write_text(
        "import numba.core\nfrom edgeguard.cases import store\nfrom edgeguard import engine\nfrom . import lint\n"
        "from ..cli import main\ndef late():\n    import click\n"
    )
    monkeypatch.setattr(f"{__name__}.PACKAGE", tmp_path / "edgeguard")
    known = {"edgeguard.engine", "edgeguard.cases.store", "edgeguard.notice.lint"}
    monkeypatch.setattr(f"{__name__}.MODULES", known)
    assert set(imported(file)) == known | {"numba.core", "edgeguard.cli", "click"}
