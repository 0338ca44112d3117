"""Find changed contracts that lag: their codes or their sheet are behind their revision."""

from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.orm import Session

from b2b_pipelines.sheets.statements import DELIVERED

CHANGED = text(f"""
SELECT contract.slug, contract.revision
FROM contract
LEFT JOIN sheet_target ON sheet_target.contract_id = contract.id
WHERE contract.change_id >= :since AND contract.change_id < :horizon
  AND (contract.materialized_revision < contract.revision
       OR (({DELIVERED}) AND coalesce(sheet_target.synced_revision, 0) < contract.revision))
ORDER BY contract.id
""")

HORIZON = text("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint")


@dataclass(frozen=True, slots=True)
class Lagging:
    """Revisions of lagging contracts, by slug, and the horizon to start the next query from."""

    revisions: dict[str, int]
    horizon: int


def changes_since(session: Session, since: int) -> Lagging:
    """Return the contracts that changed since an earlier query's horizon and still lag.

    The order of the commits does not matter: transactions that are still open are left to the next query. A horizon
    ahead of this database belongs to another one (the database was restored), so all contracts are checked again. Zero
    is the beginning.
    """
    horizon = session.execute(HORIZON).scalar_one()
    found = session.execute(CHANGED, {"since": since if since <= horizon else 0, "horizon": horizon})
    return Lagging({row.slug: row.revision for row in found}, horizon)
