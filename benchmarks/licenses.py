"""A million licenses, ten thousand of them expired: `python -m benchmarks.licenses`.

Importing them from files, and deciding about the expired ones in one statement, compared with one query for each
license. The comparison runs on a sample, and its time for all is the sample's times the left-out factor.
"""

import csv
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar
from uuid import UUID

from rich.console import Console
from rich.table import Table
from sqlalchemy import event, text
from sqlalchemy.orm import Session

from b2b_pipelines.db import schema
from b2b_pipelines.db.embedded import EmbeddedPostgres
from b2b_pipelines.db.engine import Database
from b2b_pipelines.licenses import service, verdicts
from b2b_pipelines.licenses.facts import Policy

# The renewal of plan 1 is gone, plan 2 is held, a tenth of the expired licenses is retired upstream, a hundredth of all
# licenses is missing since just now, and enrollments were ended ten days ago.
BRAKES = (
    "UPDATE license_event SET at = CAST(:now AS timestamptz) - interval '10 days'",
    "UPDATE subscription_plan SET renewal_gone_at = :now WHERE title = 'Plan 1'",
    "UPDATE subscription_plan SET held_since = :now, held_from = :later WHERE title = 'Plan 2'",
    "UPDATE license SET retired_at = :now, status = 'activated' WHERE plan_uuid IN"
    " (SELECT uuid FROM subscription_plan WHERE expiration_date <= :now) AND lms_user_id % 10 = 0",
    "UPDATE license SET unseen_since = :now WHERE lms_user_id % 100 = 1",
)

LICENSES, EXPIRED, SAMPLE = 1_000_000, 10_000, 500
SMALL = 10_000
FIRST_CHAINED, CHAINED = 3, 10
CUSTOMER = UUID(int=1)
NOW = datetime(2026, 6, 1, tzinfo=UTC)
BAR_SECONDS = 5.0

T = TypeVar("T")

# The facts for deciding about one license by itself: the license with its plan and renewals, and
# whether the person holds another one. Two more queries would be needed for the events; they are left out in its favor.
ONE_LICENSE = """
SELECT license.email_key, license.lms_user_id, plan.expiration_date, plan.customer_agreement_id, event.id AS terminated
FROM license JOIN subscription_plan AS plan ON plan.uuid = license.plan_uuid
LEFT JOIN license_event AS event ON event.license_uuid = license.uuid AND event.event_name = 'terminated'
    AND event.plan_expiration = plan.expiration_date
WHERE license.uuid = :license AND EXISTS (
    SELECT FROM license AS other JOIN subscription_plan AS its ON its.uuid = other.plan_uuid
    WHERE (other.email_key = license.email_key OR other.lms_user_id = license.lms_user_id) AND other.uuid <> license.uuid
    AND its.customer_agreement_id = plan.customer_agreement_id AND its.is_active AND its.expiration_date >= :cutoff
) IS NOT NULL
"""


