"""A contract at a glance shows the sheet that it has now."""

from b2b_pipelines.contracts import store
from b2b_pipelines.reports import workplace
from b2b_pipelines.reports.pages import Slice
from b2b_pipelines.reports.workplace import Wanted
from b2b_pipelines.sheets import history
from tests.shop import Shop

SNAPSHOT = """
INSERT INTO sheet_snapshot (contract_id, kind, spreadsheet_id, sheet_id, title, verified_at, columns, column_count, rows,
                            row_count, conflicts, updated, appended, unchanged, reads, writes, content_hash)
SELECT id, 'after', :spreadsheet, 0, 'Sheet1', now(), '[]', 6, '[]', 2, CAST(:conflicts AS jsonb), 0, 2, 0, 1, 1, ''
FROM contract
"""


def test_the_conflicts_of_a_contract_that_got_its_earlier_sheet_back_are_those_of_that_sheet(shop: Shop):
    sold = shop.sell(courses=1, cap=1)
    shop.run("UPDATE contract SET sheet_url = 'sheet-one'")
    shop.run(SNAPSHOT, spreadsheet="sheet-one", conflicts='[{"kind": "duplicate"}, {"kind": "edited"}]')
    shop.run(SNAPSHOT, spreadsheet="sheet-two", conflicts="[]")
    with shop.database.session() as session:
        contract = store.contract(session, sold.slug)
        _, [card] = workplace.cards(session, Wanted(slug=sold.slug), Slice(limit=1, offset=0))
        assert card.snapshot_id is not None
        shown = history.snapshot(session, contract.id, card.snapshot_id)
        assert shown is not None
        assert (shown.spreadsheet_id, len(shown.conflicts)) == ("sheet-one", card.conflicts)
