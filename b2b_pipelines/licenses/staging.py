"""Import many plans and licenses at once: staged with COPY, checked and merged set-based.

Files and license-manager take the same way. Fields that a source omits keep their stored value. Absence never deletes a
record, and an import never changes our records of terminations and unlinkings.
"""

import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from b2b_pipelines.licenses.expirations import is_newly_processed
from b2b_pipelines.licenses.files import LICENSE_COLUMNS, PLAN_COLUMNS, Record
from b2b_pipelines.licenses.identity import address, email_key, person_key

MANY = 10_000
"""Changed licenses from which on the table is analyzed at once, instead of by autovacuum later."""

RENEWAL_COLUMNS = frozenset({"renewed_plan_uuid", "renewal_effective_date", "renewal_processed"})

PLAN_UPDATES = {
    "title": "staged.title",
    "start_date": "staged.start_date",
    "expiration_date": "staged.expiration_date",
    "is_active": "coalesce(staged.is_active, true)",
    "expiration_processed": "coalesce(staged.expiration_processed, false)",
    "for_internal_use_only": "coalesce(staged.for_internal_use_only, false)",
    "plan_type": "staged.plan_type",
    "licenses_counted": "staged.licenses_counted",
}
PLAN_NAMES = {"expiration_processed": "imported_as_processed"}
"""Where the name of a table's column is not that of the file's."""

COUNTED = "licenses_counted"
"""A column that only license-manager has."""
KEYS = ("email_key", "person_key")
"""Columns that are computed from `user_email`."""
LICENSE_NAMES = (*(column.name for column in LICENSE_COLUMNS if column.name != "uuid"), *KEYS)

STAGED_PLAN = """
CREATE TEMPORARY TABLE staged_plan (
    number bigint, omitted text[], uuid uuid, enterprise_customer_uuid uuid, customer_name text, title text,
    start_date timestamptz, expiration_date timestamptz, is_active boolean, expiration_processed boolean,
    for_internal_use_only boolean, renewed_plan_uuid uuid, renewal_effective_date timestamptz, renewal_processed boolean,
    plan_type text, licenses_counted bigint
) ON COMMIT DROP
"""

STAGED_LICENSE = """
CREATE TEMPORARY TABLE staged_license (
    number bigint, omitted text[], uuid uuid, plan_uuid uuid, status text, user_email text, lms_user_id bigint,
    assigned_date timestamptz, activation_date timestamptz, revoked_date timestamptz, renewed_to uuid, email_key text,
    person_key text, retired_at timestamptz
) ON COMMIT DROP
"""


