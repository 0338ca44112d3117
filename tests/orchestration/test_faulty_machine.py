"""Runs of every chain of assets on a machine that fails them, with Dagster's storage on the same PostgreSQL.

Killed, frozen, full disk: at random points of a run. The next run makes everything right.
"""

import os
import random
import shutil
import signal
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import dagster as dg
import psutil
import pytest
from sqlalchemy import text

from b2b_pipelines.academies import service as academies
from b2b_pipelines.db import schema
from b2b_pipelines.db.embedded import EmbeddedPostgres
from b2b_pipelines.db.engine import Database
from b2b_pipelines.settings import PROJECT
from sandbox.enterprise_catalog import academy, catalog
from sandbox.license_manager import license_row, plan
from sandbox.open_edx import CLIENT_ID, CLIENT_SECRET
from sandbox.server import Sandbox
from tests.orchestration.runs import Run, Runs, wait_for, wait_until
from tests.sheets.conftest import Delivery, make_delivery, sign_in
from tests.waiting import take

pytestmark = pytest.mark.long

CUSTOMER = UUID("378d5bf0-f67d-4bf7-8b2a-cbbc53d0f772")
CONTRACTS = "contract_runs,enrollment_codes,sheet_snapshots"
LICENSES = "subscription_licenses,expired_licenses,enrollment_terminations,unlinked_learners"
ACADEMIES = "academy_catalogs,stripe_prices,academy_products"
LEARNERS = 40
FROZEN_SECONDS = 12.0


@dataclass
class World:
    """An installation on a small disk, and what its chains must bring about."""

    disk: Path
    server: EmbeddedPostgres
    database: Database
    sandbox: Sandbox
    runs: Runs
    instance: dg.DagsterInstance
    delivery: Callable[[str], Delivery]

    def new_work(self, number: int) -> Callable[[], list[Run]]:
        """Give each chain something to do; return a function that starts a run of each."""
        one = self.delivery(f"Acme-{number}")
        customer, expired = UUID(int=number), UUID(int=number * 10)
        end = datetime.now(UTC) - timedelta(days=200)
        terms = plan(expired, "Plan", (end - timedelta(days=365)).isoformat(), end.isoformat())
        people = [f"c{number}p{learner}@example.com" for learner in range(LEARNERS)]
        rows = [license_row(UUID(int=number * 1000 + n), expired, address) for n, address in enumerate(people)]
        self.sandbox.license_manager.put_agreement(customer, [terms])
        self.sandbox.license_manager.put_licenses(expired, rows)
        self.sandbox.lms.link(customer, people)
        names = [f"Academy {n}" for n in range(number * 3)]
        offered = [academy(name, stripe_price_lookup_key="usd", display_order=n) for n, name in enumerate(names)]
        self.sandbox.enterprise_catalog.put(CUSTOMER, offered, [catalog("All", CUSTOMER, catalog_query_id="12")])
        self.instance.add_dynamic_partitions("contracts", [one.slug])
        self.instance.add_dynamic_partitions("enterprise_customers", [str(customer)])
        self.expect(one, customer, names)
        return lambda: [
            self.runs.start(CONTRACTS, "--partition", one.slug),
            self.runs.start(LICENSES, "--partition", str(customer)),
            self.runs.start(ACADEMIES),
        ]

    def expect(self, one: Delivery, customer: UUID, names: list[str]) -> None:
        self._expected = (one, customer, names)

    def is_right(self) -> None:
        """Assert that each chain did its work: all of it, and nothing twice that must not happen twice."""
        one, customer, names = self._expected
        assert Counter(one.shown()) == Counter(one.codes())
        assert len(one.codes()) == 5
        assert self.sandbox.lms.linked(customer) == set()
        assert max(Counter(each.licenses for each in self.sandbox.lms.expirations).values()) <= 2
        with self.database.session() as session:
            events = session.execute(
                text("SELECT event_name, count(*), count(DISTINCT license_uuid) FROM license_event GROUP BY 1")
            ).all()
            assert {product.name for product in academies.shown_products(session)} == set(names)
        done = LEARNERS * customer.int
        assert all((number, distinct) == (done, done) for _, number, distinct in events), events
        assert len(events) >= 2
        for asset, partition in (("sheet_snapshots", one.slug), ("unlinked_learners", str(customer))):
            assert partition in self.instance.get_materialized_partitions(dg.AssetKey(asset))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=220m,mode=0755", "tmpfs", str(place)], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("only root may mount a small disk")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.fixture
