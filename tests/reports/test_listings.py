"""Commands list with plain SQL, API and pages through services: both list the same rows."""

from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from b2b_pipelines.contracts import catalog, courseware_registry, store
from b2b_pipelines.contracts.rules import SOURCE_TAG
from b2b_pipelines.inputs.text import containing
from b2b_pipelines.reports import courseware, listings
from b2b_pipelines.reports.pages import Slice
from tests.shop import Shop

EVERYTHING = Slice(limit=1_000, offset=0)


def rows(session: Session, statement: str, **given: Any) -> list[dict[str, Any]]:
    return [dict(row) for row in session.execute(text(statement), given).mappings()]


@pytest.mark.parametrize("search", [None, "mitx", "NINE", "100%", "_", "nothing of this"])
def test_courses_and_programs_are_the_same_rows(shop: Shop, search: str | None):
    shop.sell(courses=2, cap=1)
    pattern = containing(search) if search else None
    with shop.database.session() as session:
        courseware_registry.register(session, catalog.course("course-v1:MITx+9", "Nine, 100% of it"))
        courseware_registry.register(
            session, catalog.program("program-v1:MITx+P", "P", {"all_of": ["course-v1:MITx+9"]})
        )
        _, courses = courseware.courses(session, EVERYTHING, search=search)
        assert rows(session, listings.COURSES, pattern=pattern, source_tag=SOURCE_TAG) == [dict(row) for row in courses]
        _, programs = courseware.programs(session, EVERYTHING, search=search)
        assert rows(session, listings.PROGRAMS, pattern=pattern) == [dict(row) for row in programs]


def test_an_option_and_a_service_name_the_same_organization(shop: Shop):
    for name in ("Acme", "ACME Labs", "Globex"):
        shop.sell("One", organization=name, courses=0)
    with shop.database.session() as session:
        for reference in ("Acme", "ACME", "acme labs", "ACMELABS", "globex", "Umbrella"):
            service = store.organization(session, reference)
            named = rows(session, listings.ORGANIZATION, reference=reference)
            assert [row["id"] for row in named] == ([] if service is None else [service.id])
