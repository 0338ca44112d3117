"""Limits on the waiting of one transaction."""

from sqlalchemy import text
from sqlalchemy.orm import Session

_BOUND = text("SELECT set_config(name, :milliseconds, true) FROM unnest(CAST(:names AS text[])) AS name")


def bound(session: Session, seconds: float, *, locks: bool = False, statements: bool = False) -> None:
    """Limit the rest of the transaction: how long it waits for a lock, how long a statement may take, or both."""
    names = [name for name, wanted in (("lock_timeout", locks), ("statement_timeout", statements)) if wanted]
    session.execute(_BOUND, {"milliseconds": str(round(seconds * 1000)), "names": names})
