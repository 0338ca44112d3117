"""A sandbox, a client signed in to it, and contracts whose codes are delivered in its sheets."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import insert, text

from b2b_pipelines.contracts import service as contracts
from b2b_pipelines.contracts.models import Contract, Course, CourseRun
from b2b_pipelines.contracts.rules import IntegrationType
from b2b_pipelines.contracts.service import Changes
from b2b_pipelines.db.engine import Database
from b2b_pipelines.db.limiter import Limiter
from b2b_pipelines.enrollment_codes import service as codes
from b2b_pipelines.sandbox import Sandbox
from b2b_pipelines.sandbox.google.model import Spreadsheet
from b2b_pipelines.sheets import service
from b2b_pipelines.sheets.service import SyncResult
from b2b_pipelines.vendors.google_sheets import SCOPES, Account, GoogleSheets

ACCOUNT = "b2b@sandbox.test"


@pytest.fixture(scope="session")
def running_sandbox() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running_sandbox: Sandbox) -> Sandbox:
    running_sandbox.reset()
    return running_sandbox


@pytest.fixture
def key_file(sandbox: Sandbox, tmp_path: Path) -> Path:
    path = tmp_path / "service-account.json"
    path.write_text(json.dumps(sandbox.google.make_service_account(ACCOUNT)))
    return path


@pytest.fixture
def sheets(sandbox: Sandbox, database: Database) -> Iterator[GoogleSheets]:
    """Signed in, with a pace that no test reaches, and backing off without sleeping."""
    sheets = signed_in(sandbox, database)
    yield sheets
    sheets.close()


def signed_in(sandbox: Sandbox, database: Database, *, per_minute: int = 10_000) -> GoogleSheets:
    from google.oauth2 import service_account

    key = sandbox.google.make_service_account(ACCOUNT)
    made = service_account.Credentials.from_service_account_info(key, scopes=SCOPES)
    return GoogleSheets(
        Account(made, ACCOUNT, ACCOUNT),
        Limiter(database.engine, ACCOUNT, per_minute),
        sheets_url=sandbox.url,
        drive_url=sandbox.url,
        sleep=lambda _: None,
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
    def tab(self) -> object:
        return self.spreadsheet.tabs[0]

    def sync(self, **options: bool) -> SyncResult:
        return service.sync(self.database, self.sheets, self.slug, **options)

    def plan(self) -> SyncResult:
        return service.plan(self.database, self.sheets, self.slug)

    def modify(self, **values: object) -> None:
        with self.database.session() as session:
            contracts.modify_contract(session, self.slug, Changes(dict(values)))
            codes.ensure_codes(session, self.slug)

    def codes(self) -> list[str]:
        with self.database.session() as session:
            query = "SELECT code FROM enrollment_code WHERE contract_id = (SELECT id FROM contract WHERE slug = :slug) ORDER BY id"
            return list(session.scalars(text(query), {"slug": self.slug}))

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
    shared: bool = True,
) -> Delivery:
    spreadsheet_id = sandbox.google.create_spreadsheet(name, shared_with=[ACCOUNT] if shared else [])
    with database.session() as session:
        made = session.scalars(
            insert(Course).returning(Course.id),
            [{"readable_id": f"course-v1:{name.upper()}+{n}", "title": f"Course {n}"} for n in range(courses)],
        ).all()
        session.execute(
            insert(CourseRun),
            [
                {
                    "courseware_id": f"course-v1:{name.upper()}+{n}+SOURCE",
                    "course_id": course,
                    "run_tag": "SOURCE",
                    "title": "Source",
                }
                for n, course in enumerate(made)
            ],
        )
        contract: Contract = contracts.create_contract(
            session,
            name,
            name,
            IntegrationType.NON_SSO,
            Changes({"max_learners": cap, "sheet_url": sandbox.google.spreadsheet_url(spreadsheet_id)}),
            create_organization=True,
        )
        for n in range(courses):
            contracts.give_courseware(
                session, contract.slug, f"course-v1:{name.upper()}+{n}", contracts.store.transaction_time(session)
            )
        codes.ensure_codes(session, contract.slug)
        slug = contract.slug
    return Delivery(database, sandbox, sheets, slug, sandbox.google.spreadsheet(spreadsheet_id))


@pytest.fixture
def deliver(database: Database, sandbox: Sandbox, sheets: GoogleSheets) -> Callable[..., Delivery]:
    """Make contracts with codes and sheets."""

    def make(**options: object) -> Delivery:
        return make_delivery(database, sandbox, sheets, **options)  # type: ignore[arg-type]

    return make
