"""Google Sheets, as assets get it."""

from collections.abc import Generator
from contextlib import contextmanager

import dagster as dg

from b2b_pipelines.db.engine import Database
from b2b_pipelines.settings import read_settings
from b2b_pipelines.sheets.connection import ROUTINE_SHARE, SheetsConnection
from resources.urgency import is_routine


class GoogleSheetsResource(dg.ConfigurableResource[SheetsConnection]):
    """Hands out `SheetsConnection`, which signs in when a sheet is first needed. Its pace is kept in the database."""

    database: dg.ResourceDependency[Database]

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Generator[SheetsConnection, None, None]:
        share = ROUTINE_SHARE if is_routine(context.run.tags if context.run else {}) else 1
        connection = SheetsConnection(read_settings(), self.database.engine, share=share)
        try:
            yield connection
        finally:
            connection.close()
