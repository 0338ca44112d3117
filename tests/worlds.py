"""Worlds that many tests begin in: made once by the product's services, and copied by PostgreSQL for every later test."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import text
from sqlalchemy.orm import Session

from b2b_pipelines.db.engine import Database
from b2b_pipelines.models import Base

World = TypeVar("World")
OF_CALLERS = {"token", "token_session", "person", "person_link", "person_session"}
"""Tables that a test may fill before its world is made."""
TABLES = {
    name: [column.name for column in table.columns if column.computed is None]
    for name, table in Base.metadata.tables.items()
    if name not in OF_CALLERS
}
FILLED = text(" UNION ALL ".join(f"SELECT '{name}' WHERE EXISTS (SELECT FROM {name})" for name in TABLES))


@dataclass(frozen=True)
class _Kept:
    world: object
    copy: str
    """Statements that fill the tables again."""


_worlds: dict[tuple[str, str], _Kept] = {}


def kept(database: Database, name: str, make: Callable[[], World]) -> World:
    """Return what `make` makes in an empty database; from the second time on, with a copy of its rows.

    The rows keep their ids. New rows get higher ones, because numbers continue from test to test.
    """
    key = database.url, name
    with database.session() as session:
        if session.scalars(FILLED).first() is not None:
            return make()
        if found := _worlds.get(key):
            session.execute(text(found.copy))
            return found.world  # type: ignore[return-value]
    world = make()
    with database.session() as session:
        _worlds[key] = _Kept(world, _copy(session, name))
    return world


def _copy(session: Session, name: str) -> str:
    """Copy the filled tables into a schema of the world. Return the statements that copy them back."""
    session.execute(text(f"DROP SCHEMA IF EXISTS {name} CASCADE; CREATE SCHEMA {name}"))
    statements = ["SET LOCAL session_replication_role = replica"]
    for table in session.scalars(FILLED).all():
        columns = ", ".join(f'"{column}"' for column in TABLES[table])
        session.execute(text(f"CREATE TABLE {name}.{table} AS SELECT {columns} FROM public.{table}"))
        statements.append(
            f"INSERT INTO public.{table} ({columns}) OVERRIDING SYSTEM VALUE SELECT {columns} FROM {name}.{table}"
        )
    return "; ".join(statements)
