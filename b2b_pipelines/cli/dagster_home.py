"""Dagster on this machine: its home under `B2B_HOME`, its storage in a database of its own, its processes."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from b2b_pipelines.errors import Refused, TransientError

if TYPE_CHECKING:
    from b2b_pipelines.settings import Settings

NAMES = ("DAGSTER_HOME", "DAGSTER_POSTGRES_URL")
"""Environment variables that name Dagster's home and storage."""
PROJECT = Path(__file__).resolve().parents[2]
INSTANCE = PROJECT / "deploy" / "dagster.yaml"
WORKSPACE = PROJECT / "workspace.yaml"
STARTED_WITHIN = 120.0
STOPPED_WITHIN = 20.0


class DagsterDidNotStart(TransientError):
    """The UI did not answer in time. Its log holds the reason."""

    code = "dagster_did_not_start"


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


@contextmanager
def running_dagster(environment: Mapping[str, str], host: str, port: int, log: Path) -> Iterator[str]:
    """Run Dagster while the block runs; yield its URL. At the end everything that it started is stopped.

    It is in a session of its own with SIGINT as it was at birth, or it could not be stopped from here.
    """

    with log.open("wb") as out:
        process = subprocess.Popen(
            dev_command(host, port),
            env=dict(environment),
            cwd=PROJECT,
            stdout=out,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=_listen_to_interrupts,  # noqa: PLW1509  nothing else runs in this process yet
        )
    url = f"http://{host}:{port}"
    try:
        _wait_until_up(process, url, log)
        yield url
    finally:
        stop(process)


def stop(process: subprocess.Popen[bytes]) -> None:
    """Interrupt a process and its children; kill what does not end in time."""
    for number, patience in ((signal.SIGINT, STOPPED_WITHIN), (signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0)):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            break
        try:
            process.wait(patience)
            break
        except subprocess.TimeoutExpired:
            continue
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _listen_to_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _wait_until_up(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    import httpx

    until = time.monotonic() + STARTED_WITHIN
    while time.monotonic() < until and process.poll() is None:
        try:
            if httpx.get(f"{url}/server_info", timeout=2).is_success:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.2)
    raise DagsterDidNotStart(f"Dagster's UI did not start. See {log}.")
