"""Contracts as a manager looks after them: what needs attention first, with the state of each sheet. Two queries a page."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from datetime import date, datetime
from enum import StrEnum

from sqlalchemy.orm import Session

from b2b_pipelines.contracts.rules import IntegrationType, is_open
from b2b_pipelines.db.rows import Row, rows_of
from b2b_pipelines.enrollment_codes import pages
from b2b_pipelines.enrollment_codes.pages import Seats
from b2b_pipelines.faults.rules import SYNCED
from b2b_pipelines.inputs.text import containing
from b2b_pipelines.reports.pages import Slice
from b2b_pipelines.sheets.links import link
from b2b_pipelines.sheets.statements import DELIVERED


class SheetState(StrEnum):
    """How far the sheet of a contract is, the most urgent first."""

    FAILING = "failing"
    CONFLICTS = "conflicts"
    PENDING = "pending"
    NOT_SYNCED = "not_synced"
    SYNCED = "synced"
    NO_SHEET = "no_sheet"


class Order(StrEnum):
    """How the contracts are sorted. `attention`: failing ones first, then what changed last."""

    ATTENTION = "attention"
    CHANGED = "changed"
    NAME = "name"
    ORGANIZATION = "organization"
    END = "end"


ORDERS = {
    Order.ATTENTION: "(state = 'failing' OR failed_runs > 0) DESC, change_id DESC, id DESC",
    Order.CHANGED: "change_id DESC, id DESC",
    Order.NAME: "lower(name), id",
    Order.ORGANIZATION: "lower(organization), lower(name), id",
    Order.END: "ends_on NULLS LAST, id",
}

LISTED = f"""
WITH failing AS (
    SELECT DISTINCT ON (partition) partition, since, words FROM fault
    WHERE (kind = 'partition' OR name = :synced) AND partition <> '' ORDER BY partition, since DESC
), failed_runs AS (
    SELECT contract_id, count(*) AS number FROM course_run
    WHERE edx_state = 'failed' AND contract_id IS NOT NULL GROUP BY contract_id
), listed AS (
    SELECT contract.id, contract.slug, contract.name, organization.name AS organization, contract.active,
           contract.starts_on, contract.ends_on, contract.integration_type, contract.sheet_url, contract.change_id,
           last.id AS snapshot_id, last.taken_at, last.verified_at, last.title AS tab, coalesce(last.conflicts, 0) AS conflicts,
           coalesce(failed_runs.number, 0) AS failed_runs,
           CASE WHEN last.verified_at IS NULL OR failing.since >= last.verified_at THEN failing.since END AS failing_since,
           CASE WHEN last.verified_at IS NULL OR failing.since >= last.verified_at THEN failing.words END AS failure,
           coalesce(target.synced_revision, 0) < contract.revision AS behind, ({DELIVERED}) AS delivered
    FROM contract JOIN organization ON organization.id = contract.organization_id
    LEFT JOIN LATERAL (
        SELECT id, taken_at, verified_at, title, jsonb_array_length(conflicts) AS conflicts FROM sheet_snapshot
        WHERE sheet_snapshot.contract_id = contract.id AND kind = 'after'
          AND strpos(contract.sheet_url, spreadsheet_id) > 0
        ORDER BY sheet_snapshot.id DESC LIMIT 1
    ) AS last ON true
    LEFT JOIN sheet_target target ON target.contract_id = contract.id
    LEFT JOIN failing ON failing.partition = contract.slug
    LEFT JOIN failed_runs ON failed_runs.contract_id = contract.id
    WHERE (CAST(:bound_to AS bigint) IS NULL OR contract.organization_id = :bound_to)
      AND (CAST(:slug AS text) IS NULL OR contract.slug = :slug)
      AND (CAST(:organization AS bigint) IS NULL OR contract.organization_id = :organization)
      AND (CAST(:active AS boolean) IS NULL OR contract.active = :active)
      AND (CAST(:integration_type AS text) IS NULL OR contract.integration_type = :integration_type)
      AND (CAST(:search AS text) IS NULL OR contract.name ILIKE :search OR contract.slug ILIKE :search
           OR organization.name ILIKE :search)
), judged AS (
    SELECT listed.*, CASE
        WHEN failing_since IS NOT NULL THEN 'failing'
        WHEN NOT delivered THEN 'no_sheet'
        WHEN verified_at IS NULL THEN 'not_synced'
        WHEN conflicts > 0 THEN 'conflicts'
        WHEN behind THEN 'pending'
        ELSE 'synced' END AS state
    FROM listed
)
SELECT judged.*, count(*) OVER () AS total FROM judged
WHERE CAST(:state AS text) IS NULL OR state = :state
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which contracts a manager asks for; None is any. `organization` is an id."""

    search: str | None = None
    organization: int | None = None
    active: bool | None = None
    integration_type: IntegrationType | None = None
    state: SheetState | None = None
    order: Order = Order.ATTENTION
    bound_to: int | None = None
    slug: str | None = None


@dataclass(frozen=True, slots=True)
class Card:
    """A contract at a glance. `failing_since` and `failure` are about the sheet; `verified_at` is of the sheet it has.

    `tab` is the title of the tab that was synced last, `snapshot_id` the snapshot with its `conflicts`.
    """

    slug: str
    name: str
    organization: str
    active: bool
    starts_on: date | None
    ends_on: date | None
    integration_type: str
    sheet_url: str | None
    tab: str | None
    state: SheetState
    snapshot_id: int | None
    taken_at: datetime | None
    verified_at: datetime | None
    conflicts: int
    failed_runs: int
    failing_since: datetime | None
    failure: str | None
    behind: bool
    seats: Seats

    def term(self, today: date) -> str:
        """Return whether learners can join on that day, in a word or two."""
        if not self.active:
            return "inactive"
        if is_open(self.active, self.starts_on, self.ends_on, today):
            return "open"
        if self.starts_on and today < self.starts_on:
            return f"opens {self.starts_on}"
        return f"ended {self.ends_on}"

    @property
    def sheet_link(self) -> str | None:
        """Where the sheet opens; a bare id is completed."""
        if self.sheet_url is None or self.sheet_url.startswith(("https://", "http://")):
            return self.sheet_url
        return link(self.sheet_url)


def cards(session: Session, wanted: Wanted, asked: Slice) -> tuple[int, Sequence[Card]]:
    """Return how many contracts fit, and a page of them. Two queries; a page behind the last one counts none."""
    statement = f"{LISTED} ORDER BY {ORDERS[wanted.order]} LIMIT :limit OFFSET :offset"
    given = asdict(wanted) | {"search": containing(wanted.search), "synced": SYNCED}
    rows = rows_of(session)(statement, **given, limit=asked.limit, offset=asked.offset)
    seats = pages.seats(session, [row["id"] for row in rows])
    return (rows[0]["total"] if rows else 0), [_card(row, seats[row["id"]]) for row in rows]


def _card(row: Row, seats: Seats) -> Card:
    values = {field.name: row[field.name] for field in fields(Card) if field.name in row}
    return Card(**values | {"state": SheetState(row["state"]), "seats": seats})
