"""What people and other systems read about contracts and codes: one query each, however many there are."""

from collections.abc import Callable, Iterator, Sequence
from datetime import date
from typing import IO, Any

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session
from sqlalchemy.types import BigInteger

from b2b_pipelines.contracts.models import Contract

ROWS_AT_ONCE = 2_000
Records = Sequence[dict[str, Any]]


OVERVIEW = """
SELECT contract.id, contract.slug, contract.name, organization.name AS organization,
       organization.org_key AS organization_key, contract.integration_type, contract.starts_on AS start,
       contract.ends_on AS "end", contract.active, nullif(contract.max_learners, 0) AS max_learners, contract.price,
       (SELECT count(*) FROM enrollment_code code WHERE code.contract_id = contract.id AND code.active) AS codes,
       (SELECT count(*) FROM contract_learner attached WHERE attached.contract_id = contract.id) AS learners,
       contract.sheet_url, contract.sheet_tab, contract.description, contract.revision
FROM contract JOIN organization ON organization.id = contract.organization_id
WHERE (CAST(:contracts AS bigint[]) IS NULL OR contract.id = ANY(:contracts))
  AND (CAST(:organization AS bigint) IS NULL OR organization.id = :organization)
ORDER BY contract.id
"""

OVERVIEW_OF_ONE = text(
    OVERVIEW.partition("\nWHERE")[0]
    + """
WHERE contract.slug = :slug AND (CAST(:organization AS bigint) IS NULL OR organization.id = :organization)
"""
)

OVERVIEW_AS_JSON = text("""
SELECT json_build_object(
    'id', contract.id, 'slug', contract.slug, 'name', contract.name, 'organization', organization.name,
    'organization_key', organization.org_key, 'integration_type', contract.integration_type,
    'start', contract.starts_on, 'end', contract.ends_on, 'active', contract.active,
    'max_learners', contract.max_learners, 'price', contract.price::text,
    'codes', coalesce(codes.number, 0), 'learners', coalesce(learners.number, 0),
    'sheet_url', contract.sheet_url, 'sheet_tab', contract.sheet_tab,
    'description', contract.description, 'revision', contract.revision
)::text
FROM contract JOIN organization ON organization.id = contract.organization_id
LEFT JOIN (
    SELECT contract_id, count(*) AS number FROM enrollment_code WHERE active GROUP BY contract_id
) AS codes ON codes.contract_id = contract.id
LEFT JOIN (
    SELECT contract_id, count(*) AS number FROM contract_learner GROUP BY contract_id
) AS learners ON learners.contract_id = contract.id
WHERE CAST(:organization AS bigint) IS NULL OR organization.id = :organization
ORDER BY contract.id
""")
"""The keys and values of `OVERVIEW`, each row as JSON: for listings that are too long to hold."""

STATS = """
SELECT contract.slug AS contract, nullif(contract.max_learners, 0) AS seats,
       (SELECT count(*) FROM contract_learner attached WHERE attached.contract_id = contract.id) AS attached,
       (SELECT count(*) FROM course_run run WHERE run.contract_id = contract.id) AS runs,
       (SELECT count(*) FROM enrollment_code code WHERE code.contract_id = contract.id) AS codes,
       used.attach AS redeemed_for_attachment, used.enroll AS redeemed_for_enrollment
FROM contract
CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE redemption.kind = 'attach') AS attach,
           count(*) FILTER (WHERE redemption.kind = 'enroll') AS enroll
    FROM enrollment_code code JOIN code_redemption redemption ON redemption.code_id = code.id
    WHERE code.contract_id = contract.id
) AS used
WHERE CAST(:contracts AS bigint[]) IS NULL OR contract.id = ANY(:contracts)
ORDER BY contract.id
"""

USAGE = """
SELECT contract.slug AS contract, code.code, product.description AS product, redemption.kind,
       learner.email, redemption.redeemed_at, redemption.order_reference
FROM code_redemption redemption
JOIN enrollment_code code ON code.id = redemption.code_id
JOIN contract ON contract.id = code.contract_id
JOIN product ON product.id = code.product_id
JOIN learner ON learner.id = redemption.learner_id
WHERE CAST(:contracts AS bigint[]) IS NULL OR contract.id = ANY(:contracts)
ORDER BY contract.id, redemption.redeemed_at, redemption.id
"""

LAST_REDEMPTIONS = """
LEFT JOIN LATERAL (
    SELECT count(*) OVER () AS number, redemption.learner_id, redemption.redeemed_at
    FROM code_redemption redemption
    WHERE redemption.code_id = code.id AND redemption.kind = 'attach'
    ORDER BY redemption.redeemed_at DESC, redemption.id DESC LIMIT 1
) AS attached ON true
LEFT JOIN LATERAL (
    SELECT count(*) OVER () AS number, redemption.learner_id
    FROM code_redemption redemption
    WHERE redemption.code_id = code.id AND redemption.kind = 'enroll'
    ORDER BY redemption.redeemed_at DESC, redemption.id DESC LIMIT 1
) AS enrolled ON true
LEFT JOIN learner attached_learner ON attached_learner.id = attached.learner_id
LEFT JOIN learner enrolled_learner ON enrolled_learner.id = enrolled.learner_id
"""
"""Joins `attached` and `enrolled` to `code`: how many redemptions of that kind, and the last one with its learner.

The learners are joined outside: inside, PostgreSQL would read a small table of learners again for each code."""

CODES = f"""
SELECT contract.slug AS contract, code.code, product.description AS product, code.redemption_type, code.amount, code.active,
       attached_learner.email AS attached_by, enrolled_learner.email AS enrolled_by,
       coalesce(attached.number, 0) AS attached, coalesce(enrolled.number, 0) AS enrolled, code.sheet_row
FROM enrollment_code code
JOIN contract ON contract.id = code.contract_id
JOIN product ON product.id = code.product_id
{LAST_REDEMPTIONS}
WHERE CAST(:contracts AS bigint[]) IS NULL OR contract.id = ANY(:contracts)
"""

