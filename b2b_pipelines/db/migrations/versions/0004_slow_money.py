"""Checkout sessions with their own life, money that goes back, and learners known by their LMS user id

Revision ID: 0004
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

JSONB = postgresql.JSONB(astext_type=sa.Text())
TEXTS = postgresql.ARRAY(sa.Text())


def upgrade() -> None:
    op.add_column("checkout_intent", sa.Column("pending_since", sa.DateTime(timezone=True), nullable=True))
    op.add_column("checkout_intent", sa.Column("offered_prices", JSONB, server_default=sa.text("'[]'"), nullable=False))
    op.add_column("checkout_intent", sa.Column("money_back", JSONB, server_default=sa.text("'[]'"), nullable=False))
    op.add_column("stripe_event", sa.Column("links", TEXTS, server_default=sa.text("'{}'"), nullable=False))
    op.add_column(
        "stripe_event",
        sa.Column("money_back", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
    )
    op.create_index(
        "ix_stripe_event_unmatched_links",
        "stripe_event",
        ["links"],
        postgresql_using="gin",
        postgresql_where=sa.text("intent_uuid IS NULL AND money_back IS NOT NULL"),
    )
    op.create_table(
        "checkout_session",
        sa.Column("id", sa.String(length=255), nullable=False),
        sa.Column("intent_uuid", sa.Uuid(), nullable=True),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("links", TEXTS, server_default=sa.text("'{}'"), nullable=False),
        sa.Column("terms", JSONB, server_default=sa.text("'{}'"), nullable=False),
        sa.Column("differences", JSONB, server_default=sa.text("'[]'"), nullable=False),
        sa.Column("pending_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("overdue_alerted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["intent_uuid"], ["checkout_intent.uuid"], name=op.f("fk_checkout_session_intent_uuid_checkout_intent")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_checkout_session")),
    )
    op.create_index(op.f("ix_checkout_session_intent_uuid"), "checkout_session", ["intent_uuid"])
    op.create_index("ix_checkout_session_links", "checkout_session", ["links"], postgresql_using="gin")
    op.create_index(
        "ix_checkout_session_pending",
        "checkout_session",
        ["pending_since"],
        postgresql_where=sa.text("status = 'pending' AND overdue_alerted_at IS NULL"),
    )
    op.create_table(
        "learner_conflict",
        sa.Column("learner_id", sa.BigInteger(), nullable=False),
        sa.Column("other_learner_id", sa.BigInteger(), nullable=False),
        sa.Column("lms_user_id", sa.BigInteger(), nullable=False),
        sa.Column("times", sa.BigInteger(), server_default=sa.text("1"), nullable=False),
        sa.Column("first_seen_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["learner_id"], ["learner.id"], name=op.f("fk_learner_conflict_learner_id_learner")),
        sa.ForeignKeyConstraint(
            ["other_learner_id"], ["learner.id"], name=op.f("fk_learner_conflict_other_learner_id_learner")
        ),
        sa.PrimaryKeyConstraint("learner_id", "other_learner_id", name=op.f("pk_learner_conflict")),
    )
    _backfill_sessions()
    _backfill_learners()
    op.create_index("uq_learner_lms_user_id", "learner", ["lms_user_id"], unique=True)


def _backfill_sessions() -> None:
    """Give the payments that version 0001 noted their sessions; an unpaid one is pending, and holds its place."""
    op.execute(
        """
        INSERT INTO checkout_session (id, intent_uuid, status, terms, pending_since, updated_at)
        SELECT DISTINCT ON (payment ->> 'session') payment ->> 'session', intent_uuid,
            CASE effect WHEN 'not_paid' THEN 'pending' ELSE 'paid' END, payment - 'session' - 'at',
            CASE effect WHEN 'not_paid' THEN received_at END, received_at
        FROM stripe_event
        WHERE coalesce(payment ->> 'session', '') <> '' AND intent_uuid IS NOT NULL
        ORDER BY payment ->> 'session', effect = 'not_paid', received_at
        """
    )
    op.execute(
        """
        INSERT INTO checkout_session (id, intent_uuid, status, terms, updated_at)
        SELECT stripe_checkout_session_id, uuid, 'paid', coalesce(payment, '{}') - 'session' - 'at', state_changed_at
        FROM checkout_intent WHERE stripe_checkout_session_id <> ''
        ON CONFLICT DO NOTHING
        """
    )
    op.execute(
        """
        UPDATE checkout_intent SET pending_since = pending.since, stripe_checkout_session_id = pending.id
        FROM (SELECT intent_uuid, min(pending_since) AS since, max(id) AS id
              FROM checkout_session WHERE status = 'pending' GROUP BY intent_uuid) AS pending
        WHERE pending.intent_uuid = checkout_intent.uuid AND checkout_intent.state = 'created'
        """
    )


def _backfill_learners() -> None:
    """Keep an LMS user id with the learner who had it first. The others are reported, not merged."""
    op.execute(
        """
        INSERT INTO learner_conflict (learner_id, other_learner_id, lms_user_id)
        SELECT first.id, learner.id, learner.lms_user_id
        FROM learner
        JOIN (SELECT lms_user_id, min(id) AS id FROM learner GROUP BY lms_user_id) AS first USING (lms_user_id)
        WHERE learner.id <> first.id
        """
    )
    op.execute(
        """
        UPDATE learner SET lms_user_id = NULL
        FROM learner_conflict WHERE learner_conflict.other_learner_id = learner.id
        """
    )


def downgrade() -> None:
    op.drop_index("uq_learner_lms_user_id", table_name="learner")
    op.drop_table("learner_conflict")
    op.drop_table("checkout_session")
    op.drop_index("ix_stripe_event_unmatched_links", table_name="stripe_event")
    op.drop_column("stripe_event", "money_back")
    op.drop_column("stripe_event", "links")
    op.drop_column("checkout_intent", "money_back")
    op.drop_column("checkout_intent", "offered_prices")
    op.drop_column("checkout_intent", "pending_since")
