"""Use cases on licenses: bring them in, decide about the expired ones, end enrollments, unlink learners.

Ending and unlinking are HTTP requests with a record after each, so they take the `Database` and commit as they go: what
the LMS has confirmed is recorded at once, and a process that is killed in between repeats one request. Each customer
is worked on by one process at a time.
"""

import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

from sqlalchemy.orm import Session

from b2b_pipelines.db.engine import Database
from b2b_pipelines.db.locks import Held, exclusive
from b2b_pipelines.errors import B2BError, Conflict, InvalidInput, NotConfigured, PermanentError, TransientError
from b2b_pipelines.licenses import staging, store
from b2b_pipelines.licenses.files import LICENSE_COLUMNS, PLAN_COLUMNS, Record, RecordFile
from b2b_pipelines.licenses.rules import (
    Decision,
    EventName,
    Policy,
    Verdict,
    batches,
    culprits,
    ignore_enrollments_modified_after,
    is_plausible,
    oldest_first,
)
from b2b_pipelines.licenses.staging import Merged
from b2b_pipelines.licenses.store import Decided
from b2b_pipelines.settings import Settings
from b2b_pipelines.vendors.http import VENDOR_ERRORS, VendorRefused, VendorUnavailable, tallied_requests
from b2b_pipelines.vendors.license_manager import Agreement, LicenseManager, ListedLicense
from b2b_pipelines.vendors.open_edx import EnterpriseLms

INTERNAL = "for_internal_use_only"
LISTED_PLAN = frozenset(
    {"uuid", "enterprise_customer_uuid", "title", "start_date", "expiration_date", "is_active", INTERNAL}
)
LISTED_LICENSE = frozenset({"uuid", "plan_uuid", "status", "user_email", "activation_date", "revoked_date"})

MALFORMED = 400
"""What the LMS answers when one of the addresses is malformed: it then has unlinked none of them."""

CUSTOMER_LOST = frozenset({401, 403, 404})
"""The LMS knows us not, or not that customer: asking with other addresses would be answered the same."""

EARLIEST, LATEST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)

ERROR_SHOWN = 2000
"""Characters of a failure that are shown in one piece."""

LOCK = "licenses of customer"

SAMPLE = 20
"""How many of the learners unlinked last are looked up in the LMS."""


KEPT = (Decision.NO_EMAIL, Decision.REFUSED, Decision.PROTECTED, Decision.UNLINK_DISABLED)
"""Past their grace, and not unlinked all the same."""


class RefusesEverything(PermanentError):
    """The LMS refuses one well-formed address after the other: that is hardly their fault."""

    code = "refuses_everything"


class UnlinkedTooEarly(PermanentError):
    """Somebody was unlinked though their enrollments were not ended: nobody else is until that is understood."""

    code = "unlinked_too_early"


class LicensesFailed(PermanentError):
    """Some of a customer's licenses were not done, and asking again will not help; the message names them."""

    code = "licenses_failed"


class LicensesFailedForNow(TransientError):
    """Some of a customer's licenses were not done, and some of those may be on another try."""

    code = "licenses_failed_for_now"


@dataclass(frozen=True)
class Imported:
    """What an import changed, and the columns of the files that mean nothing here."""

    plans: Merged
    licenses: Merged
    ignored: Mapping[str, Sequence[str]] = field(default_factory=dict)
    unseen: int = 0
    requests: int = 0


@dataclass
class Outcome:
    """What became of one customer's licenses. Counts are licenses; `errors` and `notes` name licenses and nobody.

    `may_pass` says that some of the failures may be gone on another try, `kinds` how many licenses failed with which
    status of the vendor's or code of ours.
    """

    customer: UUID
    dry_run: bool = False
    done: int = 0
    failed: int = 0
    skipped: int = 0
    errors: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    decisions: Counter[Decision] = field(default_factory=Counter)
    requests: int = 0
    may_pass: bool = False
    kinds: Counter[str] = field(default_factory=Counter)

    @property
    def is_failure(self) -> bool:
        return bool(self.failed or self.errors)

    def fail(self, error: B2BError, verdicts: Sequence[Verdict]) -> None:
        """Note that these licenses were not done, and why."""
        self.failed += len(verdicts)
        self.may_pass |= isinstance(error, VendorUnavailable)
        self.kinds[str(getattr(error, "status", None) or error.code)] += len(verdicts)
        self.errors.append(f"{error.message} [{_named(verdicts)}]")

    def raise_failures(self) -> None:
        """Raise `LicensesFailed`, or `LicensesFailedForNow` when another try may help, if anything failed."""
        if self.is_failure:
            kinds = ", ".join(f"{number} × {kind}" for kind, number in self.kinds.most_common())
            message = f"{self.failed} licenses failed ({kinds}), {self.done} were done: {'; '.join(self.errors)}"
            raise (LicensesFailedForNow if self.may_pass else LicensesFailed)(message[:ERROR_SHOWN])


