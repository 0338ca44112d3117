"""Migration 0002 on a filled database of version 0001: which tabs become "not named"."""

from collections.abc import Iterator

import pytest
from sqlalchemy import text

from b2b_pipelines.db import schema
from b2b_pipelines.db.embedded import EmbeddedPostgres
from b2b_pipelines.db.engine import Database

URL = "https://docs.google.com/spreadsheets/d/1AbcdefGHIjkl/edit"


@pytest.fixture
def old(postgres: EmbeddedPostgres) -> Iterator[Database]:
    postgres.ensure_database("b2b_before_0002")
    database = Database(postgres.url("b2b_before_0002"))
    schema.upgrade(database.engine, "0001")
    yield database
    database.dispose()


def test_only_tabs_that_mean_the_same_become_not_named(old: Database):
    contracts = {
        "without-a-sheet": (None, "Sheet1", None),
        "never-synced": (URL, "Sheet1", None),
        "synced": (URL, "Sheet1", (URL, "Sheet1")),
        "saved-since-with-another-sheet": (URL, "Sheet1", (URL + "?x", "Sheet1")),
        "address-of-another-tab": (URL + "#gid=7", "Sheet1", None),
        "named": (URL, "Codes", (URL, "Codes")),
    }
    with old.session() as session:
        session.execute(text("INSERT INTO organization (name, slug, org_key) VALUES ('Acme', 'acme', 'ACME')"))
        for number, (slug, (url, tab, target)) in enumerate(contracts.items(), start=1):
            session.execute(
                text("""INSERT INTO contract (id, organization_id, name, slug, integration_type, sheet_url, sheet_tab)
                        VALUES (:id, 1, :slug, :slug, 'non-sso', :url, :tab)"""),
                {"id": number, "slug": slug, "url": url, "tab": tab},
            )
            if target:
                session.execute(
                    text("""INSERT INTO sheet_target (contract_id, spreadsheet_id, sheet_id, title, requested_url,
                                                      requested_tab)
                            VALUES (:id, '1AbcdefGHIjkl', :id, 'Sheet1', :url, :tab)"""),
                    {"id": number, "url": target[0], "tab": target[1]},
                )
    schema.upgrade(old.engine)
    with old.session() as session:
        tabs = dict(session.execute(text("SELECT slug, sheet_tab FROM contract")).all())
        asked = dict(
            session.execute(
                text("SELECT slug, requested_tab FROM sheet_target JOIN contract ON contract.id = contract_id")
            ).all()
        )
    assert tabs == {
        "without-a-sheet": None,
        "never-synced": None,
        "synced": None,
        "saved-since-with-another-sheet": "Sheet1",
        "address-of-another-tab": "Sheet1",
        "named": "Codes",
    }
    assert asked == {"synced": None, "saved-since-with-another-sheet": "Sheet1", "named": "Codes"}
    schema.require_models(old.engine)
