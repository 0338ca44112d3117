"""The code location: every asset, check, job, schedule and sensor, with their resources."""

import warnings

import dagster as dg

warnings.filterwarnings("ignore", category=dg.BetaWarning)
warnings.filterwarnings("ignore", category=dg.PreviewWarning)

from assets import academies, academy_checks, checkout, columns, contracts, freshness, licenses  # noqa: E402
from assets.added import without_partitioned_checks  # noqa: E402
from assets.snapshots import SnapshotLoader  # noqa: E402
from b2b_pipelines import defs as added_defs  # noqa: E402
from b2b_pipelines.academies.selection import read_selection  # noqa: E402
from b2b_pipelines.dagster_processes import fork_runs  # noqa: E402
from b2b_pipelines.settings import PROJECT, read_settings  # noqa: E402
from resources.database import DatabaseResource  # noqa: E402
from resources.enterprise_catalog import AcademySelectionResource, EnterpriseCatalogResource  # noqa: E402
from resources.fields import from_environment  # noqa: E402
from resources.google_sheets import GoogleSheetsResource  # noqa: E402
from resources.license_manager import LicenseManagerResource  # noqa: E402
from resources.open_edx import EnterpriseLmsResource  # noqa: E402
from resources.stripe import StripeResource  # noqa: E402
from resources.studio import StudioResource  # noqa: E402
from schedules import academies as academy_schedules  # noqa: E402
from schedules import alerts, sweep, upkeep  # noqa: E402
from schedules import contracts as contract_schedules  # noqa: E402
from schedules import licenses as license_schedules  # noqa: E402

fork_runs()
settings = read_settings()
read_selection(settings)  # an invalid file of overrides is refused at start, not an hour later
database = from_environment(DatabaseResource)


def complete(spec: dg.AssetSpec) -> dg.AssetSpec:
    """Return an asset's spec with the attributes of every asset: freshness policy and columns."""
    return spec.replace_attributes(freshness_policy=freshness.policy(spec, settings)).merge_attributes(
        metadata=columns.metadata(spec.key.to_user_string())
    )


def added() -> dg.Definitions:
    """Load the definitions that `dg scaffold defs` added to `b2b_pipelines/defs`.

    Components load only from a checkout, because it has dg's settings.
    """
    if (PROJECT / "pyproject.toml").exists():
        return dg.load_from_defs_folder(path_within_project=PROJECT)
    return dg.load_definitions_from_package_module(added_defs)


defs = dg.Definitions.merge(
    without_partitioned_checks(added(), {*contracts.contract_delivery.keys, *licenses.license_chain.keys}),
    dg.Definitions(
        assets=dg.with_source_code_references(
            [
                contracts.customer_sheet,
                contracts.studio_runs,
                contracts.contract_delivery,
                contracts.code_columns,
                licenses.listed_subscriptions,
                licenses.lms_enrollments,
                licenses.license_chain,
                licenses.ended_enrollments,
                licenses.enterprise_learners,
                academies.catalog_academies,
                academies.prices_at_stripe,
                academies.academy_catalogs,
                academies.stripe_prices,
                academies.academy_products,
                checkout.checkout_intents,
            ]
        ),
        asset_checks=[
            freshness.sheet_is_fresh,
            academy_checks.catalog_is_plausible,
            academy_checks.every_academy_has_a_price,
        ],
        jobs=[
            contract_schedules.delivery,
            contract_schedules.refresh,
            license_schedules.expiry,
            license_schedules.dry_run,
            academy_schedules.refresh,
            academy_schedules.republish,
            academy_schedules.upkeep,
            sweep.freshness,
            upkeep.upkeep_job,
        ],
        schedules=[
            contract_schedules.sheet_refresh(settings),
            license_schedules.license_expiry,
            academy_schedules.academy_refresh,
            academy_schedules.checkout_upkeep,
            sweep.nightly_sweep,
            sweep.sheet_freshness,
            upkeep.upkeep,
            upkeep.heartbeat,
        ],
        sensors=[
            contract_schedules.contract_changes,
            contract_schedules.passing_failures,
            license_schedules.customer_partitions,
            academy_schedules.academies_with_last_prices,
            academy_schedules.automation,
            alerts.alert_on_failure,
            alerts.alert_on_recovery,
        ],
        # A run is one step or a chain, so a process for each step would only add its start. Celery's workers forbid it.
        executor=dg.in_process_executor,
        resources={
            "database": database,
            "google_sheets": from_environment(GoogleSheetsResource, database=database),
            "studio": from_environment(StudioResource),
            "snapshots": SnapshotLoader(database=database),
            "lms": from_environment(EnterpriseLmsResource),
            "license_manager": from_environment(LicenseManagerResource),
            "enterprise_catalog": from_environment(EnterpriseCatalogResource),
            "stripe": from_environment(StripeResource),
            "academy_selection": AcademySelectionResource(),
        },
    ).map_asset_specs(func=complete),
)
