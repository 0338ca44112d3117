"""Memory of runs: a process that works on hundreds of contracts, or on tens of thousands of licenses, stays small."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import text

from b2b_pipelines.db.engine import Database
from sandbox.license_manager import license_row, plan
from sandbox.open_edx import CLIENT_ID, CLIENT_SECRET
from sandbox.server import Sandbox
from tests.orchestration.processes import Processes
from tests.orchestration.runs import Run, Runs, wait_for
from tests.sheets.conftest import Delivery

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("surroundings")]

MOST = 600 * 10**6
CONTRACTS, LICENSES = 500, 50_000


@contextmanager
def started(place: Path, assets: str, *where: str) -> Iterator[Run]:
    runs = Runs(place)
    try:
        yield runs.start(assets, *where)
    finally:
        runs.stop()


def assert_small(run: Run, what: str) -> None:
    wait_for([run], 300)
    assert run.status == 0, run.said()
    print(f"{what}: at most {run.peak / 10**6:.0f} MB")
    assert run.peak < MOST


def test_a_run_of_500_contracts_stays_small(
    processes: Processes, deliver: Callable[..., Delivery], database: Database, tmp_path: Path
) -> None:
    made: list[Delivery] = [deliver(name=f"C{number:03}", cap=2) for number in range(CONTRACTS)]
    slugs = sorted(each.slug for each in made)
    with processes.instance() as instance:
        instance.add_dynamic_partitions("contracts", slugs)
        chain, every = "contract_runs,enrollment_codes,sheet_snapshots", f"{slugs[0]}...{slugs[-1]}"
        with started(tmp_path, chain, "--partition-range", every) as run:
            assert_small(run, f"{CONTRACTS} contracts")
    with database.session() as session:
        assert session.execute(text("SELECT count(DISTINCT contract_id) FROM sheet_snapshot")).scalar() == CONTRACTS


def test_a_run_of_50_000_licenses_stays_small(
    processes: Processes, database: Database, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("B2B_LMS_URL", sandbox.lms.url)
    monkeypatch.setenv("B2B_LICENSE_MANAGER_URL", sandbox.license_manager.url)
    monkeypatch.setenv("B2B_OAUTH_CLIENT_ID", CLIENT_ID)
    monkeypatch.setenv("B2B_OAUTH_CLIENT_SECRET", CLIENT_SECRET)
    customer, held = UUID(int=1), UUID(int=10)
    start, end = datetime.now(UTC) - timedelta(days=100), datetime.now(UTC) + timedelta(days=100)
    sandbox.license_manager.put_agreement(customer, [plan(held, "Plan", start.isoformat(), end.isoformat())])
    rows = [license_row(UUID(int=1000 + number), held, f"p{number}@example.com") for number in range(LICENSES)]
    sandbox.license_manager.put_licenses(held, rows)
    with processes.instance() as instance:
        instance.add_dynamic_partitions("enterprise_customers", [str(customer)])
        with started(tmp_path, "subscription_licenses", "--partition", str(customer)) as run:
            assert_small(run, f"{LICENSES} licenses")
    with database.session() as session:
        assert session.execute(text("SELECT count(*) FROM license")).scalar() == LICENSES
