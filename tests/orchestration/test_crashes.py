"""A crash at any point: nothing is lost, nothing is doubled."""

import os
import re
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import pytest
from sqlalchemy import text

from b2b_pipelines.db import schema
from b2b_pipelines.db.embedded import EmbeddedPostgres
from b2b_pipelines.db.engine import Database
from b2b_pipelines.errors import TransientError
from b2b_pipelines.sheets import service
from b2b_pipelines.vendors.google_sheets import GoogleSheets
from sandbox.server import Sandbox
from schedules.contracts import contract_changes
from tests.orchestration.processes import DELIVERIES, Processes, finished, looks, own_processes, wait_until
from tests.sheets.conftest import Delivery, make_delivery, sign_in

Deliver = Callable[..., Delivery]


def tick(database: Database, instance: dg.DagsterInstance, cursor: str | None) -> dg.SensorResult:
    context = dg.build_sensor_context(instance=instance, cursor=cursor, resources={"database": database})
    result = contract_changes(context)
    assert isinstance(result, dg.SensorResult)
    return result


def test_a_daemon_killed_after_it_added_a_partition_asks_for_the_same_run_again(
    deliver: Deliver, database: Database, instance: dg.DagsterInstance
) -> None:
    one = deliver(name="One")
    killed = tick(database, instance, None)
    [added] = killed.dynamic_partitions_requests or []
    instance.add_dynamic_partitions(added.partitions_def_name, list(added.partition_keys))
    # Here it dies: no run was launched, no cursor stored.
    again = tick(database, instance, None)
    assert not again.dynamic_partitions_requests
    [lost], [asked] = killed.run_requests or [], again.run_requests or []
    assert asked.partition_key == one.slug
    # Had the run been launched, its key keeps Dagster from launching it twice.
    assert asked.run_key == lost.run_key


@pytest.mark.long
@pytest.mark.usefixtures("surroundings")
def test_a_daemon_killed_between_a_partition_and_its_run_launches_that_run_once_when_it_is_back(
    processes: Processes, deliver: Deliver
) -> None:
    one = deliver(name="One")
    with processes.instance() as instance:
        killed = processes.daemon("--dies-after-adding")
        wait_until(lambda: killed.poll() is not None, processes)
        assert killed.returncode == -signal.SIGKILL
        assert instance.get_dynamic_partitions("contracts") == [one.slug]
        assert instance.get_runs(DELIVERIES) == []
        assert one.shown() == []
        processes.kill("daemon")  # what it had started
        processes.daemon("--quick-sensors")
        wait_until(lambda: finished(instance, 1, DELIVERIES), processes)
        before = len(looks(instance, "contract_changes"))
        wait_until(lambda: len(looks(instance, "contract_changes")) >= before + 2, processes)
        [run] = instance.get_runs(DELIVERIES)
        assert run.is_success
        assert run.tags["dagster/partition"] == one.slug
    assert sorted(one.shown()) == sorted(one.codes())
    assert len(one.snapshots()) == 1


@pytest.mark.long
@pytest.mark.usefixtures("surroundings")
def test_a_run_whose_process_is_killed_is_started_again_and_every_sheet_is_right(
    processes: Processes, deliver: Deliver, sandbox: Sandbox
) -> None:
    deliveries = [deliver(name=f"Acme-{number}", cap=4) for number in range(12)]
    sandbox.faults.latency = 0.4
    with processes.instance() as instance:
        processes.daemon()
        wait_until(lambda: any(delivery.shown() for delivery in deliveries), processes)
        [run] = instance.get_runs(DELIVERIES)
        os.kill(worker_of(instance, run.run_id), signal.SIGKILL)
        sandbox.faults.latency = 0.0
        assert not all(delivery.shown() for delivery in deliveries)
        wait_until(lambda: finished(instance, 2, DELIVERIES), processes)
        again, first = instance.get_runs(DELIVERIES)
        assert (first.status.value, again.status.value) == ("FAILURE", "SUCCESS")
        assert again.parent_run_id == first.run_id == run.run_id
    for delivery in deliveries:
        assert sorted(delivery.shown()) == sorted(delivery.codes())