@dataclass(frozen=True)
class Confirmation:
    """Whom of the unlinked the LMS was asked for, and the licenses of those whom it still lists as linked."""

    asked: int
    still_linked: Sequence[UUID]


def policy(settings: Settings, now: datetime, *, include_internal: bool = False) -> Policy:
    """What the installation's settings allow, as of `now` (UTC). Raises `InvalidInput` at the ends of the calendar."""
    grace = timedelta(days=settings.unlink_after_days)
    if now - EARLIEST < grace or LATEST - now < grace:
        raise InvalidInput(
            f"nothing can be decided as of {now.isoformat()}: the grace of a plan would leave the calendar"
        )
    return Policy(
        now=now,
        grace=grace,
        unlinking=settings.unlink_customers,
        include_internal=include_internal,
    )


def import_files(session: Session, plans: Path | None, licenses: Path | None, now: datetime) -> Imported:
    """Bring in files of plans and licenses, all or nothing; again is harmless. No plan is processed that ends after `now`.

    Raises `InvalidInput` that names every fault of both files.
    """
    plan_file = RecordFile.open(plans, PLAN_COLUMNS) if plans else None
    license_file = RecordFile.open(licenses, LICENSE_COLUMNS) if licenses else None
    staging.begin(session)
    if plan_file:
        staging.stage_plans(session, plan_file, plan_file.given)
        _add_faults(plan_file, staging.plan_faults(session))
    if license_file:
        staging.stage_licenses(session, license_file)
        _add_faults(license_file, staging.license_faults(session))
    files = [file for file in (plan_file, license_file) if file]
    if faults := [str(fault) for file in files for fault in sorted(file.faults)]:
        raise InvalidInput(f"{'; '.join(faults)} (nothing was imported)")
    processed = staging.newly_processed(session, plan_file.given, now) if plan_file else []
    plans_merged = staging.merge_plans(session, plan_file.given) if plan_file else Merged()
    licenses_merged = staging.merge_licenses(session, license_file.given) if license_file else Merged()
    staging.record_as_processed(session, processed)
    return Imported(plans_merged, licenses_merged, {file.path.name: file.ignored for file in files if file.ignored})


def read_license_manager(database: Database, license_manager: LicenseManager, customer: UUID) -> Imported:
    """Bring in what license-manager lists of a customer: everything, or it raises and nothing is changed.

    What it does not list any more is marked so, and kept.
    """
    with tallied_requests() as tally:
        agreements = license_manager.agreements(customer)
        plans = [plan for agreement in agreements for plan in agreement.plans]
        if refused := [plan for agreement in agreements for plan in agreement.refused]:
            named = "; ".join(f"plan {plan.uuid}: {plan.reason}" for plan in refused)
            raise Conflict(f"license-manager lists plans that cannot be used: {named}")
        # Keyed once more: a license may have moved from one plan to another while they were read.
        licenses = {row.uuid: row for plan in plans if plan.is_held for row in license_manager.licenses(plan.uuid)}
    with database.session() as session:
        staging.begin(session)
        staging.stage_plans(session, _listed_plans(agreements), LISTED_PLAN)
        staging.stage_licenses(session, _listed_licenses(licenses.values()))
        if faults := staging.plan_faults(session):
            named = "; ".join(f"plan {plans[number].uuid}: {why}" for number, why in sorted(faults))
            raise Conflict(f"license-manager's plans do not go with the known ones: {named}")
        for agreement in agreements:
            staging.merge_agreement(session, customer, uuid=agreement.uuid, slug=agreement.slug, name=agreement.name)
        merged = staging.merge_plans(session, LISTED_PLAN)
        licenses_merged = staging.merge_licenses(session, LISTED_LICENSE)
        unseen = staging.mark_seen(session, customer)
    return Imported(merged, licenses_merged, unseen=unseen, requests=tally.total)


