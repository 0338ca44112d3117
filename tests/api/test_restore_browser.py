"""A restore in a real browser: its plan, the restore, and the restore of the restore."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from b2b_pipelines.db.engine import Database
from b2b_pipelines.people import service as people
from b2b_pipelines.people.rules import Role
from sandbox.google.model import Tab
from sandbox.server import Sandbox
from tests.api.workplace import connected
from tests.sheets.conftest import Delivery, make_delivery, sign_in

PASSWORD = "four words in a row"
THEIRS = {"A1": "Name", "B1": "1/5/2026", "B2": "0:30", "C2": "=1+1", "D2": "'=text", "E3": "7%", "F3": "TRUE"}
NOTES = {"G1": "Note", "G2": "call Ms. Roe", "H2": '=IF(A2="","free",A2)', "I40": "12/24/2026"}


def everything(tab: Tab) -> list[list[tuple[object, str]]]:
    """Every cell as it was entered, and as it is shown."""
    return [
        [(tab.at(row, column), tab.shown_at(row, column)) for column in range(tab.column_count)]
        for row in range(tab.row_count)
    ]


def ours(tab: Tab) -> list[list[tuple[object, str]]]:
    return [row[:6] for row in everything(tab)]


def foreign(tab: Tab) -> list[list[object]]:
    """Contents entered beside our columns. The formulas there show new results after each write."""
    return [[cell for cell, _ in row[6:]] for row in everything(tab)]


@pytest.fixture
def acme(sandbox: Sandbox, database: Database) -> Delivery:
    """A contract whose sheet holds a table of the customer's."""
    acme = make_delivery(database, sandbox, sign_in(sandbox, database), cap=4, tabs={"Codes": []}, sheet_tab="Codes")
    for cell, typed in {**THEIRS, **NOTES}.items():
        acme.tab.type(cell, typed)
    return acme


@pytest.mark.long
def test_cells_come_back_exactly_and_go_again(
    browser: Any, sandbox: Sandbox, database: Database, acme: Delivery, tmp_path: Path
) -> None:
    with database.session() as session:
        link = people.add(session, "maria@example.com", Role.MANAGER, datetime.now(UTC))[1]
    context = browser.new_context()
    page = context.new_page()
    page.set_default_timeout(60_000)
    tab = acme.tab
    theirs, notes = ours(tab), foreign(tab)

    def press(name: str) -> None:
        page.get_by_role("button", name=name, exact=True).click()
        page.wait_for_load_state()

    def restore(choose: Callable[[], None], rows: int) -> None:
        """Restore after looking at the plan, which writes nothing."""
        before = everything(tab)
        choose()
        page.get_by_role("heading", name="Restore the sheet?").wait_for()
        assert f"in {rows} row" in page.locator(".confirm").inner_text()
        assert everything(tab) == before, "the plan wrote something"
        press("Restore")
        page.get_by_text("Restored:").wait_for()
        assert foreign(tab) == notes, "a foreign cell was changed"

    def history(link: str, place: int = -1) -> None:
        page.get_by_role("link", name="History", exact=True).click()
        page.get_by_role("link", name=link).nth(place).click()

    with connected(sandbox, database, tmp_path) as url:
        page.goto(f"{url}/welcome/{link}")
        page.get_by_label("New password").fill(PASSWORD)
        page.get_by_label("The same again").fill(PASSWORD)
        press("Set password and sign in")
        page.goto(f"{url}/contracts/{acme.slug}")
        press("Sync now")
        page.get_by_text("4 rows added").wait_for()
        synced = ours(tab)
        assert foreign(tab) == notes

        restore(lambda: page.get_by_role("link", name="Restore what was there before").click(), rows=5)
        assert ours(tab) == theirs
        restore(lambda: history("Restore what was there before"), rows=5)
        assert ours(tab) == synced

        acme.redeem(acme.codes()[0], "jane@example.com")
        acme.redeem(acme.codes()[2], "john@example.com")
        acme.modify(max_learners=5)
        page.goto(f"{url}/contracts/{acme.slug}")
        press("Sync now")
        page.get_by_text("1 row added").wait_for()
        redeemed = ours(tab)
        restore(lambda: history("Restore…"), rows=2)
        assert ours(tab)[:5] == synced[:5]
        restore(lambda: history("Restore…", 1), rows=2)
        assert ours(tab) == redeemed
    acme.sheets.close()
    context.close()
