"""A failure that may pass is tried again by a later run, and no run waits for it."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import dagster as dg
import pytest
from dagster import DagsterInstance

from b2b_pipelines.definitions import defs
from b2b_pipelines.errors import TransientError
from b2b_pipelines.sheets import service as sheet_service
from schedules import contracts as schedules
from tests.assets.test_recorded import run
from tests.sheets.conftest import Delivery

Deliver = Callable[..., Delivery]

pytestmark = pytest.mark.usefixtures("surroundings")


def look(instance: DagsterInstance, cursor: str | None = None) -> dg.SensorResult:
    result = schedules.passing_failures(dg.build_sensor_context(instance=instance, cursor=cursor))
    assert isinstance(result, dg.SensorResult)
    return result


def test_a_passing_failure_is_requested_again_a_minute_after_its_run_for_those_contracts_alone(
    deliver: Deliver, instance: DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    slugs = [deliver(name=f"Acme-{n}").slug for n in range(3)]
    sync = sheet_service.sync

    def busy(database: Any, sheets: Any, slug: str, **options: Any) -> Any:
        if slug == "acme-1":
            raise TransientError("Google does not answer: try again later")
        return sync(database, sheets, slug, **options)

    monkeypatch.setattr(sheet_service, "sync", busy)
    failed = run(instance, slugs)
    assert not failed.success
    assert not look(instance).run_requests  # its minute is not over
    monkeypatch.setattr(schedules, "RETRIED_AFTER", datetime.resolution)
    result = look(instance)
    [request] = result.run_requests or []
    assert request.partition_key == "acme-1"
    assert [key.to_user_string() for key in request.asset_selection or []] == ["sheet_snapshots"]
    assert request.tags["b2b/attempt"] == "2"
    assert not look(instance, result.cursor).run_requests
    last = defs.resolve_job_def("contract_delivery_job").execute_in_process(
        instance=instance,
        partition_key="acme-1",
        asset_selection=[dg.AssetKey("sheet_snapshots")],
        tags={"b2b/attempt": "3"},
        raise_on_error=False,
    )
    assert not last.success
    assert not look(instance, result.cursor).run_requests  # three attempts in all