def compare_counts(database: Database, license_manager: LicenseManager, customer: UUID) -> dict[UUID, tuple[int, int]]:
    """By plan: how many licenses that were given out are known, and how many license-manager counts."""
    with database.session() as session:
        known = store.given_out(session, customer)
    plans = [plan for agreement in license_manager.agreements(customer) for plan in agreement.plans]
    counted = {plan.uuid: plan.counts.given_out for plan in plans if plan.counts is not None}
    return {plan: (count, counted[plan]) for plan, count in known.items() if plan in counted}


def decide(session: Session, customer: UUID, policy: Policy) -> list[Verdict]:
    """Decide about the customer's expired licenses and keep the decisions with their reasons. Raises `NotFound`."""
    store.agreements(session, customer)
    verdicts = [decided.verdict for decided in store.decide(session, policy, customer=customer).decided]
    store.replace_decisions(session, customer, policy, verdicts)
    return verdicts


def terminate(
    database: Database, lms: EnterpriseLms | None, customer: UUID, policy: Policy, *, run_id: str, dry_run: bool = False
) -> Outcome:
    """End the enrollments of the customer's licenses that are to `terminate`, oldest plan first, 100 licenses at a time.

    A request that fails does not stop the next one; what it was for is tried again the next time. Raises `NotFound`,
    `Busy`, and `NotConfigured` when there is something to do and no LMS.
    """
    if dry_run:
        with database.session() as session:
            outcome, due, _ = _to_terminate(session, customer, policy)
        return replace(outcome, dry_run=True, done=sum(map(len, due.values())))
    with _alone(database, customer, run_id) as held, tallied_requests() as tally:
        with database.session() as session:
            outcome, due, order = _to_terminate(session, customer, policy)
        if due:
            work = _Work(database, _required(lms), held, outcome, run_id)
            for plan in order:
                _terminate_plan(work, due[plan], policy.now)
    return replace(outcome, requests=tally.total)


def unlink(
    database: Database, lms: EnterpriseLms | None, customer: UUID, policy: Policy, *, run_id: str, dry_run: bool = False
) -> Outcome:
    """Unlink the learners whose licenses' decision is `unlink` from the customer, 100 addresses at a time.

    An address that the LMS refuses when it is sent alone is reported and kept, the others go through. Raises like
    `terminate`, and `UnlinkedTooEarly`: a dry run says that in its notes.
    """
    if dry_run:
        with database.session() as session:
            outcome, by_address = _to_unlink(session, customer, policy)
            would = sum(map(len, by_address.values()))
            if would and (early := _unlinked_too_early(session, customer)):
                outcome.notes.append(early)
                outcome.skipped, would = outcome.skipped + would, 0
        return replace(outcome, dry_run=True, done=would)
    with _alone(database, customer, run_id) as held, tallied_requests() as tally:
        with database.session() as session:
            outcome, by_address = _to_unlink(session, customer, policy)
            if by_address and (early := _unlinked_too_early(session, customer)):
                raise UnlinkedTooEarly(early)
        if by_address:
            _Unlinking(_Work(database, _required(lms), held, outcome, run_id), by_address).run()
    return replace(outcome, requests=tally.total)


def confirm_unlinked(database: Database, lms: EnterpriseLms | None, customer: UUID) -> Confirmation:
    """Ask the LMS for some of the learners who were unlinked within a day, the last ones first.

    Raises what the LMS answers, and `NotConfigured` when there is somebody to ask for and no LMS.
    """
    with database.session() as session:
        sample = store.recently_unlinked(session, customer, SAMPLE)
    still_linked = [license_uuid for license_uuid, address in sample if _required(lms).is_linked(customer, address)]
    return Confirmation(len(sample), still_linked)


@dataclass
class _Work:
    """What one run works with while it has a customer to itself."""

    database: Database
    lms: EnterpriseLms
    held: Held
    outcome: Outcome
    run_id: str


def _terminate_plan(work: _Work, due: Sequence[Verdict], now: datetime) -> None:
    expiration = due[0].expiration_date
    modified_after = ignore_enrollments_modified_after(expiration, now)
    undone = len(due)
    for chunk in batches(due):
        work.held.confirm()
        try:
            work.lms.expire_enrollments(
                [verdict.license_uuid for verdict in chunk], ignore_modified_after=modified_after
            )
        except VENDOR_ERRORS as error:
            work.outcome.fail(error, chunk)
            continue
        undone -= len(chunk)
        with work.database.session() as session:
            store.record_events(session, EventName.TERMINATED, chunk, run_id=work.run_id)
            if not undone:
                store.record_processed(session, due[0].plan_uuid, expiration)
        work.outcome.done += len(chunk)


