"""Google Sheets, as assets get it."""

from collections.abc import Generator
from contextlib import contextmanager

import dagster as dg
from pydantic import Field

from b2b_pipelines.db.engine import Database
from b2b_pipelines.sheets.connection import SheetsConnection
from resources.fields import settings_of
from resources.urgency import share_of_pace


class GoogleSheetsResource(dg.ConfigurableResource[SheetsConnection]):
    """Hands out `SheetsConnection`.

    It signs in at the first request and keeps its pace in the database.
    """

    google_sheets_url: str | None = Field(default=None, description="Base URL of Google Sheets.")
    google_drive_url: str | None = Field(default=None, description="Base URL of Google Drive.")
    gsheets_requests_per_minute: int | None = Field(default=None, description="Reads, and likewise writes, a minute.")
    google_service_account_json: str | None = Field(default=None, description="Key of the service account.")

    database: dg.ResourceDependency[Database]

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Generator[SheetsConnection, None, None]:
        share = share_of_pace(context.run.tags if context.run else {})
        with SheetsConnection(settings_of(self), self.database.engine, share=share) as connection:
            yield connection
