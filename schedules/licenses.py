"""Start work on licenses: the sensor `customer_partitions`, the schedule `license_expiry`."""

from collections.abc import Collection, Iterator, Sequence
from uuid import UUID

import dagster as dg

from assets.licenses import (
    DRY_RUN_JOB,
    PARTITIONS_A_RUN,
    STEP,
    enrollment_terminations,
    expired_licenses,
    subscription_licenses,
    unlinked_learners,
)
from assets.partitioned import consecutive
from assets.partitions import enterprise_customers
from b2b_pipelines.db.engine import Database
from b2b_pipelines.licenses import store
from b2b_pipelines.settings import read_settings
from resources.urgency import ROUTINE
from schedules.contracts import RANGE_END, RANGE_START

expiry = dg.define_asset_job(
    "license_expiry_job",
    selection=dg.AssetSelection.assets(
        *(spec.key for spec in (subscription_licenses, expired_licenses, enrollment_terminations, unlinked_learners))
    ),
    description="The licenses chain for the customers of a range of partitions.",
    tags=ROUTINE,
)

dry_run = dg.define_asset_job(
    DRY_RUN_JOB,
    selection=expiry.selection,
    config={"ops": {STEP: {"config": {"dry_run": True}}}},
    description="The licenses chain as a dry run: the same decisions, without requests or changes.",
)


def customers_to_add(known: Collection[UUID], readable: Collection[UUID], existing: Collection[str]) -> list[str]:
    """Return the missing partitions of stored customers, and of those to read.

    Partitions are only ever added.
    """
    return sorted({str(customer) for customer in (*known, *readable)} - set(existing))


@dg.sensor(
    name="customer_partitions",
    job=expiry,
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Adds a partition for each new enterprise customer.",
)
def customer_partitions(context: dg.SensorEvaluationContext, database: dg.ResourceParam[Database]) -> dg.SensorResult:
    with database.session() as session:
        known = store.customers(session)
    existing = context.instance.get_dynamic_partitions(str(enterprise_customers.name))
    settings = read_settings()
    readable = settings.unlink_customers if settings.license_manager_url else ()
    added = customers_to_add(known, readable, existing)
    return dg.SensorResult(
        skip_reason=dg.SkipReason(f"{len(added)} customers added" if added else "no new customer"),
        dynamic_partitions_requests=[enterprise_customers.build_add_request(added)] if added else [],
    )


@dg.schedule(
    name="license_expiry",
    job=expiry,
    cron_schedule="23 4 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every day: the licenses chain for every customer.",
)
def license_expiry(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
    existing = context.instance.get_dynamic_partitions(str(enterprise_customers.name))
    if not existing:
        yield dg.SkipReason("no enterprise customer is stored")
    yield from requests(existing, f"{context.scheduled_execution_time:%Y-%m-%d}")


def requests(customers: Sequence[str], day: str) -> list[dg.RunRequest]:
    """Return one run for each hundred customers, in the order of their partitions.

    The key of a run is the day and its first customer.
    """
    ranges = consecutive(customers, customers, gap=0, most=PARTITIONS_A_RUN)
    return [
        dg.RunRequest(run_key=f"{day} {first}", tags={RANGE_START: first, RANGE_END: last}) for first, last in ranges
    ]
