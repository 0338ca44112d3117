"""The code rules applied to a real database: what stands there afterwards, and at what price in statements."""

import threading
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from sqlalchemy import text

from b2b_pipelines.contracts import service as contracts
from b2b_pipelines.contracts.models import Course, CourseRun
from b2b_pipelines.contracts.rules import IntegrationType
from b2b_pipelines.contracts.service import Changes
from b2b_pipelines.db.engine import Database
from b2b_pipelines.enrollment_codes import reports, service
from b2b_pipelines.learners.service import Person, attach, remove
from tests.statements import statements

NOW = datetime(2026, 3, 4, tzinfo=UTC)


class Customer:
    """A contract, and what is done to it."""

    def __init__(self, database: Database, courses: int, kind: IntegrationType, terms: dict[str, object]) -> None:
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
            contract = contracts.create_contract(
                session, "Acme", "Acme", kind, Changes(terms), create_organization=True
            )
            self.slug = contract.slug
            for number in range(courses):
                contracts.give_courseware(session, self.slug, f"course-v1:UAI+C{number}", NOW)
            service.ensure_codes(session, self.slug)

    def modify(self, **values: object) -> service.CodeChange:
        with self.database.session() as session:
            contracts.modify_contract(session, self.slug, Changes(dict(values)))
            return service.ensure_codes(session, self.slug)

    def ensure(self) -> service.CodeChange:
        with self.database.session() as session:
            return service.ensure_codes(session, self.slug)

    def attach(self, code: str, email: str) -> None:
        with self.database.session() as session:
            attach(session, code, Person(email), NOW)

    def remove(self, email: str) -> None:
        with self.database.session() as session:
            remove(session, self.slug, email)

    @property
    def codes(self) -> list[dict[str, object]]:
        with self.database.session() as session:
            return list(reports.all_codes(session))

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


def test_taking_courseware_back_deactivates_its_unredeemed_codes_and_giving_it_again_makes_new_ones(
    customer: Callable[..., Customer],
) -> None:
    acme = customer(courses=2, max_learners=2)
    acme.attach(acme.free()[0], "jo@example.com")
    with acme.database.session() as session:
        change = contracts.take_courseware(session, acme.slug, "course-v1:UAI+C0")
        assert service.withdraw(session, change.products_withdrawn) == 1
        service.ensure_codes(session, acme.slug)
    assert acme.counted() == {"active one-time": 3, "inactive one-time": 1}
    with acme.database.session() as session:
        again = contracts.give_courseware(session, acme.slug, "course-v1:UAI+C0", NOW)
        service.ensure_codes(session, acme.slug)
    assert again.created == ["course-v1:UAI_ACME+C0+2026_C1_2"]
    assert acme.counted() == {"active one-time": 5, "inactive one-time": 1}


def test_many_processes_at_once_end_with_exactly_the_right_number(customer: Callable[..., Customer]) -> None:
    acme = customer(courses=3, max_learners=4)
    with acme.database.session() as session:
        contracts.modify_contract(session, acme.slug, Changes({"max_learners": 40}))
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