@dataclass
class _Unlinking:
    """Unlinks one customer's learners. `refused` are addresses that the LMS refused alone, with its words."""

    work: _Work
    by_address: Mapping[str, Sequence[Verdict]]
    unlinked: set[str] = field(default_factory=set)
    refused: dict[str, str] = field(default_factory=dict)

    def run(self) -> None:
        waiting = batches(sorted(self.by_address))
        while waiting:
            batch = waiting.pop(0)
            try:
                if not self._accepted(batch):
                    culprits(batch, self._accepted)
            except VENDOR_ERRORS as error:
                self._fail(error, [address for address in batch if address not in self.unlinked | self.refused.keys()])
                if isinstance(error, VendorRefused) and error.status in CUSTOMER_LOST:
                    self._fail(error, [address for rest in waiting for address in rest])
                    waiting.clear()
            self._settle_refused()
            if len(self.refused) > 1 and waiting:
                stopped = RefusesEverything("the LMS refuses every address it is sent: is it the LMS of this version?")
                self._fail(stopped, [address for rest in waiting for address in rest])
                waiting.clear()
        for address, words in self.refused.items():
            self._report(address, words)

    def _accepted(self, addresses: Sequence[str]) -> bool:
        """Send these addresses, and record whom they belong to as unlinked once the LMS has said yes."""
        self.work.held.confirm()
        try:
            self.work.lms.unlink(self.work.outcome.customer, addresses)
        except VendorRefused as error:
            if error.status != MALFORMED:
                raise
            if len(addresses) == 1:
                self.refused[addresses[0]] = error.words
            return False
        verdicts = self._verdicts(addresses)
        with self.work.database.session() as session:
            store.record_events(session, EventName.UNLINKED, verdicts, run_id=self.work.run_id)
        self.work.outcome.done += len(verdicts)
        self.unlinked.update(addresses)
        return True

    def _settle_refused(self) -> None:
        """Record the refused addresses, unless it may be that the LMS refuses everybody: then they are only reported,
        and tried again the next time."""
        settled = {
            address: words for address, words in self.refused.items() if self.unlinked or not is_plausible(address)
        }
        with self.work.database.session() as session:
            store.record_refusals(session, self.work.outcome.customer, settled, run_id=self.work.run_id)
        for address, words in settled.items():
            self._report(address, words)
            del self.refused[address]

    def _report(self, address: str, words: str) -> None:
        verdicts = self.by_address[address]
        self.work.outcome.failed += len(verdicts)
        self.work.outcome.kinds["refused address"] += len(verdicts)
        self.work.outcome.errors.append(f"the LMS refuses the address of license {_named(verdicts)}: {words}")

    def _fail(self, error: B2BError, addresses: Sequence[str]) -> None:
        if verdicts := self._verdicts(addresses):
            self.work.outcome.fail(error, verdicts)

    def _verdicts(self, addresses: Sequence[str]) -> list[Verdict]:
        return [verdict for address in addresses for verdict in self.by_address[address]]


def _to_terminate(
    session: Session, customer: UUID, policy: Policy
) -> tuple[Outcome, dict[UUID, list[Verdict]], list[UUID]]:
    """The licenses whose enrollments are to be ended, by plan, and the order of the plans."""
    outcome, decided = _decided(session, customer, policy)
    due: dict[UUID, list[Verdict]] = defaultdict(list)
    for row in decided:
        if row.verdict.decision is Decision.TERMINATE:
            due[row.verdict.plan_uuid].append(row.verdict)
    outcome.skipped = outcome.decisions[Decision.PLAN_RENEWAL_PENDING] + outcome.decisions[Decision.RENEWED]
    expirations = {plan: verdicts[0].expiration_date for plan, verdicts in due.items()}
    return outcome, due, oldest_first(expirations, store.renewals(session, customer))


