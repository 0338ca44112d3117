"""Counting what the code under test asks of the database."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import current_thread

from sqlalchemy import Engine, event

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
