"""Courseware that tests can add to contracts."""

import json
from pathlib import Path

import pytest

from b2b_pipelines.contracts import catalog
from b2b_pipelines.contracts import courseware_registry as registry
from b2b_pipelines.db.engine import Database
from sandbox.server import Sandbox

ADDRESS = "b2b@sandbox.test"


@pytest.fixture
def courses(database: Database) -> None:
    """Two courses with source runs."""
    with database.session() as session:
        for number in (1, 2):
            registry.register(
                session, catalog.course(f"course-v1:UAI+C{number}", f"Course{number}", source_run="SOURCE")
            )


@pytest.fixture
def google_sandbox(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    """The stand-ins, and settings with which commands sign in to Google's as `ADDRESS`."""
    key = tmp_path / "key.json"
    key.write_text(json.dumps(sandbox.google.make_service_account(ADDRESS)))
    monkeypatch.setenv("B2B_GOOGLE_SERVICE_ACCOUNT_FILE", str(key))
    monkeypatch.setenv("B2B_GOOGLE_SHEETS_URL", sandbox.url)
    monkeypatch.setenv("B2B_GOOGLE_DRIVE_URL", sandbox.url)
    return sandbox
