"""Rows of a statement, through an ORM session or through the plain connection of a listing (`reading`).

The module imports no SQLAlchemy, so that commands that read start fast.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

Row = Mapping[str, Any]


class Rows(Protocol):
    """Runs a statement with its parameters (`:name`), and returns its rows."""

    def __call__(self, statement: str, **given: Any) -> Sequence[Row]: ...


def rows_of(session: Session) -> Rows:
    """Return the function that runs statements in a session."""
    from sqlalchemy import text

    def rows(statement: str, **given: Any) -> list[dict[str, Any]]:
        return [dict(row) for row in session.execute(text(statement), given).mappings()]

    return rows
