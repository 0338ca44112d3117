"""Start work on academies and checkout intents."""

import dagster as dg

from assets.academies import academy_catalogs, academy_products, stripe_prices
from assets.checkout import checkout_intents
from b2b_pipelines.academies.service import CATALOG_IS_OFF
from b2b_pipelines.settings import Settings, read_settings
from resources.urgency import NORMAL

REFRESH_JOB = "academy_refresh_job"

refresh = dg.define_asset_job(
    REFRESH_JOB,
    dg.AssetSelection.assets(academy_catalogs, stripe_prices, academy_products),
    tags=NORMAL,
    description="The academies chain: the catalog, the prices of Stripe, and the published list.",
)
republish = dg.define_asset_job(
    "academy_republish_job",
    dg.AssetSelection.assets(academy_products),
    tags=NORMAL,
    description="The published list alone, from the last answers of the catalog and Stripe.",
)


def academies_are_on(settings: Settings) -> bool:
    """Return whether every setting for reading the catalog is set."""
    return all(
        (
            settings.academy_customer,
            settings.enterprise_catalog_url,
            settings.lms_url,
            settings.oauth_client_id,
            settings.oauth_client_secret,
        )
    )


@dg.schedule(
    name="academy_refresh",
    cron_schedule="7 * * * *",
    job=refresh,
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every hour: the academies chain.",
)
def academy_refresh(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    if not academies_are_on(read_settings()):
        return dg.SkipReason(CATALOG_IS_OFF)
    return dg.RunRequest()


def republishes(job: str, failed_steps: set[str]) -> bool:
    """Return whether a failed run calls for publishing the stored data.

    It does if Stripe failed, and nothing else.
    """
    return job == REFRESH_JOB and failed_steps == {stripe_prices.op.name}


@dg.run_failure_sensor(
    name="academies_with_last_prices",
    monitored_jobs=[refresh],
    request_job=republish,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="When only Stripe failed: publish the academies with the last good prices, marked as stale.",
)
def academies_with_last_prices(context: dg.RunFailureSensorContext) -> dg.RunRequest | dg.SkipReason:
    failed = {event.step_key for event in context.get_step_failure_events() if event.step_key}
    if not republishes(context.dagster_run.job_name, failed):
        return dg.SkipReason("a step other than Stripe's prices failed")
    return dg.RunRequest(run_key=context.dagster_run.run_id)


upkeep = dg.define_asset_job(
    "checkout_upkeep_job",
    dg.AssetSelection.assets(checkout_intents),
    tags=NORMAL,
    description="Ended reservations, and payments that were not provisioned.",
)
checkout_upkeep = dg.ScheduleDefinition(
    name="checkout_upkeep",
    cron_schedule="*/5 * * * *",
    job=upkeep,
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every five minutes: expired and stalled checkout intents.",
)


automation = dg.AutomationConditionSensorDefinition(
    "academies_when_changed",
    target=dg.AssetSelection.assets(academy_products),
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=60,
    run_tags=NORMAL,
    description="Publishes the academies when the catalog or a price was materialized with another content.",
)
