"""Tables: the tab of each contract, and the contents of our columns after each sync."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint, func
from sqlalchemy.orm import Mapped, mapped_column

from b2b_pipelines.db.base import Base


class SheetTarget(Base):
    """The tab for a contract's codes, claimed under a unique index: no two contracts share one.

    `sheet_id` is Google's number of the tab: it outlives a renaming. `requested_url` and `requested_tab` are the
    contract's values when the tab was looked up; once they differ, the tab is looked up again. `written_at` stays None
    until the first write. `restored_at` is the time when the customer's own cells were restored: then nothing is
    written until the contract is given a sheet again, or a sync has the consent to replace them. `synced_revision` is
    the revision of the contract that the tab shows.
    """

    __tablename__ = "sheet_target"
    __table_args__ = (UniqueConstraint("spreadsheet_id", "sheet_id"),)

    contract_id: Mapped[int] = mapped_column(ForeignKey("contract.id"), primary_key=True, autoincrement=False)
    spreadsheet_id: Mapped[str] = mapped_column(String(255))
    sheet_id: Mapped[int]
    title: Mapped[str] = mapped_column(String(255))
    requested_url: Mapped[str] = mapped_column(String(1024))
    requested_tab: Mapped[str | None] = mapped_column(String(255))
    written_at: Mapped[datetime | None]
    restored_at: Mapped[datetime | None]
    synced_revision: Mapped[int] = mapped_column(default=0, server_default="0")


class SheetSnapshot(Base):
    """The contents of our columns after a write, or of A-F before they were replaced.

    `kind` is `after`, or `before` (kept for 30 days). `rows` of kind `after` list `[row number, code, [the six
    cells]]`, with `columns` the positions of ours (from 0) and `column_count` the width of the grid; those of kind
    `before` list the cells of A-F, row by row from row 1. In a row of kind `before` a formula is `{formula}`, a text
    that begins with `=` is `{text}`, and a number that shows as something else, such as a date, is `{number, shown}`.
    `cause` is the write: `sync`, `rebuild` or `restore`. `conflicts` list `{kind, row, code}`. A sync that found
    nothing to write updates the last snapshot, moves its `verified_at` and adds none.
    """

    __tablename__ = "sheet_snapshot"
    __table_args__ = (Index("ix_sheet_snapshot_contract_id_id", "contract_id", "id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    contract_id: Mapped[int] = mapped_column(ForeignKey("contract.id"))
    kind: Mapped[str] = mapped_column(String(10))
    spreadsheet_id: Mapped[str] = mapped_column(String(255))
    sheet_id: Mapped[int]
    title: Mapped[str] = mapped_column(String(255))
    taken_at: Mapped[datetime] = mapped_column(server_default=func.now())
    verified_at: Mapped[datetime] = mapped_column(server_default=func.now())
    columns: Mapped[list[Any]]
    column_count: Mapped[int]
    rows: Mapped[list[Any]]
    row_count: Mapped[int]
    conflicts: Mapped[list[Any]]
    updated: Mapped[int] = mapped_column(default=0)
    appended: Mapped[int] = mapped_column(default=0)
    unchanged: Mapped[int] = mapped_column(default=0)
    reads: Mapped[int] = mapped_column(default=0)
    writes: Mapped[int] = mapped_column(default=0)
    content_hash: Mapped[str] = mapped_column(String(64))
    run_id: Mapped[str | None]
    cause: Mapped[str] = mapped_column(String(10), default="sync", server_default="sync")
