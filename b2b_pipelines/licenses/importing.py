"""Import plans and licenses: from files, and from license-manager."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

from sqlalchemy.orm import Session

from b2b_pipelines.alerts import outbox
from b2b_pipelines.db.engine import Database
from b2b_pipelines.db.locks import transaction_locks
from b2b_pipelines.errors import Conflict, InvalidInput, PermanentError
from b2b_pipelines.licenses import brakes, listed, staged_faults, staging
from b2b_pipelines.licenses.brakes import HeldPlan
from b2b_pipelines.licenses.files import LICENSE_COLUMNS, PLAN_COLUMNS, Record, RecordFile
from b2b_pipelines.licenses.listed import RenewalRow
from b2b_pipelines.licenses.renewals import in_cycles
from b2b_pipelines.licenses.staging import COUNTED, Merged
from b2b_pipelines.licenses.work import LOCK, PATIENCE, customer_lock
from b2b_pipelines.vendors.http.counting import tallied_requests
from b2b_pipelines.vendors.license_manager import (
    Agreement,
    LicenseCounts,
    LicenseManager,
    ListedLicense,
    ListedPlan,
    RefusedPlan,
)

DAY = timedelta(hours=24)
INTERNAL = "for_internal_use_only"
LISTED_PLAN = frozenset(
    {
        "uuid",
        "enterprise_customer_uuid",
        "title",
        "start_date",
        "expiration_date",
        "is_active",
        "plan_type",
        INTERNAL,
        COUNTED,
    }
)
LISTED_LICENSE = frozenset({"uuid", "plan_uuid", "status", "user_email", "activation_date", "revoked_date"})


class NoAgreement(PermanentError):
    """License-manager lists no agreement of a customer.

    It answers the same to a caller without the role.
    """

    code = "no_agreement"


@dataclass(frozen=True)
class Imported:
    """The changes of an import, the plans whose hold began, and the rejected parts.

    `ignored` are columns of files without a meaning here, `refused` the plans of a reading that cannot be used.
    """

    plans: Merged
    licenses: Merged
    ignored: Mapping[str, Sequence[str]] = field(default_factory=dict)
    unseen: int = 0
    requests: int = 0
    held: Sequence[HeldPlan] = ()
    refused: Sequence[RefusedPlan] = ()


def import_files(
    session: Session, plans: Path | None, licenses: Path | None, now: datetime, hold: timedelta = DAY
) -> Imported:
    """Import files of plans and licenses, all or nothing. Idempotent.

    A plan that ends after `now` is never processed. Plans whose expiration date moved into the past are held for
    `hold`, and one alert about them is queued. Raises `InvalidInput`, which names every fault of both files.
    """
    plan_file = RecordFile.open(plans, PLAN_COLUMNS) if plans else None
    license_file = RecordFile.open(licenses, LICENSE_COLUMNS) if licenses else None
    staging.begin(session)
    if plan_file:
        staging.stage_plans(session, plan_file)
    if license_file:
        staging.stage_licenses(session, license_file)
    transaction_locks(session, LOCK, map(str, staging.staged_customers(session)))
    staging.complete(session, plan_file.given if plan_file else frozenset())
    if plan_file:
        _add_faults(plan_file, staged_faults.plan_faults(session))
    if license_file:
        _add_faults(license_file, staged_faults.license_faults(session))
    files = [file for file in (plan_file, license_file) if file]
    if faults := [str(fault) for file in files for fault in sorted(file.faults)]:
        raise InvalidInput(f"{'; '.join(faults)} (nothing was imported)")
    imported = _merge(
        session,
        plan_file.given if plan_file else None,
        license_file.given if license_file else None,
        now - brakes.clock_skew(session),
        hold,
    )
    return replace(imported, ignored={file.path.name: file.ignored for file in files if file.ignored})


def read_license_manager(
    database: Database, license_manager: LicenseManager, customer: UUID, now: datetime, *, hold: timedelta = DAY
) -> Imported:
    """Import everything that license-manager lists of a customer; on an error, change nothing.

    The customer's lock is held from the first request, so that an older answer cannot undo an import made in between.
    Plans and licenses that are no longer listed are kept and marked as unseen. Raises `NoAgreement`, `Conflict`,
    `Busy`, and the client's errors.
    """
    with customer_lock(database, customer, "reading", wait=PATIENCE) as held, tallied_requests() as tally:
        agreements = license_manager.agreements(customer)
        if not agreements:
            raise NoAgreement(
                f"license-manager lists no agreement of {customer}: has the OAuth client's user the role "
                "enterprise_openedx_operator?"
            )
        with database.session() as session:
            with_holders = listed.plans_with_holders(session, customer)
        plans = [plan for agreement in agreements for plan in agreement.plans]
        asked = {plan.uuid for plan in plans if _is_asked(plan.counts, known_holders=plan.uuid in with_holders)}
        # Keyed once more: a license can move from one plan to another while they are read.
        licenses = {
            row.uuid: row for plan in plans if plan.uuid in asked for row in license_manager.licenses(plan.uuid)
        }
        held.confirm()
        with database.session() as session:
            reading = _Reading(customer, agreements, asked, list(licenses.values()))
            imported = _import_reading(session, reading, now, hold)
    return replace(imported, requests=tally.total)


def _is_asked(counts: LicenseCounts | None, *, known_holders: bool) -> bool:
    """Return whether to read a plan's licenses.

    Read them when at least one is held, or when licenses that were known as held are revoked now.
    """
    if counts is None or counts.assigned + counts.activated:
        return True
    return counts.revoked > 0 and known_holders


@dataclass(frozen=True)
class _Reading:
    """The complete answers about a customer; `asked` are the plans whose licenses were read."""

    customer: UUID
    agreements: Sequence[Agreement]
    asked: Collection[UUID]
    licenses: Sequence[ListedLicense]

    @property
    def plans(self) -> list[ListedPlan]:
        return [plan for agreement in self.agreements for plan in agreement.plans]

    @property
    def not_asked(self) -> list[UUID]:
        """Return the plans whose revoked licenses were not read, because none of their licenses is held."""
        return [plan.uuid for plan in self.plans if plan.uuid not in self.asked and plan.counts and plan.counts.revoked]

    @property
    def incomplete(self) -> list[UUID]:
        """Return the plans with fewer licenses read than license-manager counts.

        Their missing licenses do not count as gone.
        """
        read = Counter(row.plan for row in self.licenses)
        return [
            plan.uuid
            for plan in self.plans
            if plan.counts and plan.uuid in self.asked and read[plan.uuid] < plan.counts.given_out
        ]


def _import_reading(session: Session, reading: _Reading, now: datetime, hold: timedelta) -> Imported:
    customer, agreements, plans, licenses = reading.customer, reading.agreements, reading.plans, reading.licenses
    now -= brakes.clock_skew(session)
    refused = [plan for agreement in agreements for plan in agreement.refused]
    staging.begin(session)
    staging.stage_plans(session, _plan_records(agreements, reading.asked))
    staging.stage_licenses(session, _license_records(licenses))
    staging.complete(session, LISTED_PLAN)
    for agreement in agreements:
        listed.merge_agreement(session, customer, agreement)
    faults = [f"plan {plans[number].uuid}: {why}" for number, why in sorted(staged_faults.plan_faults(session))]
    faults += [
        f"license {licenses[number].uuid}: {why}" for number, why in sorted(staged_faults.license_faults(session))
    ]
    if faults:
        raise Conflict(
            f"license-manager's answer about customer {customer} contradicts the stored data, and nothing was "
            f"imported: {'; '.join(faults)}"
        )
    imported = _merge(session, LISTED_PLAN, LISTED_LICENSE, now, hold)
    if all(agreement.lists_renewals for agreement in agreements):
        listed.merge_renewals(session, customer, _renewal_rows(agreements, now))
    brakes.mark_lost_renewals(session, now)
    unread = [plan.uuid for plan in refused] + reading.incomplete
    unseen = listed.mark_seen(session, customer, unread, reading.not_asked, now)
    brakes.forget_retired(session, customer)
    return replace(imported, unseen=unseen, refused=refused)


def _merge(
    session: Session,
    plan_columns: frozenset[str] | None,
    license_columns: frozenset[str] | None,
    now: datetime,
    hold: timedelta,
) -> Imported:
    """Merge the staged plans and licenses, which have no faults.

    None is passed for a part that is not staged.
    """
    processed = staging.newly_processed(session, plan_columns, now) if plan_columns else []
    held = brakes.hold_moved_plans(session, now, hold) if plan_columns else []
    outbox.keep(session, brakes.alert_messages(held))
    brakes.note_expired_plans(session, now)
    brakes.note_renewals(session)
    plans = staging.merge_plans(session, plan_columns) if plan_columns else Merged()
    if license_columns and "user_email" in license_columns:
        brakes.keep_retired(session, now)
    licenses = staging.merge_licenses(session, license_columns) if license_columns else Merged()
    brakes.restart_retired(session, now)
    staging.record_as_processed(session, processed, now)
    brakes.mark_lost_renewals(session, now)
    return Imported(plans, licenses, held=held)


def _add_faults(file: RecordFile, faults: Sequence[tuple[int, str]]) -> None:
    for number, why in faults:
        file.fault(number, why)


def _plan_records(agreements: Sequence[Agreement], asked: Collection[UUID]) -> Iterator[Record]:
    plans = [(agreement, plan) for agreement in agreements for plan in agreement.plans]
    for number, (agreement, plan) in enumerate(plans):
        values = {
            "uuid": plan.uuid,
            "enterprise_customer_uuid": agreement.customer,
            "customer_name": agreement.name,
            "title": plan.title,
            "start_date": plan.start_date,
            "expiration_date": plan.expiration_date,
            "is_active": plan.is_active,
            "plan_type": plan.plan_type,
            INTERNAL: plan.for_internal_use_only,
            # Not to be compared where the licenses were not read.
            COUNTED: plan.counts.given_out if plan.counts and plan.uuid in asked else None,
        }
        yield Record(number, values, frozenset(name for name in ("plan_type", INTERNAL) if values[name] is None))


def _license_records(licenses: Iterable[ListedLicense]) -> Iterator[Record]:
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


def _renewal_rows(agreements: Sequence[Agreement], now: datetime) -> list[RenewalRow]:
    """Return the renewals of the agreements' usable plans.

    A renewal is processed once its renewed plan has started. One into a plan that cannot be used is pending: its prior plan
    must not be treated as not renewed.
    """
    usable = {plan.uuid for agreement in agreements for plan in agreement.plans}
    rows = [
        RenewalRow(
            renewal.prior,
            renewal.renewed if renewal.renewed in usable else None,
            renewal.effective_date,
            processed=renewal.renewed in usable and renewal.effective_date <= now,
        )
        for agreement in agreements
        for renewal in agreement.renewals
        if renewal.prior in usable
    ]
    without_plan = [plan for agreement in agreements for plan in agreement.renewals_without_plan]
    rows += [RenewalRow(plan, None, None, processed=False) for plan in without_plan]
    _require_chains(rows)
    return rows


def _require_chains(rows: Sequence[RenewalRow]) -> None:
    """Raise `Conflict` unless the renewals form chains.

    In chains, each plan stands at most once on either side, and no plan renews itself in the end.
    """
    priors = [row.prior for row in rows]
    renewed = [row.renewed for row in rows if row.renewed]
    twice = {plan for plans in (priors, renewed) for plan in plans if plans.count(plan) > 1}
    wrong = twice | in_cycles({row.prior: row.renewed for row in rows if row.renewed})
    if wrong:
        raise Conflict(
            f"license-manager lists renewals that are not chains, and nothing was imported: "
            f"see plan {', '.join(sorted(map(str, wrong)))}"
        )