def world(
    small_disk: Path, tmp_path: Path, sandbox: Sandbox, key_file: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[World]:
    server = EmbeddedPostgres(small_disk / "postgres")
    server.ensure_running()
    for name in ("b2b", "dagster"):
        server.ensure_database(name)
    database = Database(server.url("b2b"))
    schema.upgrade(database.engine)
    home = tmp_path / "dagster"
    home.mkdir()
    shutil.copyfile(PROJECT / "deploy" / "dagster.yaml", home / "dagster.yaml")
    settings = {
        "B2B_DATABASE_URL": server.url("b2b"),
        "B2B_GOOGLE_SERVICE_ACCOUNT_FILE": str(key_file),
        "B2B_GOOGLE_SHEETS_URL": sandbox.url,
        "B2B_GOOGLE_DRIVE_URL": sandbox.url,
        "B2B_GSHEETS_REQUESTS_PER_MINUTE": "100000",
        "B2B_LMS_URL": sandbox.lms.url,
        "B2B_LICENSE_MANAGER_URL": sandbox.license_manager.url,
        "B2B_ENTERPRISE_CATALOG_URL": sandbox.enterprise_catalog.url,
        "B2B_OAUTH_CLIENT_ID": CLIENT_ID,
        "B2B_OAUTH_CLIENT_SECRET": CLIENT_SECRET,
        "B2B_UNLINK_CUSTOMERS": ",".join(str(UUID(int=number)) for number in (1, 2, 3)),
        "B2B_LICENSE_HOLD_HOURS": "0",
        "B2B_ACADEMY_CUSTOMER": str(CUSTOMER),
        "B2B_STRIPE_API_KEY": "sk_test_1",
        "B2B_STRIPE_API_URL": sandbox.stripe.url,
        "DAGSTER_HOME": str(home),
        "DAGSTER_POSTGRES_URL": server.url("dagster"),
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    sandbox.stripe.price("usd", 9900)
    sheets = sign_in(sandbox, database)
    runs = Runs(tmp_path)
    try:
        with dg.DagsterInstance.from_config(str(home)) as instance:
            deliver = lambda name: make_delivery(database, sandbox, sheets, name=name, cap=5)  # noqa: E731
            yield World(small_disk, server, database, sandbox, runs, instance, deliver)
    finally:
        runs.stop()
        sheets.close()
        database.dispose()
        server.stop()


def kill(_world: World, runs: list[Run]) -> None:
    for run in runs:
        with suppress(ProcessLookupError):
            os.kill(run.pid, signal.SIGKILL)


def freeze(world: World, _runs: list[Run]) -> None:
    """Stop every process of PostgreSQL for a while."""
    postmaster = psutil.Process(int((world.server.data / "postmaster.pid").read_text().splitlines()[0]))
    every = [postmaster, *postmaster.children()]
    for process in every:
        with suppress(psutil.NoSuchProcess):
            process.suspend()
    take(FROZEN_SECONDS)
    for process in every:
        with suppress(psutil.NoSuchProcess):
            process.resume()


def fill(world: World, runs: list[Run]) -> None:
    """Leave no byte on the disk until the runs have ended, then make room and start what stopped."""
    filler = world.disk / "filler"
    with suppress(OSError), filler.open("wb", buffering=0) as file:
        file.write(b"x" * shutil.disk_usage(world.disk).free)
        while True:
            file.write(b"x" * 4096)
    wait_for(runs)
    filler.unlink()
    world.server.ensure_running()


FAULTS: tuple[Callable[[World, list[Run]], None], ...] = (kill, freeze, fill)


def test_runs_of_every_chain_that_the_machine_fails_are_made_right_by_the_next_one(world: World) -> None:
    dice = random.Random(15)
    for number, fault in enumerate(FAULTS, 1):
        start = world.new_work(number)
        world.sandbox.faults.latency = 0.15
        runs = start()
        wait_until(lambda: any(run.has_begun() for run in runs), runs)  # noqa: B023
        take(dice.random())
        fault(world, runs)
        world.sandbox.faults.latency = 0.0
        wait_for(runs)
        print(fault.__name__, [run.status for run in runs])
        again = start()
        wait_for(again)
        assert [run.status for run in again] == [0, 0, 0], "\n".join(run.said() for run in again)
        world.is_right()
