"""`b2b db`: the product's database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from b2b_pipelines.cli import console
from b2b_pipelines.cli.console import AsJson, Verbose
from b2b_pipelines.errors import Refused

if TYPE_CHECKING:
    from b2b_pipelines.db.engine import Database

commands = console.app("The product's database.")


@commands.command("upgrade")
def upgrade(as_json: AsJson = False, verbose: Verbose = False) -> None:
    """Bring the tables to what this version needs. Running it again changes nothing."""
    from b2b_pipelines.db import schema

    with _database() as database:
        before, after = schema.upgrade(database.engine)
    if as_json:
        console.print_json({"before": before, "after": after})
    else:
        console.say(
            f"The database is at migration {after}" + (f" (was {before or 'empty'})." if before != after else ".")
        )


@commands.command("check")
def check(as_json: AsJson = False, verbose: Verbose = False) -> None:
    """Check that the database has had every migration, and that its tables are what the models say."""
    from b2b_pipelines.db import schema
    from b2b_pipelines.db.revisions import newest_revision

    with _database() as database:
        schema.require_current(database.engine)
        schema.require_models(database.engine)
    if as_json:
        console.print_json({"migration": newest_revision()})
    else:
        console.say(f"The tables are those of migration {newest_revision()}, and what the models say.")


@commands.command("stop")
def stop(as_json: AsJson = False, verbose: Verbose = False) -> None:
    """Stop the embedded PostgreSQL. The next command starts it again."""
    from b2b_pipelines.db.connect import embedded_postgres
    from b2b_pipelines.settings import read_settings

    settings = read_settings()
    if not settings.embedded:
        raise Refused("B2B_DATABASE_URL names the database: stop it where it runs")
    server = embedded_postgres(settings)
    was_running = server.is_running()
    server.stop()
    if as_json:
        console.print_json({"stopped": was_running})
    else:
        console.say("Stopped." if was_running else "It was not running.")


@contextmanager
def _database() -> Iterator[Database]:
    """The database as it is, migrated or not."""
    from b2b_pipelines.db.connect import embedded_postgres
    from b2b_pipelines.db.embedded import PRODUCT_DATABASE
    from b2b_pipelines.db.engine import Database
    from b2b_pipelines.settings import read_settings

    settings = read_settings()
    url = settings.database_url
    if url is None:
        server = embedded_postgres(settings)
        server.ensure_running()
        server.ensure_database(PRODUCT_DATABASE)
        url = server.url(PRODUCT_DATABASE)
    database = Database(url)
    try:
        yield database
    finally:
        database.dispose()
