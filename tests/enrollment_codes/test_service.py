"""The code rules applied to a real database: what stands there afterwards, and at what price in statements."""

import threading
from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import text

from b2b_pipelines.contracts.models import Course, CourseRun
from b2b_pipelines.contracts.patch import ContractPatch
from b2b_pipelines.contracts.rules import IntegrationType
from b2b_pipelines.db.engine import Database
from b2b_pipelines.delivery import Actor, CoursewareChanged, changes
from b2b_pipelines.enrollment_codes import service
from b2b_pipelines.enrollment_codes.statements import ALL_CODES
from b2b_pipelines.learners.service import Person, attach, remove
from tests.statements import listed, statements

NOW = datetime(2026, 3, 4, tzinfo=UTC)
MANAGER = Actor.system("a contract manager")


class Customer:
    """A contract, and what is done to it."""

    def __init__(self, database: Database, courses: int, kind: IntegrationType, terms: dict[str, Any]) -> None:
        self.database = database
        with database.session() as session:
            for number in range(courses):
                course = Course(readable_id=f"course-v1:UAI+C{number}", title=f"Course {number}")
                session.add(course)
                session.flush()
                session.add(
                    CourseRun(
                        courseware_id=f"{course.readable_id}+SOURCE",
                        course_id=course.id,
                        run_tag="SOURCE",
                        title="Source",
                    )
                )
            contract = changes.create_contract(
                session, "Acme", "Acme", kind, ContractPatch(**terms), by=MANAGER, create_organization=True
            ).contract
            self.slug = contract.slug
            self.run = f"course-v1:UAI_ACME+C0+2026_C{contract.id}"
            for number in range(courses):
                changes.give_courseware(session, self.slug, f"course-v1:UAI+C{number}", by=MANAGER, now=NOW)

    def modify(self, **values: Any) -> service.CodeChange:
        with self.database.session() as session:
            return changes.change_contract(session, self.slug, ContractPatch(**values), by=MANAGER).codes

    def ensure(self) -> service.CodeChange:
        with self.database.session() as session:
            return service.ensure_codes(session, self.slug)

    def take(self, courseware: str) -> CoursewareChanged:
        with self.database.session() as session:
            return changes.take_courseware(session, self.slug, courseware, by=MANAGER)

    def give(self, courseware: str, **options: Any) -> CoursewareChanged:
        with self.database.session() as session:
            return changes.give_courseware(session, self.slug, courseware, by=MANAGER, **{"now": NOW, **options})

    def attach(self, code: str, email: str) -> None:
        with self.database.session() as session:
            attach(session, code, Person(email), NOW)

    def remove(self, email: str) -> None:
        with self.database.session() as session:
            remove(session, self.slug, email)

    @property
    def codes(self) -> list[dict[str, object]]:
        with self.database.session() as session:
            return listed(session, ALL_CODES)

    def free(self) -> list[str]:
        return [str(row["code"]) for row in self.codes if row["active"] and not row["attached"]]

    def counted(self) -> Counter[str]:
        return Counter(f"{'active' if row['active'] else 'inactive'} {row['redemption_type']}" for row in self.codes)


@pytest.fixture
def customer(database: Database) -> Callable[..., Customer]:
    def make(courses: int = 1, kind: IntegrationType = IntegrationType.NON_SSO, **terms: object) -> Customer:
        return Customer(database, courses, kind, terms)

    return make


def test_200_seats_and_20_courses_are_4000_codes(customer: Callable[..., Customer]) -> None:
    assert customer(courses=20, max_learners=200).counted() == {"active one-time": 4000}


def test_a_second_time_nothing_is_done(customer: Callable[..., Customer]) -> None:
    made = customer(courses=2, max_learners=5)
    before = made.codes
    assert made.ensure().nothing
    assert made.codes == before


def test_the_cap_goes_down_up_away_and_back(customer: Callable[..., Customer]) -> None:
    acme = customer(max_learners=5)
    first = [row["code"] for row in acme.codes]
    acme.attach(acme.free()[0], "jo@example.com")
    assert acme.modify(max_learners=2).deactivated == 3
    assert [row["code"] for row in acme.codes if row["active"]] == first[:2]
    assert acme.modify(max_learners=4).reactivated == 2
    assert [row["code"] for row in acme.codes if row["active"]] == first[:4]
    assert acme.modify(max_learners=6) == service.CodeChange("acme", created=1, reactivated=1)
    assert acme.modify(max_learners=None).converted == 5
    assert acme.counted() == {"active unlimited": 5, "active one-time": 1}
    acme.attach(acme.free()[-1], "kim@example.com")
    change = acme.modify(max_learners=4)
    assert (change.deactivated, change.converted, change.created) == (3, 4, 0)
    assert acme.counted()["active one-time"] == 3


