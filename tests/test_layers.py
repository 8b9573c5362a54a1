"""The house stands as design.md draws it: which room may import which, and where each library may appear.

The tables below are law 9; every other test here is one of its sentences. Each rule is shown on a few made-up lines
that break it, so that a rule that has stopped looking is seen too.
"""

import ast
import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent

# A room may import those of lower rank and itself; rooms of one rank do not know each other.
RANKS = {
    "core": 0,
    "app": 0,
    "app.errors": 1,
    "app.settings": 1,
    "app.machine": 1,
    "app.times": 1,
    "app.watch": 1,
    "app.telemetry": 2,
    "app.storage": 2,
    "app.repository": 3,
    "app.datasets": 3,
    "app.jobs": 3,
    "app.training": 4,
    "app.serving": 4,
    "app.http": 5,
    "app.bootstrap": 6,
    "app.main": 7,
    "app.commands": 7,
    "app.__main__": 8,
}
# Where a library may appear, by the beginning of the module's name.
PLACES = {
    "numpy": ("core", "app"),
    "fastapi": ("app.http",),
    "starlette": ("app.http",),
    "anyio": ("app.http",),
    "prometheus_client": ("app.http",),
    "python_multipart": ("app.http",),
    "simdjson": ("app.http.wire", "app.http.oip"),
    "pyarrow": ("app.datasets", "app.http.wire"),
    "safetensors": ("app.repository",),
    "sqlalchemy": ("app.jobs",),
    "alembic": ("app.jobs.migrations",),
    "dask": ("app.training",),
    "distributed": ("app.training",),
    "threadpoolctl": ("app.training",),
    "orjson": ("app",),
    "pydantic": ("app.settings", "app.jobs", "app.http"),
    "pydantic_settings": ("app.settings",),
    "uvicorn": ("app.commands", "app.http.connections", "app.http.protocol"),
    "httptools": ("app.http.connections",),
    "httpx": ("app.commands", "app.training"),
}
# Law 1: arrays in, arrays out. Files, clocks, logs, processes and hidden randomness are not for core.
NOT_IN_CORE = {"asyncio", "datetime", "io", "logging", "multiprocessing", "os", "pathlib", "random", "secrets"} | {
    "socket", "subprocess", "tempfile", "threading", "time", "uuid", "warnings"
}  # fmt: skip


class Import(NamedTuple):
    """One name that one module takes from another."""

    importer: str
    module: str  # the module that is imported; for `from package import module`, that module
    name: str | None
    line: int
    nested: bool

    def __str__(self) -> str:
        taken = f"{self.module}:{self.name}" if self.name else self.module
        return f"{self.importer} line {self.line} imports {taken}"


def test_every_module_belongs_to_a_room_with_a_rank() -> None:
    assert sorted(module for module in house() if room(module) not in RANKS) == []


def test_rooms_import_only_what_stands_below_them() -> None:
    assert upward(house()) == []
    assert upward({"core.network": "from app.errors import Invalid", "app.errors": ""}) != []
    assert upward({"app.jobs.store": "import app.datasets.store", "app.datasets.store": ""}) != []
    assert upward({"app.http.app": "from app.training import body", "app.training.body": ""}) != []


def test_each_library_appears_only_in_its_place() -> None:
    assert misplaced(house()) == []
    assert misplaced({"core.network": "import scipy.special"}) != []
    assert misplaced({"core.network": "from logging import getLogger"}) != []
    assert misplaced({"app.serving.predictor": "import fastapi"}) != []
    assert misplaced({"app.http.app": "import pyarrow"}) != []


def test_no_import_hides_in_a_function() -> None:
    assert [str(each) for each in imports(house()) if each.nested] == []
    assert [each for each in imports({"app.errors": "def late():\n    import json"}) if each.nested]


def test_imports_run_in_no_circle() -> None:
    assert circle(house()) is None
    assert circle(
        {"core.a": "from core import b", "core.b": "from core.c import d", "core.c": "import core.a"}
    )


