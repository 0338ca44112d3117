"""Two workers, a broker, and a backfill that runs on both beside what the sensors start: by configuration alone."""

import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from b2b_pipelines.db.embedded import EmbeddedPostgres
from b2b_pipelines.db.engine import Database
from tests.orchestration.processes import PROGRAMS, Processes, backfill, dagster_home, finished, wait_until
from tests.sheets.conftest import Delivery

REDIS = shutil.which("redis-server")
pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(REDIS is None, reason="redis-server is not installed: apt-get install redis-server"),
    pytest.mark.usefixtures("surroundings"),
]


@pytest.fixture
def processes(tmp_path: Path, postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch) -> Iterator[Processes]:
    """A broker and the environment in which webserver, daemon and workers find it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    postgres.ensure_database("dagster_celery")
    for name, value in {
        "DAGSTER_HOME": str(tmp_path / "dagster"),
        "DAGSTER_POSTGRES_URL": postgres.url("dagster_celery"),
        "CELERY_BROKER_URL": f"redis://127.0.0.1:{port}/0",
        "CELERY_BACKEND_URL": f"redis://127.0.0.1:{port}/1",
    }.items():
        monkeypatch.setenv(name, value)
    processes = Processes(tmp_path, {})
    processes.start(
        "redis", str(REDIS), "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(tmp_path)
    )
    yield processes
    processes.stop()


def test_a_backfill_runs_on_two_workers_and_they_share_one_pace(
    processes: Processes,
    deliver: Callable[..., Delivery],
    database: Database,
    postgres: EmbeddedPostgres,
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
    with dagster_home(tmp_path / "dagster", "dagster.celery.yaml", postgres.url("dagster_celery")) as instance:
        instance.add_dynamic_partitions("contracts", slugs)
        backfill(instance, "sheet_snapshots", slugs[::2])
        for name in ("one", "two"):
            processes.start(name, *worker, "-n", name, "--", "--concurrency", "1")
        processes.daemon()
        wait_until(lambda: finished(instance, 5), processes)
        filled = [run for run in instance.get_runs() if run.tags.get("dagster/backfill")]
        assert [run.status.value for run in filled] == ["SUCCESS"] * 4
    assert all("succeeded" in processes.said(name) for name in ("one", "two"))
    assert [len(delivery.shown()) for delivery in deliveries] == [3] * 8
    counts = deliveries[0].sandbox.google.counts()
    with database.session() as session:
        permits = dict(session.execute(text("SELECT kind, cardinality(slots) FROM request_permits")).all())
    assert permits["write"] == counts["write"] == 8
    assert permits["read"] == counts["read"]
