"""The project grows with Dagster's own commands: `dg scaffold defs`, `dg check defs`, `dg launch`."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest

from b2b_pipelines.settings import PROJECT
from tests.orchestration.processes import PROGRAMS, Processes
from tests.sheets.conftest import Delivery

Deliver = Callable[..., Delivery]

THEIRS = """
import dagster as dg

from assets.partitions import contracts


@dg.asset(
    deps=["sheet_snapshots"],
    partitions_def=contracts,
    automation_condition=dg.AutomationCondition.eager(),
    backfill_policy=dg.BackfillPolicy.single_run(),
)
def seats_by_team(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    return dg.MaterializeResult(metadata={"contracts": len(context.partition_keys)})


@dg.asset_check(asset=seats_by_team)
def seats_are_counted() -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=True)
"""


PARTITIONED = """
import dagster as dg

from assets.partitions import contracts


@dg.asset_check(asset="sheet_snapshots", partitions_def=contracts)
def sheet_is_tidy() -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=True)
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout of this project that a test may change."""
    copy = tmp_path / "checkout"
    left = shutil.ignore_patterns(".*", "__pycache__", "site", "docs", "tests", "benchmarks", "*.egg-info")
    shutil.copytree(PROJECT, copy, ignore=left)
    return copy


@pytest.mark.long
@pytest.mark.usefixtures("surroundings")
def test_an_asset_that_somebody_scaffolds_is_launched_with_the_chain_for_130_contracts_in_one_run(
    processes: Processes, deliver: Deliver, checkout: Path
) -> None:
    slugs = [deliver(name=f"Acme-{n:03}", cap=1).slug for n in range(130)]

    def command(*arguments: str, status: int = 0) -> str:
        done = subprocess.run(
            [str(PROGRAMS / "dg"), *arguments],
            cwd=checkout,
            env={**processes.environment, "PYTHONPATH": str(checkout), "PYTHONWARNINGS": "ignore"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout + done.stderr

    with processes.instance() as instance:
        instance.add_dynamic_partitions("contracts", slugs)
        command("scaffold", "defs", "dagster.asset", "seats.py")
        (checkout / "b2b_pipelines" / "defs" / "seats.py").write_text(THEIRS)
        assert "All definitions loaded successfully" in command("check", "defs")
        shown = command("list", "defs")
        assert all(name in shown for name in ("seats_by_team", "sheet_snapshots", "contract_changes", "google_sheets"))
        chosen = ["--assets", "sheet_snapshots,seats_by_team", "--partition-range", f"{slugs[0]}...{slugs[-1]}"]
        command("launch", *chosen)
        [run] = instance.get_runs()
        assert run.is_success
        for asset in ("sheet_snapshots", "seats_by_team"):
            assert instance.get_materialized_partitions(dg.AssetKey(asset)) == set(slugs), asset
        (checkout / "b2b_pipelines" / "defs" / "tidy.py").write_text(PARTITIONED)
        assert "the check sheet_is_tidy of sheet_snapshots has partitions" in command("check", "defs", status=1)
    assert not (PROJECT / "b2b_pipelines" / "defs" / "seats.py").exists()
