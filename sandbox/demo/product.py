"""The product as the demo sees it: its commands, its HTTP API, and its Dagster. Nothing of it is imported."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx
from dagster_graphql import DagsterGraphQLClient

from sandbox.commands.speaking import CHECKOUT, short, write_exports
from sandbox.demo import processes
from sandbox.demo.processes import DemoRefused

STARTED_WITHIN = 120.0
RUN_WITHIN = 240.0
POLLED_EVERY = 0.3
B2B = (sys.executable, "-c", "from b2b_pipelines.cli.main import run; run()")
ENDED = ("SUCCESS", "FAILURE", "CANCELED")

STATUS = "query($run: ID!) { runOrError(runId: $run) { ... on Run { status } } }"
EVENTS = """
query($run: ID!) {
  runOrError(runId: $run) { ... on Run { eventConnection(limit: 500) { events { ... on MessageEvent { message } } } } }
}"""
STARTED = re.compile(r"Started process for run \(pid: (\d+)\)")
RETRIES = """
query($parent: String!) {
  runsOrError(filter: {tags: [{key: "dagster/parent_run_id", value: $parent}]}) { ... on Runs { results { runId } } }
}"""
ADD_PARTITION = """
mutation($set: String!, $key: String!, $repository: RepositorySelector!) {
  addDynamicPartition(partitionsDefName: $set, partitionKey: $key, repositorySelector: $repository) { __typename }
}"""
ASSETS = "query { assetNodes { assetKey { path } groupName isExecutable } }"
REPOSITORY = {"repositoryName": "__repository__", "repositoryLocationName": "b2b_pipelines"}


class Product:
    """One installation in a home of its own, run by the demo."""

    def __init__(self, home: Path, settings: dict[str, str], *, ui_port: int, api_port: int) -> None:
        self.home = home
        self.ui = f"http://127.0.0.1:{ui_port}"
        self.api_url = f"http://127.0.0.1:{api_port}"
        self.ui_port, self.api_port = ui_port, api_port
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("B2B_", "DAGSTER_"))}
        self.settings = {"B2B_HOME": str(home), "B2B_PUBLIC_URL": self.api_url, **settings}
        self.environment = kept | self.settings
        self.api = httpx.Client(base_url=self.api_url, timeout=60)
        self._running: list[subprocess.Popen[bytes]] = []

    def empty_home(self) -> None:
        """Remove what an earlier demo left."""
        processes.stop_postgres(self.home)
        shutil.rmtree(self.home, ignore_errors=True)
        self.home.mkdir(parents=True)

    def command(self, *words: str) -> Any:
        """Run a command with `--json` and return its document. Raises `DemoRefused` with the command's own message."""
        done = subprocess.run(
            [*B2B, *words, "--json"], env=self.environment, cwd=CHECKOUT, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise DemoRefused(f"b2b {' '.join(words)}: {done.stdout.strip() or done.stderr.strip()}", "demo_failed")
        return json.loads(done.stdout)

    def start(self) -> None:
        """Start the database, the API and Dagster; the API is ready when this returns."""
        token = self.command(
            "token", "create", "--name", "demo",
            *(word for scope in ("manage", "emails", "attach", "checkout", "provisioning") for word in ("--scope", scope)),
        )  # fmt: skip
        self.api.headers["Authorization"] = f"Bearer {token['token']}"
        self._running.append(self._start("api", "api", "--port", str(self.api_port)))
        self._running.append(self._start("dagster", "dev", "--port", str(self.ui_port)))
        self._wait("api", f"{self.api_url}/readyz")

    def wait_for_dagster(self) -> None:
        """Return once Dagster's UI answers and knows the product's jobs."""
        self._wait("dagster", f"{self.ui}/server_info")

    def write_env_file(self) -> Path:
        """Write what another terminal needs: the product's settings, and where Dagster keeps its state."""
        lines = (self.home / "env").read_text(encoding="utf-8").splitlines()
        theirs = dict(line.removeprefix("export ").split("=", 1) for line in lines)
        named = {name: value.strip("'") for name, value in theirs.items() if name.startswith("DAGSTER_")}
        return write_exports(self.home / "env", self.settings | named)

    def stop(self) -> None:
        """End what was started. The guardian ends what needs longer."""
        self.api.close()
        processes.end(self._running)
        processes.stop_postgres(self.home, patience=0.5)

    def add_customer(self, customer: str) -> None:
        """Add a partition for an enterprise customer."""
        self._ask(ADD_PARTITION, {"set": "enterprise_customers", "key": customer, "repository": REPOSITORY})

    def report_vendors(self) -> None:
        """Report a materialization of every asset that a vendor holds. Dagster shows such assets, and cannot make them."""
        for node in self._ask(ASSETS, {})["assetNodes"]:
            if not node["isExecutable"]:
                key = "/".join(node["assetKey"]["path"])
                body = {"description": "Held by the stand-in of the demo."}
                httpx.post(f"{self.ui}/report_asset_materialization/{key}", json=body, timeout=60).raise_for_status()

    def lineage(self) -> str:
        """Return the page of Dagster's UI that shows every asset, with all groups open."""
        groups = sorted({node["groupName"] for node in self._ask(ASSETS, {})["assetNodes"]})
        return f"{self.ui}/asset-groups?expanded=" + ",".join(f"global@global:{group}" for group in groups)

    def worker_of(self, run_id: str) -> int:
        """Return the process that works on a run. Raises `DemoRefused` when Dagster names none."""
        events = self._ask(EVENTS, {"run": run_id})["runOrError"]["eventConnection"]["events"]
        found = [STARTED.search(each.get("message") or "") for each in events]
        pids = [int(match[1]) for match in found if match]
        if not pids:
            raise DemoRefused(f"Dagster names no process of the run {run_id}", "demo_failed")
        return pids[-1]

    def retries_of(self, run_id: str) -> list[str]:
        """Return the runs that Dagster started in place of one."""
        rows = self._ask(RETRIES, {"parent": run_id})["runsOrError"]["results"]
        return [str(row["runId"]) for row in rows]

    def launch(self, job: str, first: str | None = None, last: str | None = None) -> str:
        """Launch a job, for a range of partitions if they are named; return the run's id."""
        tags = {} if first is None else {
            "dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last or first,
        }  # fmt: skip
        return str(self._dagster.submit_job_execution(job, tags=tags))

    def status(self, run_id: str) -> str:
        return str(self._ask(STATUS, {"run": run_id})["runOrError"]["status"])

    def finish(self, run_id: str) -> str:
        """Wait for a run, and return how it ended."""
        self.wait_until(lambda: self.status(run_id) in ENDED, "a run of Dagster's", RUN_WITHIN)
        return self.status(run_id)

    def run(self, job: str, first: str | None = None, last: str | None = None) -> str:
        """Launch a job and wait for its end; return `SUCCESS` or `FAILURE`."""
        return self.finish(self.launch(job, first, last))

    def run_url(self, run_id: str) -> str:
        return f"{self.ui}/runs/{run_id}"

    def wait_until(self, done: Callable[[], bool], awaited: str, seconds: float = 60) -> None:
        """Wait for something. Raises `DemoRefused` when it does not come."""
        until = time.monotonic() + seconds
        while not done():
            if time.monotonic() > until:
                raise DemoRefused(
                    f"{awaited} did not come within {seconds:.0f} s: see {self.log('dagster')}", "demo_failed"
                )
            for process in self._running:
                if process.poll() is not None:
                    raise DemoRefused(f"a program of the demo ended: see {self.home}/*.log", "demo_failed")
            time.sleep(POLLED_EVERY)

    def log(self, name: str) -> str:
        return short(self.home / f"{name}.log")

    def _start(self, name: str, *words: str) -> subprocess.Popen[bytes]:
        return processes.start([*B2B, *words], self.environment | {processes.MARK: os.environ[processes.MARK]},
                               self.home / f"{name}.log", CHECKOUT)  # fmt: skip

    def _wait(self, name: str, url: str) -> None:
        def answers() -> bool:
            try:
                return httpx.get(url, timeout=2).is_success
            except httpx.HTTPError:
                return False

        self.wait_until(answers, f"the start of {name}", STARTED_WITHIN)

    def _ask(self, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        answer = httpx.post(f"{self.ui}/graphql", json={"query": query, "variables": variables}, timeout=60)
        found: dict[str, Any] = answer.raise_for_status().json()["data"]
        return found

    @cached_property
    def _dagster(self) -> DagsterGraphQLClient:
        """Dagster's client, made once because it reads the whole schema at its start."""
        return DagsterGraphQLClient("127.0.0.1", port_number=self.ui_port)
