"""An installation that is connected to Studio and Google, and a manager at its pages."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from b2b_pipelines.api.app import create_app
from b2b_pipelines.contracts import catalog, courseware_registry
from b2b_pipelines.db.engine import Database
from b2b_pipelines.settings import Settings
from sandbox.open_edx import CLIENT_ID, CLIENT_SECRET
from sandbox.server import Sandbox
from tests.api.conftest import serving
from tests.sheets.conftest import ACCOUNT

COURSES = ("course-v1:MITx+1.00", "course-v1:MITx+2.00")


def settings_of(sandbox: Sandbox, home: Path) -> Settings:
    """Settings of an installation that is connected to Studio and Google."""
    key = home / "key.json"
    key.write_text(json.dumps(sandbox.google.make_service_account(ACCOUNT)))
    return Settings(
        home=home,
        google_service_account_file=key,
        google_sheets_url=sandbox.url,
        google_drive_url=sandbox.url,
        gsheets_requests_per_minute=10_000,
        studio_url=sandbox.studio.url,
        lms_url=sandbox.lms.url,
        oauth_client_id=CLIENT_ID,
        oauth_client_secret=CLIENT_SECRET,
    )


@contextmanager
def connected(sandbox: Sandbox, database: Database, home: Path) -> Iterator[str]:
    """Serve the API and give its URL. Two courses are registered."""
    with database.session() as session:
        for number, course in enumerate(COURSES, 1):
            courseware_registry.register(session, catalog.course(course, f"Course {number}", source_run="SOURCE"))
    with serving(create_app(settings_of(sandbox, home), database)) as url:
        yield url
