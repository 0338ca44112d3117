"""Counting what a request asks of the database."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event

from b2b_pipelines.db.engine import Database


@contextmanager
def queries(database: Database) -> Iterator[list[str]]:
    """The statements that are executed inside the block, whoever asks."""
    heard: list[str] = []

    def note(*given: Any) -> None:
        heard.append(given[2])

    event.listen(database.engine, "before_cursor_execute", note)
    try:
        yield heard
    finally:
        event.remove(database.engine, "before_cursor_execute", note)
