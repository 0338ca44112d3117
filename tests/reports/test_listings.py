"""Listings find what a search or an option names."""

import pytest

from b2b_pipelines.contracts import catalog, courseware_registry, store
from b2b_pipelines.db.rows import rows_of
from b2b_pipelines.reports import courseware, listings
from b2b_pipelines.reports.pages import Slice
from tests.shop import Shop

EVERYTHING = Slice(limit=1_000, offset=0)


@pytest.mark.parametrize(
    ("search", "courses", "programs"),
    [
        pytest.param(None, 3, 1, id="everything"),
        pytest.param(" ", 3, 1, id="blanks"),
        pytest.param("mitx+9", 1, 0, id="part-of-an-id"),
        pytest.param("NINE", 1, 0, id="part-of-a-title"),
        pytest.param("100%", 1, 0, id="a-percent-sign-is-itself"),
        pytest.param("_", 0, 0, id="an-underscore-is-itself"),
    ],
)
def test_a_search_finds_courses_and_programs_by_a_part(shop: Shop, search: str | None, courses: int, programs: int):
    shop.sell(courses=2, cap=1)
    with shop.database.session() as session:
        courseware_registry.register(session, catalog.course("course-v1:MITx+9", "Nine, 100% of it"))
        courseware_registry.register(
            session, catalog.program("program-v1:MITx+P", "P", {"all_of": ["course-v1:MITx+9"]})
        )
        count, rows = courseware.courses(session, EVERYTHING, search=search)
        assert count == len(rows) == courses
        assert {row["readable_id"]: row["has_source_run"] for row in rows}.get("course-v1:MITx+9") in (False, None)
        count, rows = courseware.programs(session, EVERYTHING, search=search)
        assert count == len(rows) == programs


def test_an_option_and_a_service_name_the_same_organization(shop: Shop):
    for name in ("Acme", "ACME Labs", "Globex"):
        shop.sell("One", organization=name, courses=0)
    with shop.database.session() as session:
        for reference in ("Acme", "ACME", "acme labs", "ACMELABS", "globex", "Umbrella"):
            service = store.organization(session, reference)
            named = rows_of(session)(listings.ORGANIZATION, reference=reference)
            assert [row["id"] for row in named] == ([] if service is None else [service.id])
