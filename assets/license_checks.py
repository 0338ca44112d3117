"""What must be true of a customer's licenses, checked customer by customer."""

from collections.abc import Mapping
from functools import partial
from uuid import UUID

import dagster as dg

from assets.partitioned import Check
from assets.partitions import enterprise_customers
from b2b_pipelines.db.engine import Database
from b2b_pipelines.licenses import service, store
from b2b_pipelines.vendors.license_manager import LicenseManager
from b2b_pipelines.vendors.open_edx import EnterpriseLms

SPECS = [
    dg.AssetCheckSpec(
        "import_is_complete",
        asset="subscription_licenses",
        description="As many licenses are known of each plan as license-manager counts.",
        partitions_def=enterprise_customers,
    ),
    dg.AssetCheckSpec(
        "terminated_before_unlinked",
        asset="enrollment_terminations",
        description="Nobody was unlinked for a license whose enrollments were not ended before. If so, nobody else is.",
        blocking=True,
        partitions_def=enterprise_customers,
    ),
    dg.AssetCheckSpec(
        "unlink_confirmed",
        asset="unlinked_learners",
        description="The LMS does not list those who were unlinked within a day; a sample when there are many.",
        partitions_def=enterprise_customers,
    ),
]


def checks(
    database: Database, lms: EnterpriseLms | None, license_manager: LicenseManager | None
) -> Mapping[str, Mapping[str, Check]]:
    """The checks by asset and name, each to be called with a customer's uuid."""
    return {
        "subscription_licenses": {"import_is_complete": partial(_import_is_complete, database, license_manager)},
        "enrollment_terminations": {"terminated_before_unlinked": partial(_terminated_before_unlinked, database)},
        "unlinked_learners": {"unlink_confirmed": partial(_unlink_confirmed, database, lms)},
    }


def _import_is_complete(database: Database, license_manager: LicenseManager | None, key: str) -> dg.AssetCheckResult:
    if license_manager is None:
        return dg.AssetCheckResult(
            passed=True, description="license-manager is not configured: nothing to compare with"
        )
    counts = service.compare_counts(database, license_manager, UUID(key))
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


def _unlink_confirmed(database: Database, lms: EnterpriseLms | None, key: str) -> dg.AssetCheckResult:
    confirmed = service.confirm_unlinked(database, lms, UUID(key))
    linked = ", ".join(map(str, confirmed.still_linked))
    return dg.AssetCheckResult(
        passed=not linked,
        description=f"the LMS still lists the learners of these licenses: {linked}" if linked else None,
        metadata={"asked for": confirmed.asked, "still linked": len(confirmed.still_linked)},
    )
