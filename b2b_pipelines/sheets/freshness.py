"""Sheets whose last sync is too long ago."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session

from b2b_pipelines.sheets.statements import DELIVERED

GRACE = timedelta(minutes=30)
"""The longest time that a refresh of all sheets may take."""

LAST_SYNCED = text(f"""
SELECT contract.slug, contract.materialized_revision, synced.at
FROM contract
LEFT JOIN LATERAL (
    SELECT verified_at AS at FROM sheet_snapshot
    WHERE sheet_snapshot.contract_id = contract.id AND kind = 'after'
    ORDER BY id DESC LIMIT 1
) AS synced ON true
WHERE {DELIVERED}
ORDER BY contract.id
""")


@dataclass(frozen=True, slots=True)
class Freshness:
    """The last time a sheet was verified, and whether that is recent enough.

    `synced_at`: None before the first.
    """

    synced_at: datetime | None
    fresh: bool

    @property
    def words(self) -> str:
        last = f"last synced {self.synced_at:%Y-%m-%d %H:%M} UTC" if self.synced_at else "never synced"
        return last if self.fresh else f"{last}: see its partition of sheet_snapshots"


def freshness(synced_at: datetime | None, *, new: bool, now: datetime, period: timedelta) -> Freshness:
    """Return whether a sheet is fresh: synced within two periods and half an hour.

    A contract that is `new`, whose codes were not delivered yet, still has time.
    """
    if synced_at is None:
        return Freshness(None, new)
    return Freshness(synced_at, now - synced_at <= 2 * period + GRACE)


def of_delivered(session: Session, now: datetime, period: timedelta) -> Mapping[str, Freshness]:
    """Return the freshness of every delivered contract's sheet, by slug. One query.

    `period` is that of the refresh.
    """
    return {
        row.slug: freshness(row.at, new=row.materialized_revision == 0, now=now, period=period)
        for row in session.execute(LAST_SYNCED)
    }
