"""The cost of a refresh of 1,000 contracts through Dagster, and its end under the quota.

Measured: the same 1,000 syncs (nothing has changed: a refresh as it usually is) by plain calls in one process, and as
runs of Dagster that are started one after another as processes of their own, with Dagster's storage in PostgreSQL. The
difference is the cost of Dagster. For comparison, 20 of them with a run for each.

Simulated, because a benchmark of half an hour is too long: the limiter's rule, in pure arithmetic, fed with the number
of requests that a sync of the measurement above made, without clock, network or PostgreSQL.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from heapq import heapify, heappop, heappush
from pathlib import Path

from rich.console import Console
from rich.table import Table
from sqlalchemy import text

from assets.contracts import PARTITIONS_A_RUN
from assets.partitioned import consecutive
from assets.partitioned.selection import chunks
from b2b_pipelines.settings import PROJECT
from benchmarks.sync import ADDRESS, Bench, bench
from schedules.contracts import STEP

CONTRACTS = 1000
CODES_EACH = 10
THREADS = 8
SINGLE_RUNS = 20

QUOTA = 60
WINDOW = 61.0
"""Seconds: a minute, and the margin that the limiter adds to it."""
LATENCY = 0.5
"""Seconds that a request to Google takes in the simulation."""


def main() -> None:
    console = Console(width=110)
    busy = os.getloadavg()[0]
    with bench() as app, tempfile.TemporaryDirectory(prefix="b2b-bench-") as folder:
        slugs = [app.contract(f"acme-{number:04}", CODES_EACH) for number in range(CONTRACTS)]
        environment = dagster_environment(app, Path(folder))
        add_partitions(environment, slugs)
        by_calls(app, slugs)
        app.sandbox.log.reset()
        plain = by_calls(app, slugs)
        counts = app.sandbox.google.counts()
        runs, together, memory = by_runs(environment, slugs, PARTITIONS_A_RUN)
        scheduled, quietly, _ = as_scheduled(environment, slugs, Path(folder))
        _, apart, _ = by_runs(environment, slugs[:SINGLE_RUNS], 1)
        materialized = made(environment)
    table = Table("refresh of unchanged sheets", "runs", "seconds", "ms a contract")
    table.add_row(
        f"{CONTRACTS:,} plain syncs, {THREADS} at a time", "", f"{plain:.1f}", f"{1000 * plain / CONTRACTS:.1f}"
    )
    table.add_row(
        f"{CONTRACTS:,} contracts, as the schedule refreshes them",
        str(scheduled),
        f"{quietly:.1f}",
        f"{1000 * quietly / CONTRACTS:.1f}",
    )
    table.add_row("  of that Dagster", "", f"{quietly - plain:.1f}", f"{1000 * (quietly - plain) / CONTRACTS:.1f}")
    table.add_row(
        f"{CONTRACTS:,} contracts, ranges of {PARTITIONS_A_RUN}, every event recorded",
        str(runs),
        f"{together:.1f}",
        f"{1000 * together / CONTRACTS:.1f}",
    )
    table.add_row("  of that Dagster", "", f"{together - plain:.1f}", f"{1000 * (together - plain) / CONTRACTS:.1f}")
    table.add_row(
        f"{SINGLE_RUNS} contracts, a run for each",
        str(SINGLE_RUNS),
        f"{apart:.1f}",
        f"{1000 * apart / SINGLE_RUNS:.0f}",
    )
    console.print(table)
    console.print(f"The machine has {os.cpu_count()} cores; {busy:.1f} processes were at work on it before this began.")
    console.print(
        f"{materialized:,} of {CONTRACTS:,} partitions are materialized. A run took up to {memory / 10**6:.0f} MB."
    )

    reads, writes = counts["read"] / CONTRACTS, counts["write"] / CONTRACTS
    table = Table(
        f"{CONTRACTS:,} sheets under a quota of {QUOTA} + {QUOTA} a minute and account (simulated)",
        "1 account",
        "5 accounts",
    )
    for says, per_sync in {
        f"nothing changed ({reads:.0f} read, as measured)": (round(reads), round(writes)),
        "every sheet changed (1 write more)": (round(reads), 1),
        "every sheet is read twice (it was edited while it was planned)": (2 * round(reads), 2),
    }.items():
        minutes = [last_fresh(CONTRACTS // accounts, *per_sync) / 60 for accounts in (1, 5)]
        table.add_row(says, *(f"{each:.1f} min" for each in minutes))
    console.print(table)


def by_calls(app: Bench, slugs: Sequence[str]) -> float:
    """Return the seconds for a sync of each, several at a time, without Dagster."""
    began = time.perf_counter()
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(app.sync, slugs))
    return time.perf_counter() - began


RUN = """
import re, runpy, sys
from pathlib import Path
sys.argv = ["dagster", *sys.argv[1:]]
try:
    runpy.run_module("dagster", run_name="__main__")
finally:
    print("VmHWM", re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])
