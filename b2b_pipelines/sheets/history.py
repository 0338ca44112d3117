"""The snapshots of a contract's syncs, for display. A page costs two queries."""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session, defer

from b2b_pipelines.sheets.models import SheetSnapshot


def page(session: Session, contract_id: int, limit: int, offset: int) -> tuple[int, Sequence[SheetSnapshot]]:
    """Return the number of snapshots of the contract's syncs, and a page of them, newest first.

    The page has no rows.
    """
    count = session.scalar(select(func.count()).select_from(SheetSnapshot).where(*_written(contract_id))) or 0
    found = session.scalars(
        select(SheetSnapshot)
        .where(*_written(contract_id))
        .options(defer(SheetSnapshot.rows))
        .order_by(SheetSnapshot.id.desc())
        .limit(limit)
        .offset(offset)
    )
    return count, found.all()


def snapshot(session: Session, contract_id: int, snapshot_id: int) -> SheetSnapshot | None:
    """Return one snapshot of a sync of the contract, with its rows."""
    query = select(SheetSnapshot).where(SheetSnapshot.id == snapshot_id, *_written(contract_id))
    return session.scalars(query).first()


def _written(contract_id: int) -> tuple[ColumnElement[bool], ...]:
    """Return the condition for snapshots of our columns.

    The customer's earlier cells stay private.
    """
    return SheetSnapshot.contract_id == contract_id, SheetSnapshot.kind == "after"
