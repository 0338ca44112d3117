"""Schedules and sensors of academies."""

from datetime import datetime

import dagster as dg
import pytest

from resources.database import DatabaseResource
from resources.enterprise_catalog import AcademySelectionResource, EnterpriseCatalogResource
from resources.stripe import StripeResource
from sandbox.enterprise_catalog import academy
from schedules.academies import REFRESH_JOB, academies_with_last_prices, academy_refresh, checkout_upkeep, republishes
from tests.academies.conftest import CHAIN, CUSTOMER


@pytest.mark.parametrize(
    ("job", "failed", "wanted"),
    [
        (REFRESH_JOB, {"stripe_prices"}, True),
        (REFRESH_JOB, {"academy_catalogs"}, False),
        (REFRESH_JOB, {"stripe_prices", "academy_catalogs_catalog_is_plausible"}, False),
        (REFRESH_JOB, set(), False),
        ("another", {"stripe_prices"}, False),
    ],
)
def test_the_list_is_published_alone_when_only_stripe_failed(job, failed, wanted):
    assert republishes(job, failed) is wanted


def test_the_schedules_run_every_hour_and_every_five_minutes():
    assert academy_refresh.cron_schedule == "7 * * * *"
    assert checkout_upkeep.cron_schedule == "*/5 * * * *"
    assert {academy_refresh.default_status, checkout_upkeep.default_status} == {dg.DefaultScheduleStatus.RUNNING}


def test_the_refresh_is_skipped_with_words_while_academies_are_off(configured, monkeypatch):
    context = dg.build_schedule_context(scheduled_execution_time=datetime(2026, 11, 21, 12, 7))
    (request,) = academy_refresh.evaluate_tick(context).run_requests
    assert request.run_key is None
    monkeypatch.delenv("B2B_ENTERPRISE_CATALOG_URL")
    tick = academy_refresh.evaluate_tick(context)
    assert not tick.run_requests
    assert "B2B_ENTERPRISE_CATALOG_URL" in tick.skip_message


def test_a_run_that_failed_at_stripe_asks_for_the_list_alone(configured, hurried, sandbox, database, instance):
    sandbox.enterprise_catalog.put(CUSTOMER, [academy("Data", stripe_price_lookup_key="usd")])
    sandbox.faults.answer(503, times=99, vendor="stripe")
    definitions = dg.Definitions(
        assets=CHAIN[:3],
        asset_checks=CHAIN[3:],
        jobs=[dg.define_asset_job(REFRESH_JOB, dg.AssetSelection.assets(*CHAIN[:3]))],
        resources={
            "database": DatabaseResource(),
            "enterprise_catalog": EnterpriseCatalogResource(),
            "academy_selection": AcademySelectionResource(),
            "stripe": StripeResource(),
        },
    )
    result = definitions.resolve_job_def(REFRESH_JOB).execute_in_process(instance=instance, raise_on_error=False)
    context = dg.build_run_status_sensor_context(
        sensor_name="academies_with_last_prices",
        dagster_event=result.get_run_failure_event(),
        dagster_instance=instance,
        dagster_run=result.dagster_run,
    ).for_run_failure()
    request = academies_with_last_prices(context)
    assert isinstance(request, dg.RunRequest)
    assert request.run_key == result.dagster_run.run_id