def worker_of(instance: dg.DagsterInstance, run_id: str) -> int:
    """The process that carries a run out."""
    found = [re.search(r"\(pid: (\d+)\)", entry.message or entry.user_message) for entry in instance.all_logs(run_id)]
    return int(next(match[1] for match in found if match))


@dataclass(frozen=True)
class Installation:
    """A PostgreSQL that can be restarted, the product's database in it, and a client of the sandbox's sheets."""

    server: EmbeddedPostgres
    database: Database
    sheets: GoogleSheets


@pytest.fixture
def own(sandbox: Sandbox, tmp_path: Path) -> Iterator[Installation]:
    """An installation that keeps what was committed when its server stops, as a real one does."""
    server = EmbeddedPostgres(tmp_path / "postgres", durable=True)
    server.ensure_running()
    server.ensure_database("b2b")
    database = Database(server.url("b2b"))
    schema.upgrade(database.engine)
    sheets = sign_in(sandbox, database)
    try:
        yield Installation(server, database, sheets)
    finally:
        sandbox.faults.latency = 0.0
        sheets.close()
        database.dispose()
        server.stop()


@pytest.mark.long
def test_a_restart_of_postgresql_under_load_loses_and_doubles_nothing(sandbox: Sandbox, own: Installation) -> None:
    server, database, sheets = own.server, own.database, own.sheets
    deliveries = [make_delivery(database, sandbox, sheets, name=f"Acme-{number}", cap=6) for number in range(16)]
    sandbox.faults.latency = 0.05

    def sync(delivery: Delivery) -> str:
        try:
            return "synced" if service.sync(database, sheets, delivery.slug) else "nothing"
        except TransientError as error:
            return error.code

    with ThreadPoolExecutor(8) as pool:
        under_way = [pool.submit(sync, delivery) for delivery in deliveries]
        under_way[0].result()
        server.stop()
        server.ensure_running()
        outcomes = [future.result() for future in under_way]
    assert set(outcomes) > {"synced"}, "no sync was under way when the server stopped"
    assert [sync(delivery) for delivery in deliveries] == ["synced"] * len(deliveries)
    for delivery in deliveries:
        assert sorted(delivery.shown()) == sorted(delivery.codes())
    with database.session() as session:
        counted = "SELECT count(*), count(DISTINCT code) FROM enrollment_code"
        assert session.execute(text(counted)).one() == (96, 96)


@pytest.mark.long
@pytest.mark.usefixtures("surroundings")
def test_a_restart_of_postgresql_while_dagster_delivers_ends_with_every_sheet_right(
    sandbox: Sandbox, own: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("B2B_DATABASE_URL", own.database.url)
    deliveries = [
        make_delivery(own.database, sandbox, own.sheets, name=f"Acme-{number}", cap=6) for number in range(12)
    ]
    sandbox.faults.latency = 0.4
    with own_processes(tmp_path, own.server, monkeypatch) as processes, processes.instance() as instance:
        processes.daemon("--quick-sensors")
        wait_until(lambda: any(delivery.shown() for delivery in deliveries), processes)
        own.server.stop()
        assert not all(delivery.shown() for delivery in deliveries)
        own.server.ensure_running()
        sandbox.faults.latency = 0.0
        wait_until(lambda: all(delivery.shown() for delivery in deliveries), processes, seconds=240)
        wait_until(lambda: finished(instance, 1, DELIVERIES), processes)
        assert instance.get_runs(DELIVERIES)[0].is_success
    for delivery in deliveries:
        assert sorted(delivery.shown()) == sorted(delivery.codes())
        assert len(delivery.codes()) == 6
