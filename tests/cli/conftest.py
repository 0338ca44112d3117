"""Courseware that tests can add to contracts."""

import pytest

from tests.commands import Run


@pytest.fixture
def courses(run: Run) -> None:
    """Two courses with source runs."""
    for number in (1, 2):
        done = run(f"b2b course add course-v1:UAI+C{number} Course{number} --source-run SOURCE")
        assert done.status == 0, done.err