def _to_unlink(session: Session, customer: UUID, policy: Policy) -> tuple[Outcome, dict[str, list[Verdict]]]:
    """The licenses of the learners to unlink, by the address that is sent.

    An address is held back while another license with it is protected, or another license of the same person is to be
    terminated first: the LMS knows one person by it.
    """
    outcome, decided = _decided(session, customer, policy)
    protected = {row.email_key for row in decided if row.verdict.decision is Decision.PROTECTED}
    waiting = _addresses_to_terminate_first(decided)
    by_address: dict[str, list[Verdict]] = defaultdict(list)
    held_back: list[Verdict] = []
    held_for_now: list[Verdict] = []
    for row in decided:
        if row.verdict.decision is Decision.UNLINK and row.email_key:
            if row.email_key in protected:
                held_back.append(row.verdict)
            elif row.email_key in waiting:
                held_for_now.append(row.verdict)
            else:
                by_address[row.email_key].append(row.verdict)
    unended = [
        row.verdict for row in decided if row.verdict.decision is Decision.TERMINATE and row.verdict.is_due(policy)
    ]
    outcome.skipped = (
        len(held_back) + len(held_for_now) + len(unended) + sum(outcome.decisions[decision] for decision in KEPT)
    )
    if unended:
        outcome.notes.append(
            f"{len(unended)} licenses are past their grace, but their enrollments are not ended: materialize "
            f"enrollment_terminations or run `b2b licenses terminate` first [{_named(unended)}]"
        )
    if held_back:
        outcome.notes.append(f"a protected license has the same address as these, which are kept [{_named(held_back)}]")
    if held_for_now:
        outcome.notes.append(
            f"the enrollments of another license of the same person are not ended yet, so these are kept: materialize "
            f"enrollment_terminations or run `b2b licenses terminate` first [{_named(held_for_now)}]"
        )
    return outcome, by_address


def _unlinked_too_early(session: Session, customer: UUID) -> str:
    """Why nobody may be unlinked, in words that name licenses; empty when all is well."""
    found = store.unlinked_too_early(session, customer)
    named = ", ".join(map(str, found[:20]))
    why = "somebody was unlinked before their enrollments were ended, and nobody else is until that is understood"
    return f"{why} (see the check terminated_before_unlinked) [{named}]" if found else ""


def _addresses_to_terminate_first(decided: Sequence[Decided]) -> set[str | None]:
    """The addresses of everybody who holds a license that is to `terminate`: by its address, or by the same LMS user's."""
    unended = [row for row in decided if row.verdict.decision is Decision.TERMINATE]
    addresses = {row.email_key for row in unended}
    users = {row.lms_user_id for row in unended} - {None}
    return addresses | {row.email_key for row in decided if row.lms_user_id in users}


def _decided(session: Session, customer: UUID, policy: Policy) -> tuple[Outcome, Sequence[Decided]]:
    store.agreements(session, customer)
    decided = store.decide(session, policy, customer=customer).decided
    return Outcome(customer, decisions=Counter(row.verdict.decision for row in decided)), decided


@contextmanager
def _alone(database: Database, customer: UUID, run_id: str) -> Iterator[Held]:
    """Keep others from ending and unlinking for this customer meanwhile."""
    with exclusive(database.engine, LOCK, str(customer), holder=f"licenses {run_id} pid {os.getpid()}") as held:
        yield held


def _required(lms: EnterpriseLms | None) -> EnterpriseLms:
    if lms is None:
        raise NotConfigured(
            "the LMS is not configured: set B2B_LMS_URL, B2B_OAUTH_CLIENT_ID and B2B_OAUTH_CLIENT_SECRET"
        )
    return lms


def _named(verdicts: Sequence[Verdict]) -> str:
    return ", ".join(str(verdict.license_uuid) for verdict in verdicts)


def _add_faults(file: RecordFile, faults: Sequence[tuple[int, str]]) -> None:
    for number, why in faults:
        file.fault(number, why)


def _listed_plans(agreements: Sequence[Agreement]) -> Iterator[Record]:
    plans = [(agreement, plan) for agreement in agreements for plan in agreement.plans]
    for number, (agreement, plan) in enumerate(plans):
        values = {
            "uuid": plan.uuid,
            "enterprise_customer_uuid": agreement.customer,
            "title": plan.title,
            "start_date": plan.start_date,
            "expiration_date": plan.expiration_date,
            "is_active": plan.is_active,
            INTERNAL: plan.for_internal_use_only,
        }
        yield Record(number, values, frozenset({INTERNAL} if plan.for_internal_use_only is None else ()))


def _listed_licenses(licenses: Iterable[ListedLicense]) -> Iterator[Record]:
    for number, row in enumerate(licenses):
        values = {
            "uuid": row.uuid,
            "plan_uuid": row.plan,
            "status": row.status,
            "user_email": row.user_email,
            "activation_date": row.activation_date,
            "revoked_date": row.revoked_date,
        }
        yield Record(number, values)
