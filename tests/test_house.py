"""Sizes that keep files and functions readable, and imports without circles: the product and its stand-ins."""

import ast
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


def sources(package: str) -> list[Path]:
    return [path.relative_to(ROOT) for path in sorted((ROOT / package).rglob("*.py"))]


def function_sizes(path: Path) -> list[int]:
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    functions = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return [(node.end_lineno or node.lineno) - node.lineno + 1 for node in functions]


@pytest.mark.parametrize("package", PACKAGES)
def test_no_file_is_longer_than_400_lines(package: str):
    sizes = {path: len((ROOT / path).read_text(encoding="utf-8").splitlines()) for path in sources(package)}
    assert len(sizes) > 5
    long = {path: size for path, size in sizes.items() if size > LONGEST_FILE}
    assert long.keys() - FROZEN == set()


@pytest.mark.parametrize("packages", [PRODUCT, PACKAGES], ids=["product", "with-stand-ins"])
def test_nine_functions_in_ten_have_at_most_20_lines(packages: tuple[str, ...]):
    migrations = Path("b2b_pipelines/db/migrations")
    paths = [path for package in packages for path in sources(package) if not path.is_relative_to(migrations)]
    sizes = [size for path in paths for size in function_sizes(path)]
    assert len(sizes) > 2000
    short = sum(size <= LONGEST_FUNCTION for size in sizes) / len(sizes)
    assert short >= 0.9, f"{short:.1%} of {len(sizes)} functions have at most {LONGEST_FUNCTION} lines"


def imports_of(path: Path, modules: set[str]) -> set[str]:
    """The modules of these that a file imports, at any place: in functions, and for types alone, too."""
    found = set()
    for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            parts = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= parts & modules if parts <= modules else (parts & modules) | {node.module}
    return found & modules


SQL = {"select", "insert", "update", "delete", "text", "func", "exists", "union_all"}


@pytest.mark.parametrize("room", ["b2b_pipelines/api", "b2b_pipelines/cli", "assets", "schedules", "resources"])
def test_no_route_command_or_asset_writes_sql(room: str):
    """Statements stand in the stores and reports; a route names what it asks for."""
    found = {
        (str(path), alias.name)
        for path in sources(room)
        for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("sqlalchemy")
        for alias in node.names
        if alias.name in SQL
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
