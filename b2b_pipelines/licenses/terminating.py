"""End the enrollments that expired licenses paid for.

The oldest plan comes first, 100 licenses at a time.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

from sqlalchemy.orm import Session

from b2b_pipelines.db.engine import Database
from b2b_pipelines.errors import B2BError
from b2b_pipelines.licenses import brakes, store
from b2b_pipelines.licenses.batches import EverythingRejected, batches, find_rejected_unless_all
from b2b_pipelines.licenses.expirations import ignore_enrollments_modified_after
from b2b_pipelines.licenses.facts import EventName, Policy
from b2b_pipelines.licenses.outcome import Outcome
from b2b_pipelines.licenses.renewals import oldest_first
from b2b_pipelines.licenses.rules import Decision, Verdict
from b2b_pipelines.licenses.work import CUSTOMER_LOST, Work, decide_all, required, run_lock
from b2b_pipelines.vendors.http.client import Patience
from b2b_pipelines.vendors.http.counting import tallied_requests
from b2b_pipelines.vendors.http.errors import VENDOR_ERRORS, SignInUnavailable, VendorRefused, VendorUnavailable
from b2b_pipelines.vendors.open_edx import EnrollmentsNotEnded, EnterpriseLms

GATEWAY = frozenset({502, 503, 504})
"""Answers of a proxy before the LMS: not of an enrollment that breaks a request, which is a 500."""
ATTEMPTS = 4
"""Tries of a batch before it is halved: with the halves, one failing license costs at most 13 more requests."""
ONE_ATTEMPT = Patience(attempts=1)
"""For parts of a batch that has failed: the client's retries would multiply with the halves."""


class LmsDown(VendorUnavailable):
    """The LMS fails for every part of a batch of licenses."""

    code = "lms_down"


def terminate(
    database: Database, lms: EnterpriseLms | None, customer: UUID, policy: Policy, *, run_id: str, dry_run: bool = False
) -> Outcome:
    """End the enrollments of the customer's licenses whose decision is `terminate`.

    A license that the LMS cannot end is reported by itself and retried in the next run; when the LMS fails for every
    part of a batch, the customer's run stops. Raises `NotFound`, `Busy`, `ClockSkewed`, and `NotConfigured` when
    licenses are due and the LMS is not configured.
    """
    if dry_run:
        with database.session() as session:
            outcome, due, _ = _to_terminate(session, customer, policy)
        return replace(outcome, dry_run=True, done=sum(map(len, due.values())))
    with run_lock(database, customer, run_id), tallied_requests() as tally:
        with database.session() as session:
            brakes.require_right_clock(session)
            outcome, due, order = _to_terminate(session, customer, policy)
        if due:
            work = Work(database, required(lms), policy, outcome, run_id)
            _terminate_plans(work, [due[plan] for plan in order])
    return replace(outcome, requests=tally.total)


def _terminate_plans(work: Work, plans: Sequence[Sequence[Verdict]]) -> None:
    """Work through the plans.

    A failure that would meet other licenses too ends it, and all of them count as failed.
    """
    stopped_by: B2BError | None = None
    for due in plans:
        plan = _Plan(work, due)
        if stopped_by is None:
            stopped_by = plan.run()
        else:
            work.outcome.fail(stopped_by, due)