def test_private_names_stay_in_their_room() -> None:
    assert private(house()) == []
    assert private({"app.http.app": "from app.jobs.store import _row", "app.jobs.store": ""}) != []
    assert private({"app.http.app": "from app.jobs import store\nstore._row()", "app.jobs.store": ""}) != []
    assert private({"app.jobs.plan": "from app.jobs.store import _row", "app.jobs.store": ""}) == []


def test_imports_are_written_in_full() -> None:
    relative = [
        f"{module} line {node.lineno}"
        for module, source in house().items()
        for node in ast.walk(parse(source))
        if isinstance(node, ast.ImportFrom) and node.level
    ]
    assert relative == []


@cache
def parse(source: str) -> ast.Module:
    return ast.parse(source)


@cache
def house() -> dict[str, str]:
    """The source of every module of core and app, by its dotted name."""
    sources = {}
    for file in sorted([*ROOT.glob("core/**/*.py"), *ROOT.glob("app/**/*.py")]):
        name = ".".join(file.relative_to(ROOT).with_suffix("").parts)
        sources[name.removesuffix(".__init__")] = file.read_text(encoding="utf-8")
    return sources


def room(module: str) -> str:
    """`core`, or the part of app that a module is or lies in."""
    parts = module.split(".")
    return "core" if parts[0] == "core" else ".".join(parts[:2])


def imports(sources: Mapping[str, str]) -> Iterator[Import]:
    for importer, source in sources.items():
        tree = parse(source)
        inner = {id(node) for each in ast.walk(tree) if _is_function(each) for node in ast.walk(each)}
        for node in ast.walk(tree):
            for module, name in _named(node, sources):
                yield Import(importer, module, name, node.lineno, id(node) in inner)  # type: ignore[attr-defined]


def _is_function(node: ast.AST) -> bool:
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)


def _named(node: ast.AST, sources: Mapping[str, str]) -> Iterable[tuple[str, str | None]]:
    if isinstance(node, ast.Import):
        return [(alias.name, None) for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module:
        full = [(f"{node.module}.{alias.name}", alias.name) for alias in node.names]
        return [(path, None) if path in sources else (str(node.module), name) for path, name in full]
    return []


def _ours(module: str) -> bool:
    return module.startswith(("app.", "core.")) or module in ("app", "core")


def upward(sources: Mapping[str, str]) -> list[str]:
    """Imports of a room that is not below the importer's own, or that law 6 forbids."""
    wrong = []
    for each in imports(sources):
        above, below = room(each.importer), room(each.module)
        if not _ours(each.module) or above == below:
            continue
        unseen = above == "app.http" and below == "app.training"
        if RANKS[below] >= RANKS[above] or unseen:
            wrong.append(str(each))
    return wrong


def misplaced(sources: Mapping[str, str]) -> list[str]:
    """Libraries outside their places, libraries that no line of the table allows, and what core may not use."""
    wrong = []
    for each in imports(sources):
        library = each.module.split(".")[0]
        if library in sys.stdlib_module_names:
            allowed = room(each.importer) != "core" or library not in NOT_IN_CORE
        else:
            allowed = _ours(library) or each.importer.startswith(PLACES.get(library, ()))
        if not allowed:
            wrong.append(str(each))
    return wrong


def circle(sources: Mapping[str, str]) -> list[str] | None:
    """Modules that import each other round in a circle, if there are any."""
    graph: dict[str, set[str]] = {module: set() for module in sources}
    for each in imports(sources):
        if each.module in sources and each.module != each.importer:
            graph[each.importer].add(each.module)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return None


def private(sources: Mapping[str, str]) -> list[str]:
    """Names with a leading underscore that another room takes, by import or through the module."""
    foreign = [
        each for each in imports(sources) if _ours(each.module) and room(each.module) != room(each.importer)
    ]
    taken = [
        str(each)
        for each in foreign
        if (each.name or "").startswith("_") or "._" in each.module.replace("__", "")
    ]
    modules = {(each.importer, each.module.split(".")[-1]) for each in foreign if each.name is None}
    for importer, source in sources.items():
        for node in ast.walk(parse(source)):
            match node:
                case ast.Attribute(value=ast.Name(id=name), attr=attribute) if attribute.startswith("_"):
                    if (importer, name) in modules:
                        taken.append(f"{importer} line {node.lineno} reads {name}.{attribute}")
    return taken
