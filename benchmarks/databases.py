"""A PostgreSQL of its own for each benchmark, with durability as in production."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from b2b_pipelines.db import schema
from b2b_pipelines.db.embedded import EmbeddedPostgres
from b2b_pipelines.db.engine import Database


@contextmanager
def fresh_database() -> Iterator[Database]:
    """Yield an empty database with every table, on a server that ends with the block."""
    with tempfile.TemporaryDirectory(prefix="b2b-bench-") as directory:
        server = EmbeddedPostgres(Path(directory) / "postgres")
        server.ensure_running()
        server.ensure_database("bench")
        database = Database(server.url("bench"))
        try:
            schema.upgrade(database.engine)
            yield database
        finally:
            database.dispose()
            server.stop()
