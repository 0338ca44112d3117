"""Reports on contracts and codes for people and other systems. One query each."""

from collections.abc import Callable
from datetime import date
from typing import IO, Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from b2b_pipelines.contracts.models import Contract
from b2b_pipelines.db.rows import Row, rows_of
from b2b_pipelines.enrollment_codes.statements import OVERVIEW, OVERVIEW_OF_ONE, STATS

ATTACHED_BY_DAY = """
SELECT (attached.attached_at AT TIME ZONE 'UTC')::date AS day, count(*) AS number
FROM contract_learner attached WHERE attached.contract_id = :contract
GROUP BY day ORDER BY day
"""

REDEEMED_BY_SEVERAL = """
SELECT code.id
FROM code_redemption redemption JOIN enrollment_code code ON code.id = redemption.code_id
WHERE code.contract_id = :contract AND code.redemption_type = 'one-time'
GROUP BY code.id, redemption.kind
HAVING count(DISTINCT redemption.learner_id) > 1
ORDER BY code.id
"""


def cell(text: str) -> str:
    """Return SQL for a text in a CSV file, escaped as `csv_cells.csv_cell` escapes it."""
    return f"CASE WHEN left({text}, 1) = ANY ({STARTS}) THEN '''' || ({text}) ELSE {text} END"


STARTS = r"ARRAY['=', '+', '-', '@', E'\t', E'\r']"
EXPORT = f"""
COPY (
    SELECT {cell("code.code")} AS "Code", {cell("product.description")} AS "Product",
           CASE WHEN code.redemption_type = 'unlimited' THEN coalesce(used.learners, 0)::text
                ELSE coalesce({cell("used.email")}, 'No') END AS "Redeemed",
           {cell("%(base)s || product.id")} AS "Product URL"
    FROM enrollment_code code
    JOIN product ON product.id = code.product_id
    LEFT JOIN (
        SELECT redemption.code_id, count(DISTINCT redemption.learner_id) AS learners,
               (array_agg(learner.email ORDER BY redemption.redeemed_at DESC, redemption.id DESC))[1] AS email
        FROM code_redemption redemption
        JOIN learner ON learner.id = redemption.learner_id
        JOIN enrollment_code mine ON mine.id = redemption.code_id AND mine.contract_id = %(contract)s
        GROUP BY redemption.code_id
    ) AS used ON used.code_id = code.id
    WHERE code.contract_id = %(contract)s
    ORDER BY code.id
) TO STDOUT WITH (FORMAT csv, HEADER)
"""


def contract_overview(session: Session, contract_id: int) -> dict[str, Any]:
    """Return a contract as `b2b_list contracts` shows it.

    `codes` counts the active ones, `learners` the attached ones.
    """
    return dict(rows_of(session)(OVERVIEW, contracts=[contract_id], organization=None)[0])


def contract_of_slug(
    session: Session, slug: str, organization_id: int | None = None, *, emails: bool = False
) -> dict[str, Any] | None:
    """Return the contract with that slug as `contract_overview` returns it, and `emails`. One query.

    Return None if it does not exist or belongs to another organization.
    """
    given = {"slug": slug, "organization": organization_id, "emails": emails}
    rows = rows_of(session)(OVERVIEW_OF_ONE, **given)
    return dict(rows[0]) if rows else None


def code_stats(session: Session, contract: Contract) -> Row:
    """Return a contract's seats, attached learners, runs, codes and redemptions.

    Seats of None mean no cap. Codes count in any state, redemptions by kind.
    """
    return rows_of(session)(STATS, contracts=[contract.id])[0]


def attached_by_day(session: Session, contract: Contract) -> list[tuple[date, int]]:
    """Return the number of learners attached on each day (UTC). Days without any are absent."""
    return [(row.day, row.number) for row in session.execute(text(ATTACHED_BY_DAY), {"contract": contract.id})]


def codes_redeemed_by_several(session: Session, contract: Contract) -> list[int]:
    """Return the ids of one-time codes that several learners redeemed for the same purpose."""
    return list(session.scalars(text(REDEEMED_BY_SEVERAL), {"contract": contract.id}))


def export_codes(
    session: Session, contract: Contract, base_url: str, out: IO[bytes], on_rows: Callable[[int], None]
) -> int:
    """Stream every code of the contract as CSV from the server to `out`.

    Return the number of rows.

    Memory use does not grow with the number of codes. `on_rows` receives the number of lines of each batch.
    """
    counter = _RowCounter(out, on_rows)
    driver: Any = session.connection().connection.driver_connection
    with driver.cursor() as cursor:
        cursor.copy_expert(cursor.mogrify(EXPORT, {"base": base_url, "contract": contract.id}), counter, 1 << 16)
    return counter.rows


class _RowCounter:
    """A writer that passes bytes on and counts the lines after the header."""

    def __init__(self, out: IO[bytes], on_rows: Callable[[int], None]) -> None:
        self._out, self._on_rows, self._lines = out, on_rows, 0

    @property
    def rows(self) -> int:
        return max(self._lines - 1, 0)

    def write(self, data: bytes) -> int:
        lines = data.count(b"\n")
        self._lines += lines
        self._on_rows(lines)
        return self._out.write(data)
