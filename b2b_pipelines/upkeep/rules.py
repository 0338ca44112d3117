"""Retention times."""

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Keep:
    """Days of retention for runs, for failures, and for snapshots and catalog answers.

    Failures are kept at least as long as runs.
    """

    runs_days: int = 14
    failed_days: int = 90
    snapshots_days: int = 400

    def runs_from(self, now: datetime) -> datetime:
        """Return the time before which rows of a run are deleted."""
        return now - timedelta(days=self.runs_days)

    def failures_from(self, now: datetime) -> datetime:
        """Return the time before which rows of a failure are deleted."""
        return now - timedelta(days=max(self.failed_days, self.runs_days))

    def snapshots_from(self, now: datetime) -> datetime:
        """Return the time before which snapshots and catalog answers are deleted."""
        return now - timedelta(days=self.snapshots_days)
