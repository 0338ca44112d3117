"""The plugin of shared fixtures, in the hands of another test project."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from b2b_pipelines.settings import PROJECT

SOURCE = """
def test_a_contract_that_another_system_sells_is_listed(shop, sandbox, run):
    sold = shop.sell("Acme", cap=3)
    assert [row["slug"] for row in run("b2b list contracts --json").json] == [sold.slug]


def test_the_next_test_begins_with_an_empty_database(run):
    assert run("b2b list contracts --json").json == []
"""


@pytest.mark.long
def test_another_test_project_registers_the_shared_fixtures(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["tests.fixtures"]\n')
    (tmp_path / "test_source.py").write_text(SOURCE)
    environment = os.environ | {"PYTHONPATH": str(PROJECT)}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert "2 passed" in done.stdout, done.stdout + done.stderr
