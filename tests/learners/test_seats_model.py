"""Learners come, enroll, go and come back, in any order: the codes always fit the seats, and no command leaves work behind."""

from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.orm import Session

from b2b_pipelines.checkout import service as checkout
from b2b_pipelines.checkout.service import Basket
from b2b_pipelines.contracts import store as contract_store
from b2b_pipelines.enrollment_codes import service as codes
from b2b_pipelines.enrollment_codes.statements import TO_HAND_OUT
from b2b_pipelines.errors import Refused
from b2b_pipelines.learners import service as learners
from b2b_pipelines.learners.service import Person
from tests.shop import Shop, Sold
from tests.statements import listed, statements

CAP, COURSES, PEOPLE = 2, 2, 3

REDEMPTIONS = text("""
SELECT code.product_id, code.id AS code, redemption.kind, redemption.learner_id AS learner,
       seat.id IS NOT NULL AS attached, coalesce(redemption.redeemed_at >= seat.attached_at, false) AS this_stay
FROM code_redemption redemption JOIN enrollment_code code ON code.id = redemption.code_id
LEFT JOIN contract_learner seat ON seat.contract_id = code.contract_id AND seat.learner_id = redemption.learner_id
WHERE code.contract_id = :contract
""")
FREE = text("""
SELECT product_id, count(*) AS number FROM enrollment_code code
WHERE contract_id = :contract AND active AND NOT EXISTS (SELECT FROM code_redemption WHERE code_id = code.id)
GROUP BY product_id
""")


names = count(1)


class Customer:
    """A contract that is signed on to and costs something, and the three people who want in."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.slug = shop.sell(f"Acme {next(names)}", integration="sso", courses=COURSES, cap=CAP, price="5").slug

    def happen(self, what: str, who: int, product: int, code: int) -> None:
        """Let it happen, or be refused."""
        person, now, sold = Person(f"learner-{who}@example.com"), datetime.now(UTC), self.shop.sold(self.slug)
        mine = self.nth(sold, product, code)
        does: dict[str, Callable[[Session], object]] = {
            "attach": lambda session: learners.attach(session, mine, person, now),
            "add": lambda session: learners.add(session, self.slug, person, now, forced=True),
            "sign on": lambda session: learners.sign_on(session, "ACME", person, now),
            "remove": lambda session: learners.remove(session, self.slug, person.email),
            "check out": lambda session: checkout.checkout(
                session, Basket(person, (sold.products[product],), (mine,), "paid"), now, "usd"
            ),
        }
        try:
            with self.shop.database.session() as session:
                does[what](session)
        except Refused:
            pass

    @staticmethod
    def nth(sold: Sold, product: int, code: int) -> str:
        of_product = sold.codes[sold.products[product]]
        return of_product[code % len(of_product)]

    def check(self) -> None:
        with self.shop.database.session() as session:
            contract = contract_store.contract(session, self.slug)
            assert codes.outstanding(session, [contract]) == {}
            redemptions = session.execute(REDEMPTIONS, {"contract": contract.id}).all()
            free = {row.product_id: row.number for row in session.execute(FREE, {"contract": contract.id})}
            taken = len(self.shop.attached(self.slug))
            handed_out = listed(session, TO_HAND_OUT, [contract.id])
        for product in self.shop.sold(self.slug).products:
            of_product = [row for row in redemptions if row.product_id == product]
            owners = {row.code: row.learner for row in sorted(of_product, key=lambda row: row.kind)}
            held: dict[int, set[int]] = {}
            for row in of_product:
                if row.attached and owners[row.code] == row.learner:
                    held.setdefault(row.learner, set()).update([row.code] if row.this_stay else [])
            assert free.get(product, 0) == max(CAP - sum(max(len(codes), 1) for codes in held.values()), 0)
        assert len(handed_out) == min(max(CAP - taken, 0), sum(free.values()))


happenings = st.tuples(
    st.sampled_from(["attach", "attach", "add", "sign on", "remove", "remove", "check out", "check out"]),
    st.integers(1, PEOPLE),
    st.integers(0, COURSES - 1),
    st.integers(0, 3),
)


JOIN = ("attach", 1, 0, 0)
LEAVE = ("remove", 1, 0, 0)


def live_through(customer: Customer, what: list[tuple[str, int, int, int]]) -> None:
    for happening in what:
        customer.happen(*happening)
        customer.check()


@pytest.mark.parametrize(
    "what",
    [
        pytest.param([JOIN, LEAVE, ("attach", 1, 0, 1)], id="back-with-another-code"),
        pytest.param([JOIN, LEAVE, ("attach", 1, 1, 1)], id="back-with-a-code-of-another-course"),
        pytest.param([JOIN, LEAVE, JOIN], id="back-with-the-code-of-old"),
        pytest.param([JOIN, LEAVE, ("add", 1, 0, 0)], id="back-by-hand"),
        pytest.param([JOIN, LEAVE, ("sign on", 1, 0, 0)], id="back-by-signing-on"),
        pytest.param([JOIN, LEAVE, ("check out", 1, 1, 0), ("check out", 1, 0, 1)], id="back-by-checking-out"),
        pytest.param([JOIN, ("check out", 1, 0, 1)], id="two-codes-of-one-course"),
        pytest.param(
            [("add", 1, 0, 0), ("check out", 1, 0, 0), ("attach", 2, 0, 0), LEAVE], id="two-learners-of-one-code"
        ),
        pytest.param([("add", 1, 0, 0), ("check out", 1, 0, 0), LEAVE, JOIN], id="back-with-a-code-enrolled-with"),
    ],
)
def test_codes_fit_the_seats_whoever_comes_back(shop: Shop, what: list[tuple[str, int, int, int]]) -> None:
    live_through(Customer(shop), what)


@pytest.mark.long
@settings(max_examples=100)
@given(st.lists(happenings, min_size=3, max_size=12))
def test_codes_fit_the_seats_whatever_happens(shop: Shop, what: list[tuple[str, int, int, int]]) -> None:
    live_through(Customer(shop), what)


@pytest.mark.parametrize("cap", [3, 60])
def test_coming_back_costs_as_many_statements_however_many_codes_there_are(shop: Shop, cap: int) -> None:
    sold = shop.sell(cap=cap, courses=4)
    shop.attach(sold.every_code[0], "jane@example.com")
    with shop.database.session() as session:
        learners.remove(session, sold.slug, "jane@example.com")
    with statements(shop.database) as sent:
        shop.attach(sold.every_code[1], "jane@example.com")
    assert len(sent) == 11
