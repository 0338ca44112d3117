"""`b2b db`: the product's database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from b2b_pipelines.cli import console, files
from b2b_pipelines.cli.console import AsJson, Verbose
from b2b_pipelines.errors import Refused

if TYPE_CHECKING:
    from b2b_pipelines.db.engine import Database

commands = console.app("The product's database: upgrade, check, back up, stop.")


@commands.command("upgrade", epilog="Example: b2b db upgrade")
def upgrade(as_json: AsJson = False, verbose: Verbose = False) -> None:
    """Apply the missing migrations. Running it again changes nothing."""
    from b2b_pipelines.db import schema

    with _database() as database:
        before, after = schema.upgrade(database.engine)
    if as_json:
        console.print_json({"before": before, "after": after})
    else:
        console.say(f"Database is at migration {after}" + (f" (was {before or 'empty'})." if before != after else "."))


@commands.command("check", epilog="Example: b2b db check")
def check(as_json: AsJson = False, verbose: Verbose = False) -> None:
    """Check that the database has every migration and matches the models."""
    from b2b_pipelines.db import schema
    from b2b_pipelines.db.revisions import newest_revision

    with _database() as database:
        schema.require_current(database.engine)
        schema.require_models(database.engine)
    if as_json:
        console.print_json({"migration": newest_revision()})
    else:
        console.say(f"Database is at migration {newest_revision()} and matches the models.")


@commands.command("backup", epilog="Example: b2b db backup b2b.dump")
def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", dir_okay=False, help="The file to write.")],
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Write a dump of the database, for pg_restore. It holds codes and addresses: only you may read the file."""
    from b2b_pipelines.db.backup import back_up

    with _database() as database, files.writing(file):
        back_up(database.url, file)
    size = file.stat().st_size
    if as_json:
        console.print_json({"file": str(file), "bytes": size})
    else:
        console.say(f"Wrote {size:,} bytes to {file}.")


@commands.command("stop", epilog="Example: b2b db stop")
def stop(as_json: AsJson = False, verbose: Verbose = False) -> None:
    """Stop the embedded PostgreSQL. The next command starts it again."""
    from b2b_pipelines.db.connect import embedded_postgres
    from b2b_pipelines.settings import read_settings

    settings = read_settings()
    if not settings.embedded:
        raise Refused("The database is named by B2B_DATABASE_URL. Stop it where it runs.")
    server = embedded_postgres(settings)
    was_running = server.is_running()
    server.stop()
    if as_json:
        console.print_json({"stopped": was_running})
    else:
        console.say("Stopped." if was_running else "It was not running.")


@contextmanager
def _database() -> Iterator[Database]:
    """Connect to the database, migrated or not."""
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
