"""A page of a listing: how many rows there are in all, and those of the page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Slice:
    """Which rows are asked for."""

    limit: int
    offset: int


def page(session: Session, query: Select[*tuple[Any, ...]], asked: Slice) -> tuple[int, Sequence[Row]]:
    """Return how many rows an ordered query has, and the rows asked for. Two queries."""
    count = session.scalar(select(func.count()).select_from(query.order_by(None).subquery())) or 0
    rows = session.execute(query.limit(asked.limit).offset(asked.offset)).mappings()
    return count, [dict(row) for row in rows]


def containing(value: str) -> str:
    """Return the LIKE pattern (escape character `\\`) of texts that contain this one."""
    return "%" + value.strip().replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
