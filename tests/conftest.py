"""Collection for this project's own tests. The shared fixtures are the plugin `tests.fixtures`."""

import gc
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

YOUNG_OBJECTS = 50_000
"""Objects between two collections of garbage, as in the product's commands."""
ALL_LONG = re.compile(r"^pytestmark = \[?pytest\.mark\.long\b", re.MULTILINE)


def pytest_configure(config: pytest.Config) -> None:
    """Register the shared fixtures, but not where xdist only hands tests out: importing them takes two seconds."""
    hands_out = bool(config.getoption("numprocesses", None)) and not hasattr(config, "workerinput")
    if not hands_out:
        config.pluginmanager.import_plugin("tests.fixtures")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Do not import modules of long tests alone when only short ones run: some import slow libraries."""
    if config.option.markexpr != "not long" or collection_path.suffix != ".py":
        return None
    return True if ALL_LONG.search(collection_path.read_text(encoding="utf-8")) else None


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Import everything without looking for garbage, of which there is none: a fifth of the time.

    The tests look for it less often than Python does by default, which takes a twentieth of the time.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()
        gc.set_threshold(YOUNG_OBJECTS)
