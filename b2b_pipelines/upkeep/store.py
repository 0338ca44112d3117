"""Prune snapshots and catalog answers. The newest of each contract and customer stays."""

from datetime import datetime

from sqlalchemy import Engine, text

_SNAPSHOTS = text("""
DELETE FROM sheet_snapshot AS old
WHERE old.verified_at < :before AND EXISTS (
    SELECT FROM sheet_snapshot AS newer
    WHERE newer.contract_id = old.contract_id AND newer.kind = old.kind AND newer.id > old.id
)
""")
_ANSWERS = text("""
DELETE FROM academy_catalog AS old
WHERE old.verified_at < :before
  AND EXISTS (SELECT FROM academy_catalog AS newer WHERE newer.customer = old.customer AND newer.id > old.id)
""")


def prune(engine: Engine, before: datetime) -> dict[str, int]:
    """Delete rows older than `before`. Return the number of deleted rows by table."""
    with engine.begin() as connection:
        return {
            "snapshots": connection.execute(_SNAPSHOTS, {"before": before}).rowcount,
            "catalog answers": connection.execute(_ANSWERS, {"before": before}).rowcount,
        }
