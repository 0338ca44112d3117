"""The cost of a sync in requests and in seconds: `python -m benchmarks.sync`.

For comparison, a sync that reads and writes row by row, as the row functions of pygsheets do: one read and one write
for each code, and one to open.

Contracts with 300 and 10,000 codes against the stand-in of Google on loopback, and a refresh of 200 contracts one after
another and eight at a time, where every answer takes 50 ms, as Google's do at best.
"""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

from google.oauth2 import service_account
from rich.console import Console
from rich.table import Table
from sqlalchemy import text

from b2b_pipelines.db.engine import Database
from b2b_pipelines.db.limiter import Limiter
from b2b_pipelines.sheets import service
from b2b_pipelines.vendors.google_sheets import SCOPES, Account, GoogleSheets
from benchmarks.databases import fresh_database
from sandbox.server import Sandbox

ADDRESS = "b2b@sandbox.test"
CONTRACTS = 200
CODES_EACH = 50
LATENCY = 0.05
THREADS = 8


@dataclass(frozen=True)
class Bench:
    """A database with one product, a sandbox, and a client whose pace is never reached."""

    database: Database
    sandbox: Sandbox
    sheets: GoogleSheets

    def contract(self, slug: str, codes: int) -> str:
        """Make a contract with so many codes and a spreadsheet of its own; return its slug."""
        sheet = self.sandbox.google.create_spreadsheet(slug, shared_with=[ADDRESS])
        with self.database.session() as session:
            session.execute(
                text("""INSERT INTO contract (organization_id, name, slug, integration_type, sheet_url)
                        VALUES (1, :slug, :slug, 'non-sso', :sheet)"""),
                {"slug": slug, "sheet": sheet},
            )
        self.add_codes(slug, codes)
        return slug

    def add_codes(self, slug: str, codes: int) -> None:
        with self.database.session() as session:
            session.execute(
                text("""INSERT INTO enrollment_code (code, contract_id, product_id, redemption_type, amount)
                        SELECT gen_random_uuid()::text, contract.id, 1, 'one-time', 0
                        FROM contract CROSS JOIN generate_series(1, :codes) WHERE slug = :slug"""),
                {"slug": slug, "codes": codes},
            )

    def sync(self, slug: str) -> service.SyncResult:
        return service.sync(self.database, self.sheets, slug)

    def timed(self, slug: str) -> tuple[float, service.SyncResult]:
        began = time.perf_counter()
        result = self.sync(slug)
        return time.perf_counter() - began, result


@contextmanager
def bench() -> Iterator[Bench]:
    with fresh_database() as database, Sandbox() as sandbox:
        with database.session() as session:
            for statement in (
                "INSERT INTO organization (name, slug, org_key) VALUES ('Acme', 'acme', 'ACME')",
                "INSERT INTO course (readable_id, title) VALUES ('course-v1:A+1', 'Course')",
                "INSERT INTO course_run (courseware_id, course_id, run_tag, title) VALUES ('course-v1:A+1+R', 1, 'R', '')",
                "INSERT INTO product (course_run_id) VALUES (1)",
            ):
                session.execute(text(statement))
        key = sandbox.google.make_service_account(ADDRESS)
        signed_in = service_account.Credentials.from_service_account_info(key, scopes=SCOPES)
        # An account of its own: requests that prepare a measurement must not count in the minute of the measured one.
        pace = Limiter(database.engine, "preparation", 1_000_000)
        sheets = GoogleSheets(Account(signed_in, ADDRESS, ADDRESS), pace, sheets_url=sandbox.url, drive_url=sandbox.url)
        yield Bench(database, sandbox, sheets)
        sheets.close()


def syncs(bench: Bench) -> Iterator[tuple[str, float, service.SyncResult]]:
    """Yield the name of each sync, its seconds and its result."""
    bench.sync(bench.contract("warming-up", 1))
    small = bench.contract("small", 300)
    yield "first fill of 300 codes", *bench.timed(small)
    yield "300 codes, nothing changed", *bench.timed(small)
    bench.add_codes(small, 50)
    yield "300 codes and 50 new", *bench.timed(small)
    large = bench.contract("large", 10_000)
    yield "first fill of 10,000 codes", *bench.timed(large)
    yield "10,000 codes, nothing changed", *bench.timed(large)
    bench.add_codes(large, 50)
    yield "10,000 codes and 50 new", *bench.timed(large)


def refreshes(bench: Bench) -> tuple[float, float]:
    """Return the seconds for an unchanged refresh of 200 contracts.

    One after another, and several at a time.
    """
    slugs = [bench.contract(f"contract-{number}", CODES_EACH) for number in range(CONTRACTS)]
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(bench.sync, slugs))
        bench.sandbox.faults.latency = LATENCY
        began = time.perf_counter()
        for slug in slugs:
            bench.sync(slug)
        between = time.perf_counter()
        list(pool.map(bench.sync, slugs))
        return between - began, time.perf_counter() - between


def main() -> None:
    costs = Table(title="A sync", title_justify="left")
    for heading in ("what", "reads", "writes", "row by row", "ratio", "rows written", "seconds"):
        costs.add_column(heading, justify="left" if heading == "what" else "right")
    with bench() as running:
        for what, seconds, result in syncs(running):
            written = result.appended + result.updated
            made = result.requests
            by_row = 2 * (result.appended + result.updated + result.unchanged) + 1
            ratio = by_row / (made.reads + made.writes)
            costs.add_row(
                *(what, str(made.reads), str(made.writes), f"{by_row:,}", f"{ratio:,.0f}"),
                *(f"{written:,}", f"{seconds:.2f}"),
            )
        sequence, threads = refreshes(running)
    refresh = Table(
        title=f"{CONTRACTS} contracts, nothing changed, answers after {LATENCY * 1000:.0f} ms", title_justify="left"
    )
    for heading in ("how", "seconds", "ratio"):
        refresh.add_column(heading, justify="left" if heading == "how" else "right")
    refresh.add_row("one after another", f"{sequence:.1f}", "1.0")
    refresh.add_row(f"{THREADS} at a time", f"{threads:.1f}", f"{sequence / threads:.1f}")
    console = Console(width=110)
    console.print(costs)
    console.print(refresh)


if __name__ == "__main__":
    main()
