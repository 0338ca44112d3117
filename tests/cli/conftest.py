"""Courseware that tests can add to contracts, and a contract that delivers to a sheet."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from b2b_pipelines.contracts import catalog
from b2b_pipelines.contracts import courseware_registry as registry
from b2b_pipelines.db.engine import Database
from sandbox.google.model import Spreadsheet, Tab
from sandbox.server import Sandbox
from tests.commands import Run

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


@pytest.fixture
def make(run: Run, courses: None, google_sandbox: Sandbox) -> Callable[..., Spreadsheet]:
    """Make a spreadsheet, and the contract `acme` with a cap that delivers to it."""

    def make(*, cap: int = 3, tabs=None, address: str = "{url}", tab: str | None = None, **options) -> Spreadsheet:
        made = google_sandbox.google.create_spreadsheet("Acme", [ADDRESS], tabs=tabs, **options)
        spreadsheet = google_sandbox.google.spreadsheet(made)
        url = address.format(id=made, url=f"https://docs.google.com/spreadsheets/d/{made}/edit")
        named = ["--tab", tab] if tab is not None else []
        created = run(f"b2b_contract create Acme Acme non-sso --create --max-learners {cap} --sheet", url, *named)
        assert created.status == 0, created.err
        assert run("b2b_contract courseware acme course-v1:UAI+C1").status == 0
        return spreadsheet

    return make


def error(run: Run, words: str, *more: str) -> tuple[str, str]:
    """The code and message of a refusal."""
    done = run(f"{words} --json", *more)
    assert done.status == 1, done.out
    return done.json["error"]["code"], done.json["error"]["message"]


def sync(run: Run, *options: str) -> dict:
    done = run("b2b sheet sync acme --json", *options)
    assert done.status == 0, done.out
    return done.json


def codes(tab: Tab, letter: str = "A") -> list[str]:
    return [cell for cell in tab.column(letter) if len(cell) == 36]
