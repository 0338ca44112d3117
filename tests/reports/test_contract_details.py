"""The set-up of a contract in every state, for the API and the pages (a session) and for `b2b contract show` (plain SQL)."""

from typing import Any

import pytest
from sqlalchemy.orm import Session

from b2b_pipelines.contracts import store
from b2b_pipelines.db.reading import Reading
from b2b_pipelines.delivery import set_up
from b2b_pipelines.enrollment_codes import reports
from b2b_pipelines.reports import contract_details, contracts, courseware
from b2b_pipelines.reports.pages import Slice
from tests.shop import Shop

SHEET = "UPDATE contract SET sheet_url = '1AbCdEfGhIjKlMnOpQrStUvWxYz0123456789'"
TARGET = """
INSERT INTO sheet_target (contract_id, spreadsheet_id, sheet_id, title, requested_url, written_at, synced_revision)
SELECT id, 's', 0, 'Sheet1', sheet_url, now(), revision FROM contract
"""
SNAPSHOT = """
INSERT INTO sheet_snapshot (contract_id, kind, spreadsheet_id, sheet_id, title, verified_at, columns, column_count, rows,
                            row_count, conflicts, updated, appended, unchanged, reads, writes, content_hash)
SELECT id, 'after', 's', 0, 'Sheet1', '2026-11-28T12\\:00Z', '[]', 6, '[]', 2, '[{"kind"\\: "duplicate"}]', 0, 2, 0, 1, 1, ''
FROM contract
"""
FAULT = """
INSERT INTO fault (kind, name, partition, cause, words, run_id, since)
SELECT :kind, :name, slug, 'sheet_unshared', 'share it', 'r', CAST(:since AS timestamptz) FROM contract
"""
SYNCED = {"kind": "check", "name": "sheet_is_synced (sheet_snapshots)"}
STATES: dict[str, tuple[tuple[tuple[str, dict[str, Any]], ...], str, str, str]] = {
    "no sheet": ((), "sheet", "done", "the contract has no sheet"),
    "never synced": (((SHEET, {}),), "sheet", "pending", "the sheet was not synced since the last change"),
    "synced": (
        ((SHEET, {}), (TARGET, {}), (SNAPSHOT, {})),
        "sheet",
        "done",
        "2 rows, verified 2026-11-28 12:00 UTC, 1 conflict to look at",
    ),
    "changed since": (
        ((SHEET, {}), (TARGET, {}), (SNAPSHOT, {}), ("UPDATE contract SET revision = revision + 1", {})),
        "sheet",
        "pending",
        "the sheet was not synced since the last change",
    ),
    "failing": (
        ((SHEET, {}), (TARGET, {}), (SNAPSHOT, {}), (FAULT, {**SYNCED, "since": "2026-11-28T13:00Z"})),
        "sheet",
        "failed",
        "share it",
    ),
    "failed before": (
        ((SHEET, {}), (TARGET, {}), (SNAPSHOT, {}), (FAULT, {**SYNCED, "since": "2026-11-28T11:00Z"})),
        "sheet",
        "done",
        "2 rows, verified 2026-11-28 12:00 UTC, 1 conflict to look at",
    ),
    "a failing partition": (
        ((SHEET, {}), (FAULT, {"kind": "partition", "name": "sheet_snapshots", "since": "2026-11-28T13:00Z"})),
        "sheet",
        "failed",
        "share it",
    ),
    "another asset's fault": (
        ((SHEET, {}), (FAULT, {"kind": "partition", "name": "enrollment_codes", "since": "2026-11-28T13:00Z"})),
        "sheet",
        "pending",
        "the sheet was not synced since the last change",
    ),
    "another check of the sheet": (
        ((SHEET, {}), (FAULT, {**SYNCED, "name": "sheet_is_fresh (sheet_snapshots)", "since": "2026-11-28T13:00Z"})),
        "sheet",
        "pending",
        "the sheet was not synced since the last change",
    ),
    "a run that Studio refused": (
        (("UPDATE course_run SET edx_state = 'failed', edx_error = 'no rights'", {}),),
        "runs",
        "failed",
        "2 of 2 runs failed: no rights",
    ),
    "no codes needed": (
        (("UPDATE contract SET integration_type = 'sso'", {}), (SHEET, {})),
        "codes",
        "done",
        "the contract does not require codes",
    ),
    "codes that lack": (
        (("UPDATE contract SET max_learners = 5", {}),),
        "codes",
        "pending",
        "product {product}: 3 one-time codes are missing",
    ),
    "free of a cap": (
        (("UPDATE contract SET max_learners = 0", {}),),
        "codes",
        "pending",
        "product {product}: 2 codes must become unlimited",
    ),
}


@pytest.mark.parametrize("state", STATES)
def test_the_set_up_says_how_far_a_contract_is(shop: Shop, state: str):
    sold = shop.sell(courses=2, cap=2)
    statements, part, reached, message = STATES[state]
    for statement, given in statements:
        shop.run(statement, **given)
    with shop.database.session() as session:
        contract = store.contract(session, sold.slug)
        shown = set_up.of(session, contract).as_json()
        product = min(shop.run("SELECT id FROM product"))
        assert (shown[part]["state"], shown[part]["message"]) == (reached, message.format(product=product))
        by_command = contract_details.details(Reading(driver(session)).rows, contract.id, 10)
        assert by_command["set_up"] == shown


def test_a_command_shows_the_rows_of_api_and_pages(shop: Shop):
    sold = shop.sell(courses=2, cap=2)
    with shop.database.session() as session:
        contract = store.contract(session, sold.slug)
        shown = contract_details.details(Reading(driver(session)).rows, contract.id, 10)
        assert shown.items() >= reports.contract_overview(session, contract.id).items()
        assert shown["runs"] == courseware.runs(session, contract.id, Slice(limit=100, offset=0))[1]
        changes = contracts.changes(session, contract.id, Slice(limit=10, offset=0))[1]
        assert shown["changes"] == [
            {key: change[key] for key in ("made_at", "action", "actor_name", "details")} for change in changes
        ]


def driver(session: Session) -> Any:
    return session.connection().connection.driver_connection
