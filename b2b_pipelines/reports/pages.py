"""Read a page of a listing with the total number of rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Slice:
    """Limit and offset of a requested page."""

    limit: int
    offset: int


def page(session: Session, query: Select[*tuple[Any, ...]], asked: Slice) -> tuple[int, Sequence[Row]]:
    """Return the number of rows of an ordered query, and the requested page. Two queries."""
    count = session.scalar(select(func.count()).select_from(query.order_by(None).subquery())) or 0
    rows = session.execute(query.limit(asked.limit).offset(asked.offset)).mappings()
    return count, [dict(row) for row in rows]
