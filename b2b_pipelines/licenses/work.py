"""Work on one customer's licenses: take its lock, decide each batch again before sending."""

import os
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.orm import Session

from b2b_pipelines.db.engine import Database
from b2b_pipelines.db.locks import Held, exclusive
from b2b_pipelines.errors import NotConfigured
from b2b_pipelines.licenses import brakes, store, verdicts
from b2b_pipelines.licenses.facts import Policy
from b2b_pipelines.licenses.outcome import Outcome
from b2b_pipelines.licenses.verdicts import Decided
from b2b_pipelines.vendors.open_edx import EnterpriseLms

LOCK = "licenses of customer"
"""Held while a customer's licenses are imported or read, and for each batch that is decided, sent and recorded."""
RUN_LOCK = "license run of customer"
"""Held during a whole run of terminating or unlinking, so that two runs do not share a customer's batches."""
PATIENCE = 600.0
"""Seconds that a batch waits for an import or a reading."""

CUSTOMER_LOST = frozenset({401, 403, 404})
"""The LMS rejected the credentials or does not know the customer: it would answer so for all licenses."""


@dataclass
class Work:
    """The means of one run, and its result so far."""

    database: Database
    lms: EnterpriseLms
    policy: Policy
    outcome: Outcome
    run_id: str
    _began: float = field(default_factory=time.monotonic)

    @property
    def now(self) -> datetime:
        """Return the moment of decision, moved on by the time since."""
        return self.policy.now + timedelta(seconds=time.monotonic() - self._began)

    @contextmanager
    def batch(self, licenses: Sequence[UUID]) -> Iterator[tuple[Held, Sequence[Decided]]]:
        """Take the customer's lock and decide again about these licenses.

        All others of the same people are decided with them. The decisions stay true until the block ends, because
        imports and readings wait. Raises `ClockSkewed` and `Busy`.
        """
        with customer_lock(self.database, self.outcome.customer, self.run_id, wait=PATIENCE) as held:
            with self.database.session() as session:
                brakes.require_right_clock(session)
                decided = verdicts.decide(
                    session, self.policy, customer=self.outcome.customer, licenses=licenses
                ).decided
            yield held, decided


def customer_lock(database: Database, customer: UUID, run_id: str, *, wait: float = 60) -> AbstractContextManager[Held]:
    """Keep every other import, reading, termination and unlinking of the customer out."""
    return exclusive(database.engine, LOCK, str(customer), holder=_holder(run_id), wait=wait)


def run_lock(database: Database, customer: UUID, run_id: str) -> AbstractContextManager[Held]:
    """Keep other runs of terminating and unlinking for the customer out."""
    return exclusive(database.engine, RUN_LOCK, str(customer), holder=_holder(run_id))


def _holder(run_id: str) -> str:
    return f"licenses {run_id} pid {os.getpid()}"


def decide_all(session: Session, customer: UUID, policy: Policy) -> tuple[Outcome, Sequence[Decided]]:
    """Return decisions about all the customer's expired licenses, and an outcome with counts."""
    store.agreements(session, customer)
    decided = verdicts.decide(session, policy, customer=customer).decided
    return Outcome(customer, decisions=Counter(row.verdict.decision for row in decided)), decided


def required(lms: EnterpriseLms | None) -> EnterpriseLms:
    """Return the LMS. Raises `NotConfigured` without one."""
    if lms is None:
        raise NotConfigured(
            "the LMS is not configured: set B2B_LMS_URL, B2B_OAUTH_CLIENT_ID and B2B_OAUTH_CLIENT_SECRET"
        )
    return lms
