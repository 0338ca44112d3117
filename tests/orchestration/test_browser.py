"""Dagster's UI in a browser: what an operator starts with clicks."""

from collections.abc import Callable, Iterator
from math import ceil
from pathlib import Path
from typing import Any

import dagster as dg
import httpx
import pytest
from dagster._core.execution.backfill import BulkActionStatus
from dagster._core.storage.dagster_run import RunsFilter

from assets.contracts import PARTITIONS_A_RUN
from benchmarks.browser import choose_all_partitions, graph, switch
from tests.orchestration.processes import Processes, wait_until
from tests.sheets.conftest import Delivery

PATIENCE = 90  # seconds, of every wait: a laptop under load takes many times what a quiet one does
CHAIN = ("contract_runs", "enrollment_codes", "sheet_snapshots")


@pytest.fixture
def page(browser: Any, tmp_path: Path) -> Iterator[Any]:
    """A page of Chromium; what it shows in the end is kept beside the logs of the processes."""
    page = browser.new_page(viewport={"width": 1400, "height": 900})
    page.set_default_timeout(PATIENCE * 1000)
    yield page
    page.screenshot(path=tmp_path / "page.png")


def answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/server_info").is_success
    except httpx.HTTPError:
        return False


def status(instance: dg.DagsterInstance, name: str) -> str:
    """Return a schedule's or sensor's stored status, or `DECLARED_IN_CODE` if none is stored."""
    states = instance.all_instigator_state()
    return next((state.status.value for state in states if state.name == name), "DECLARED_IN_CODE")


@pytest.mark.long
@pytest.mark.usefixtures("surroundings")
def test_a_click_switches_a_schedule_on_and_a_few_fill_the_sheets_of_fifty_contracts(
    page: Any,
    processes: Processes,
    deliver: Callable[..., Delivery],
) -> None:
    with processes.instance() as instance:
        processes.code()
        url = processes.webserver()
        deliveries = [deliver(name=f"Acme-{number:02}", cap=3) for number in range(50)]
        slugs = [delivery.slug for delivery in deliveries]
        instance.add_dynamic_partitions("contracts", slugs)
        wait_until(lambda: answers(url), processes)

        page.goto(f"{url}/automation")
        # The sensor would fill the sheets before the backfill does.
        for name, wanted in (
            ("contract_changes", "STOPPED"),
            ("sheet_refresh", "STOPPED"),
            ("sheet_refresh", "RUNNING"),
        ):
            switch(page, name)
            wait_until(lambda name=name, wanted=wanted: status(instance, name) == wanted, processes)

        processes.daemon("--quick-backfills")
        page.goto(graph(url, *CHAIN))
        dialog = choose_all_partitions(page)
        dialog.get_by_text("50 partitions selected").wait_for()
        dialog.get_by_role("button", name="Launch backfill").click()
        page.get_by_text("Created backfill").wait_for()
        page.goto("about:blank")  # the UI asks and draws all the time, which the run's process would wait for

        [backfill] = instance.get_backfills()
        assert backfill.is_asset_backfill
        wait_until(
            lambda: (
                (found := instance.get_backfill(backfill.backfill_id)) is not None
                and found.status is not BulkActionStatus.REQUESTED
            ),
            processes,
            seconds=2 * PATIENCE,
        )
        done = instance.get_backfill(backfill.backfill_id)
        assert done is not None
        assert done.status is BulkActionStatus.COMPLETED_SUCCESS
        for asset in CHAIN:
            assert instance.get_materialized_partitions(dg.AssetKey(asset)) == set(slugs)
        runs = instance.get_runs(RunsFilter(tags={"dagster/backfill": backfill.backfill_id}))
        assert len(runs) == ceil(len(slugs) / PARTITIONS_A_RUN) == 1
    for delivery in deliveries:
        assert sorted(delivery.shown()) == sorted(delivery.codes())
        assert len(delivery.shown()) == 3