"""
"""Executes a job, and prints the most memory that the process had, in kB."""


def by_runs(environment: Mapping[str, str], slugs: Sequence[str], most: int) -> tuple[int, float, int]:
    """Return the number of runs of a refresh, their seconds, and the most resident bytes of one.

    Each run has at most `most` contracts. The seconds count from the first run's start to the last run's end.
    """
    ranges = consecutive(slugs, slugs, gap=0, most=most)
    return one_after_another(
        environment,
        [
            [json.dumps({"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last})]
            for first, last in ranges
        ],
    )


def as_scheduled(environment: Mapping[str, str], slugs: Sequence[str], folder: Path) -> tuple[int, float, int]:
    """As `by_runs`, with runs as `sheet_refresh` requests them: each names its contracts, and leaves out what is unchanged."""
    runs = []
    for number, listed in enumerate(chunks(slugs, PARTITIONS_A_RUN)):
        config = folder / f"refresh-{number}.yaml"
        config.write_text(
            json.dumps({"ops": {STEP: {"config": {"contracts": listed, "quiet": True}}}}), encoding="utf-8"
        )
        runs.append([json.dumps({"dagster/partition": listed[0]}), "--config", str(config)])
    return one_after_another(environment, runs)


def one_after_another(environment: Mapping[str, str], runs: Sequence[Sequence[str]]) -> tuple[int, float, int]:
    """Execute runs of the refresh with these tags and options; their number, seconds, and most bytes of one."""
    memory = 0
    began = time.perf_counter()
    for options in runs:
        module = ["-m", "b2b_pipelines.definitions", "-j", "sheet_refresh_job", "--tags", *options]
        command = [sys.executable, "-c", RUN, "job", "execute", *module]
        done = subprocess.run(command, env=environment, cwd=PROJECT, check=True, capture_output=True, text=True)
        memory = max(memory, 1024 * int(done.stdout.rpartition("VmHWM ")[2]))
    return len(runs), time.perf_counter() - began, memory


def dagster_environment(app: Bench, folder: Path) -> dict[str, str]:
    """Return an environment for Dagster as in `deploy/`, with the sandbox's settings."""
    key = folder / "key.json"
    key.write_text(json.dumps(app.sandbox.google.make_service_account(ADDRESS)), encoding="utf-8")
    with app.database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("CREATE DATABASE dagster"))
    shutil.copyfile(PROJECT / "deploy" / "dagster.yaml", folder / "dagster.yaml")
    # Compiled modules are kept, as an installation does.
    mine = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("B2B_") and name != "PYTHONDONTWRITEBYTECODE"
    }
    return mine | {
        "DAGSTER_HOME": str(folder),
        "DAGSTER_POSTGRES_URL": app.database.url.replace("/bench?", "/dagster?"),
        "B2B_DATABASE_URL": app.database.url,
        "B2B_HOME": str(folder / "home"),
        "B2B_GOOGLE_SERVICE_ACCOUNT_FILE": str(key),
        "B2B_GOOGLE_SHEETS_URL": app.sandbox.url,
        "B2B_GOOGLE_DRIVE_URL": app.sandbox.url,
        "B2B_GSHEETS_REQUESTS_PER_MINUTE": "1000000",
    }


def add_partitions(environment: Mapping[str, str], slugs: Sequence[str]) -> None:
    output_inside(
        environment, "instance.add_dynamic_partitions('contracts', json.loads(sys.stdin.read()))", json.dumps(slugs)
    )


def made(environment: Mapping[str, str]) -> int:
    """Return the number of materialized partitions of `sheet_snapshots`."""
    asked = "print(len(instance.get_materialized_partitions(dg.AssetKey('sheet_snapshots'))))"
    return int(output_inside(environment, asked, ""))


def output_inside(environment: Mapping[str, str], statement: str, given: str) -> str:
    """Return the output of a statement that works on the environment's Dagster instance."""
    program = f"import json, sys\nimport dagster as dg\nwith dg.DagsterInstance.get() as instance:\n    {statement}"
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, env=environment, input=given, capture_output=True, text=True, check=True)
    return done.stdout


class Permits:
    """The limiter's rule: so many permits in any window, first come, first served."""

    def __init__(self) -> None:
        self.slots: deque[float] = deque(maxlen=QUOTA)

    def take(self, now: float) -> float:
        """Return the time at which the request that asks now may be made."""
        free = now if len(self.slots) < QUOTA else self.slots[0] + WINDOW
        at = max(now, free, self.slots[-1] if self.slots else now)
        self.slots.append(at)
        return at


def last_fresh(contracts: int, reads: int, writes: int, *, at_once: int = 4 * THREADS) -> float:
    """Return the simulated seconds until the last sheet is synced on one account.

    `at_once` are synced at a time.
    """
    permits = {"read": Permits(), "write": Permits()}
    requests = ["read"] * reads + ["write"] * writes
    under_way = [(0.0, worker, 0) for worker in range(min(at_once, contracts))]
    waiting = contracts - len(under_way)
    heapify(under_way)
    end = 0.0
    while under_way:
        now, worker, done = heappop(under_way)
        if done < len(requests):
            heappush(under_way, (permits[requests[done]].take(now) + LATENCY, worker, done + 1))
            continue
        end = max(end, now)
        if waiting:
            waiting -= 1
            heappush(under_way, (now, worker, 0))
    return end


if __name__ == "__main__":
    main()
