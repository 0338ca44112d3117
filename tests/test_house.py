"""Readable sizes and imports without circles, in the product and its stand-ins; and the manners of their tests."""

import ast
from dataclasses import dataclass, field
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PRODUCT = ("b2b_pipelines", "assets", "resources", "schedules")
PACKAGES = (*PRODUCT, "sandbox")
LONGEST_FILE = 400
LONGEST_FUNCTION = 20
"""Lines of nine functions in ten, signature and docstring included."""
FROZEN = {Path("b2b_pipelines/db/migrations/versions/0001_initial_tables.py")}
"""A released migration is never edited."""
FOREIGN = {
    (Path("tests/orchestration/test_storage.py"), "_engine"),  # of Dagster's storage, which has no public one
}
"""Private names of other projects that the product uses too, by the test that needs them."""
OF_TUPLES = {"_asdict", "_fields", "_make", "_replace"}
"""Methods of every named tuple. Their underscore keeps them apart from the fields."""


def sources(package: str) -> list[Path]:
    return [path.relative_to(ROOT) for path in sorted((ROOT / package).rglob("*.py"))]


@dataclass
class Facts:
    """The contents of a file that the rules below are about. No tree is kept, because they are large."""

    lines: int = 0
    function_sizes: list[int] = field(default_factory=list)
    imported: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    """Modules with the names that are imported from them, at any place: in functions, and for types alone, too."""
    defined: set[str] = field(default_factory=set)
    """Functions, classes, and the variables and attributes that are set."""
    touched: set[str] = field(default_factory=set)
    """Names that are read of other objects than `self`, imported from modules, or replaced by `setattr`."""
    called: set[str] = field(default_factory=set)


@cache
def facts(path: Path) -> Facts:
    source = (ROOT / path).read_text(encoding="utf-8")
    found = Facts(len(source.splitlines()))
    for node in ast.walk(ast.parse(source)):
        note(node, found)
    return found


def note(node: ast.AST, found: Facts) -> None:
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            found.function_sizes.append((node.end_lineno or node.lineno) - node.lineno + 1)
            found.defined.add(node.name)
        case ast.ClassDef():
            found.defined.add(node.name)
        case ast.Import():
            found.imported += [(alias.name, ()) for alias in node.names]
        case ast.ImportFrom(module=str(module)):
            names = tuple(alias.name for alias in node.names)
            found.imported.append((module, names))
            found.touched |= set(names)
        case ast.Name(id=name, ctx=ast.Store()):
            found.defined.add(name)
        case ast.Attribute(value=value, attr=name, ctx=context):
            if isinstance(context, ast.Store):
                found.defined.add(name)
            if not (isinstance(value, ast.Name) and value.id in ("self", "cls")):
                found.touched.add(name)
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
            found.called.add(name)
            if name in ("setattr", "getattr", "patch"):
                texts = [each.value for each in node.args if isinstance(each, ast.Constant)]
                found.touched |= {text.rpartition(".")[2] for text in texts if isinstance(text, str)}


@pytest.mark.parametrize("package", PACKAGES)
def test_no_file_is_longer_than_400_lines(package: str):
    sizes = {path: facts(path).lines for path in sources(package)}
    assert len(sizes) > 5
    long = {path: size for path, size in sizes.items() if size > LONGEST_FILE}
    assert long.keys() - FROZEN == set()


@pytest.mark.parametrize("packages", [PRODUCT, PACKAGES], ids=["product", "with-stand-ins"])
def test_nine_functions_in_ten_have_at_most_20_lines(packages: tuple[str, ...]):
    migrations = Path("b2b_pipelines/db/migrations")
    paths = [path for package in packages for path in sources(package) if not path.is_relative_to(migrations)]
    sizes = [size for path in paths for size in facts(path).function_sizes]
    assert len(sizes) > 2000
    short = sum(size <= LONGEST_FUNCTION for size in sizes) / len(sizes)
    assert short >= 0.9, f"{short:.1%} of {len(sizes)} functions have at most {LONGEST_FUNCTION} lines"


def imports_of(path: Path, modules: set[str]) -> set[str]:
    """The modules of these that a file imports."""
    found = set()
    for module, names in facts(path).imported:
        parts = {f"{module}.{name}" for name in names}
        found |= parts & modules if names and parts <= modules else (parts & modules) | {module}
    return found & modules


SQL = {"select", "insert", "update", "delete", "text", "func", "exists", "union_all"}


@pytest.mark.parametrize("room", ["b2b_pipelines/api", "b2b_pipelines/cli", "assets", "schedules", "resources"])
def test_no_route_command_or_asset_writes_sql(room: str):
    """Statements stand in the stores and reports; a route names what it asks for."""
    found = {
        (str(path), name)
        for path in sources(room)
        for module, names in facts(path).imported
        if module.startswith("sqlalchemy")
        for name in names
        if name in SQL
    }
    assert found == set()


def test_no_module_imports_itself_by_way_of_others():
    """Imports in functions and those for types alone count too. `static_order` names a circle that it meets."""
    modules = {
        ".".join(path.with_suffix("").parts).removesuffix(".__init__"): path
        for package in PACKAGES
        for path in sources(package)
    }
    graph = {name: imports_of(path, set(modules)) - {name} for name, path in modules.items()}
    assert sum(map(len, graph.values())) > 1000
    assert len(list(TopologicalSorter(graph).static_order())) == len(modules)


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def test_tests_touch_no_private_name_of_the_product():
    """They use what its callers use, so that the inside can change. Their own private names are their affair."""
    defined = {name for package in PACKAGES for path in sources(package) for name in facts(path).defined}
    refused = {name for name in defined if is_private(name)} - OF_TUPLES
    assert len(refused) > 500
    found = {(path, name) for path in sources("tests") for name in facts(path).touched & refused}
    assert found - FOREIGN == set()


def test_only_one_place_in_the_tests_sleeps():
    """A test waits for a condition with `wait_until`: a sleep is too short on a busy machine, and too long on others."""
    assert {str(path) for path in sources("tests") if "sleep" in facts(path).called} == {"tests/waiting.py"}
