"""Real processes of Dagster for a test, each in a session of its own, gone at the end."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.execution.backfill import PartitionBackfill
from dagster._core.scheduler.instigation import InstigatorTick, TickStatus

from b2b_pipelines.db.embedded import EmbeddedPostgres
from b2b_pipelines.settings import PROJECT
from tests import waiting

PROGRAMS = Path(sys.executable).parent
DAEMON = str(PROGRAMS / "dagster-daemon")
DELIVERIES = dg.RunsFilter(job_name="contract_delivery_job")
"""Not what the clock starts: a daemon of a test may see a full five minutes, or the half hour, go by."""
_numbers = count(1)


class Processes:
    """Starts programs of this project and keeps what they say."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.environment = {**os.environ, "PATH": f"{PROGRAMS}:{os.environ['PATH']}"}
        self.workspace = PROJECT / "workspace.yaml"
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, *command: str) -> subprocess.Popen[bytes]:
        with (self.home / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                command,
                cwd=PROJECT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.running[name] = process
        return process

    def daemon(self, *habits: str) -> subprocess.Popen[bytes]:
        """Dagster's daemon, with habits of `tests/orchestration/daemon.py` if some are named."""
        command = [sys.executable, "-m", "tests.orchestration.daemon", *habits] if habits else [DAEMON]
        return self.start("daemon", *command, "run", "--workspace", str(self.workspace))

    def code(self) -> None:
        """The code in a process of its own, where webserver and daemon find it, as `deploy/` has it."""
        port = free_port()
        workspace = (PROJECT / "deploy" / "workspace.yaml").read_text()
        self.workspace = self.home / "workspace.yaml"
        self.workspace.write_text(workspace.replace("host: code", "host: 127.0.0.1").replace("4000", str(port)))
        serve = [str(PROGRAMS / "dagster"), "api", "grpc", "--host", "127.0.0.1", "--port", str(port)]
        self.start("code", *serve, "--module-name", "b2b_pipelines.definitions")

    def webserver(self) -> str:
        """Dagster's UI; its URL."""
        port = free_port()
        serve = [str(PROGRAMS / "dagster-webserver"), "--host", "127.0.0.1", "--port", str(port)]
        self.start("webserver", *serve, "--workspace", str(self.workspace))
        return f"http://127.0.0.1:{port}"

    @contextmanager
    def instance(self, config: str = "dagster.yaml") -> Iterator[dg.DagsterInstance]:
        """Their Dagster instance, as a file of `deploy/` has it."""
        folder = self.home / "dagster"
        folder.mkdir()
        shutil.copyfile(PROJECT / "deploy" / config, folder / "dagster.yaml")
        with dg.DagsterInstance.from_config(str(folder)) as instance:
            yield instance

    def said(self, name: str) -> str:
        return (self.home / f"{name}.log").read_text(encoding="utf-8", errors="replace")

    def kill(self, name: str) -> None:
        """Kill a program and all it started, at once and without a word."""
        process = self.running.pop(name)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def stop(self) -> None:
        for name in list(self.running):
            self.kill(name)


@contextmanager
def own_processes(home: Path, postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch) -> Iterator[Processes]:
    """Processes with the settings that the environment holds now and a storage of Dagster that no other test uses."""
    storage = f"dagster_{next(_numbers)}"
    postgres.ensure_database(storage)
    monkeypatch.setenv("DAGSTER_HOME", str(home / "dagster"))
    monkeypatch.setenv("DAGSTER_POSTGRES_URL", postgres.url(storage))
    processes = Processes(home)
    try:
        yield processes
    finally:
        processes.stop()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(done: Callable[[], bool], processes: Processes, seconds: float = 90) -> None:
    """Wait until `done`. Fail with the processes' output if it takes longer than `seconds`."""

    def logs() -> str:
        paths = processes.home.glob("*.log")
        return "\n".join(f"--- {path.name}\n{path.read_text(errors='replace')[-3000:]}" for path in paths)

    waiting.wait_until(done, seconds, logs, pause=0.25)


def backfill(instance: dg.DagsterInstance, asset: str, partitions: list[str]) -> str:
    """Ask for a backfill, as the UI does; the daemon starts it."""
    from b2b_pipelines.definitions import defs

    graph = defs.get_repository_def().asset_graph
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Dagster's own, of its own
        job = PartitionBackfill.from_asset_partitions(
            backfill_id="bf",
            asset_graph=graph,
            partition_names=partitions,
            asset_selection=[dg.AssetKey(asset)],
            backfill_timestamp=time.time(),
            tags={},
            dynamic_partitions_store=instance,
            all_partitions=False,
            title=None,
            description=None,
            run_config=None,
        )
    instance.add_backfill(job)
    return job.backfill_id


def finished(instance: dg.DagsterInstance, number: int, of: dg.RunsFilter | None = None) -> bool:
    """Whether so many runs are over, and none is under way."""
    runs = instance.get_runs(of)
    return len(runs) >= number and all(run.is_finished for run in runs)


def looks(instance: dg.DagsterInstance, sensor: str) -> list[InstigatorTick]:
    """The looks of a sensor that are over, newest first."""
    state = next((state for state in instance.all_instigator_state() if state.name == sensor), None)
    if state is None:
        return []
    ticks = instance.get_ticks(state.instigator_origin_id, state.selector_id)
    return [tick for tick in ticks if tick.status is not TickStatus.STARTED]
