"""The wait of a changed contract under load: `python -m benchmarks.urgency`.

A daemon of Dagster with the configuration of `deploy/`, one account with Google's quota of 60 reads and 60 writes a
minute, the stand-in of Google. The refresh and the backfill are requested first; then contracts that are in neither are
changed one after the other, as `b2b_contract modify` does it. The measured times run from the change to the verified
sheet, and to the end of the backfill. `URGENCY_CONTRACTS`, `URGENCY_CHANGES` and `URGENCY_BACKFILL` make it smaller.
"""

import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import dagster as dg
from dagster._core.execution.backfill import PartitionBackfill
from rich.console import Console
from rich.table import Table
from sqlalchemy import text

from b2b_pipelines.contracts import service as contracts
from b2b_pipelines.contracts import store as contract_store
from b2b_pipelines.contracts.models import Course, CourseRun
from b2b_pipelines.contracts.rules import IntegrationType
from b2b_pipelines.contracts.service import Changes
from b2b_pipelines.enrollment_codes import service as codes
from b2b_pipelines.settings import PROJECT
from benchmarks.orchestration import dagster_environment
from benchmarks.sync import ADDRESS, Bench, bench

CONTRACTS = int(os.environ.get("URGENCY_CONTRACTS", "1000"))
CHANGES = int(os.environ.get("URGENCY_CHANGES", "200"))
BACKFILL = int(os.environ.get("URGENCY_BACKFILL", "50"))
QUOTA = 60
EVERY = 4.0
"""Seconds between two changes: 15 a minute, a quarter of the quota."""
BAR = 45.0
COURSE = "course-v1:UAI+LEAD101"
RIGHT = text("""
SELECT contract.slug FROM contract JOIN sheet_target ON sheet_target.contract_id = contract.id
WHERE contract.slug = ANY(:slugs) AND sheet_target.synced_revision >= contract.revision
""")


