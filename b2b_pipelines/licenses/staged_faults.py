"""The staged plans and licenses that may not come in, by number, and why.

Texts repeat no address.
"""

from collections.abc import Mapping
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from b2b_pipelines.licenses.renewals import in_cycles


def _name(agreement: str, uuid: str, given: str = "NULL") -> str:
    """Return SQL that names a customer: its name or slug, and its uuid."""
    known = f"nullif({agreement}.name, ''), {agreement}.slug"
    return f"coalesce(coalesce({known}, {given}) || ' ', '') || '(' || {uuid} || ')'"


def _repeated(table: str) -> str:
    """Return SQL that selects the records whose uuid an earlier record has."""
    return f"""
        SELECT number FROM (
            SELECT number, row_number() OVER (PARTITION BY uuid ORDER BY number) AS place FROM {table}
            WHERE uuid IS NOT NULL
        ) AS s WHERE place > 1
    """


def _unknown(table: str, column: str, staged: str, stored: str) -> str:
    """Return SQL that selects the records whose column names neither a staged nor a stored record."""
    return f"""
        SELECT s.number FROM {table} AS s WHERE s.{column} IS NOT NULL
        AND NOT EXISTS (SELECT FROM {staged} AS other WHERE other.uuid = s.{column})
        AND NOT EXISTS (SELECT FROM {stored} AS known WHERE known.uuid = s.{column})
    """


# Each names the records that may not come in by number, and why unless the key says it. A value that cannot be read is NULL
# here: its fault is named already.
PLAN_FAULTS = {
    "the uuid comes twice": _repeated("staged_plan"),
    "the plan is known under another customer": f"""
        SELECT s.number, 'the plan is known under customer ' || {_name("a", "a.enterprise_customer_uuid")}
            || ': it does not move to customer ' || {_name("n", "s.enterprise_customer_uuid", "s.customer_name")}
        FROM staged_plan AS s JOIN subscription_plan AS known USING (uuid)
        JOIN customer_agreement AS a ON a.id = known.customer_agreement_id
        LEFT JOIN customer_agreement AS n ON n.enterprise_customer_uuid = s.enterprise_customer_uuid
        WHERE a.enterprise_customer_uuid <> s.enterprise_customer_uuid
    """,
    "another plan of the customer has the same title": """
        SELECT s.number FROM staged_plan AS s WHERE (
            EXISTS (
                SELECT FROM staged_plan AS other WHERE other.title = s.title AND other.uuid <> s.uuid
                AND other.enterprise_customer_uuid = s.enterprise_customer_uuid AND other.number < s.number
            ) OR EXISTS (
                SELECT FROM subscription_plan AS known JOIN customer_agreement AS a ON a.id = known.customer_agreement_id
                WHERE known.title = s.title AND known.uuid <> s.uuid AND a.enterprise_customer_uuid = s.enterprise_customer_uuid
                AND NOT EXISTS (SELECT FROM staged_plan AS other WHERE other.uuid = known.uuid)
            )
        )
    """,
    "renewed_plan_uuid is the plan itself": "SELECT number FROM staged_plan WHERE renewed_plan_uuid = uuid",
    "renewed_plan_uuid names no plan, neither in the file nor known": _unknown(
        "staged_plan", "renewed_plan_uuid", "staged_plan", "subscription_plan"
    ),
    "renewed_plan_uuid names a plan that renews another one already": """
        SELECT s.number FROM staged_plan AS s WHERE s.renewed_plan_uuid IS NOT NULL AND (
            EXISTS (
                SELECT FROM staged_plan AS other
                WHERE other.renewed_plan_uuid = s.renewed_plan_uuid AND other.uuid <> s.uuid AND other.number < s.number
            ) OR EXISTS (
                SELECT FROM plan_renewal AS known WHERE known.renewed_plan_uuid = s.renewed_plan_uuid
                AND NOT EXISTS (SELECT FROM staged_plan AS other WHERE other.uuid = known.prior_plan_uuid)
            )
        )
    """,
}

LICENSE_FAULTS = {
    "the uuid comes twice": _repeated("staged_license"),
    "the license is known under another customer": f"""
        SELECT s.number, 'the license is known under customer ' || {_name("a", "a.enterprise_customer_uuid")}
            || ': it does not move to customer ' || {_name("n", "moved.uuid", "p.customer_name")}
        FROM staged_license AS s JOIN license AS known USING (uuid)
        JOIN subscription_plan AS known_plan ON known_plan.uuid = known.plan_uuid
        JOIN customer_agreement AS a ON a.id = known_plan.customer_agreement_id
        LEFT JOIN staged_plan AS p ON p.uuid = s.plan_uuid
        LEFT JOIN subscription_plan AS new_plan ON new_plan.uuid = s.plan_uuid
        LEFT JOIN customer_agreement AS np ON np.id = new_plan.customer_agreement_id
        CROSS JOIN LATERAL (SELECT coalesce(p.enterprise_customer_uuid, np.enterprise_customer_uuid) AS uuid) AS moved
        LEFT JOIN customer_agreement AS n ON n.enterprise_customer_uuid = moved.uuid
        WHERE a.enterprise_customer_uuid <> moved.uuid
    """,
    "plan_uuid names no plan, neither in the file nor known": _unknown(
        "staged_license", "plan_uuid", "staged_plan", "subscription_plan"
    ),
    "renewed_to is the license itself": "SELECT number FROM staged_license WHERE renewed_to = uuid",
    "renewed_to names no license, neither in the file nor known": _unknown(
        "staged_license", "renewed_to", "staged_license", "license"
    ),
}


def plan_faults(session: Session) -> list[tuple[int, str]]:
    """Return the staged plans that must be rejected: number and reason.

    Renewals that form a cycle are among the reasons.
    """
    found = _faults(session, PLAN_FAULTS)
    renewals: dict[UUID, UUID] = {
        row.prior: row.renewed
        for row in session.execute(
            text(
                "SELECT prior_plan_uuid AS prior, renewed_plan_uuid AS renewed FROM plan_renewal"
                " WHERE renewed_plan_uuid IS NOT NULL AND prior_plan_uuid NOT IN"
                " (SELECT uuid FROM staged_plan WHERE uuid IS NOT NULL)"
                " UNION ALL SELECT uuid, renewed_plan_uuid FROM staged_plan"
                " WHERE renewed_plan_uuid IS NOT NULL AND renewed_plan_uuid <> uuid"
            )
        )
    }
    if cycles := in_cycles(renewals):
        rows = session.execute(
            text("SELECT number FROM staged_plan WHERE uuid = ANY(CAST(:cycles AS uuid[]))"), {"cycles": list(cycles)}
        )
        found += [(row.number, "its renewals come round to the plan itself") for row in rows]
    return found


def license_faults(session: Session) -> list[tuple[int, str]]:
    """Return the staged licenses that must be rejected: number and reason."""
    return _faults(session, LICENSE_FAULTS)


def _faults(session: Session, checks: Mapping[str, str]) -> list[tuple[int, str]]:
    return [
        (row[0], row[1] if len(row) > 1 else why)
        for why, query in checks.items()
        for row in session.execute(text(query))
    ]
