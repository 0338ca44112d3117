"""`b2b contract show` reads plain SQL, API and pages go through services: both give the same answer in every state."""

from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from b2b_pipelines.contracts import store
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
STATES: dict[str, tuple[tuple[str, dict[str, Any]], ...]] = {
    "no sheet": (),
    "never synced": ((SHEET, {}),),
    "synced": ((SHEET, {}), (TARGET, {}), (SNAPSHOT, {})),
    "changed since": ((SHEET, {}), (TARGET, {}), (SNAPSHOT, {}), ("UPDATE contract SET revision = revision + 1", {})),
    "failing": ((SHEET, {}), (TARGET, {}), (SNAPSHOT, {}), (FAULT, {**SYNCED, "since": "2026-11-28T13:00Z"})),
    "failed before": ((SHEET, {}), (TARGET, {}), (SNAPSHOT, {}), (FAULT, {**SYNCED, "since": "2026-11-28T11:00Z"})),
    "a failing partition": (
        (SHEET, {}),
        (FAULT, {"kind": "partition", "name": "sheet_snapshots", "since": "2026-11-28T13:00Z"}),
    ),
    "another asset's fault": (
        (SHEET, {}),
        (FAULT, {"kind": "partition", "name": "enrollment_codes", "since": "2026-11-28T13:00Z"}),
    ),
    "another check of the sheet": (
        (SHEET, {}),
        (FAULT, {"kind": "check", "name": "sheet_is_fresh (sheet_snapshots)", "since": "2026-11-28T13:00Z"}),
    ),
    "a run that Studio refused": (("UPDATE course_run SET edx_state = 'failed', edx_error = 'no rights'", {}),),
    "no codes needed": (("UPDATE contract SET integration_type = 'sso'", {}), (SHEET, {})),
    "codes that lack": (("UPDATE contract SET max_learners = 5", {}),),
    "free of a cap": (("UPDATE contract SET max_learners = 0", {}),),
}


def by_sql(session: Session, contract_id: int) -> dict[str, Any]:
    def rows(statement: str, **given: Any) -> list[dict[str, Any]]:
        return [dict(row) for row in session.execute(text(statement), given).mappings()]

    return contract_details.details(rows, contract_id, 10)


@pytest.mark.parametrize("state", STATES)
def test_a_contract_is_shown_alike_in_every_state(shop: Shop, state: str):
    sold = shop.sell(courses=2, cap=2)
    for statement, given in STATES[state]:
        shop.run(statement, **given)
    with shop.database.session() as session:
        contract = store.contract(session, sold.slug)
        shown = by_sql(session, contract.id)
        assert shown["set_up"] == set_up.of(session, contract).as_json()
        assert shown.items() >= reports.contract_overview(session, [contract.id])[0].items()
        runs = courseware.runs(session, contract.id, Slice(limit=100, offset=0))[1]
        assert shown["runs"] == [dict(run) for run in runs]
        changes = contracts.changes(session, contract.id, Slice(limit=10, offset=0))[1]
        assert shown["changes"] == [
            {key: change[key] for key in ("made_at", "action", "actor_name", "details")} for change in changes
        ]


def test_the_states_differ(shop: Shop):
    """Otherwise the comparison above would compare one state many times."""
    sold = shop.sell(courses=2, cap=2)
    messages = set()
    for statement, given in STATES["failing"]:
        with shop.database.session() as session:
            messages.add(by_sql(session, store.contract(session, sold.slug).id)["set_up"]["sheet"]["message"])
        shop.run(statement, **given)
    with shop.database.session() as session:
        found = by_sql(session, store.contract(session, sold.slug).id)["set_up"]["sheet"]
    assert (found["state"], found["message"]) == ("failed", "share it")
    assert len(messages) == 3
