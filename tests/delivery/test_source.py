"""A new source of contracts, such as a CRM, needs nothing but `delivery`."""

from collections.abc import Callable
from datetime import date
from typing import Any

from sqlalchemy import Connection as Begun
from sqlalchemy import event

from b2b_pipelines import delivery
from b2b_pipelines.contracts import catalog, courseware_registry
from b2b_pipelines.db.engine import Database
from b2b_pipelines.vendors.google_sheets import GoogleSheets
from sandbox.server import Sandbox
from tests.sheets.conftest import ACCOUNT
from tests.sheets.conftest import Delivery as Delivered
from tests.sheets.conftest import deliver as deliver  # noqa: PLC0414
from tests.sheets.conftest import sheets as sheets  # noqa: PLC0414
from tests.statements import statements

COURSE = "course-v1:UAI+LEAD101"


# The source: what a CRM's integration would be.
def import_deals(database: Database, sheets: GoogleSheets, deals: list[dict[str, Any]], known: dict[str, str]) -> None:
    """Create or change a contract for each deal; `known` maps deals to slugs. Then deliver it."""
    crm = delivery.Actor.system("the CRM")
    for deal in deals:
        terms = delivery.ContractPatch(
            max_learners=deal["seats"], ends_on=deal.get("end"), sheet_url=deal.get("sheet", delivery.UNSET)
        )
        with database.session() as session:
            if deal["id"] in known:
                delivery.change_contract(session, known[deal["id"]], terms, by=crm)
            else:
                kind = delivery.IntegrationType.NON_SSO
                made = delivery.create_contract(
                    session, deal["account"], deal["name"], kind, terms, by=crm, create_organization=True
                )
                known[deal["id"]] = made.contract.slug
                delivery.give_courseware(session, known[deal["id"]], deal["course"], by=crm)
        delivery.deliver(database, known[deal["id"]], sheets=lambda: sheets)


def test_contracts_of_another_source_are_made_and_changed_and_their_sheets_follow(
    database: Database, sandbox: Sandbox, sheets: GoogleSheets
) -> None:
    with database.session() as session:
        courseware_registry.register(session, catalog.course(COURSE, "Leading", source_run="SOURCE"))
    spreadsheet = sandbox.google.create_spreadsheet("Acme", shared_with=[ACCOUNT])
    deal = {"id": "D-1", "account": "Acme", "name": "Leadership", "course": COURSE, "seats": 3}
    known: dict[str, str] = {}
    import_deals(database, sheets, [deal | {"sheet": spreadsheet}], known)
    column = sandbox.google.spreadsheet(spreadsheet).tabs[0].column
    assert column("A")[0] == "Enrollment Code"
    assert len([code for code in column("A")[1:] if code]) == 3
    import_deals(database, sheets, [deal | {"seats": 5, "end": date(2999, 1, 1)}], known)
    assert len([code for code in column("A")[1:] if code]) == 5
    assert known == {"D-1": "leadership"}
    with database.session() as session:
        assert delivery.find_contract(session, "leadership").ends_on == date(2999, 1, 1)


def test_a_contract_without_changes_costs_four_transactions_and_loads_its_contract_once(
    deliver: Callable[..., Delivered],
) -> None:
    made = deliver(cap=5)
    delivery.deliver(made.database, made.slug, sheets=lambda: made.sheets)
    made.requests()
    begun: list[object] = []

    def note(connection: Begun) -> None:
        if connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
            begun.append(connection)

    event.listen(made.database.engine, "begin", note)
    with statements(made.database) as sent:
        done = delivery.deliver(made.database, made.slug, sheets=lambda: made.sheets)
    event.remove(made.database.engine, "begin", note)
    assert done.sheet is not None
    assert not done.sheet.changed
    assert len(begun) <= 4
    assert sum("contract.sheet_url" in statement and "FOR NO KEY" in statement for statement in sent) == 1
    assert sum("contract.integration_type, contract.starts_on" in statement for statement in sent) == 1
    assert made.requests()["write"] == 0
