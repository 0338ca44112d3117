"""Readable sizes and imports without circles, in the product and its stand-ins; and the manners of their tests."""

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
FOREIGN = {
    (Path("tests/orchestration/test_storage.py"), "_engine"),  # of Dagster's storage, which has no public one
}
"""Private names of other projects that the product uses too, by the test that needs them."""
OF_TUPLES = {"_asdict", "_fields", "_make", "_replace"}
"""Methods of every named tuple. Their underscore keeps them apart from the fields."""


def sources(package: str) -> list[Path]:
    return [path.relative_to(ROOT) for path in sorted((ROOT / package).rglob("*.py"))]


def tree_of(path: Path) -> ast.Module:
    return ast.parse((ROOT / path).read_text(encoding="utf-8"))


def function_sizes(path: Path) -> list[int]:
    functions = (node for node in ast.walk(tree_of(path)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
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
    for node in ast.walk(tree_of(path)):
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
        for node in ast.walk(tree_of(path))
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


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def private_names(path: Path) -> set[str]:
    """Return the private names that a file of the product defines: functions, classes, variables and attributes."""
    found = set()
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Store):
            found.add(node.id if isinstance(node, ast.Name) else node.attr)
    return {name for name in found if is_private(name)}


def names_touched(path: Path) -> set[str]:
    """Return the names that a test reads of other objects, imports from modules, or replaces by `setattr`."""
    found = set()
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Attribute) and not (
            isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")
        ):
            found.add(node.attr)
        elif isinstance(node, ast.ImportFrom):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("setattr", "getattr", "patch")):
            texts = [each.value for each in node.args if isinstance(each, ast.Constant) and isinstance(each.value, str)]
            found |= {text.rpartition(".")[2] for text in texts}
    return found


def test_tests_touch_no_private_name_of_the_product():
    """They use what its callers use, so that the inside can change. Their own private names are their affair."""
    of_the_product = {name for package in PACKAGES for path in sources(package) for name in private_names(path)}
    assert len(of_the_product) > 500
    refused = of_the_product - OF_TUPLES
    found = {(path, name) for path in sources("tests") for name in names_touched(path) & refused}
    assert found - FOREIGN == set()


def test_only_one_place_in_the_tests_sleeps():
    """A test waits for a condition with `wait_until`: a sleep is too short on a busy machine, and too long on others."""
    sleeping = {
        str(path)
        for path in sources("tests")
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("time.sleep", "sleep", "asyncio.sleep")
    }
    assert sleeping == {"tests/waiting.py"}