def main() -> None:
    console = Console(width=110)
    with bench() as app, tempfile.TemporaryDirectory(prefix="b2b-bench-") as folder:
        slugs = [contract(app, number) for number in range(CONTRACTS + CHANGES)]
        refreshed, changed = slugs[:CONTRACTS], slugs[CONTRACTS:]
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(app.sync, slugs))
        environment = dagster_environment(app, Path(folder)) | {"B2B_GSHEETS_REQUESTS_PER_MINUTE": str(QUOTA)}
        os.environ.update(environment)
        with dg.DagsterInstance.get() as instance, daemon(environment, Path(folder)):
            instance.add_dynamic_partitions("contracts", slugs)
            scattered = refreshed[:: max(len(refreshed) // BACKFILL, 1)][:BACKFILL]
            start_refresh(environment, refreshed)
            asked = time.time()
            backfill(instance, scattered)
            waits = change(app, changed)
            done = backfill_seconds(instance, scattered, asked)
    table = Table("from the change to the sheet", "seconds")
    waits.sort()
    table.add_row(f"p50 of {len(waits)}", f"{statistics.median(waits):.1f}")
    table.add_row("p99", f"{waits[min(int(len(waits) * 0.99), len(waits) - 1)]:.1f}")
    table.add_row("slowest", f"{waits[-1]:.1f}")
    table.add_row(f"a backfill of {len(scattered)} scattered contracts", f"{done:.0f}")
    console.print(table)
    console.print(f"{CONTRACTS:,} contracts were refreshed meanwhile; the bar is {BAR:.0f} s at p99.")


def contract(app: Bench, number: int) -> str:
    """Make a contract with five codes and a sheet."""
    sheet = app.sandbox.google.create_spreadsheet(f"c{number}", shared_with=[ADDRESS])
    with app.database.session() as session:
        if number == 0:
            course = Course(readable_id=COURSE, title="Leading Teams")
            session.add(course)
            session.flush()
            source = f"{COURSE}+SOURCE"
            session.add(CourseRun(courseware_id=source, course_id=course.id, run_tag="SOURCE", title="Source"))
            session.flush()
        terms = Changes({"max_learners": 5, "sheet_url": app.sandbox.google.spreadsheet_url(sheet)})
        made = contracts.create_contract(
            session, f"Org {number}", f"C{number:05}", IntegrationType.NON_SSO, terms, create_organization=True
        )
        contracts.give_courseware(session, made.slug, COURSE, contract_store.transaction_time(session))
        codes.ensure_codes(session, made.slug)
        contract_store.mark_materialized(session, made)  # or the sensor would deliver every one of them first
        return str(made.slug)


def change(app: Bench, slugs: Sequence[str]) -> list[float]:
    """Change one contract after the other; return the seconds until each sheet is verified."""
    changed_at: dict[str, float] = {}
    waits: dict[str, float] = {}
    begin, waiting = time.time(), list(slugs)
    while len(waits) < len(slugs) and time.time() - begin < EVERY * len(slugs) + 600:
        if waiting and time.time() >= begin + EVERY * len(changed_at):
            slug = waiting.pop(0)
            with app.database.session() as session:
                contracts.modify_contract(session, slug, Changes({"max_learners": 7}))
                codes.ensure_codes(session, slug)
            changed_at[slug] = time.time()
        open_ones = [slug for slug in changed_at if slug not in waits]
        with app.database.session() as session:
            for slug in session.execute(RIGHT, {"slugs": open_ones}).scalars():
                waits[slug] = time.time() - changed_at[slug]
        time.sleep(0.25)
    return list(waits.values())


def backfill_seconds(instance: dg.DagsterInstance, slugs: Sequence[str], asked: float) -> float:
    """Wait for the last partition of the backfill; return the seconds since it was asked for."""
    while time.time() - asked < 1800:
        made = instance.fetch_materializations(
            dg.AssetRecordsFilter(
                asset_key=dg.AssetKey("sheet_snapshots"), asset_partitions=list(slugs), after_timestamp=asked
            ),
            limit=5000,
        ).records
        runs = {run.run_id for run in instance.get_runs(dg.RunsFilter(tags={"dagster/backfill": "bench"}))}
        times = {record.partition_key: record.timestamp for record in reversed(made) if record.run_id in runs}
        if len(times) == len(slugs):
            return max(times.values()) - asked
        time.sleep(1)
    return float("inf")


def start_refresh(environment: Mapping[str, str], slugs: Sequence[str]) -> None:
    """Queue the refresh as the schedule does: quiet routine runs over lists."""
    half = -(-len(slugs) // 2)
    for part in (slugs[:half], slugs[half:]):
        config = {"ops": {"contract_delivery": {"config": {"contracts": list(part), "quiet": True}}}}
        tags = {"b2b/urgency": "routine", "dagster/priority": "-10", "dagster/partition": part[0]}
        command = [sys.executable, "-m", "dagster", "job", "launch", "-w", str(PROJECT / "workspace.yaml")]
        command += ["-j", "sheet_refresh_job", "--config-json", json.dumps(config), "--tags", json.dumps(tags)]
        subprocess.run(command, env=dict(environment), cwd=PROJECT, check=True, capture_output=True)


def backfill(instance: dg.DagsterInstance, slugs: Sequence[str]) -> None:
    """Ask for a backfill of `sheet_snapshots`, as the UI does."""
    from b2b_pipelines.definitions import defs

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        job = PartitionBackfill.from_asset_partitions(
            backfill_id="bench",
            asset_graph=defs.get_repository_def().asset_graph,
            partition_names=list(slugs),
            asset_selection=[dg.AssetKey("sheet_snapshots")],
            backfill_timestamp=time.time(),
            tags={},
            dynamic_partitions_store=instance,
            all_partitions=False,
            title=None,
            description=None,
            run_config=None,
        )
    instance.add_backfill(job)


class daemon:  # noqa: N801  reads as what it starts
    """Dagster's daemon while the block runs."""

    def __init__(self, environment: Mapping[str, str], folder: Path) -> None:
        self.environment, self.log = dict(environment), folder / "daemon.log"

    def __enter__(self) -> None:
        command = [str(Path(sys.executable).parent / "dagster-daemon"), "run", "-w", str(PROJECT / "workspace.yaml")]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command, env=self.environment, cwd=PROJECT, stdout=log, stderr=log, start_new_session=True
            )

    def __exit__(self, *_: object) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


if __name__ == "__main__":
    main()
