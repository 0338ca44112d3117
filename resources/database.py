"""The product's database, as assets and sensors get it."""

from collections.abc import Generator
from contextlib import contextmanager

import dagster as dg
from pydantic import Field

from b2b_pipelines.db.connect import connect
from b2b_pipelines.db.engine import Database
from resources.fields import settings_of


class DatabaseResource(dg.ConfigurableResource[Database]):
    """Hands out `Database`.

    It is the one that `B2B_DATABASE_URL` names, or the embedded one, started when needed.
    """

    database_url: str | None = Field(default=None, description="PostgreSQL of the product; embedded without it.")

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Generator[Database, None, None]:
        database = connect(settings_of(self))
        try:
            yield database
        finally:
            database.dispose()
