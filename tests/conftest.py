"""Collection for this project's own tests. The shared fixtures are the plugin `tests.fixtures`."""

import gc
import os
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


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """Let the short tests have a worker more than the machine has cores: a sixth of their time they wait.

    They wait for permits, retries and servers. The long ones start processes of their own, and measure.
    """
    return len(os.sched_getaffinity(0)) + 1 if config.option.markexpr == "not long" else None


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