@dataclass(frozen=True)
class Merged:
    """The numbers of staged rows that were new, changed and unchanged."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0


def begin(session: Session) -> None:
    """Make empty staging tables, which end with the transaction."""
    session.execute(text(STAGED_PLAN))
    session.execute(text(STAGED_LICENSE))


def stage_plans(session: Session, records: Iterable[Record]) -> None:
    """Stage plans as their source has them."""
    names = [*(column.name for column in PLAN_COLUMNS), COUNTED]
    rows = ([record.number, record.omitted, *map(record.values.get, names)] for record in records)
    _copy(session, "staged_plan", ["number", "omitted", *names], rows)


def stage_licenses(session: Session, records: Iterable[Record]) -> None:
    """Stage licenses as their source has them."""
    names = [column.name for column in LICENSE_COLUMNS]
    rows = (_license_row(record, names) for record in records)
    _copy(session, "staged_license", ["number", "omitted", *names, *KEYS], rows)
    session.execute(text("ANALYZE staged_license"))


def complete(session: Session, given: frozenset[str]) -> None:
    """Fill in the stored values that single records, or the renewals' source, omit.

    `given` are the columns of the plans' source.
    """
    _complete(session, "staged_plan", "subscription_plan", {name: PLAN_NAMES.get(name, name) for name in PLAN_UPDATES})
    if given & RENEWAL_COLUMNS:
        _complete_renewals(session, given)
    _complete(session, "staged_license", "license", {name: name for name in LICENSE_NAMES})


def staged_customers(session: Session) -> list[UUID]:
    """Return the customers of the staged plans and licenses.

    They include those under whom any of them are known.
    """
    return list(
        session.scalars(
            text("""
                SELECT enterprise_customer_uuid FROM staged_plan WHERE enterprise_customer_uuid IS NOT NULL
                UNION
                SELECT agreement.enterprise_customer_uuid FROM customer_agreement AS agreement
                JOIN subscription_plan AS plan ON plan.customer_agreement_id = agreement.id
                WHERE plan.uuid IN (
                    SELECT uuid FROM staged_plan UNION SELECT plan_uuid FROM staged_license
                    UNION SELECT known.plan_uuid FROM license AS known JOIN staged_license AS staged USING (uuid)
                )
            """)
        )
    )


def newly_processed(session: Session, given: frozenset[str], now: datetime) -> list[UUID]:
    """Return the staged plans that the source newly marks as processed, as of `now`.

    Call it before they are merged.
    """
    if "expiration_processed" not in given:
        return []
    rows = session.execute(
        text("""
            SELECT staged.uuid, staged.expiration_date, known.expiration_date AS known, known.processed_for,
                coalesce(known.imported_as_processed, false) AS marked_before
            FROM staged_plan AS staged LEFT JOIN subscription_plan AS known USING (uuid)
            WHERE staged.expiration_processed AND 'expiration_processed' <> ALL(staged.omitted)
        """)
    )
    return [
        row.uuid
        for row in rows
        if is_newly_processed(
            row.expiration_date, now, known=row.known, processed_for=row.processed_for, marked_before=row.marked_before
        )
    ]


def merge_plans(session: Session, given: frozenset[str]) -> Merged:
    """Bring the staged plans in. `given` are the columns that the source has."""
    session.execute(
        text("""
            INSERT INTO customer_agreement (enterprise_customer_uuid, name)
            SELECT DISTINCT ON (enterprise_customer_uuid) enterprise_customer_uuid, coalesce(customer_name, '') FROM staged_plan
            ORDER BY enterprise_customer_uuid, customer_name IS NULL, number DESC
            ON CONFLICT (enterprise_customer_uuid) DO UPDATE SET name = excluded.name
            WHERE excluded.name NOT IN ('', customer_agreement.name)
        """)
    )
    columns = {PLAN_NAMES.get(name, name): source for name, source in PLAN_UPDATES.items() if name in given}
    columns["customer_agreement_id"] = "agreement.id"
    source = "staged_plan AS staged JOIN customer_agreement AS agreement USING (enterprise_customer_uuid)"
    # Updated first: a title may pass from a plan to a new one.
    updated = set(session.scalars(text(_update("subscription_plan", columns, source) + " RETURNING known.uuid")))
    created = set(session.scalars(text(_insert("subscription_plan", columns, source) + " RETURNING uuid")))
    if given & RENEWAL_COLUMNS:
        updated |= _merge_renewals(session) - created
    total = session.scalar(text("SELECT count(*) FROM staged_plan")) or 0
    return Merged(len(created), len(updated), total - len(created) - len(updated))


def merge_licenses(session: Session, given: frozenset[str]) -> Merged:
    """Bring the staged licenses in. `given` are the columns that the source has."""
    columns = {column.name: f"staged.{column.name}" for column in LICENSE_COLUMNS if column.name in given - {"uuid"}}
    columns["retired_at"] = "staged.retired_at"
    if "user_email" in given:
        columns |= {key: f"staged.{key}" for key in KEYS}
    # Inserted first: a license that is known may be renewed to one that is new.
    created = _count(session, _insert("license", columns, "staged_license AS staged"))
    updated = _count(session, _update("license", columns, "staged_license AS staged"))
    total = session.scalar(text("SELECT count(*) FROM staged_license")) or 0
    if created + updated >= MANY:
        session.execute(text("ANALYZE license"))
    return Merged(created, updated, total - created - updated)


def record_as_processed(session: Session, plans: list[UUID], now: datetime) -> None:
    """Record at `now` that the enrollments of all known licenses were ended.

    The record is for their plan's expiration.
    """
    session.execute(
        text("""
            INSERT INTO license_event (license_uuid, event_name, plan_expiration, at)
            SELECT license.uuid, 'terminated', plan.expiration_date, :now
            FROM license JOIN subscription_plan AS plan ON plan.uuid = license.plan_uuid
            WHERE plan.uuid = ANY(CAST(:plans AS uuid[]))
            ON CONFLICT (license_uuid, event_name, plan_expiration) DO NOTHING
        """),
        {"plans": plans, "now": now},
    )
    session.execute(
        text("""
            UPDATE subscription_plan SET processed_for = expiration_date, processed_at = :now
            WHERE uuid = ANY(CAST(:plans AS uuid[]))
        """),
        {"plans": plans, "now": now},
    )


def _complete(session: Session, staged: str, table: str, columns: Mapping[str, str]) -> None:
    """Fill in the fields that single records omit.

    `columns` are the staged ones, with the table's names.
    """
    assignments = ", ".join(f"{name} = {_given_or_known(name, known)}" for name, known in columns.items())
    session.execute(
        text(
            f"UPDATE {staged} AS staged SET {assignments} FROM {table} AS known"
            " WHERE known.uuid = staged.uuid AND staged.omitted <> '{}'"
        )
    )


def _given_or_known(name: str, known: str) -> str:
    column = "user_email" if name in KEYS else name
    return f"CASE WHEN '{column}' = ANY(staged.omitted) THEN known.{known} ELSE staged.{name} END"


def _complete_renewals(session: Session, given: frozenset[str]) -> None:
    """Keep the processed mark of a renewal while it leads to the same plan.

    A renewal to another plan counts as processed only when its source names it as processed.
    """

    def wanted(name: str, known: str) -> str:
        return _given_or_known(name, known) if name in given else f"known.{known}"

    plan = wanted("renewed_plan_uuid", "renewed_plan_uuid")
    session.execute(
        text(f"""
            UPDATE staged_plan AS staged SET renewed_plan_uuid = {plan},
                renewal_effective_date = {wanted("renewal_effective_date", "effective_date")},
                renewal_processed = CASE WHEN {plan} IS NOT DISTINCT FROM known.renewed_plan_uuid
                    THEN {wanted("renewal_processed", "processed")} ELSE staged.renewal_processed END
            FROM plan_renewal AS known WHERE known.prior_plan_uuid = staged.uuid
        """)
    )


def _merge_renewals(session: Session) -> set[UUID]:
    """Merge the renewals; return the plans whose renewal is new, changed or deleted."""
    gone = session.scalars(
        text("""
            DELETE FROM plan_renewal AS known USING staged_plan AS staged
            WHERE staged.uuid = known.prior_plan_uuid
            AND staged.renewed_plan_uuid IS NULL AND staged.renewal_effective_date IS NULL
            RETURNING known.prior_plan_uuid
        """)
    ).all()
    wanted = """
        SELECT uuid AS prior_plan_uuid, renewed_plan_uuid, renewal_effective_date AS effective_date,
            coalesce(renewal_processed, renewed_plan_uuid IS NOT NULL) AS processed
        FROM staged_plan WHERE renewed_plan_uuid IS NOT NULL OR renewal_effective_date IS NOT NULL
    """
    # One statement: a renewed plan may pass from one prior plan to another.
    changed = session.scalars(
        text(f"""
            INSERT INTO plan_renewal AS known (prior_plan_uuid, renewed_plan_uuid, effective_date, processed) {wanted}
            ON CONFLICT (prior_plan_uuid) DO UPDATE SET renewed_plan_uuid = excluded.renewed_plan_uuid,
                effective_date = excluded.effective_date, processed = excluded.processed
            WHERE (known.renewed_plan_uuid, known.effective_date, known.processed)
                IS DISTINCT FROM (excluded.renewed_plan_uuid, excluded.effective_date, excluded.processed)
            RETURNING prior_plan_uuid
        """)
    ).all()
    return {*gone, *changed}


def _update(table: str, columns: Mapping[str, str], source: str) -> str:
    assignments = ", ".join(f"{name} = {value}" for name, value in columns.items())
    known = ", ".join(f"known.{name}" for name in columns)
    return (
        f"UPDATE {table} AS known SET {assignments} FROM {source} WHERE known.uuid = staged.uuid"
        f" AND ({known}) IS DISTINCT FROM ({', '.join(columns.values())})"
    )


def _insert(table: str, columns: Mapping[str, str], source: str) -> str:
    return (
        f"INSERT INTO {table} (uuid, {', '.join(columns)}) SELECT staged.uuid, {', '.join(columns.values())} FROM {source}"
        f" WHERE NOT EXISTS (SELECT FROM {table} AS known WHERE known.uuid = staged.uuid)"
    )


def _count(session: Session, statement: str) -> int:
    returned = f"WITH changed AS ({statement} RETURNING 1) SELECT count(*) FROM changed"
    return session.scalar(text(returned)) or 0


def _copy(session: Session, table: str, columns: list[str], rows: Iterable[list[Any]]) -> None:
    # Spooled first: the rows are complete, and every fault is known, before PostgreSQL gets the first one.
    with tempfile.TemporaryFile("w+", encoding="utf-8", newline="\n") as spool:
        for row in rows:
            spool.write("\t".join(map(_cell, row)) + "\n")
        spool.seek(0)
        cursor: Any = session.connection().connection.cursor()
        with cursor:
            cursor.copy_expert(f"COPY {table} ({', '.join(columns)}) FROM STDIN", spool, 1 << 20)


def _license_row(record: Record, names: list[str]) -> list[Any]:
    values = {**record.values, "user_email": address(record.values.get("user_email"))}
    keys = [email_key(values["user_email"]), person_key(values["user_email"])]
    return [record.number, record.omitted, *map(values.get, names), *keys]


def _cell(value: object) -> str:
    if value is None:
        return r"\N"
    if isinstance(value, frozenset):
        return f"{{{','.join(sorted(value))}}}"
    if isinstance(value, str):
        return value.replace("\\", r"\\").replace("\t", r"\t").replace("\n", r"\n").replace("\r", r"\r")
    return "t" if value is True else "f" if value is False else str(value)
