"""Migration 0004 on the payments and learners of version 0001."""

from sqlalchemy import text

from b2b_pipelines.db import schema
from b2b_pipelines.db.engine import Database
from tests.db.test_migrations import installation

__all__ = ["installation"]

OPEN, PAID = "30b69745-de3e-42f1-be49-4177dc343752", "c7731a55-d18c-4118-8ab8-ab8d2401e4d2"


def rows(database: Database, statement: str) -> list[tuple[object, ...]]:
    with database.session() as session:
        return [tuple(row) for row in session.execute(text(statement))]


def before_the_upgrade(database: Database, statement: str) -> None:
    with database.session() as session:
        session.execute(text(statement))


def test_payments_keep_their_sessions_and_a_debit_on_its_way_holds_its_place(installation: Database) -> None:
    before_the_upgrade(
        installation,
        f"""
        INSERT INTO stripe_event (id, type, received_at, effect, intent_uuid, payment) VALUES
        ('evt_debit', 'checkout.session.completed', now(), 'not_paid', '{OPEN}',
         '{{"session": "cs_debit", "currency": "usd", "amount_total": 9900, "at": "2026-11-28T00:00:00+00:00"}}')
        """,
    )
    schema.upgrade(installation.engine)
    sessions = rows(installation, "SELECT id, status, intent_uuid::text, terms FROM checkout_session ORDER BY id")
    terms = {"currency": "usd", "amount_total": 9900}
    assert ("cs_debit", "pending", OPEN, terms) in sessions
    assert ("cs_test_evt_1", "paid", PAID, terms) in sessions
    waiting = "SELECT uuid::text, stripe_checkout_session_id FROM checkout_intent WHERE pending_since IS NOT NULL"
    assert rows(installation, waiting) == [(OPEN, "cs_debit")]


def test_of_learners_with_one_lms_user_the_first_keeps_it_and_the_others_are_reported(installation: Database) -> None:
    before_the_upgrade(installation, "UPDATE learner SET lms_user_id = 7 WHERE id IN (6, 8, 9)")
    schema.upgrade(installation.engine)
    assert rows(installation, "SELECT id FROM learner WHERE lms_user_id = 7") == [(6,)]
    pairs = "SELECT learner_id, other_learner_id, lms_user_id FROM learner_conflict ORDER BY 2"
    assert rows(installation, pairs) == [(6, 8, 7), (6, 9, 7)]
