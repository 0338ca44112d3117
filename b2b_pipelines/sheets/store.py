"""Queries of the sync: the codes of a sheet, the contract of a tab, the earlier writes."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, defer

from b2b_pipelines.contracts.models import Contract
from b2b_pipelines.sheets.kept import KEPT_BEFORE
from b2b_pipelines.sheets.models import SheetSnapshot, SheetTarget
from b2b_pipelines.sheets.statements import DELIVERED

WANTED = text("""
WITH attached AS (
    SELECT redemption.code_id, count(*) AS number, max(redemption.redeemed_at) AS redeemed_at,
           (array_agg(learner.email ORDER BY redemption.redeemed_at DESC, redemption.id DESC))[1] AS email
    FROM code_redemption redemption
    JOIN enrollment_code code ON code.id = redemption.code_id
    JOIN learner ON learner.id = redemption.learner_id
    WHERE code.contract_id = :contract AND redemption.kind = 'attach'
    GROUP BY redemption.code_id
), seated AS (
    SELECT DISTINCT held.code_id
    FROM (
        SELECT redemption.code_id, redemption.redeemed_at >= seat.attached_at AS this_stay,
               row_number() OVER (PARTITION BY seat.id ORDER BY redemption.redeemed_at DESC, redemption.id DESC) AS place
        FROM code_redemption redemption
        JOIN enrollment_code code ON code.id = redemption.code_id
        JOIN contract_learner seat ON seat.contract_id = code.contract_id AND seat.learner_id = redemption.learner_id
        WHERE code.contract_id = :contract
    ) AS held
    WHERE held.this_stay OR held.place = 1
), kept AS (
    SELECT code.id, attached.code_id IS NULL AS unredeemed,
           seated.code_id IS NOT NULL OR (code.active AND attached.code_id IS NULL) AS counts
    FROM enrollment_code code
    LEFT JOIN attached ON attached.code_id = code.id
    LEFT JOIN seated ON seated.code_id = code.id
    WHERE code.contract_id = :contract
      AND (attached.code_id IS NOT NULL OR lower(code.code) = ANY(CAST(:present AS text[])))
), others AS (
    SELECT code.id
    FROM enrollment_code code
    WHERE code.contract_id = :contract AND code.active AND NOT EXISTS (SELECT FROM kept WHERE kept.id = code.id)
    ORDER BY code.id
    LIMIT (SELECT CASE WHEN CAST(:cap AS bigint) IS NULL THEN NULL
                       ELSE greatest(:cap - count(*) FILTER (WHERE counts), 0) END FROM kept)
), chosen AS (
    SELECT id, unredeemed::int AS place FROM kept
    UNION ALL
    SELECT id, 2 FROM others
)
SELECT code.code, code.redemption_type, coalesce(attached.number, 0) AS total_redemptions,
       coalesce(code.expires_at, code.deactivated_at,
                CASE WHEN code.redemption_type = 'one-time' THEN attached.redeemed_at END) AS invalidated_at,
       attached.email, attached.redeemed_at
FROM chosen
JOIN enrollment_code code ON code.id = chosen.id
LEFT JOIN attached ON attached.code_id = code.id
ORDER BY chosen.place, code.id
""")

LOCATE = text("""
UPDATE enrollment_code SET sheet_target = placed.target, sheet_row = placed.row
FROM (
    SELECT code.id, CASE WHEN here.row IS NULL THEN NULL ELSE :target END AS target, here.row
    FROM enrollment_code code
    LEFT JOIN unnest(CAST(:codes AS text[]), CAST(:rows AS bigint[])) AS here (code, row) ON here.code = code.code
    WHERE code.contract_id = :contract AND (here.row IS NOT NULL OR code.sheet_row IS NOT NULL)
) AS placed
WHERE placed.id = enrollment_code.id
  AND (enrollment_code.sheet_target, enrollment_code.sheet_row) IS DISTINCT FROM (placed.target, placed.row)
""")

OURS = text("""
SELECT code FROM enrollment_code WHERE contract_id = :contract AND lower(code) = ANY(CAST(:texts AS text[]))
""")

KNOWN = text("""
SELECT EXISTS (SELECT FROM enrollment_code WHERE lower(code) = ANY(CAST(:codes AS text[])))
    OR EXISTS (SELECT FROM sheet_snapshot WHERE spreadsheet_id = :spreadsheet AND sheet_id = :sheet AND kind = 'after')