def write_files(folder: Path, licenses: int) -> tuple[Path, Path]:
    """Write files of a hundred plans and their licenses.

    Ten plans are long expired, seven of them in a chain of renewals. A third of the expired licenses' holders hold
    another license.
    """
    chance = random.Random(7)
    plans, seats = folder / f"plans-{licenses}.csv", folder / f"licenses-{licenses}.csv"
    uuids = [UUID(int=10 + number) for number in range(100)]
    with plans.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(
            [
                "uuid",
                "enterprise_customer_uuid",
                "title",
                "start_date",
                "expiration_date",
                "expiration_processed",
                "renewed_plan_uuid",
            ]
        )
        for number, uuid in enumerate(uuids):
            # The expired plans are the first three, and a chain of seven that a current plan renews.
            end = NOW + timedelta(days=-200 if number == 0 else number - 210 if number < CHAINED else number)
            renewed = uuids[number + 1] if FIRST_CHAINED <= number < CHAINED else ""
            done = str(number < FIRST_CHAINED).lower()
            row = [uuid, CUSTOMER, f"Plan {number}", "2020-01-01T00:00:00Z", end.isoformat(), done, renewed]
            writer.writerow(row)
    with seats.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["uuid", "plan_uuid", "status", "user_email", "lms_user_id", "activation_date"])
        expired = min(EXPIRED, licenses // 2)
        for number in range(licenses):
            person = number if number < expired or number % 3 else chance.randrange(expired * 300) % licenses
            if number < expired:
                plan = uuids[number // 5 % CHAINED if number % 5 == 0 else 0]
            else:
                plan = uuids[CHAINED + number % (100 - CHAINED)]
            writer.writerow(
                [
                    UUID(int=(chance.getrandbits(64) << 64) | number),
                    plan,
                    "activated",
                    f"learner{person}@example.com",
                    person + 1,
                    "2025-01-01T00:00:00Z",
                ]
            )
    return plans, seats


@contextmanager
def empty_database(server: EmbeddedPostgres, name: str) -> Iterator[Database]:
    server.ensure_database(name)
    database = Database(server.url(name))
    schema.upgrade(database.engine)
    yield database
    database.dispose()


def timed(work: Callable[[], T]) -> tuple[float, T]:
    """Return the seconds and the result."""
    began = time.perf_counter()
    result = work()
    return time.perf_counter() - began, result


def statements(database: Database, work: Callable[[], object]) -> int:
    """Return the number of statements that the work takes."""
    seen: list[str] = []

    def note(*arguments: object) -> None:
        seen.append(str(arguments[2]))

    event.listen(database.engine, "before_cursor_execute", note)
    work()
    event.remove(database.engine, "before_cursor_execute", note)
    return len(seen)


def brake(database: Database) -> None:
    """Let some plans be held or lose their renewal, and some licenses be retired or missing."""
    with database.session() as session:
        for statement in BRAKES:
            session.execute(text(statement), {"now": NOW, "later": NOW + timedelta(days=100)})


def row_by_row(session: Session, licenses: list[UUID], policy: Policy) -> int:
    """Decide with one query for each license."""
    query = text(ONE_LICENSE)
    return sum(
        session.execute(query, {"license": license_uuid, "cutoff": policy.cutoff}).first() is not None
        for license_uuid in licenses
    )


def measure(server: EmbeddedPostgres, folder: Path, licenses: int) -> dict[str, float]:
    """Return seconds and numbers of statements for that many licenses."""
    policy = Policy(NOW, unlinking=frozenset({CUSTOMER}))
    plans, seats = write_files(folder, licenses)
    with empty_database(server, f"licenses_{licenses}") as database:

        def bring() -> object:
            with database.session() as session:
                return service.import_files(session, plans, seats, NOW)

        def decide() -> list[UUID]:
            with database.session() as session:
                return [row.verdict.license_uuid for row in verdicts.decide(session, policy, customer=CUSTOMER).decided]

        def decide_and_keep() -> int:
            with database.session() as session:
                return len(service.decide(session, CUSTOMER, policy))

        importing, _ = timed(bring)
        again, _ = timed(bring)
        brake(database)
        deciding, decided = timed(decide)
        keeping, _ = timed(decide_and_keep)
        with database.session() as session:
            singly, _ = timed(lambda: row_by_row(session, decided[:SAMPLE], policy))
        return {
            "licenses": licenses,
            "expired": len(decided),
            "importing": importing,
            "again": again,
            "deciding": deciding,
            "keeping": keeping,
            "singly": singly / min(SAMPLE, len(decided)) * len(decided),
            "import_statements": statements(database, bring),
            "statements": statements(database, decide),
        }


def main() -> bool:
    """Measure and print; return whether the bars are kept."""
    with tempfile.TemporaryDirectory() as folder:
        server = EmbeddedPostgres(Path(folder) / "postgres")
        server.ensure_running()
        try:
            measured = [measure(server, Path(folder), licenses) for licenses in (SMALL, LICENSES)]
        finally:
            server.stop()
    table = Table(title="Licenses of one customer", title_justify="left")
    for heading in ("", *(f"{each['licenses']:,.0f} licenses" for each in measured)):
        table.add_column(heading, justify="left" if not heading else "right")
    lines = {
        "expired, decided about": ("expired", ",.0f", ""),
        "import from CSV": ("importing", ".1f", " s"),
        "import of the same again": ("again", ".1f", " s"),
        "statements of an import": ("import_statements", ".0f", ""),
        "decisions, one statement": ("deciding", ".2f", " s"),
        "decisions, kept with their reasons": ("keeping", ".2f", " s"),
        "statements of the decisions": ("statements", ".0f", ""),
        f"one query a license ({SAMPLE} measured, the rest extrapolated)": ("singly", ".2f", " s"),
    }
    for label, (key, shape, unit) in lines.items():
        table.add_row(label, *(f"{each[key]:{shape}}{unit}" for each in measured))
    Console().print(table)
    return (
        all(each["deciding"] <= BAR_SECONDS and each["statements"] == 1 for each in measured)
        and len({each["import_statements"] for each in measured}) == 1
    )


if __name__ == "__main__":
    raise SystemExit(not main())
