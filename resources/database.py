"""The product's database, as assets and sensors get it."""

from collections.abc import Generator
from contextlib import contextmanager

import dagster as dg

from b2b_pipelines.db.connect import connect
from b2b_pipelines.db.engine import Database
from b2b_pipelines.settings import read_settings


class DatabaseResource(dg.ConfigurableResource[Database]):
    """Hands out `Database`: the one that `B2B_DATABASE_URL` names, or the embedded one, started when needed."""

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Generator[Database, None, None]:
        database = connect(read_settings())
        try:
            yield database
        finally:
            database.dispose()
