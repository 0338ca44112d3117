"""The sheet follows a learner's address."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import text

from b2b_pipelines.checkout import service as checkout
from b2b_pipelines.checkout.service import Basket
from b2b_pipelines.contracts.rules import IntegrationType
from b2b_pipelines.intents import service as intents
from b2b_pipelines.intents.service import Wish
from b2b_pipelines.learners import service as learners
from b2b_pipelines.learners.service import Person

OLD, NEW = Person("jane@old.example.com", "", 42), Person("jane@new.example.com", "", 42)


def at_attach(session, acme, now):
    learners.attach(session, acme.codes()[1], NEW, now)


def at_login(session, acme, now):
    learners.sign_on(session, session.scalar(text("SELECT org_key FROM organization")), NEW, now)


def at_checkout(session, acme, now):
    product = session.scalar(text("SELECT id FROM product"))
    decided = checkout.checkout(session, Basket(NEW, (product,), (acme.codes()[0],), "paid"), now, "usd")
    assert decided.order


def at_intent(session, acme, now):
    intents.reserve(session, Wish(NEW), now, timedelta(hours=1))


@pytest.mark.parametrize("at", [at_attach, at_login, at_checkout, at_intent])
def test_after_an_address_changed_anywhere_the_sheet_shows_the_new_one(deliver, at):
    acme = deliver(integration=IntegrationType.SSO, price=Decimal(9))
    with acme.database.session() as session:
        learners.attach(session, acme.codes()[0], OLD, datetime.now(UTC))
    acme.sync()
    assert OLD.email in acme.row_of(acme.codes()[0])
    with acme.database.session() as session:
        at(session, acme, datetime.now(UTC))
    acme.sync()
    assert NEW.email in acme.row_of(acme.codes()[0])
    assert OLD.email not in str(acme.tab.grid())
    assert str(acme.tab.grid()).count(NEW.email) == 1
