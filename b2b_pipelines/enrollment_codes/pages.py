"""Pages of codes for API and browser, and the seats of contracts."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.orm import Session


def utc(column: str) -> str:
    """Return SQL for a time in JSON: `2026-06-01T12:00:00.000000Z`."""
    return f"""to_char({column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""


def shown_email(column: str) -> str:
    """Return SQL for an address, masked unless the caller sees addresses.

    A masked address reads `j•••@example.com`.
    """
    masked = f"CASE WHEN strpos({column}, '@') > 0 THEN left(split_part({column}, '@', 1), 1) || '•••@'"
    masked = f"{masked} || reverse(split_part(reverse({column}), '@', 1)) ELSE '•••' END"
    return f"CASE WHEN {column} IS NULL OR (SELECT emails FROM caller) THEN {column} ELSE {masked} END"


_PAGE = f"""
seen AS (
    SELECT contract.id FROM contract CROSS JOIN caller
    WHERE contract.slug = :slug
      AND (caller.organization_id IS NULL OR contract.organization_id = caller.organization_id)
), page AS MATERIALIZED (
    SELECT code.* FROM enrollment_code code WHERE code.contract_id = (SELECT id FROM seen)
    ORDER BY code.id LIMIT :limit OFFSET :offset
), used AS MATERIALIZED (
    SELECT DISTINCT ON (redemption.code_id, redemption.kind)
           redemption.code_id, redemption.kind, redemption.learner_id, redemption.redeemed_at,
           count(*) OVER (PARTITION BY redemption.code_id, redemption.kind) AS number
    FROM page JOIN code_redemption redemption ON redemption.code_id = page.id
    ORDER BY redemption.code_id, redemption.kind, redemption.redeemed_at DESC, redemption.id DESC
), summed AS MATERIALIZED (
    SELECT used.code_id,
           max(used.number) FILTER (WHERE used.kind = 'attach') AS attached,
           max(used.number) FILTER (WHERE used.kind = 'enroll') AS enrolled,
           max(used.redeemed_at) FILTER (WHERE used.kind = 'attach') AS attached_at,
           max({shown_email("learner.email")}) FILTER (WHERE used.kind = 'attach') AS attached_by,
           max({shown_email("learner.email")}) FILTER (WHERE used.kind = 'enroll') AS enrolled_by
    FROM used JOIN learner ON learner.id = used.learner_id GROUP BY used.code_id
)
SELECT (SELECT count(*) FROM enrollment_code WHERE contract_id = seen.id) AS count,
       (SELECT coalesce(json_agg(shown), '[]')::text FROM (
            SELECT page.code, product.description AS product, page.redemption_type, page.amount::text, page.active,
                   {utc("page.deactivated_at")} AS deactivated_at,
                   summed.attached_by, {utc("summed.attached_at")} AS attached_at, summed.enrolled_by,
                   coalesce(summed.attached, 0) AS attached, coalesce(summed.enrolled, 0) AS enrolled,
                   CASE WHEN page.sheet_row IS NOT NULL THEN json_build_object(
                       'target', coalesce(page.sheet_target, ''), 'row', page.sheet_row
                   ) END AS sheet_location
            FROM page
            JOIN product ON product.id = page.product_id
            LEFT JOIN summed ON summed.code_id = page.id
            ORDER BY page.id
       ) AS shown) AS results
FROM seen
"""
"""PostgreSQL writes the JSON, because reading, validating and writing the rows in Python takes five times as long."""


def page_for(caller: str) -> str:
    """Return the statement of a page of codes, given that of its caller: `organization_id` and `emails`."""
    return f"WITH caller AS ({caller}), {_PAGE}"


PAGE = text(page_for("SELECT CAST(:organization AS bigint) AS organization_id, CAST(:emails AS boolean) AS emails"))

SEATS = text("""
SELECT contract.id AS contract_id, nullif(contract.max_learners, 0) AS seats,
       (SELECT count(*) FROM contract_learner attached WHERE attached.contract_id = contract.id) AS redeemed,
       (SELECT count(*) FROM enrollment_code code
        WHERE code.contract_id = contract.id AND code.active AND code.sheet_row IS NOT NULL
          AND NOT EXISTS (SELECT FROM code_redemption used WHERE used.code_id = code.id)) AS handed_out
FROM contract WHERE contract.id = ANY(:contracts)
""")


@dataclass(frozen=True, slots=True)
class Seats:
    """The seats of a contract. `seats` is their total (None: no limit).

    `redeemed` are taken by attached learners, `handed_out` are unredeemed codes in the customer's sheet.
    """

    seats: int | None
    redeemed: int
    handed_out: int

    @property
    def promised(self) -> int:
        """Return the number of handed-out codes that can still get a seat."""
        return self.handed_out if self.seats is None else min(self.handed_out, max(self.seats - self.redeemed, 0))

    @property
    def free(self) -> int | None:
        """Return the number of seats without a learner and without a code in the sheet.

        None without a limit.
        """
        return None if self.seats is None else max(self.seats - self.redeemed - self.promised, 0)


@dataclass(frozen=True, slots=True)
class JsonPage:
    """A page of a list: the total number of items, and the JSON array of the page's items."""

    count: int
    results: str


def codes(
    session: Session, slug: str, organization_id: int | None, limit: int, offset: int, *, emails: bool
) -> JsonPage | None:
    """Return a page of a contract's codes in id order, each with its redemptions. One query.

    `attached_by` and `enrolled_by` are the last learner, masked unless `emails`. Return None for a contract that does
    not exist or belongs to another organization.
    """
    given = {"slug": slug, "organization": organization_id, "limit": limit, "offset": offset, "emails": emails}
    row = session.execute(PAGE, given).first()
    return None if row is None else JsonPage(*row)


def seats(session: Session, contract_ids: Sequence[int]) -> dict[int, Seats]:
    """Return the seats of each contract, by its id. One query."""
    rows = session.execute(SEATS, {"contracts": list(contract_ids)})
    return {row.contract_id: Seats(row.seats, row.redeemed, row.handed_out) for row in rows}
