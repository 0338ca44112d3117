"""The code location: every asset, check, job, schedule and sensor, with the resources they work with."""

import warnings

import dagster as dg

warnings.filterwarnings("ignore", category=dg.BetaWarning)
warnings.filterwarnings("ignore", category=dg.PreviewWarning)

from assets import contracts as contract_assets  # noqa: E402
from assets.snapshots import SnapshotLoader  # noqa: E402
from b2b_pipelines.settings import read_settings  # noqa: E402
from resources.database import DatabaseResource  # noqa: E402
from resources.google_sheets import GoogleSheetsResource  # noqa: E402
from resources.studio import StudioResource  # noqa: E402
from schedules import contracts as contract_schedules  # noqa: E402

settings = read_settings()
database = DatabaseResource()

defs = dg.Definitions(
    assets=[
        contract_assets.customer_sheet,
        contract_assets.studio_runs,
        contract_assets.contract_delivery,
    ],
    jobs=[contract_schedules.delivery, contract_schedules.refresh],
    schedules=[contract_schedules.sheet_refresh(settings)],
    sensors=[contract_schedules.contract_changes],
    resources={
        "database": database,
        "google_sheets": GoogleSheetsResource(database=database),
        "studio": StudioResource(),
        "snapshots": SnapshotLoader(database=database),
    },
)
