"""Contracts in the database, sheets in the sandbox, and assets with the settings of both."""

from pathlib import Path

import pytest

from sandbox.server import Sandbox
from tests.sheets.conftest import deliver, key_file, sheets

__all__ = ["deliver", "key_file", "sheets"]


@pytest.fixture
def surroundings(monkeypatch: pytest.MonkeyPatch, key_file: Path, database_url: str, sandbox: Sandbox) -> None:
    """The settings of an installation whose database and Google are those of the test."""
    monkeypatch.setenv("B2B_DATABASE_URL", database_url)
    monkeypatch.setenv("B2B_GOOGLE_SERVICE_ACCOUNT_FILE", str(key_file))
    monkeypatch.setenv("B2B_GOOGLE_SHEETS_URL", sandbox.url)
    monkeypatch.setenv("B2B_GOOGLE_DRIVE_URL", sandbox.url)
    monkeypatch.setenv("B2B_GSHEETS_REQUESTS_PER_MINUTE", "100000")