def test_the_seat_of_a_learner_who_left_gets_a_new_code(customer: Callable[..., Customer]) -> None:
    acme = customer(max_learners=2)
    acme.attach(acme.free()[0], "jo@example.com")
    assert acme.ensure().nothing
    acme.remove("jo@example.com")
    acme.ensure()
    assert len(acme.free()) == 2
    assert len(acme.codes) == 3


def test_a_price_reaches_products_and_unredeemed_codes_only(customer: Callable[..., Customer]) -> None:
    acme = customer(max_learners=2)
    acme.attach(acme.free()[0], "jo@example.com")
    acme.modify(price=Decimal("49.90"))
    assert sorted(str(row["amount"]) for row in acme.codes) == ["0.00", "49.90"]
    with acme.database.session() as session:
        assert session.scalars(text("SELECT price FROM product")).all() == [Decimal("49.90")]


def test_codes_are_deleted_in_one_case_only_and_redeemed_ones_stay(customer: Callable[..., Customer]) -> None:
    acme = customer(max_learners=3)
    used = acme.free()[0]
    acme.attach(used, "jo@example.com")
    assert acme.modify(integration_type=IntegrationType.SSO).deleted == 0
    assert acme.modify(max_learners=None).deleted == 2
    assert [row["code"] for row in acme.codes] == [used]


def test_a_closed_contract_gets_no_code(customer: Callable[..., Customer]) -> None:
    acme = customer(max_learners=3)
    assert acme.modify(active=False, max_learners=9).nothing
    assert len(acme.codes) == 3


@pytest.mark.parametrize("cap", [2, None])
def test_courseware_that_is_taken_and_given_again_comes_back_with_its_run_and_its_codes(
    customer: Callable[..., Customer], cap: int | None
) -> None:
    acme = customer(courses=2, max_learners=cap)
    acme.attach(acme.free()[-1], "jo@example.com")
    before = acme.codes
    taken = acme.take("course-v1:UAI+C0")
    assert taken.courseware.removed == [acme.run]
    assert [row["active"] for row in acme.codes] != [row["active"] for row in before]
    given = acme.give("course-v1:UAI+C0")
    assert given.courseware.created == given.courseware.restored == [acme.run]
    assert acme.codes == before
    assert acme.ensure().nothing


def test_a_further_run_is_made_when_it_is_asked_for_though_another_could_come_back(
    customer: Callable[..., Customer],
) -> None:
    acme = customer(max_learners=2)
    acme.take("course-v1:UAI+C0")
    assert acme.give("course-v1:UAI+C0", rerun=True).courseware.created == [f"{acme.run}_2"]
    acme.take("course-v1:UAI+C0")
    assert acme.give("course-v1:UAI+C0").courseware.created == [f"{acme.run}_2"]


def test_a_run_whose_enrollment_is_over_stays_closed_and_a_new_one_is_made(customer: Callable[..., Customer]) -> None:
    acme = customer(max_learners=2, ends_on=date(2026, 3, 31))
    acme.take("course-v1:UAI+C0")
    given = acme.give("course-v1:UAI+C0", now=datetime(2026, 4, 1, tzinfo=UTC)).courseware
    assert (given.created, given.restored) == ([f"{acme.run}_2"], [])
    assert acme.counted() == {"active one-time": 2, "inactive one-time": 2}


def test_a_run_that_was_taken_comes_back_under_its_own_id_and_at_the_new_price(
    customer: Callable[..., Customer],
) -> None:
    acme = customer(max_learners=2)
    acme.take("course-v1:UAI+C0")
    acme.modify(price=Decimal("5.00"), max_learners=3)
    given = acme.give(acme.run).courseware
    assert given.created == given.restored == [acme.run]
    assert [(row["active"], row["amount"]) for row in acme.codes] == [(True, Decimal("5.00"))] * 3
    with acme.database.session() as session:
        assert session.scalars(text("SELECT price FROM product WHERE active")).all() == [Decimal("5.00")]


def test_codes_that_a_lower_cap_had_deactivated_stay_so_when_the_run_comes_back(
    customer: Callable[..., Customer],
) -> None:
    acme = customer(max_learners=5)
    acme.modify(max_learners=3)
    before = acme.codes
    acme.take("course-v1:UAI+C0")
    acme.give("course-v1:UAI+C0")
    assert acme.codes == before


def test_many_processes_at_once_end_with_exactly_the_right_number(customer: Callable[..., Customer]) -> None:
    acme = customer(courses=3, max_learners=4)
    with acme.database.session() as session:
        session.execute(text("UPDATE contract SET max_learners = 40"))
    threads = [threading.Thread(target=acme.ensure) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert acme.counted() == {"active one-time": 120}


def test_the_number_of_statements_does_not_grow_with_codes_or_products(customer: Callable[..., Customer]) -> None:
    acme = customer(courses=8, max_learners=3)
    spent = []
    for cap in (4, 400):
        with statements(acme.database) as sent:
            acme.modify(max_learners=cap)
        spent.append(len(sent))
    assert spent[0] == spent[1] <= 12
