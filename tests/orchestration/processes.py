"""Real processes of Dagster for a test, each in a session of its own, gone at the end."""

import os
import shutil
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
from dagster._core.execution.backfill import PartitionBackfill

from b2b_pipelines.settings import PROJECT

PROGRAMS = Path(sys.executable).parent


class Processes:
    """Starts programs of this project and keeps what they say."""

    def __init__(self, home: Path, environment: Mapping[str, str]) -> None:
        self.home = home
        self.environment = {**os.environ, **environment, "PATH": f"{PROGRAMS}:{os.environ['PATH']}"}
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

    def daemon(self) -> subprocess.Popen[bytes]:
        return self.start("daemon", str(PROGRAMS / "dagster-daemon"), "run", "--workspace", "workspace.yaml")

    def said(self, name: str) -> str:
        return (self.home / f"{name}.log").read_text(encoding="utf-8", errors="replace")

    def kill(self, name: str) -> None:
        """Kill a program and all it started, at once and without a word."""
        process = self.running.pop(name)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def stop(self) -> None:
        for name in list(self.running):
            self.kill(name)


def wait_until(done: Callable[[], bool], processes: Processes, seconds: float = 90) -> None:
    """Fails with what the processes said when it takes longer."""
    until = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < until, "\n".join(
            f"--- {path.name}\n{path.read_text(errors='replace')[-3000:]}" for path in processes.home.glob("*.log")
        )
        time.sleep(0.25)


@contextmanager
def dagster_home(folder: Path, config: str, storage: str) -> Iterator[dg.DagsterInstance]:
    """A Dagster instance of `deploy/`, on a storage of its own; the environment must name the storage already."""
    folder.mkdir(exist_ok=True)
    shutil.copyfile(PROJECT / "deploy" / config, folder / "dagster.yaml")
    with dg.DagsterInstance.from_config(str(folder)) as instance:
        assert storage
        yield instance


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


def finished(instance: dg.DagsterInstance, number: int) -> bool:
    """Whether so many runs are over, and none is under way."""
    runs = instance.get_runs()
    return len(runs) >= number and all(run.is_finished for run in runs)
