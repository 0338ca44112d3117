"""The wait of a changed contract under load: `python -m benchmarks.urgency`.

A daemon of Dagster with the configuration of `deploy/`, one account with Google's quota of 60 reads and 60 writes a
minute, the stand-in of Google. The refresh and the backfill are requested first; then contracts that are in neither are
changed one after the other, as `b2b_contract modify` does it. The measured times run from the change to the verified
sheet, by phase, and to the end of the backfill. A measurement of 200 changes takes ten minutes.
`URGENCY_CONTRACTS`, `URGENCY_CHANGES`, `URGENCY_BACKFILL` and `URGENCY_EVERY` (seconds between changes) make it smaller.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
from dagster._core.execution.backfill import PartitionBackfill
from rich.console import Console
from rich.table import Table
from sqlalchemy import text

from b2b_pipelines.contracts import store as contract_store
from b2b_pipelines.contracts.models import Course, CourseRun
from b2b_pipelines.delivery import (
    Actor,
    ContractPatch,
    IntegrationType,
    change_contract,
    create_contract,
    give_courseware,
)
from b2b_pipelines.settings import PROJECT
from benchmarks.orchestration import dagster_environment
from benchmarks.sync import ADDRESS, Bench, bench

CONTRACTS = int(os.environ.get("URGENCY_CONTRACTS", "1000"))
CHANGES = int(os.environ.get("URGENCY_CHANGES", "200"))
BACKFILL = int(os.environ.get("URGENCY_BACKFILL", "50"))
QUOTA = 60
EVERY = float(os.environ.get("URGENCY_EVERY", "2.5"))
"""Seconds between two changes: 24 a minute, two fifths of the quota."""
PATIENCE = 120.0
"""Seconds after the last change in which the last sheets must be verified, and a small backfill made."""
BAR = 45.0
COURSE = "course-v1:UAI+LEAD101"
BY = Actor.system("benchmark")
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
            changes = change(app, changed)
            done = backfill_seconds(instance, scattered, asked)
            phases = by_phase(instance, changes)
            under_way = sum(
                not run.is_finished for run in instance.get_runs(dg.RunsFilter(job_name="sheet_refresh_job"))
            )
    table = Table("seconds from the change to the sheet", "p50", "p99", "slowest")
    for name, seconds in {"in all": [wait.right - wait.changed for wait in changes], **phases}.items():
        seconds.sort()
        table.add_row(
            name, *(f"{share:.1f}" for share in (percentile(seconds, 0.5), percentile(seconds, 0.99), seconds[-1]))
        )
    console.print(table)
    console.print(
        f"{len(changes)} of {len(changed)} changed contracts have the right sheet; the bar is {BAR:.0f} s at p99."
    )
    console.print(f"Meanwhile {CONTRACTS:,} contracts were refreshed: {under_way} of 2 runs are still at work.")
    console.print(f"The backfill of {len(scattered)} scattered contracts took {done:.0f} s beside them.")


def percentile(ordered: Sequence[float], share: float) -> float:
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


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
        terms = ContractPatch(max_learners=5, sheet_url=app.sandbox.google.spreadsheet_url(sheet))
        made = create_contract(
            session, f"Org {number}", f"C{number:05}", IntegrationType.NON_SSO, terms, by=BY, create_organization=True
        ).contract
        give_courseware(session, made.slug, COURSE, by=BY)
        contract_store.mark_materialized(session, made)  # or the sensor would deliver every one of them first
        return str(made.slug)


@dataclass(frozen=True, slots=True)
class Change:
    """When a contract was changed, and when its sheet was verified."""

    slug: str
    changed: float
    right: float


def change(app: Bench, slugs: Sequence[str]) -> list[Change]:
    """Change one contract after the other, and wait until each sheet is verified."""
    changed_at: dict[str, float] = {}
    done: dict[str, Change] = {}
    begin, waiting = time.time(), list(slugs)
    while len(done) < len(slugs) and time.time() - begin < EVERY * len(slugs) + PATIENCE:
        if waiting and time.time() >= begin + EVERY * len(changed_at):
            slug = waiting.pop(0)
            with app.database.session() as session:
                change_contract(session, slug, ContractPatch(max_learners=7), by=BY)
            changed_at[slug] = time.time()
        open_ones = [slug for slug in changed_at if slug not in done]
        with app.database.session() as session:
            for slug in session.execute(RIGHT, {"slugs": open_ones}).scalars():
                done[slug] = Change(slug, changed_at[slug], time.time())
                waited = done[slug].right - done[slug].changed
                print(f"{len(done)} of {len(slugs)}: {waited:.1f} s", file=sys.stderr, flush=True)
        time.sleep(0.25)
    return list(done.values())


def by_phase(instance: dg.DagsterInstance, changes: Sequence[Change]) -> dict[str, list[float]]:
    """Return the seconds of each phase of each change, by the run that delivered it."""
    runs = []
    for run in instance.get_runs(dg.RunsFilter(tags={"b2b/urgency": "urgent"})):
        config = run.run_config.get("ops", {}).get("contract_delivery", {}).get("config", {})
        slugs = config.get("contracts") or [run.tags["dagster/partition"]]
        runs.append((set(slugs), instance.get_run_stats(run.run_id)))
    phases: dict[str, list[float]] = {
        "until a run is requested": [],
        "in the queue": [],
        "process start": [],
        "sync": [],
    }
    for each in changes:
        of = [stats for slugs, stats in runs if each.slug in slugs and (stats.enqueued_time or 0) > each.changed]
        if not of:
            continue
        stats = min(of, key=lambda stats: stats.enqueued_time or 0)
        times = [each.changed, stats.enqueued_time, stats.launch_time, stats.start_time, each.right]
        for name, before, after in zip(phases, times[:-1], times[1:], strict=True):
            phases[name].append((after or 0) - (before or 0))
    return phases


def backfill_seconds(instance: dg.DagsterInstance, slugs: Sequence[str], asked: float) -> float:
    """Return the seconds from the request of the backfill to its last partition; infinite when it is not made in time."""
    until = time.time() + PATIENCE
    while True:
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
        if time.time() > until:
            return float("inf")
        time.sleep(1)


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
        signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))  # or `timeout` would leave the daemon at work
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
