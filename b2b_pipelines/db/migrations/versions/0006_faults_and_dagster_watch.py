"""Faults have a cause and know whether somebody was told; a row about Dagster itself."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("fault", sa.Column("cause", sa.Text(), server_default="", nullable=False))
    op.add_column("fault", sa.Column("alerted_at", sa.DateTime(timezone=True), nullable=True))
    op.execute("UPDATE fault SET alerted_at = since")
    op.drop_constraint("pk_fault", "fault", type_="primary")
    op.create_primary_key("pk_fault", "fault", ["kind", "name", "partition", "cause"])
    op.create_table(
        "dagster_watch",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("watched_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("facts", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_dagster_watch_only_one")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dagster_watch")),
    )


def downgrade() -> None:
    op.drop_table("dagster_watch")
    op.execute(
        "DELETE FROM fault AS one USING fault AS other WHERE (one.kind, one.name, one.partition)"
        " = (other.kind, other.name, other.partition) AND one.cause > other.cause"
    )
    op.drop_constraint("pk_fault", "fault", type_="primary")
    op.create_primary_key("pk_fault", "fault", ["kind", "name", "partition"])
    op.drop_column("fault", "alerted_at")
    op.drop_column("fault", "cause")