@dataclass
class _Plan:
    """The licenses of one plan that are due.

    `undone` are not ended yet, `dropped` turned out not to be due.
    """

    work: Work
    due: Sequence[Verdict]
    undone: set[UUID] = field(init=False)
    dropped: set[UUID] = field(default_factory=set)
    errors: dict[UUID, VendorUnavailable | VendorRefused] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.undone = {verdict.license_uuid for verdict in self.due}

    def run(self) -> B2BError | None:
        """End the enrollments; return the error that stopped it, if any."""
        chunks = batches(self.due)
        for number, chunk in enumerate(chunks):
            try:
                self._terminate(chunk)
            except VENDOR_ERRORS as error:
                self.work.outcome.fail(error, [each for each in chunk if each.license_uuid in self.undone])
                if _stops(error):
                    self.work.outcome.fail(error, [verdict for rest in chunks[number + 1 :] for verdict in rest])
                    return error
        return None

    def _terminate(self, chunk: Sequence[Verdict]) -> None:
        patience = self.work.lms.http.patience
        if self._accepts(chunk, patience=replace(patience, attempts=min(ATTEMPTS, patience.attempts))):
            return
        try:
            rejected = find_rejected_unless_all(chunk, self._accepts)
        except EverythingRejected:
            raise self._down(chunk) from None
        for verdict in rejected:
            if len(chunk) == 1 and getattr(self.errors[verdict.license_uuid], "status", None) in GATEWAY:
                raise self._down(chunk)
            self.work.outcome.fail(self.errors[verdict.license_uuid], [verdict])

    def _accepts(self, part: Sequence[Verdict], *, patience: Patience = ONE_ATTEMPT) -> bool:
        """Send those that are still due, and record them once the LMS has ended their enrollments."""
        with self.work.batch([verdict.license_uuid for verdict in part]) as (held, decided):
            due_now = {
                (row.verdict.license_uuid, row.verdict.expiration_date)
                for row in decided
                if row.verdict.decision is Decision.TERMINATE
            }
            due = [verdict for verdict in part if (verdict.license_uuid, verdict.expiration_date) in due_now]
            self._drop(part, due)
            if due:
                held.confirm()
                try:
                    self._send(due, patience)
                except (EnrollmentsNotEnded, VendorUnavailable) as error:
                    if not _may_be_one_license(error):
                        raise
                    self.errors |= {verdict.license_uuid: error for verdict in due}
                    return False
            self._record(due)
        return True

    def _send(self, due: Sequence[Verdict], patience: Patience) -> None:
        licenses = [verdict.license_uuid for verdict in due]
        modified_after = ignore_enrollments_modified_after(due[0].expiration_date, self.work.policy.now)
        try:
            self.work.lms.expire_enrollments(licenses, ignore_modified_after=modified_after, patience=patience)
        except VendorUnavailable as error:
            if patience is not ONE_ATTEMPT or _may_be_one_license(error):
                raise
            # Throttled or cut off: another part would meet the same, so the client retries.
            self.work.lms.expire_enrollments(licenses, ignore_modified_after=modified_after)

    def _drop(self, part: Sequence[Verdict], due: Sequence[Verdict]) -> None:
        dropped = {verdict.license_uuid for verdict in part} - {verdict.license_uuid for verdict in due}
        self.work.outcome.skipped += len(dropped - self.dropped)
        self.dropped |= dropped
        self.undone -= dropped

    def _record(self, due: Sequence[Verdict]) -> None:
        self.undone -= {verdict.license_uuid for verdict in due}
        for verdict in due:
            self.errors.pop(verdict.license_uuid, None)
        with self.work.database.session() as session:
            store.record_events(session, EventName.TERMINATED, due, run_id=self.work.run_id, at=self.work.now)
            if not self.undone:
                plan = self.due[0]
                store.record_processed(session, plan.plan_uuid, plan.expiration_date, self.work.now)
        self.work.outcome.done += len(due)

    def _down(self, chunk: Sequence[Verdict]) -> VendorUnavailable | VendorRefused:
        error = next(self.errors[each.license_uuid] for each in chunk if each.license_uuid in self.errors)
        self.errors.clear()
        message = (
            f"the LMS is down: it failed for every part of a batch of {len(chunk)} licenses, and nothing of it is "
            f"recorded ({error.message}). Try again when the LMS works"
        )
        if isinstance(error, VendorUnavailable):
            return LmsDown(message, status=error.status, words=error.words, retry_after=error.retry_after)
        return EnrollmentsNotEnded(message, status=error.status, words=error.words)


def _may_be_one_license(error: Exception) -> bool:
    """Return whether one license of the batch can be the cause.

    It can for 422, and for 5xx (an enrollment in a deleted course).
    """
    if isinstance(error, EnrollmentsNotEnded):
        return True
    return (
        isinstance(error, VendorUnavailable) and not isinstance(error, SignInUnavailable) and (error.status or 0) >= 500
    )


def _stops(error: Exception) -> bool:
    """Return whether other licenses would meet the same error."""
    return isinstance(error, VendorUnavailable | EnrollmentsNotEnded) or (
        isinstance(error, VendorRefused) and error.status in CUSTOMER_LOST
    )


def _to_terminate(
    session: Session, customer: UUID, policy: Policy
) -> tuple[Outcome, dict[UUID, list[Verdict]], list[UUID]]:
    """Return the licenses whose enrollments must be ended, by plan, and the order of the plans."""
    outcome, decided = decide_all(session, customer, policy)
    due: dict[UUID, list[Verdict]] = defaultdict(list)
    for row in decided:
        if row.verdict.decision is Decision.TERMINATE:
            due[row.verdict.plan_uuid].append(row.verdict)
    kept = (Decision.HELD, Decision.PLAN_RENEWAL_PENDING, Decision.RENEWED)
    outcome.skipped = sum(outcome.decisions[decision] for decision in kept)
    expirations = {plan: verdicts[0].expiration_date for plan, verdicts in due.items()}
    return outcome, due, oldest_first(expirations, store.renewals(session, customer))
