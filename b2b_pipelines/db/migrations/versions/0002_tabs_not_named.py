"""Tabs that were never named, targets whose content was restored, and why a snapshot was taken.

Until now a contract without a tab was stored as `Sheet1`, like one that named it. It becomes "not named" where both mean
the same tab: the address has no `gid=`, and no other tab was looked up for it.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

NOT_NAMED = """
UPDATE contract SET sheet_tab = NULL
WHERE sheet_tab = 'Sheet1'
  AND (sheet_url IS NULL
       OR (sheet_url !~ 'gid=[0-9]'
           AND NOT EXISTS (SELECT FROM sheet_target target
                           WHERE target.contract_id = contract.id
                             AND (target.requested_url, target.requested_tab) IS DISTINCT FROM
                                 (contract.sheet_url, contract.sheet_tab))))
"""
LOOKED_UP_WITHOUT_A_NAME = """
UPDATE sheet_target SET requested_tab = NULL
FROM contract
WHERE contract.id = sheet_target.contract_id AND contract.sheet_tab IS NULL AND contract.sheet_url IS NOT NULL
"""


def upgrade() -> None:
    op.alter_column("contract", "sheet_tab", existing_type=sa.String(255), nullable=True, server_default=None)
    op.alter_column("sheet_target", "requested_tab", existing_type=sa.String(255), nullable=True)
    op.add_column("sheet_target", sa.Column("restored_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("sheet_snapshot", sa.Column("cause", sa.String(10), server_default="sync", nullable=False))
    op.execute(NOT_NAMED)
    op.execute(LOOKED_UP_WITHOUT_A_NAME)


def downgrade() -> None:
    op.drop_column("sheet_snapshot", "cause")
    op.drop_column("sheet_target", "restored_at")
    op.execute("UPDATE sheet_target SET requested_tab = 'Sheet1' WHERE requested_tab IS NULL")
    op.execute("UPDATE contract SET sheet_tab = 'Sheet1' WHERE sheet_tab IS NULL")
    op.alter_column("sheet_target", "requested_tab", existing_type=sa.String(255), nullable=False)
    op.alter_column("contract", "sheet_tab", existing_type=sa.String(255), nullable=False, server_default="Sheet1")
