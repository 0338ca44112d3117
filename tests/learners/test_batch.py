"""A batch of attaches decides and writes what the same attaches do one after the other."""

import random
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from b2b_pipelines.contracts.models import Contract
from b2b_pipelines.db.engine import Database
from b2b_pipelines.errors import B2BError
from b2b_pipelines.learners import batch, service
from b2b_pipelines.learners.batch import AttachRequest
from b2b_pipelines.learners.service import Attachment, Person
from tests.shop import Shop

NOW = datetime.now(UTC)
WRITTEN = (
    "SELECT 'learner', email, name, coalesce(lms_user_id, 0)::text FROM learner"
    " UNION ALL SELECT 'seat', email, how, slug FROM contract_learner JOIN learner ON learner.id = learner_id"
    " JOIN contract ON contract.id = contract_id"
    " UNION ALL SELECT 'redemption', email, code, kind FROM code_redemption JOIN learner ON learner.id = learner_id"
    " JOIN enrollment_code ON enrollment_code.id = code_id"
    " UNION ALL SELECT 'codes', slug, redemption_type || enrollment_code.active, count(*)::text FROM enrollment_code"
    " JOIN contract ON contract.id = contract_id GROUP BY 1, 2, 3 ORDER BY 1, 2, 3, 4"
)


def plain(result: Attachment | B2BError) -> Any:
    return (result.result, result.contract) if isinstance(result, Attachment) else (type(result), result.message)


def one(session: Session, request: AttachRequest) -> Any:
    """Return the answer of `service.attach`; a refusal is rolled back."""
    try:
        with session.begin_nested():
            return plain(service.attach(session, request.code, request.person, NOW, request.organization_id))
    except B2BError as refusal:
        return plain(refusal)


def together(database: Database, slug: str, requests: list[AttachRequest]) -> tuple[list[int], list[Any], list[Any]]:
    """The order in which a batch decides, the results in that order, and what was written; rolled back."""
    with database.rehearsal() as session:
        contract_id = session.scalars(select(Contract.id).where(Contract.slug == slug)).one()
        results = batch.attach(session, batch.lock_contract(session, contract_id), requests, NOW)
        left = [place for place, result in enumerate(results) if result is None]
        order = [place for place in range(len(requests)) if place not in left] + left
        answers = [
            one(session, requests[place]) if (result := results[place]) is None else plain(result) for place in order
        ]
        return order, answers, [tuple(row) for row in session.execute(text(WRITTEN))]


def one_by_one(database: Database, requests: list[AttachRequest]) -> tuple[list[Any], list[Any]]:
    with database.rehearsal() as session:
        answers = [one(session, request) for request in requests]
        return answers, [tuple(row) for row in session.execute(text(WRITTEN))]


@pytest.mark.parametrize("seed", [0, 1, 2, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(3, 12))])
def test_a_batch_does_what_its_requests_do_one_by_one(database: Database, seed: int):
    """Known and new people, moved addresses, conflicts, spent and foreign codes, too few seats, removed learners."""
    shop, chance = Shop(database), random.Random(seed)
    sold = shop.sell(cap=chance.choice([4, 6, 8, None]), courses=2)
    other = shop.sell("Other", organization="Other", cap=3)
    people = [
        Person(f"{chance.choice('aAbB')}{number}@example.com", chance.choice(["", f"N{number}"]), user)
        for number in range(8)
        for user in (None, chance.randint(1, 8))
    ]
    with database.session() as session:
        for person in chance.sample(people, 5):
            one(session, AttachRequest(chance.choice([*sold.every_code, *other.every_code]), person))
        seated = session.scalars(
            text("SELECT email FROM learner JOIN contract_learner ON learner_id = learner.id WHERE contract_id = :id"),
            {"id": session.scalars(select(Contract.id).where(Contract.slug == sold.slug)).one()},
        ).all()
        if seated:
            service.remove(session, sold.slug, chance.choice(seated))
    organization = shop.run(f"SELECT organization_id FROM contract WHERE slug = '{sold.slug}'")[0]
    codes = [*sold.every_code, "unknown", other.every_code[0]]
    requests = [
        AttachRequest(
            chance.choice(codes).upper(),
            chance.choice(people),
            chance.choice([None, None, organization, organization + 1000]),
        )
        for _ in range(40)
    ]
    ours = [request for request in requests if request.code_text not in other.every_code]
    order, answers, written = together(database, sold.slug, ours)
    expected, rows = one_by_one(database, [ours[place] for place in order])
    assert answers == expected
    assert written == rows


def test_most_of_an_ordinary_batch_is_decided_together(database: Database):
    shop = Shop(database)
    sold = shop.sell(cap=30)
    requests = [AttachRequest(code, Person(f"l{n}@example.com", "N", n + 1)) for n, code in enumerate(sold.every_code)]
    with database.session() as session:
        contract = batch.lock_contract(
            session, session.scalars(select(Contract.id).where(Contract.slug == sold.slug)).one()
        )
        results = batch.attach(session, contract, requests, NOW)
    assert [plain(result)[0] for result in results if result is not None] == ["attached"] * 30
    assert len(shop.attached(sold.slug)) == len(shop.redemptions(sold.slug)) == 30


def test_a_contract_that_does_not_exist_has_no_valid_code(database: Database):
    with database.session() as session:
        results = batch.attach(
            session, batch.lock_contract(session, 999), [AttachRequest("c", Person("a@example.com"))], NOW
        )
    assert [type(result) for result in results] == [service.InvalidCode]
