"""Which contracts changed, and which of them lag: their codes or their sheet are behind their revision."""

from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.orm import Session

from b2b_pipelines.sheets.store import DELIVERED

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
    """Contracts whose codes or sheet lag behind a change, by slug with their revision, and the horizon of the next look."""

    revisions: dict[str, int]
    horizon: int


def changes_since(session: Session, since: int) -> Lagging:
    """Return what was committed since an earlier look's horizon and still lags, whatever the order of the commits.

    Transactions that are still open are left to the next look. A horizon that lies ahead of this database belongs to
    another one (it was restored): then everything is looked at again. Zero is the beginning.
    """
    horizon = session.execute(HORIZON).scalar_one()
    found = session.execute(CHANGED, {"since": since if since <= horizon else 0, "horizon": horizon})
    return Lagging({row.slug: row.revision for row in found}, horizon)