LEARNERS = """
SELECT learner.email, learner.name, contract.slug AS contract, attached.how, attached.attached_at
FROM contract_learner attached
JOIN learner ON learner.id = attached.learner_id
JOIN contract ON contract.id = attached.contract_id
WHERE (CAST(:contracts AS bigint[]) IS NULL OR contract.id = ANY(:contracts))
  AND (CAST(:organization AS bigint) IS NULL OR contract.organization_id = :organization)
ORDER BY contract.id, attached.attached_at, attached.id
"""

TO_HAND_OUT = f"""
SELECT contract, code, product, redemption_type, amount, active, attached_by, enrolled_by, attached, enrolled, sheet_row
FROM (
    SELECT listed.*, contract.max_learners,
           row_number() OVER (PARTITION BY listed.contract ORDER BY enrollment_code.id) AS place,
           (SELECT count(*) FROM contract_learner WHERE contract_id = contract.id) AS taken
    FROM ({CODES}) AS listed
    JOIN enrollment_code ON enrollment_code.code = listed.code
    JOIN contract ON contract.id = enrollment_code.contract_id
    WHERE listed.active
      AND (coalesce(contract.max_learners, 0) = 0 OR listed.attached + listed.enrolled = 0)
) AS waiting
WHERE coalesce(max_learners, 0) = 0 OR place <= max_learners - taken
ORDER BY contract, place
"""

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
    """Return SQL for a text of a CSV file, as `values.csv_cell` writes it."""
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


def contract_overview(
    session: Session, contract_ids: Sequence[int] | None = None, organization_id: int | None = None
) -> Records:
    """Contracts as `b2b_list contracts` shows them: `codes` counts the active ones, `learners` the attached ones."""
    return _records(session, OVERVIEW, contracts=contract_ids, organization=organization_id)


def contract_of_slug(session: Session, slug: str, organization_id: int | None = None) -> dict[str, Any] | None:
    """Return the contract of that slug as `contract_overview` has it, if it is that organization's. One query."""
    row = session.execute(OVERVIEW_OF_ONE, {"slug": slug, "organization": organization_id}).mappings().first()
    return None if row is None else dict(row)


def contract_overview_as_json(session: Session, organization_id: int | None = None) -> Iterator[str]:
    """Yield each contract as `contract_overview` has it, as a JSON object, without holding them all."""
    connection = session.connection().execution_options(stream_results=True, max_row_buffer=ROWS_AT_ONCE)
    yield from connection.execute(OVERVIEW_AS_JSON, {"organization": organization_id}).scalars()


def code_stats(session: Session, contract_ids: Sequence[int] | None = None) -> Records:
    """Per contract: seats (None is no cap), attached, runs, codes of any state, redemptions of either kind."""
    return _records(session, STATS, contracts=contract_ids)


def code_usage(session: Session, contract_ids: Sequence[int] | None = None) -> Records:
    """Each redemption, in the order in which they came."""
    return _records(session, USAGE, contracts=contract_ids)


def all_codes(session: Session, contract_ids: Sequence[int] | None = None) -> Records:
    """Every code with its redemptions, by contract and id. `attached_by` and `enrolled_by` name the last learner."""
    return _records(session, f"{CODES} ORDER BY contract.id, code.id", contracts=contract_ids)


def codes_to_hand_out(session: Session, contract_ids: Sequence[int] | None = None) -> Records:
    """Unredeemed active codes, as many as seats are left; every active code of a contract without a cap."""
    return _records(session, TO_HAND_OUT, contracts=contract_ids)


def learners(
    session: Session, contract_ids: Sequence[int] | None = None, organization_id: int | None = None
) -> Records:
    """The attached learners of those contracts."""
    return _records(session, LEARNERS, contracts=contract_ids, organization=organization_id)


def attached_by_day(session: Session, contract: Contract) -> list[tuple[date, int]]:
    """How many learners of a contract were attached on each day (UTC) on which any was."""
    return [(row.day, row.number) for row in session.execute(text(ATTACHED_BY_DAY), {"contract": contract.id})]


def codes_redeemed_by_several(session: Session, contract: Contract) -> list[int]:
    """The ids of one-time codes of the contract that more than one learner redeemed for the same purpose."""
    return list(session.scalars(text(REDEEMED_BY_SEVERAL), {"contract": contract.id}))


def export_codes(
    session: Session, contract: Contract, base_url: str, out: IO[bytes], on_rows: Callable[[int], None]
) -> int:
    """Write every code of the contract as CSV to `out`, straight from the server; how many rows.

    Needs no more memory for a million codes than for one. `on_rows` hears of each batch written.
    """
    counter = _RowCounter(out, on_rows)
    driver: Any = session.connection().connection.driver_connection
    with driver.cursor() as cursor:
        cursor.copy_expert(cursor.mogrify(EXPORT, {"base": base_url, "contract": contract.id}), counter, 1 << 16)
    return counter.rows


class _RowCounter:
    """Passes bytes on and counts the lines behind the header."""

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


def _records(
    session: Session, statement: str, *, contracts: Sequence[int] | None, organization: int | None = None
) -> Records:
    bound = text(statement).bindparams(bindparam("contracts", type_=ARRAY(BigInteger)))
    given = {"contracts": None if contracts is None else list(contracts)}
    if ":organization" in statement:
        given["organization"] = organization  # type: ignore[assignment]
    return [dict(row) for row in session.execute(bound, given).mappings()]
