"""Dagster's storage in PostgreSQL, over connections that are kept.

By itself Dagster connects anew for each thing it stores or looks up: five times for a partition with a check, which takes
longer than to bring its sheet in line. Here all parts of the storage share a pool; a connection that lay idle is tried
before it is used, so that a restart of PostgreSQL is not noticed. Named as `storage` in `deploy/dagster.yaml`; ADR 035.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

from dagster._serdes import ConfigurableClassData
from dagster_postgres import DagsterPostgresStorage
from dagster_postgres.auth import PgTokenProvider
from dagster_postgres.utils import create_pg_engine, get_token_provider_from_config, pg_url_from_config
from sqlalchemy import Engine

from b2b_pipelines.db.engine import try_when_idle

KEPT = 1
"""How many idle connections a process keeps; more would add up, for every run is a process."""
MOST = 20
RENEWED_AFTER_SECONDS = 3600


class PooledPostgresStorage(DagsterPostgresStorage):
    """`DagsterPostgresStorage`, configured like it, with one pool of connections for runs, events and schedules."""

    def __init__(
        self,
        postgres_url: str,
        should_autocreate_tables: bool = True,
        inst_data: ConfigurableClassData | None = None,
        token_provider: PgTokenProvider | None = None,
    ) -> None:
        super().__init__(postgres_url, should_autocreate_tables, inst_data, token_provider)
        engine = pooled(postgres_url, token_provider)
        for part in (self._run_storage, self._event_log_storage, self._schedule_storage):
            part._engine = engine
        # Asked at each materialization, and answered by reading the catalog.
        self._event_log_storage.has_table = cache(self._event_log_storage.has_table)  # type: ignore[method-assign]

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> "PooledPostgresStorage":
        return cls(
            pg_url_from_config(config_value),
            config_value.get("should_autocreate_tables", True),
            inst_data,
            get_token_provider_from_config(config_value),
        )


def pooled(postgres_url: str, token_provider: PgTokenProvider | None = None) -> Engine:
    """An engine as Dagster's storage wants it, whose connections are kept and tried after a rest."""
    engine = create_pg_engine(
        postgres_url,
        token_provider,
        isolation_level="AUTOCOMMIT",
        pool_size=KEPT,
        max_overflow=MOST - KEPT,
        pool_recycle=RENEWED_AFTER_SECONDS,
    )
    try_when_idle(engine)
    return engine
