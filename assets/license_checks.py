"""Checks on a customer's licenses, customer by customer."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from uuid import UUID

import dagster as dg

from assets.partitioned import Check
from assets.partitions import enterprise_customers
from b2b_pipelines.db.engine import Database
from b2b_pipelines.licenses import service, store
from b2b_pipelines.licenses.service import Forgotten
from b2b_pipelines.vendors.license_manager import LicenseManager
from b2b_pipelines.vendors.open_edx import EnterpriseLms

SPECS = [
    dg.AssetCheckSpec(
        "import_is_complete",
        asset="subscription_licenses",
        description="The stored licenses of each plan are as many as license-manager counts.",
        partitions_def=enterprise_customers,
    ),
    dg.AssetCheckSpec(
        "renewals_are_kept",
        asset="expired_licenses",
        description="No expired plan has a renewal still unprocessed 30 days after it was due, when it stops holding the plan.",
        partitions_def=enterprise_customers,
    ),
    dg.AssetCheckSpec(
        "terminated_before_unlinked",
        asset="enrollment_terminations",
        description="Every unlinking followed the end of the license's enrollments. If one did not, unlinking stops.",
        blocking=True,
        partitions_def=enterprise_customers,
    ),
    dg.AssetCheckSpec(
        "unlink_confirmed",
        asset="unlinked_learners",
        description="The LMS lists learners, but none that were unlinked within a day; a sample when they are many.",
        partitions_def=enterprise_customers,
    ),
]


def checks(
    database: Database,
    lms: EnterpriseLms | None,
    license_manager: LicenseManager | None,
    forgotten: Mapping[str, Sequence[Forgotten]],
) -> Mapping[str, Mapping[str, Check]]:
    """Return the checks by asset and name, each to be called with a customer's uuid.

    `forgotten` are, by customer, the learners whom this run unlinked and erased from the database.
    """
    return {
        "subscription_licenses": {"import_is_complete": partial(_import_is_complete, database, license_manager)},
        "expired_licenses": {"renewals_are_kept": partial(_renewals_are_kept, database)},
        "enrollment_terminations": {"terminated_before_unlinked": partial(_terminated_before_unlinked, database)},
        "unlinked_learners": {"unlink_confirmed": partial(_unlink_confirmed, database, lms, forgotten)},
    }


def _import_is_complete(database: Database, license_manager: LicenseManager | None, key: str) -> dg.AssetCheckResult:
    if license_manager is None:
        return dg.AssetCheckResult(
            passed=True, description="license-manager is not configured: nothing to compare with"
        )
    with database.session() as session:
        counts = store.counted(session, UUID(key))
    differing = {str(plan): f"{known} of {counted}" for plan, (known, counted) in counts.items() if known != counted}
    return dg.AssetCheckResult(
        passed=not differing,
        description=f"{len(differing)} of {len(counts)} plans differ" if differing else None,
        metadata={"plans": len(counts), "known of counted": dg.MetadataValue.json(differing)},
    )


def _terminated_before_unlinked(database: Database, key: str) -> dg.AssetCheckResult:
    with database.session() as session:
        found = store.unlinked_too_early(session, UUID(key))
    return dg.AssetCheckResult(
        passed=not found,
        description=f"unlinked before their enrollments were ended: {', '.join(map(str, found[:20]))}"
        if found
        else None,
        metadata={"licenses": len(found)},
    )


def _renewals_are_kept(database: Database, key: str) -> dg.AssetCheckResult:
    with database.session() as session:
        overdue = store.overdue_renewals(session, UUID(key), datetime.now(UTC))
    listed = ", ".join(map(str, overdue[:20]))
    return dg.AssetCheckResult(
        passed=not overdue,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"the renewals of these expired plans are overdue, so their licenses are not held: {listed}"
        if overdue
        else None,
        metadata={"plans": len(overdue)},
    )


def _unlink_confirmed(
    database: Database, lms: EnterpriseLms | None, forgotten: Mapping[str, Sequence[Forgotten]], key: str
) -> dg.AssetCheckResult:
    confirmed = service.confirm_unlinked(database, lms, UUID(key), datetime.now(UTC), forgotten=forgotten.get(key, ()))
    linked = ", ".join(map(str, confirmed.still_linked))
    elsewhere = ", ".join(map(str, confirmed.under_another_address))
    found = [
        f"the LMS still lists the learners of these licenses: {linked}" if linked else "",
        f"under another address, the LMS still lists the learners of these licenses: {elsewhere}" if elsewhere else "",
    ]
    blind = (
        "cannot be confirmed: the LMS lists no learner of the customer. Either none is linked any more, or the OAuth "
        "client's user is not Django staff and may not see others"
    )
    return dg.AssetCheckResult(
        passed=not (linked or elsewhere or confirmed.blind),
        severity=dg.AssetCheckSeverity.WARN if confirmed.blind else dg.AssetCheckSeverity.ERROR,
        description=blind if confirmed.blind else "; ".join(filter(None, found)) or None,
        metadata={
            "asked for": confirmed.asked,
            "still linked": len(confirmed.still_linked) + len(confirmed.under_another_address),
        },
    )
