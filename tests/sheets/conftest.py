"""A sandbox, a client signed in to it, and contracts whose codes are delivered in its sheets."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from google.oauth2 import service_account
from sqlalchemy import text

from b2b_pipelines.contracts.models import Contract, Course, CourseRun
from b2b_pipelines.contracts.patch import ContractPatch
from b2b_pipelines.contracts.rules import IntegrationType
from b2b_pipelines.db.engine import Database
from b2b_pipelines.db.limiter import Limiter
from b2b_pipelines.delivery import Actor, changes
from b2b_pipelines.sheets import service, store
from b2b_pipelines.sheets.models import SheetSnapshot
from b2b_pipelines.sheets.service import SyncResult
from b2b_pipelines.vendors.google_sheets import SCOPES, Account, GoogleSheets, Pace
from sandbox.google.model import Spreadsheet, Tab
from sandbox.server import Sandbox

ACCOUNT = "b2b@sandbox.test"
MANAGER = Actor.system("a contract manager")


@pytest.fixture
def key_file(sandbox: Sandbox, tmp_path: Path) -> Path:
    path = tmp_path / "service-account.json"
    path.write_text(json.dumps(sandbox.google.make_service_account(ACCOUNT)))
    return path


@pytest.fixture
def sheets(sandbox: Sandbox, database: Database) -> Iterator[GoogleSheets]:
    """Signed in, with a pace that no test reaches, and backing off without sleeping."""
    sheets = sign_in(sandbox, database)
    yield sheets
    sheets.close()


@pytest.fixture
def signed_in(sandbox: Sandbox, database: Database) -> Iterator[Callable[..., GoogleSheets]]:
    """Make clients with a pace, a time-out or a way to sleep of their own."""
    made: list[GoogleSheets] = []

    def make(**options: Any) -> GoogleSheets:
        made.append(sign_in(sandbox, database, **options))
        return made[-1]

    yield make
    for sheets in made:
        sheets.close()


def sign_in(sandbox: Sandbox, database: Database, *, pace: Pace | None = None, **options: Any) -> GoogleSheets:
    """A client of the sandbox, by default with a pace that no test reaches and backing off without sleeping."""
    key = sandbox.google.make_service_account(ACCOUNT)
    made = service_account.Credentials.from_service_account_info(key, scopes=SCOPES)
    return GoogleSheets(
        Account(made, ACCOUNT, ACCOUNT),
        pace or Limiter(database.engine, ACCOUNT, 10_000),
        sheets_url=sandbox.url,
        drive_url=sandbox.url,
        **{"sleep": lambda _: None, **options},
    )


@dataclass
class Delivery:
    """A contract, its sheet, and what a contract manager and a learner do."""

    database: Database
    sandbox: Sandbox
    sheets: GoogleSheets
    slug: str
    spreadsheet: Spreadsheet

    @property
    def tab(self) -> Tab:
        return self.spreadsheet.tabs[0]

    def sync(self, **options: Any) -> SyncResult:
        return service.sync(self.database, self.sheets, self.slug, **options)

    def plan(self) -> SyncResult:
        return service.plan(self.database, self.sheets, self.slug)

    def modify(self, **values: object) -> None:
        with self.database.session() as session:
            changes.change_contract(session, self.slug, ContractPatch(**values), by=MANAGER)  # type: ignore[arg-type]

    def codes(self) -> list[str]:
        with self.database.session() as session:
            query = """SELECT code FROM enrollment_code JOIN contract ON contract.id = contract_id
                       WHERE slug = :slug ORDER BY enrollment_code.id"""
            return list(session.scalars(text(query), {"slug": self.slug}))

    def shown(self) -> list[str]:
        """The codes in column A below the header."""
        return [cell for cell in self.tab.column("A")[1:] if cell]

    def row_of(self, code: str) -> list[str]:
        """Return the texts that the tab shows in the row of a code, from column A on."""
        return next(row for row in self.tab.grid() if row and row[0] == code)

    def statement(self, sql: str, **values: object) -> None:
        """Change the database behind everybody's back; `:contract` is this contract's id."""
        with self.database.session() as session:
            contract = session.scalar(text("SELECT id FROM contract WHERE slug = :slug"), {"slug": self.slug})
            session.execute(text(sql), {"contract": contract, **values})

    def snapshots(self) -> list[SheetSnapshot]:
        """Return the snapshots that the syncs stored, newest first."""
        with self.database.session() as session:
            contract = session.scalar(text("SELECT id FROM contract WHERE slug = :slug"), {"slug": self.slug})
            return list(store.snapshots(session, contract, with_rows=True))

    def requests(self) -> dict[str, int]:
        """Reads and writes that the sandbox saw since this was last asked."""
        counts = self.sandbox.google.counts()
        self.sandbox.log.reset()
        return {kind: counts[kind] for kind in ("read", "write")}

    def redeem(self, code: str, email: str) -> None:
        """As attaching does it, without its rules: a seat and a redemption."""
        with self.database.session() as session:
            session.execute(
                text("""
                WITH person AS (INSERT INTO learner (email) VALUES (:email) RETURNING id),
                mine AS (SELECT id, contract_id, redemption_type FROM enrollment_code WHERE code = :code),
                seat AS (INSERT INTO contract_learner (contract_id, learner_id, how)
                         SELECT contract_id, person.id, 'code' FROM mine, person)
                INSERT INTO code_redemption (code_id, redemption_type, learner_id, kind, redeemed_at)
                SELECT mine.id, redemption_type, person.id, 'attach', '2026-03-04 05:06:07+00' FROM mine, person
                """),
                {"email": email, "code": code},
            )


def make_delivery(
    database: Database,
    sandbox: Sandbox,
    sheets: GoogleSheets,
    *,
    name: str = "Acme",
    cap: int | None = 5,
    courses: int = 1,
    integration: IntegrationType = IntegrationType.NON_SSO,
    shared: bool = True,
    tabs: Mapping[str, Sequence[Sequence[object]]] | Sequence[str] | None = None,
    spreadsheet_id: str = "",
    **terms: object,
) -> Delivery:
    """A contract with its courses and codes, and a spreadsheet for it; `terms` are fields of the contract."""
    if not spreadsheet_id:
        spreadsheet_id = sandbox.google.create_spreadsheet(name, shared_with=[ACCOUNT] if shared else [], tabs=tabs)
    with database.session() as session:
        for n in range(courses):
            course = Course(readable_id=f"course-v1:{name.upper()}+{n}", title=f"Course {n}")
            session.add(course)
            session.flush()
            source = f"{course.readable_id}+SOURCE"
            session.add(CourseRun(courseware_id=source, course_id=course.id, run_tag="SOURCE", title="Source"))
        session.flush()
        named = {"max_learners": cap, "sheet_url": sandbox.google.spreadsheet_url(spreadsheet_id), **terms}
        contract: Contract = changes.create_contract(
            session,
            name,
            name,
            integration,
            ContractPatch(**named),  # type: ignore[arg-type]
            by=MANAGER,
            create_organization=True,
        ).contract
        for n in range(courses):
            changes.give_courseware(session, contract.slug, f"course-v1:{name.upper()}+{n}", by=MANAGER)
        slug = contract.slug
    return Delivery(database, sandbox, sheets, slug, sandbox.google.spreadsheet(spreadsheet_id))


@pytest.fixture
def deliver(database: Database, sandbox: Sandbox, sheets: GoogleSheets) -> Callable[..., Delivery]:
    """Make contracts with codes and sheets."""

    def make(*, client: GoogleSheets | None = None, **options: Any) -> Delivery:
        return make_delivery(database, sandbox, client or sheets, **options)

    return make