""")


@dataclass(frozen=True, slots=True)
class WantedCode:
    """The state of a code that the sheet shows.

    Times are UTC; `email` is the last attached learner's.
    """

    code: str
    redemption_type: str
    total_redemptions: int
    invalidated_at: datetime | None
    email: str | None
    redeemed_at: datetime | None


def wanted(session: Session, contract: Contract, present: Collection[str]) -> list[WantedCode]:
    """Return the codes that the contract's sheet shows.

    The order is that in which missing ones are added. Attached codes first, then those `present` in the sheet (texts in
    lower case), then the rest by id until every seat has a row. A code takes a seat's row while it is active and
    unused, or a learner who used it is still attached.
    """
    given = {"contract": contract.id, "cap": contract.cap, "present": list(present)}
    return [WantedCode(*row) for row in session.execute(WANTED, given)]


def codes_among(session: Session, contract: Contract, texts: Collection[str]) -> list[str]:
    """Return which of these texts, in lower case, are codes of the contract."""
    return list(session.scalars(OURS, {"contract": contract.id, "texts": list(texts)}))


def revision_of(session: Session, contract_id: int) -> int | None:
    """Return the contract's revision as it now is, without loading the contract."""
    return session.scalar(select(Contract.revision).where(Contract.id == contract_id))


def target_of(session: Session, contract_id: int) -> SheetTarget | None:
    return session.get(SheetTarget, contract_id)


def claimed_by(session: Session, spreadsheet_id: str, sheet_id: int) -> SheetTarget | None:
    """Return the target that claims the tab."""
    query = select(SheetTarget).where(SheetTarget.spreadsheet_id == spreadsheet_id, SheetTarget.sheet_id == sheet_id)
    return session.scalars(query).first()


def claim(session: Session, values: Mapping[str, Any]) -> None:
    """Make a tab a contract's, in place of the one it had.

    The unique index refuses one that another has.
    """
    statement = insert(SheetTarget).values(values)
    session.execute(statement.on_conflict_do_update(index_elements=["contract_id"], set_=dict(values)))


def release(session: Session, spreadsheet_id: str, sheet_id: int, *, but_for: int) -> None:
    """Take a tab from whichever contract has it, but for this one."""
    session.execute(
        delete(SheetTarget).where(
            SheetTarget.spreadsheet_id == spreadsheet_id,
            SheetTarget.sheet_id == sheet_id,
            SheetTarget.contract_id != but_for,
        )
    )


def mark_synced(session: Session, contract_id: int, revision: int, *, wrote: bool) -> None:
    """Record the revision of its contract that a tab shows."""
    session.execute(
        update(SheetTarget)
        .where(SheetTarget.contract_id == contract_id)
        .values(
            synced_revision=func.greatest(SheetTarget.synced_revision, revision),
            written_at=func.now() if wrote else func.coalesce(SheetTarget.written_at, func.now()),
            restored_at=None,
        )
    )


def mark_restored(session: Session, contract_id: int) -> None:
    """Note that the customer's own cells were put back: no sync writes there by itself."""
    session.execute(update(SheetTarget).where(SheetTarget.contract_id == contract_id).values(restored_at=func.now()))


def resume(session: Session, contract_id: int) -> None:
    """Let syncs write again to a tab in which the customer's own cells were put back."""
    session.execute(update(SheetTarget).where(SheetTarget.contract_id == contract_id).values(restored_at=None))


def restored_since(session: Session, snapshot: SheetSnapshot) -> bool:
    """Return whether the customer's cells were restored in that tab after a snapshot."""
    query = select(SheetSnapshot.id).where(
        SheetSnapshot.contract_id == snapshot.contract_id,
        SheetSnapshot.spreadsheet_id == snapshot.spreadsheet_id,
        SheetSnapshot.sheet_id == snapshot.sheet_id,
        SheetSnapshot.kind == "before",
        SheetSnapshot.cause == "restore",
        SheetSnapshot.id > snapshot.id,
    )
    return session.scalars(query.limit(1)).first() is not None


