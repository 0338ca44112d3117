"""Numbers for operators: sheets that are stale, conflicts, the quota used, held plans, payments that are pending."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session

from b2b_pipelines.licenses import brakes
from b2b_pipelines.settings import Settings
from b2b_pipelines.sheets import freshness

COUNTED = text("""
SELECT (SELECT coalesce(sum(conflicts), 0) FROM (
            SELECT DISTINCT ON (snapshot.contract_id) jsonb_array_length(snapshot.conflicts) AS conflicts
            FROM sheet_snapshot snapshot JOIN contract ON contract.id = snapshot.contract_id
            WHERE kind = 'after' AND strpos(contract.sheet_url, spreadsheet_id) > 0
            ORDER BY snapshot.contract_id, snapshot.id DESC) AS last) AS conflicts,
       (SELECT count(*) FROM checkout_session WHERE status = 'pending') AS payments,
       (SELECT count(*) FROM unsent_alert) AS unsent
""")
USED = text("""
SELECT kind, sum((SELECT count(*) FROM unnest(slots) AS slot WHERE slot > now() - interval '60 seconds')) AS used
FROM request_permits GROUP BY kind
""")


@dataclass(frozen=True, slots=True)
class Facts:
    """`quota_used` counts the permits of the last 60 seconds for `read` and `write`; `quota` is how many there are of each.

    `sheets` are delivered, `stale` were not synced within two periods of the refresh and half an hour.
    """

    sheets: int
    stale: int
    conflicts: int
    quota_used: Mapping[str, int]
    quota: int
    held_plans: int
    pending_payments: int
    unsent_alerts: int


def facts(session: Session, settings: Settings, now: datetime) -> Facts:
    """Return the numbers as they are now. Four queries."""
    period = timedelta(seconds=settings.gsheets_update_frequency)
    sheets = freshness.of_delivered(session, now, period)
    counted = session.execute(COUNTED).one()
    used = {row.kind: int(row.used or 0) for row in session.execute(USED)}
    held = brakes.held_plans(session, now, timedelta(hours=settings.license_hold_hours))
    return Facts(
        sheets=len(sheets),
        stale=sum(not each.fresh for each in sheets.values()),
        conflicts=int(counted.conflicts),
        quota_used={kind: used.get(kind, 0) for kind in ("read", "write")},
        quota=settings.gsheets_requests_per_minute,
        held_plans=len(held),
        pending_payments=counted.payments,
        unsent_alerts=counted.unsent,
    )
