"""Read a page of a listing with the total number of rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from b2b_pipelines.db.rows import Row, rows_of


@dataclass(frozen=True, slots=True)
class Slice:
    """Limit and offset of a requested page."""

    limit: int
    offset: int


def page(session: Session, statement: str, asked: Slice, **given: Any) -> tuple[int, Sequence[Row]]:
    """Return the number of rows of a statement that ends with its order, and the requested page. Two queries."""
    rows = rows_of(session)
    unordered, _, order = statement.rpartition("\nORDER BY ")
    [total] = rows(f"SELECT count(*) AS count FROM ({unordered}) AS listed", **given)
    limited = f"{unordered} ORDER BY {order} LIMIT :limit OFFSET :offset"
    return total["count"], rows(limited, **given, limit=asked.limit, offset=asked.offset)
