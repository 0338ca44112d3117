"""changes of contracts, answered requests, people, runs that a contract gave up"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

RELEASED_RUNS = """
UPDATE course_run SET released_from_id = former.contract_id, released_at = former.released_at
FROM (
    SELECT run.id, max(code.contract_id) AS contract_id, max(code.deactivated_at) AS released_at
    FROM course_run run
    JOIN product ON product.course_run_id = run.id
    JOIN enrollment_code code ON code.product_id = product.id
    WHERE run.contract_id IS NULL
    GROUP BY run.id
) AS former
WHERE former.id = course_run.id
"""
"""Runs that contracts gave up earlier: their codes say whose they were, and were deactivated at that moment."""

RELEASED_RUNS_WITHOUT_CODES = """
UPDATE course_run SET released_from_id = contract.id
FROM contract
WHERE course_run.contract_id IS NULL AND course_run.released_from_id IS NULL AND course_run.source_run_id IS NOT NULL
  AND course_run.run_tag ~ '^[0-9]{4}_C[0-9]{1,18}(_[0-9]+)?$'
  AND substring(course_run.run_tag FROM '_C([0-9]+)')::bigint = contract.id
"""


def upgrade() -> None:
    op.execute("UPDATE contract SET max_learners = NULL WHERE max_learners = 0")
    op.add_column("course_run", sa.Column("released_from_id", sa.BigInteger(), nullable=True))
    op.add_column("course_run", sa.Column("released_at", sa.DateTime(timezone=True), nullable=True))
    op.create_foreign_key(
        op.f("fk_course_run_released_from_id_contract"), "course_run", "contract", ["released_from_id"], ["id"]
    )
    op.create_index(op.f("ix_course_run_released_from_id"), "course_run", ["released_from_id"], unique=False)
    op.execute(RELEASED_RUNS)
    op.execute(RELEASED_RUNS_WITHOUT_CODES)
    op.create_table(
        "contract_change",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("contract_id", sa.BigInteger(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("action", sa.String(length=20), nullable=False),
        sa.Column("actor_kind", sa.String(length=10), nullable=False),
        sa.Column("actor_id", sa.BigInteger(), nullable=True),
        sa.Column("actor_name", sa.String(length=320), nullable=False),
        sa.Column("details", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.ForeignKeyConstraint(["contract_id"], ["contract.id"], name=op.f("fk_contract_change_contract_id_contract")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contract_change")),
    )
    op.create_index("ix_contract_change_contract_id_id", "contract_change", ["contract_id", "id"], unique=False)
    op.create_table(
        "answered_request",
        sa.Column("caller", sa.String(length=40), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("request_hash", sa.String(length=64), nullable=False),
        sa.Column("status", sa.BigInteger(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("answered_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("caller", "key", name=op.f("pk_answered_request")),
    )
    op.create_index(op.f("ix_answered_request_answered_at"), "answered_request", ["answered_at"], unique=False)
    op.create_table(
        "person",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("email", sa.String(length=320), nullable=False),
        sa.Column("role", sa.String(length=10), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=True),
        sa.Column("oidc_subject", sa.Text(), nullable=True),
        sa.Column("failures", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("blocked_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("signed_in_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("role IN ('viewer', 'manager')", name=op.f("ck_person_role_is_known")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_person")),
        sa.UniqueConstraint("oidc_subject", name=op.f("uq_person_oidc_subject")),
    )
    op.create_index("uq_person_lower_email", "person", [sa.literal_column("lower(email)")], unique=True)
    for table in ("person_link", "person_session"):
        op.create_table(
            table,
            sa.Column("secret_hash", sa.String(length=64), nullable=False),
            sa.Column("person_id", sa.BigInteger(), nullable=False),
            sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
            sa.ForeignKeyConstraint(
                ["person_id"], ["person.id"], name=op.f(f"fk_{table}_person_id_person"), ondelete="CASCADE"
            ),
            sa.PrimaryKeyConstraint("secret_hash", name=op.f(f"pk_{table}")),
        )
        op.create_index(op.f(f"ix_{table}_expires_at"), table, ["expires_at"], unique=False)
        op.create_index(op.f(f"ix_{table}_person_id"), table, ["person_id"], unique=False)


def downgrade() -> None:
    for table in ("person_session", "person_link", "person", "answered_request", "contract_change"):
        op.drop_table(table)
    op.drop_index(op.f("ix_course_run_released_from_id"), table_name="course_run")
    op.drop_column("course_run", "released_at")
    op.drop_column("course_run", "released_from_id")
