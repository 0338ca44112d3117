"""Speed of making and exporting codes: `python -m benchmarks.codes`.

The raw COPY puts the same rows into the same table in the same run: the best that PostgreSQL can do with rows from
outside.
"""

import io
import os
import resource
import time
from collections.abc import Callable
from typing import Any, TypeVar

from rich.console import Console
from rich.table import Table
from sqlalchemy import text

from b2b_pipelines.contracts import store
from b2b_pipelines.contracts.models import Course, CourseRun
from b2b_pipelines.contracts.patch import ContractPatch
from b2b_pipelines.contracts.rules import IntegrationType
from b2b_pipelines.db.engine import Database
from b2b_pipelines.delivery import Actor, changes
from b2b_pipelines.enrollment_codes import reports
from benchmarks.databases import fresh_database

SEATS = int(os.environ.get("BENCH_SEATS", "50000"))
T = TypeVar("T")
BENCH = Actor.system("the benchmark")


def timed(work: Callable[[], T]) -> tuple[float, T]:
    began = time.perf_counter()
    result = work()
    return time.perf_counter() - began, result


def contract(database: Database, name: str, courses: int) -> str:
    """Make a contract with so many courses and one seat."""
    with database.session() as session:
        for number in range(courses):
            course = Course(readable_id=f"course-v1:{name}+C{number}", title="Course")
            session.add(course)
            session.flush()
            key = f"{course.readable_id}+SOURCE"
            session.add(CourseRun(courseware_id=key, course_id=course.id, run_tag="SOURCE", title="Source"))
        made = changes.create_contract(
            session,
            name,
            name,
            IntegrationType.NON_SSO,
            ContractPatch(max_learners=1),
            by=BENCH,
            create_organization=True,
        ).contract
        for number in range(courses):
            changes.give_courseware(session, made.slug, f"course-v1:{name}+C{number}", by=BENCH)
        return made.slug


def make(database: Database, slug: str, seats: int) -> None:
    """Change the seats as `b2b_contract modify --max-learners` does."""
    with database.session() as session:
        changes.change_contract(session, slug, ContractPatch(max_learners=seats), by=BENCH)


COLUMNS = "code, contract_id, product_id, redemption_type, amount"


def copy_again(database: Database, slug: str) -> float:
    """Take the contract's rows out and COPY them back into the same table.

    The seconds of the COPY alone.
    """
    with database.session() as session:
        driver: Any = session.connection().connection.driver_connection
        rows = io.BytesIO()
        with driver.cursor() as cursor:
            chosen = f"SELECT {COLUMNS} FROM enrollment_code WHERE contract_id = (SELECT id FROM contract WHERE slug = '{slug}')"
            cursor.copy_expert(f"COPY ({chosen}) TO STDOUT", rows)
        session.execute(text("DELETE FROM enrollment_code"))
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM FULL enrollment_code"))
    rows.seek(0)
    with database.session() as session:
        driver = session.connection().connection.driver_connection
        with driver.cursor() as cursor:
            began = time.perf_counter()
            cursor.copy_expert(f"COPY enrollment_code ({COLUMNS}) FROM STDIN", rows)
        driver.commit()
        return time.perf_counter() - began


class Nowhere(io.RawIOBase):
    """A file that keeps nothing."""

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        return len(data)


def main() -> None:
    with fresh_database() as database:
        small = contract(database, "SMALL", 20)
        few, _ = timed(lambda: make(database, small, 200))
        large = contract(database, "LARGE", 20)
        number = SEATS * 20
        many, _ = timed(lambda: make(database, large, SEATS))
        again, _ = timed(lambda: make(database, large, SEATS))
        with database.session() as session:
            found = store.contract(session, large)
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            export, _ = timed(
                lambda: reports.export_codes(session, found, "https://shop.example.com/?", Nowhere(), lambda _: None)
            )
            grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        raw = copy_again(database, large)
    table = Table(title="Enrollment codes", title_justify="left")
    for heading in ("what", "codes", "seconds", "codes/s", "of raw COPY"):
        table.add_column(heading, justify="left" if heading == "what" else "right")
    table.add_row("200 seats × 20 courses", "4,000", f"{few:.2f}", f"{4000 / few:,.0f}", "")
    table.add_row(
        f"{SEATS:,} seats × 20 courses", f"{number:,}", f"{many:.2f}", f"{number / many:,.0f}", f"{raw / many:.0%}"
    )
    table.add_row("raw COPY of the same rows", f"{number:,}", f"{raw:.2f}", f"{number / raw:,.0f}", "100%")
    table.add_row("nothing to do", f"{number:,}", f"{again:.2f}", "", "")
    table.add_row(
        f"CSV export (memory grew by {grown:.0f} MB)", f"{number:,}", f"{export:.2f}", f"{number / export:,.0f}", ""
    )
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
