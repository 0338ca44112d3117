"""Two workers, a broker, and a backfill that runs on both beside what the sensors start: by configuration alone."""

import shutil
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest
from sqlalchemy import text

from b2b_pipelines.db.engine import Database
from tests.orchestration.processes import DELIVERIES, PROGRAMS, Processes, backfill, finished, free_port, wait_until
from tests.sheets.conftest import Delivery

REDIS = shutil.which("redis-server")
pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(REDIS is None, reason="redis-server is not installed: apt-get install redis-server"),
    pytest.mark.usefixtures("surroundings"),
]


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> int:
    """The port on which a broker will be, and the environment in which daemon and workers find it."""
    port = free_port()
    monkeypatch.setenv("CELERY_BROKER_URL", f"redis://127.0.0.1:{port}/0")
    monkeypatch.setenv("CELERY_BACKEND_URL", f"redis://127.0.0.1:{port}/1")
    return port


def test_a_backfill_runs_on_two_workers_and_they_share_one_pace(
    broker: int,
    processes: Processes,
    deliver: Callable[..., Delivery],
    database: Database,
    tmp_path: Path,
) -> None:
    deliveries = [deliver(name=f"Acme-{number}", cap=3) for number in range(8)]
    slugs = [delivery.slug for delivery in deliveries]
    worker = [
        str(PROGRAMS / "dagster-celery"),
        "worker",
        "start",
        "-A",
        "dagster_celery.app",
        "-y",
        "deploy/worker.yaml",
    ]
    redis = ["--port", str(broker), "--bind", "127.0.0.1", "--save", "", "--dir", str(tmp_path)]
    processes.start("redis", str(REDIS), *redis)
    with processes.instance("dagster.celery.yaml") as instance:
        instance.add_dynamic_partitions("contracts", slugs)
        asked = dg.RunsFilter(tags={"dagster/backfill": backfill(instance, "sheet_snapshots", slugs[::2])})
        for name in ("one", "two"):
            processes.start(name, *worker, "-n", name, "--", "--concurrency", "1")
        processes.daemon()
        wait_until(lambda: all(finished(instance, *runs) for runs in [(4, asked), (1, DELIVERIES), (5,)]), processes)
        # A run that starts while its neighbours are queued makes their partitions, and cancels them (ADR 054).
        states = {run.status.value for run in instance.get_runs(asked)}
        assert "SUCCESS" in states <= {"SUCCESS", "CANCELED"}
        made = instance.get_materialized_partitions(dg.AssetKey("sheet_snapshots"))
        assert set(slugs[::2]) <= made
    assert all("succeeded" in processes.said(name) for name in ("one", "two"))
    assert [len(delivery.shown()) for delivery in deliveries] == [3] * 8
    counts = deliveries[0].sandbox.google.counts()
    with database.session() as session:
        permits = dict(session.execute(text("SELECT kind, cardinality(slots) FROM request_permits")).all())
    assert permits["write"] == counts["write"] == 8
    assert permits["read"] == counts["read"]
