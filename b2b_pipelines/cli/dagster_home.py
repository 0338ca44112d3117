"""Dagster on this machine: its home under `B2B_HOME`, its storage in a database of its own, its command."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from b2b_pipelines.errors import Refused

if TYPE_CHECKING:
    from b2b_pipelines.settings import Settings

NAMES = ("DAGSTER_HOME", "DAGSTER_POSTGRES_URL")
"""Environment variables that name Dagster's home and storage."""
PROJECT = Path(__file__).resolve().parents[2]
INSTANCE = PROJECT / "deploy" / "dagster.yaml"
WORKSPACE = PROJECT / "workspace.yaml"


def dagster_environment(settings: Settings) -> dict[str, str]:
    """Return the environment in which Dagster's programs find their home and storage; both are created when missing.

    With the embedded PostgreSQL Dagster has a database beside the product's. With `B2B_DATABASE_URL` the storage must be
    named by `DAGSTER_POSTGRES_URL`. Raises `Refused` without it.
    """
    from b2b_pipelines.db.connect import DAGSTER_DATABASE, connect, embedded_postgres

    home = settings.home / "dagster"
    home.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(INSTANCE, home / "dagster.yaml")
    if settings.embedded:
        connect(settings).dispose()
        server = embedded_postgres(settings)
        server.ensure_database(DAGSTER_DATABASE)
        storage = server.url(DAGSTER_DATABASE)
    else:
        storage = os.environ.get("DAGSTER_POSTGRES_URL", "")
        if not storage:
            raise Refused("B2B_DATABASE_URL is set, but DAGSTER_POSTGRES_URL is not. Set it to Dagster's own database.")
    return {**os.environ, **dict(zip(NAMES, (str(home), storage), strict=True))}


def dev_command(host: str, port: int, log_level: str = "info") -> list[str]:
    """Return the command of Dagster's webserver and daemon with one code server, in the foreground.

    At `info` the daemon logs two lines for every tick of a sensor.
    """
    hidden = "ignore:Function `dev_command` is superseded"  # by `dg dev`, which starts the same
    python = [sys.executable, "-W", hidden, "-m", "dagster", "dev"]
    return [*python, "--workspace", str(WORKSPACE), "--host", host, "--port", str(port), "--log-level", log_level]
