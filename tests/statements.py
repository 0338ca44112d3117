"""Statements: those that the code under test sends, and the rows of a listing."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import current_thread
from typing import Any

from sqlalchemy import Engine, event, text
from sqlalchemy.orm import Session

from b2b_pipelines.db.engine import Database


@contextmanager
def statements(asked: Database | Engine) -> Iterator[list[str]]:
    """The statements sent while the block runs, in order, but for those of an API that looks for academies by itself."""
    engine = asked.engine if isinstance(asked, Database) else asked
    sent: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if current_thread().name != "academy-feed":
            sent.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        event.remove(engine, "before_cursor_execute", note)


def executed(sent: Sequence[str]) -> list[str]:
    """Return the statements without those that a new connection prepares (`tests/db/test_prepared.py` counts these)."""
    return [statement for statement in sent if not statement.startswith("PREPARE ")]


def listed(session: Session, statement: str, contracts: Sequence[int] | None = None) -> list[dict[str, Any]]:
    """Return the rows of a listing of `enrollment_codes.statements`, for those contracts or all."""
    given = {"contracts": None if contracts is None else list(contracts)}
    return [dict(row) for row in session.execute(text(statement), given).mappings()]
