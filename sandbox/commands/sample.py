"""The demo's sample: an organization, three contracts of different kinds, and the customer who edits their sheets."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy.orm import Session

from b2b_pipelines.contracts import store as contract_store
from b2b_pipelines.contracts.models import Course, CourseRun
from b2b_pipelines.contracts.patch import ContractPatch
from b2b_pipelines.contracts.rules import IntegrationType
from b2b_pipelines.db.engine import Database
from b2b_pipelines.delivery import Actor, changes
from b2b_pipelines.enrollment_codes import reports
from b2b_pipelines.learners.service import Person, attach
from b2b_pipelines.sheets import store as sheet_store
from sandbox import Sandbox
from sandbox.google.model import Spreadsheet, Tab

ORGANIZATION = "Acme Corporation"
NOTE = "Note of the customer"
DEMO = Actor.system("b2b demo")
COURSES = {"course-v1:UAI+LEAD101": "Leading Teams", "course-v1:UAI+DATA200": "Data for Managers"}


def sort_and_note(tab: Tab) -> None:
    """The customer sorts the sheet by code and notes who gets one."""
    tab.sort("A", descending=True)
    tab.type("H1", NOTE)
    tab.type("H3", "note: for Kim")


def note_below(tab: Tab) -> None:
    """The customer writes under the table."""
    tab.type("A4", "Note: one code for all of us")


def make_room_and_note(tab: Tab) -> None:
    """The customer inserts a column in the middle of ours, and a row above some codes."""
    tab.insert_columns("B")
    tab.type("B1", NOTE)
    tab.type("B3", "note: ordered by Sales")
    tab.insert_rows(5)


@dataclass(frozen=True)
class Kind:
    """One sort of contract: what makes it, how many rows its sheet gets, and what its customer does there."""

    name: str
    says: str
    integration: IntegrationType
    courses: Sequence[str]
    terms: Mapping[str, Any]
    rows: int
    edit: Callable[[Tab], None]
    redeems: int


KINDS = (
    Kind(
        "Leadership 2026",
        "25 seats and two courses: 50 codes, 25 of them in the sheet",
        IntegrationType.NON_SSO,
        list(COURSES),
        {"max_learners": 25},
        25,
        sort_and_note,
        3,
    ),
    Kind(
        "Open Learning",
        "no cap: one code that admits everybody",
        IntegrationType.NON_SSO,
        list(COURSES)[:1],
        {},
        1,
        note_below,
        2,
    ),
    Kind(
        "Engineering",
        "sign-on, but 199.00 a seat: 10 codes",
        IntegrationType.SSO,
        list(COURSES)[1:],
        {"max_learners": 10, "price": Decimal("199.00")},
        10,
        make_room_and_note,
        1,
    ),
)


@dataclass(frozen=True)
class SampleContract:
    """A contract of the demo with its sheet in the sandbox."""

    slug: str
    kind: Kind
    spreadsheet: Spreadsheet

    @property
    def tab(self) -> Tab:
        return self.spreadsheet.tab(0)

    def is_delivered(self, database: Database) -> bool:
        """Whether its sheet was synced."""
        with database.session() as session:
            contract = contract_store.contract(session, self.slug)
            return sheet_store.last_snapshot(session, contract.id) is not None

    def live_on(self, database: Database) -> None:
        """What happens between two syncs: the customer edits the sheet, learners redeem codes."""
        self.kind.edit(self.tab)
        with database.session() as session:
            contract = contract_store.contract(session, self.slug)
            waiting = reports.codes_to_hand_out(session, [contract.id])
            for number in range(self.kind.redeems):
                learner = Person(f"learner{number + 1}@{self.slug}.example.com", f"Learner {number + 1}")
                attach(session, waiting[number % len(waiting)]["code"], learner, datetime.now(UTC))

    def faults(self, database: Database) -> list[str]:
        """What the sheet should hold and does not."""
        with database.session() as session:
            contract = contract_store.contract(session, self.slug)
            redeemed = {row["code"]: str(row["attached"]) for row in reports.all_codes(session, [contract.id])}
        grid = self.tab.grid()
        code, total = grid[0].index("Enrollment Code"), grid[0].index("Total Redemptions")
        held = [(line[code], line[total]) for line in grid[1:] if len(line) > total and line[code] in redeemed]
        shown = sum(int(number) for _, number in held)
        found = {
            f"{len(held)} of {self.kind.rows} codes are in the sheet": len(held) != self.kind.rows,
            "a code stands there twice": len(dict(held)) != len(held),
            "a row shows another number of redemptions than there were": any(redeemed[c] != n for c, n in held),
            f"{shown} of {self.kind.redeems} redemptions are shown": shown != self.kind.redeems,
            "the customer's note is gone": not any("note" in cell.lower() for line in grid for cell in line),
        }
        return [words for words, wrong in found.items() if wrong]

    def free_code(self, database: Database) -> str:
        """A code to try."""
        with database.session() as session:
            contract = contract_store.contract(session, self.slug)
            code: str = reports.codes_to_hand_out(session, [contract.id])[0]["code"]
            return code


def make_sample(database: Database, sandbox: Sandbox) -> list[SampleContract]:
    """The organization, its contracts with courseware and codes, and their sheets, still empty."""
    with database.session() as session:
        for readable_id, title in COURSES.items():
            _register(session, readable_id, title)
        return [_make(session, sandbox, kind) for kind in KINDS]


def _register(session: Session, readable_id: str, title: str) -> None:
    course = Course(readable_id=readable_id, title=title)
    session.add(course)
    session.flush()
    source = {"run_tag": "SOURCE", "title": title, "is_source": True}
    session.add(CourseRun(courseware_id=f"{readable_id}+SOURCE", course_id=course.id, **source))


def _make(session: Session, sandbox: Sandbox, kind: Kind) -> SampleContract:
    spreadsheet_id = sandbox.google.create_spreadsheet(f"Acme: {kind.name}")
    terms = ContractPatch(**kind.terms, sheet_url=f"{sandbox.url}/spreadsheets/d/{spreadsheet_id}/edit")
    contract = changes.create_contract(
        session, ORGANIZATION, kind.name, kind.integration, terms, by=DEMO, create_organization=True
    ).contract
    for readable_id in kind.courses:
        changes.give_courseware(session, contract.slug, readable_id, by=DEMO)
    return SampleContract(contract.slug, kind, sandbox.google.spreadsheet(spreadsheet_id))
