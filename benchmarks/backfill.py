"""A backfill of scattered contracts as Dagster's UI starts it, and one run over many: `python -m benchmarks.backfill`.

Real processes of Dagster with the configuration of `deploy/`: webserver, daemon, and a process for each run; one account
with Google's quota of 60 reads and 60 writes a minute, the stand-in of Google. 50 of 1,000 contracts are chosen in the
dialog *Materialize*, none beside another (`launchPartitionBackfill` of Dagster's GraphQL API), and then 130 that are
consecutive by `dg launch`. `BACKFILL_CONTRACTS` makes it smaller.
"""

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import dagster as dg
import httpx
from rich.console import Console
from rich.table import Table

from b2b_pipelines.settings import PROJECT
from benchmarks.orchestration import dagster_environment
from benchmarks.sync import bench
from benchmarks.urgency import QUOTA, contract, daemon

CONTRACTS = int(os.environ.get("BACKFILL_CONTRACTS", "1000"))
SCATTERED = 50
IN_A_ROW = 130
PATIENCE = 300.0
BAR = 120.0
LAUNCH = """
mutation($params: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $params) { ... on LaunchBackfillSuccess { backfillId } }
}
"""


def main() -> None:
    console = Console(width=110)
    with bench() as app, tempfile.TemporaryDirectory(prefix="b2b-bench-") as folder:
        slugs = [contract(app, number) for number in range(CONTRACTS)]
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(app.sync, slugs))
        environment = dagster_environment(app, Path(folder)) | {"B2B_GSHEETS_REQUESTS_PER_MINUTE": str(QUOTA)}
        os.environ.update(environment)
        with (
            dg.DagsterInstance.get() as instance,
            daemon(environment, Path(folder)),
            webserver(environment, Path(folder)) as url,
        ):
            instance.add_dynamic_partitions("contracts", slugs)
            scattered = slugs[:: CONTRACTS // SCATTERED][:SCATTERED]
            began = time.time()
            backfill = start_backfill(url, scattered)
            seconds = finished(instance, backfill) - began
            of = dg.RunsFilter(tags={"dagster/backfill": backfill})
            runs = instance.get_runs(of)
            worked = sum(run.is_success for run in runs)
        environment["B2B_GSHEETS_REQUESTS_PER_MINUTE"] = "1000000"
        with dg.DagsterInstance.get() as instance:
            before, row = instance.get_runs_count(), slugs[: min(IN_A_ROW, CONTRACTS)]
            launched = launch(environment, row)
            number = instance.get_runs_count() - before
    table = Table("started by", "contracts", "runs", "seconds", "bar")
    table.add_row(
        "the UI, scattered", str(SCATTERED), f"{worked} of {len(runs)} worked", f"{seconds:.0f}", f"{BAR:.0f}"
    )
    table.add_row("dg launch --partition-range, no quota", str(len(row)), str(number), f"{launched:.0f}", "one run")
    console.print(table)


def start_backfill(url: str, slugs: Sequence[str]) -> str:
    """Launch a backfill of `sheet_snapshots`, as the UI does; return its id."""
    params = {"assetSelection": [{"path": ["sheet_snapshots"]}], "partitionNames": list(slugs), "tags": []}
    answer = httpx.post(f"{url}/graphql", json={"query": LAUNCH, "variables": {"params": params}}, timeout=60).json()
    return str(answer["data"]["launchPartitionBackfill"]["backfillId"])


def finished(instance: dg.DagsterInstance, backfill: str) -> float:
    """Wait for the backfill; return the time of its last materialization, or infinity."""
    until = time.time() + PATIENCE
    while time.time() < until:
        found = instance.get_backfill(backfill)
        if found is not None and found.status.value.startswith("COMPLETED"):
            runs = {run.run_id for run in instance.get_runs(dg.RunsFilter(tags={"dagster/backfill": backfill}))}
            made = instance.fetch_materializations(dg.AssetKey("sheet_snapshots"), limit=SCATTERED).records
            assert {record.run_id for record in made} <= runs
            return max(record.timestamp for record in made)
        time.sleep(1)
    return float("inf")


def launch(environment: Mapping[str, str], slugs: Sequence[str]) -> float:
    """Make consecutive contracts by the command of README; return the seconds."""
    began = time.time()
    command = [str(Path(sys.executable).parent / "dg"), "launch", "--assets", "sheet_snapshots"]
    command += ["--partition-range", f"{slugs[0]}...{slugs[-1]}"]
    subprocess.run(command, env=dict(environment), cwd=PROJECT, check=True, capture_output=True)
    return time.time() - began


class webserver:  # noqa: N801  reads as what it starts
    """Dagster's webserver while the block runs; the block gets its URL."""

    def __init__(self, environment: Mapping[str, str], folder: Path) -> None:
        self.environment, self.log = dict(environment), folder / "webserver.log"

    def __enter__(self) -> str:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = str(probe.getsockname()[1])
        command = [str(Path(sys.executable).parent / "dagster-webserver"), "--host", "127.0.0.1", "--port", port]
        command += ["--workspace", str(PROJECT / "workspace.yaml")]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command, env=self.environment, cwd=PROJECT, stdout=log, stderr=log, start_new_session=True
            )
        url = f"http://127.0.0.1:{port}"
        until = time.time() + PATIENCE
        while time.time() < until:
            try:
                if httpx.get(f"{url}/server_info").is_success:
                    return url
            except httpx.HTTPError:
                time.sleep(1)
        raise RuntimeError(self.log.read_text(encoding="utf-8", errors="replace")[-2000:])

    def __exit__(self, *_: Any) -> None:
        os.killpg(self.process.pid, 9)
        self.process.wait()


if __name__ == "__main__":
    main()
