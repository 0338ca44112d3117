"""Courseware of contracts: courses, runs and programs."""

import pytest

from b2b_pipelines.contracts import catalog, store
from b2b_pipelines.contracts import courseware_registry as registry
from b2b_pipelines.contracts import service as contracts
from b2b_pipelines.contracts.service import CoursewareChange
from b2b_pipelines.errors import Refused
from tests.shop import NOW, Shop


def register(shop: Shop, *courses: str) -> None:
    with shop.database.session() as session:
        for course in courses:
            registry.register(session, catalog.course(course, "C", source_run="SOURCE"))
        registry.register(session, catalog.program("program-v1:UAI+P", "P", {"all_of": [*courses]}))


def give(shop: Shop, slug: str, readable_id: str, **options: bool) -> CoursewareChange:
    with shop.database.session() as session:
        return contracts.give_courseware(session, store.contract(session, slug, lock=True), readable_id, NOW, **options)


SAME_NUMBER = ("course-v1:UAI+LEAD101", "course-v1:MIT+LEAD101")


def test_courses_with_one_number_get_runs_of_their_own(shop: Shop):
    register(shop, *SAME_NUMBER)
    one, two = shop.sell("One", courses=0), shop.sell("Two", courses=0)
    run = f"course-v1:UAI_ACME+LEAD101+2026_C{one.id}"
    made = [give(shop, one.slug, course).created for course in SAME_NUMBER]
    assert made == [[run], [f"{run}_2"]]
    assert give(shop, one.slug, SAME_NUMBER[0], rerun=True).created == [f"{run}_3"]
    assert give(shop, two.slug, "program-v1:UAI+P").created == [
        f"course-v1:UAI_ACME+LEAD101+2026_C{two.id}",
        f"course-v1:UAI_ACME+LEAD101+2026_C{two.id}_2",
    ]


def test_a_course_whose_run_would_have_too_long_an_id_is_refused(shop: Shop):
    course = f"course-v1:U+{'N' * 234}"
    register(shop, course)
    sold = shop.sell(courses=0)
    with pytest.raises(Refused, match="more than 255 characters"):
        give(shop, sold.slug, course)


def test_a_source_run_that_a_contract_was_given_is_a_source_still(shop: Shop):
    register(shop, "course-v1:UAI+C1")
    one, two = shop.sell("One", courses=0), shop.sell("Two", courses=0)
    give(shop, one.slug, "course-v1:UAI+C1+SOURCE")
    run = f"course-v1:UAI_ACME+C1+2026_C{two.id}"
    assert give(shop, two.slug, "course-v1:UAI+C1") == CoursewareChange(created=[run])


def test_what_a_contract_was_given_is_not_guessed_to_be_a_source(shop: Shop):
    with shop.database.session() as session:
        registry.register(session, catalog.course("course-v1:UAI+C1", "C", ["R1", "R2"]))
    one, two = shop.sell("One", courses=0), shop.sell("Two", courses=0)
    give(shop, one.slug, "course-v1:UAI+C1+R1")
    given = give(shop, two.slug, "course-v1:UAI+C1")
    assert given.guessed_source == ["course-v1:UAI+C1"]
    assert shop.run(
        "SELECT source.run_tag FROM course_run JOIN course_run source ON source.id = course_run.source_run_id"
    ) == ["R2"]