def knows_any(session: Session, spreadsheet_id: str, sheet_id: int, codes: Collection[str]) -> bool:
    """Return whether this installation has any of these codes, or ever wrote to that tab.

    The codes are in lower case.
    """
    return bool(session.scalar(KNOWN, {"spreadsheet": spreadsheet_id, "sheet": sheet_id, "codes": list(codes)}))


def last_snapshot(session: Session, contract_id: int) -> SheetSnapshot | None:
    """Return the newest snapshot of our columns."""
    return session.scalars(
        select(SheetSnapshot)
        .where(SheetSnapshot.contract_id == contract_id, SheetSnapshot.kind == "after")
        .order_by(SheetSnapshot.id.desc())
        .limit(1)
    ).first()


def verify_snapshot(session: Session, snapshot_id: int, changed: Mapping[str, Any]) -> None:
    """Record that a snapshot was verified just now, except for moved or edited rows."""
    values = {**changed, "verified_at": func.now()}
    session.execute(update(SheetSnapshot).where(SheetSnapshot.id == snapshot_id).values(values))


def snapshots(session: Session, contract_id: int, *, with_rows: bool = False) -> Sequence[SheetSnapshot]:
    """Return the snapshots of our columns, newest first, without their rows unless requested."""
    query = (
        select(SheetSnapshot)
        .where(SheetSnapshot.contract_id == contract_id, SheetSnapshot.kind == "after")
        .order_by(SheetSnapshot.id.desc())
    )
    return session.scalars(query if with_rows else query.options(defer(SheetSnapshot.rows))).all()


def snapshot(session: Session, contract_id: int, number: int) -> SheetSnapshot | None:
    """Return one snapshot of the contract by its id."""
    query = select(SheetSnapshot).where(SheetSnapshot.contract_id == contract_id, SheetSnapshot.id == number)
    return session.scalars(query).first()


def keep_before(session: Session, replaced: SheetSnapshot) -> None:
    """Keep the contents of A-F, unless the contract's newest snapshot equals them.

    Equal means that they were not replaced after all.
    """
    newest = session.scalars(
        select(SheetSnapshot)
        .where(SheetSnapshot.contract_id == replaced.contract_id)
        .order_by(SheetSnapshot.id.desc())
        .limit(1)
    ).first()
    if newest is None or any(
        getattr(newest, name) != getattr(replaced, name) for name in ("kind", "spreadsheet_id", "sheet_id", "rows")
    ):
        session.add(replaced)
    else:
        newest.taken_at = func.now()


def before(session: Session, contract_id: int) -> Sequence[SheetSnapshot]:
    """Return the kept contents of A-F before each replacement, newest first."""
    return session.scalars(
        select(SheetSnapshot)
        .where(
            SheetSnapshot.contract_id == contract_id,
            SheetSnapshot.kind == "before",
            SheetSnapshot.taken_at > func.now() - KEPT_BEFORE,
        )
        .order_by(SheetSnapshot.id.desc())
    ).all()


def forget_old(session: Session) -> None:
    """Delete foreign cells that were kept for longer than the period."""
    session.execute(
        delete(SheetSnapshot).where(SheetSnapshot.kind == "before", SheetSnapshot.taken_at <= func.now() - KEPT_BEFORE)
    )


def locate(session: Session, contract_id: int, target: str, places: Mapping[str, int]) -> None:
    """Record the row of each code in the target; other codes lose their place. One statement."""
    session.execute(
        LOCATE,
        {"contract": contract_id, "target": target, "codes": list(places), "rows": list(places.values())},
    )


def delivered(session: Session, slugs: Iterable[str] | None = None) -> Sequence[str]:
    """Return the slugs of the contracts whose codes are delivered in a sheet.

    With `slugs`, only those among them. A contract that no longer requires codes is among them until its sheet was
    updated once more.
    """
    statement = f"SELECT slug FROM contract WHERE {DELIVERED}"
    if slugs is None:
        return session.scalars(text(f"{statement} ORDER BY id")).all()
    return session.scalars(text(f"{statement} AND slug = ANY(:slugs) ORDER BY id"), {"slugs": list(slugs)}).all()
