"""A contract's syncs for display: the last one, and the snapshots of all.

A page costs two queries.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session, defer

from b2b_pipelines.contracts.models import Contract
from b2b_pipelines.sheets.models import SheetSnapshot, SheetTarget


@dataclass(frozen=True, slots=True)
class LastSync:
    """The last sync that wrote.

    `up_to_date`: the sheet was verified since the contract last changed.
    """

    snapshot_id: int
    spreadsheet_id: str
    taken_at: datetime
    verified_at: datetime
    rows: int
    conflicts: int
    up_to_date: bool


def last_syncs(session: Session, contract_ids: Sequence[int]) -> dict[int, LastSync]:
    """Return the last sync of each contract that had one, by contract. One query."""
    newest = (
        select(
            SheetSnapshot.contract_id,
            SheetSnapshot.id,
            SheetSnapshot.spreadsheet_id,
            SheetSnapshot.taken_at,
            SheetSnapshot.verified_at,
            SheetSnapshot.row_count,
            func.jsonb_array_length(SheetSnapshot.conflicts).label("conflicts"),
        )
        .ext(distinct_on(SheetSnapshot.contract_id))
        .where(SheetSnapshot.contract_id.in_(contract_ids), SheetSnapshot.kind == "after")
        .order_by(SheetSnapshot.contract_id, SheetSnapshot.id.desc())
        .subquery()
    )
    rows = session.execute(
        select(newest, func.coalesce(SheetTarget.synced_revision >= Contract.revision, False).label("up_to_date"))
        .join(Contract, Contract.id == newest.c.contract_id)
        .outerjoin(SheetTarget, SheetTarget.contract_id == newest.c.contract_id)
    )
    return {
        row.contract_id: LastSync(
            row.id,
            row.spreadsheet_id,
            row.taken_at,
            row.verified_at,
            row.row_count,
            row.conflicts,
            row.up_to_date,
        )
        for row in rows
    }


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
