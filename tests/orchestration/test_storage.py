"""Dagster's storage: how often it connects, and what becomes of it when PostgreSQL is started again."""

from collections.abc import Iterator

import dagster as dg
import pytest
from sqlalchemy import event, text

from b2b_pipelines import dagster_storage
from b2b_pipelines.db import engine as database_engine
from b2b_pipelines.db.embedded import EmbeddedPostgres
from tests.orchestration.processes import Processes


@pytest.fixture
def instance(processes: Processes) -> Iterator[dg.DagsterInstance]:
    with processes.instance() as instance:
        yield instance


def test_connections_are_kept(instance: dg.DagsterInstance) -> None:
    connected: list[object] = []
    storages = (instance.event_log_storage, instance.run_storage, instance.schedule_storage)
    [engine] = {storage._engine for storage in storages}
    event.listen(engine, "connect", lambda connection, _: connected.append(connection))
    instance.add_dynamic_partitions("contracts", ["a", "b"])
    for key in ["a", "b"] * 10:
        tags = {"dagster/data_version": key}
        instance.report_runless_asset_event(dg.AssetMaterialization("sheet_snapshots", partition=key, tags=tags))
        instance.get_runs()
        instance.all_instigator_state()
    assert instance.get_materialized_partitions(dg.AssetKey("sheet_snapshots")) == {"a", "b"}
    assert len(connected) <= 2, "one, and one more when one thing is looked up while another is stored"


def test_a_connection_that_was_lost_while_it_lay_idle_is_made_again(
    instance: dg.DagsterInstance, postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance.add_dynamic_partitions("contracts", ["a"])
    monkeypatch.setattr(database_engine, "TRIED_AFTER_SECONDS", 0.0)
    engine = dagster_storage.pooled(postgres.url("postgres"))
    with engine.connect() as connection:
        others = (
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname ~ :of"
        )
        assert connection.execute(text(others), {"of": "^dagster_"}).scalars().all()
    engine.dispose()
    assert instance.get_dynamic_partitions("contracts") == ["a"]


def test_the_webserver_keeps_the_shared_pool_and_has_its_own_time_limit(instance: dg.DagsterInstance) -> None:
    instance.optimize_for_webserver(statement_timeout=12_345, pool_recycle=60, max_overflow=30)
    storages = (instance.event_log_storage, instance.run_storage, instance.schedule_storage)
    [engine] = {storage._engine for storage in storages}
    with engine.connect() as connection:
        assert connection.execute(text("SHOW statement_timeout")).scalar_one() == "12345ms"
    assert engine.pool.size() == dagster_storage.KEPT
    assert instance.get_runs() == []


def test_the_sizes_of_the_pool_are_configuration(processes: Processes) -> None:
    import os

    config = {"postgres_url": os.environ["DAGSTER_POSTGRES_URL"], "pool_size": 3, "max_connections": 5}
    storage = dagster_storage.PooledPostgresStorage.from_config_value(None, config)
    engine = storage._run_storage._engine
    assert (engine.pool.size(), engine.pool._max_overflow) == (3, 2)
    engine.dispose()
