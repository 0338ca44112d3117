"""Dagster's storage in PostgreSQL, with pooled connections.

By default Dagster opens a connection for each item it stores or reads: five times for a partition with a check, which
takes longer than syncing its sheet. Here all parts of the storage share a pool. An idle connection is tested before
use, so a restart of PostgreSQL causes no error. `deploy/dagster.yaml` names this class as `storage`, with `pool_size`
and `max_connections`. ADR 035 has the reason, and the condition under which this file becomes unnecessary.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any, cast

from dagster import Field, IntSource
from dagster._serdes import ConfigurableClassData
from dagster_postgres import DagsterPostgresStorage
from dagster_postgres.auth import PgTokenProvider
from dagster_postgres.utils import (
    create_pg_engine,
    get_token_provider_from_config,
    pg_config,
    pg_url_from_config,
    set_pg_statement_timeout,
)
from sqlalchemy import Engine, event

from b2b_pipelines.db.engine import try_when_idle

KEPT = 1
"""Idle connections that a process keeps by default. More would add up, because every run is a process."""
MOST = 20
"""Connections that a process opens at once by default."""
RENEWED_AFTER_SECONDS = 3600


class PooledPostgresStorage(DagsterPostgresStorage):
    """`DagsterPostgresStorage` with one pool of connections for runs, events and schedules.

    It takes the same configuration.
    """

    def __init__(
        self,
        postgres_url: str,
        should_autocreate_tables: bool = True,
        inst_data: ConfigurableClassData | None = None,
        token_provider: PgTokenProvider | None = None,
        *,
        pool_size: int = KEPT,
        max_connections: int = MOST,
    ) -> None:
        super().__init__(postgres_url, should_autocreate_tables, inst_data, token_provider)
        self._tokens, self._pool_size, self._max_connections = token_provider, pool_size, max_connections
        self._share(pooled(postgres_url, token_provider, kept=pool_size, most=max_connections))
        for part in self._parts:
            part.optimize_for_webserver = self._optimize_for_webserver
        # Dagster calls it for each materialization, and each call reads PostgreSQL's catalog.
        self._event_log_storage.has_table = cache(self._event_log_storage.has_table)  # type: ignore[method-assign]

    @property
    def _parts(self) -> tuple[Any, Any, Any]:
        return self._run_storage, self._event_log_storage, self._schedule_storage

    def _share(self, engine: Engine) -> None:
        for part in self._parts:
            part._engine = engine

    def _optimize_for_webserver(self, statement_timeout: int, pool_recycle: int, max_overflow: int) -> None:
        """Apply the webserver's settings to the shared pool, once.

        Dagster calls this for each part, and by default each part would leave the pool. `statement_timeout` is in
        milliseconds, `pool_recycle` in seconds; `max_overflow` adds to the kept connections.
        """
        settings = (statement_timeout, pool_recycle, max_overflow)
        if getattr(self, "_optimized", None) == settings:
            return
        self._optimized = settings
        before = self._run_storage._engine
        engine = pooled(
            self.postgres_url,
            self._tokens,
            kept=self._pool_size,
            most=max(self._max_connections, self._pool_size + max_overflow),
            renewed_after=pool_recycle,
        )
        event.listen(engine, "connect", lambda connection, _: set_pg_statement_timeout(connection, statement_timeout))
        self._share(engine)
        before.dispose()

    @classmethod
    def config_type(cls) -> Any:
        """Return the configuration of dagster-postgres, with the sizes of the pool."""
        return {
            **cast("dict[str, Any]", pg_config()),
            "pool_size": Field(IntSource, is_required=False, description="Idle connections that a process keeps."),
            "max_connections": Field(
                IntSource, is_required=False, description="Connections that a process opens at once."
            ),
        }

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> "PooledPostgresStorage":
        return cls(
            pg_url_from_config(config_value),
            config_value.get("should_autocreate_tables", True),
            inst_data,
            get_token_provider_from_config(config_value),
            pool_size=config_value.get("pool_size", KEPT),
            max_connections=config_value.get("max_connections", MOST),
        )


def pooled(
    postgres_url: str,
    token_provider: PgTokenProvider | None = None,
    *,
    kept: int = KEPT,
    most: int = MOST,
    renewed_after: int = RENEWED_AFTER_SECONDS,
) -> Engine:
    """Return an engine for Dagster's storage that pools its connections and tests idle ones."""
    engine = create_pg_engine(
        postgres_url,
        token_provider,
        isolation_level="AUTOCOMMIT",
        pool_size=kept,
        max_overflow=max(most - kept, 0),
        pool_recycle=renewed_after,
    )
    try_when_idle(engine)
    return engine
