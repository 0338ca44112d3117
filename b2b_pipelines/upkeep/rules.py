"""How long things are kept."""

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Keep:
    """Days that runs, failures, and snapshots with catalog answers are kept. Failures are kept at least as long as runs."""

    runs_days: int = 14
    failed_days: int = 90
    snapshots_days: int = 400

    def runs_from(self, now: datetime) -> datetime:
        """Return the oldest time of what a run left that is kept."""
        return now - timedelta(days=self.runs_days)

    def failures_from(self, now: datetime) -> datetime:
        """Return the oldest time of what a failure left that is kept."""
        return now - timedelta(days=max(self.failed_days, self.runs_days))

    def snapshots_from(self, now: datetime) -> datetime:
        """Return the oldest time of snapshots and catalog answers that are kept."""
        return now - timedelta(days=self.snapshots_days)
