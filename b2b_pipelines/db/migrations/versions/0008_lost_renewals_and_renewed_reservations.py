"""plans whose renewal is gone, and when a reservation was renewed"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("subscription_plan", sa.Column("renewal_gone_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("checkout_intent", sa.Column("renewed_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    op.drop_column("checkout_intent", "renewed_at")
    op.drop_column("subscription_plan", "renewal_gone_at")
