"""Scenes 1 and 2: a contract in the browser, and the customer in the sheet."""

import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sandbox.demo.product import Product
from sandbox.demo.scene import Action, Outcome, Scene
from sandbox.google.model import Spreadsheet, Tab
from sandbox.google.state import dump, load
from sandbox.google.tokens import SERVICE_ACCOUNT
from sandbox.server import Sandbox

API = "/api/v1"
ORGANIZATION = "Acme Corporation"
NOTE = "Note of the customer"
COURSES = {"course-v1:UAI+LEAD101": "Leading Teams", "course-v1:UAI+DATA200": "Data for Managers"}
CODE, TOTAL = "Enrollment Code", "Total Redemptions"
MORE_SEATS = 30


def sort_and_note(tab: Tab) -> None:
    """Sort the sheet by code, and note who gets one."""
    tab.sort("A", descending=True)
    tab.type("H1", NOTE)
    tab.type("H3", "note: for Kim")


def note_below(tab: Tab) -> None:
    """Write under the table."""
    tab.type("A4", "Note: one code for all of us")


def make_room_and_note(tab: Tab) -> None:
    """Insert a column in the middle of the product's columns, and a row above some codes."""
    tab.insert_columns("B")
    tab.type("B1", NOTE)
    tab.type("B3", "note: ordered by Sales")
    tab.insert_rows(5)


@dataclass(frozen=True)
class Kind:
    """One sort of contract: what makes it, how many rows its sheet gets, and what its customer does there."""

    name: str
    summary: str
    integration: str
    courses: Sequence[str]
    terms: Mapping[str, Any]
    rows: int
    edit: Callable[[Tab], None]
    redeems: int


KINDS = (
    Kind(
        "Leadership 2026",
        "25 seats and two courses: each seat has a code for each course, and the sheet shows one code a seat",
        "non-sso",
        list(COURSES),
        {"max_learners": 25},
        25,
        sort_and_note,
        3,
    ),
    Kind("Open Learning", "no cap: one code that admits everybody", "non-sso", list(COURSES)[:1], {}, 1, note_below, 2),
    Kind(
        "Engineering",
        "sign-on, but 199.00 a seat: 10 codes",
        "sso",
        list(COURSES)[1:],
        {"max_learners": 10, "price": "199.00"},
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
    spreadsheet_id: str
    product: Product
    sandbox: Sandbox

    @property
    def spreadsheet(self) -> Spreadsheet:
        return self.sandbox.google.spreadsheet(self.spreadsheet_id)

    @property
    def tab(self) -> Tab:
        return self.spreadsheet.tab(0)

    @property
    def page(self) -> str:
        """The sheet's page in the sandbox."""
        return self.sandbox.google.page(self.spreadsheet_id)

    def is_delivered(self) -> bool:
        """Return whether the sheet was synced."""
        return bool(self._get("sheet-snapshots/")["count"])

    def codes(self) -> list[dict[str, Any]]:
        """Return every code of the contract."""
        rows: list[dict[str, Any]] = self._get("codes/?page_size=100")["results"]
        return rows

    def live_on(self) -> None:
        """Do what happens between two syncs: the customer edits the sheet, learners redeem codes."""
        self.kind.edit(self.tab)
        shown = {line["code"] for line in self.held()}
        waiting = [row["code"] for row in self.codes() if row["code"] in shown]
        for number in range(self.kind.redeems):
            learner = {"email": f"learner{number + 1}@{self.slug}.example.com", "name": f"Learner {number + 1}"}
            self.product.api.post(f"{API}/attach/{waiting[number % len(waiting)]}/", json=learner).raise_for_status()

    def held(self) -> list[dict[str, str]]:
        """Return the rows of the sheet that hold a code of this contract: code and redemptions as they are shown."""
        known = {row["code"] for row in self.codes()}
        grid = self.tab.grid()
        if not grid or CODE not in grid[0]:
            return []
        code, total = grid[0].index(CODE), grid[0].index(TOTAL)
        return [
            {"code": line[code], "total": line[total]} for line in grid[1:] if len(line) > total and line[code] in known
        ]

    def faults(self) -> list[str]:
        """Return what the sheet should hold and does not."""
        redeemed = {row["code"]: str(row["attached"]) for row in self.codes()}
        held = self.held()
        shown = sum(int(row["total"]) for row in held)
        found = {
            f"{len(held)} of {self.kind.rows} codes are in the sheet": len(held) != self.kind.rows,
            "a code stands there twice": len({row["code"] for row in held}) != len(held),
            "a row shows a wrong number of redemptions": any(redeemed[row["code"]] != row["total"] for row in held),
            f"{shown} of {self.kind.redeems} redemptions are shown": shown != self.kind.redeems,
            "the customer's note is gone": not self.has_note(),
        }
        return [words for words, wrong in found.items() if wrong]

    def has_note(self) -> bool:
        return any("note" in cell.lower() for line in self.tab.grid() for cell in line)

    def free_code(self) -> str:
        """Return a code to try."""
        shown = {line["code"] for line in self.held()}
        return next(str(row["code"]) for row in self.codes() if row["code"] in shown and not row["attached"])

    def sync(self, what: str = "sync") -> dict[str, Any]:
        """Sync the sheet through the API, or `plan` a sync; a refusal has `detail`."""
        answer = self.product.api.post(
            f"{API}/contracts/{self.slug}/sheet/{what}/", headers={"Idempotency-Key": str(uuid.uuid4())}
        )
        found: dict[str, Any] = answer.json()
        return found | {"status": answer.status_code}

    def change(self, **terms: Any) -> dict[str, Any]:
        """Change the contract's terms."""
        answer = self.product.api.patch(f"{API}/contracts/{self.slug}/", json=terms).raise_for_status()
        changed: dict[str, Any] = answer.json()
        return changed

    def _get(self, path: str) -> dict[str, Any]:
        answer = self.product.api.get(f"{API}/contracts/{self.slug}/{path}").raise_for_status()
        found: dict[str, Any] = answer.json()
        return found


def make_sample(product: Product, sandbox: Sandbox) -> list[SampleContract]:
    """Make the organization, its contracts with courseware and codes, and their sheets, still empty."""
    courses = [
        {"readable_id": readable_id, "title": title, "runs": [{"run_tag": "SOURCE", "is_source": True}]}
        for readable_id, title in COURSES.items()
    ]
    file = product.home / "courses.json"
    file.write_text(json.dumps({"courses": courses}), encoding="utf-8")
    product.command("courseware", "import", str(file))
    product.api.post(f"{API}/organizations/", json={"name": ORGANIZATION}).raise_for_status()
    return [_make(product, sandbox, kind) for kind in KINDS]


def _make(product: Product, sandbox: Sandbox, kind: Kind) -> SampleContract:
    spreadsheet_id = sandbox.google.create_spreadsheet(f"Acme: {kind.name}")
    body = {
        "organization": ORGANIZATION,
        "name": kind.name,
        "integration_type": kind.integration,
        "sheet_url": sandbox.google.spreadsheet_url(spreadsheet_id),
        **kind.terms,
    }
    made = product.api.post(f"{API}/contracts/", json=body).raise_for_status().json()
    contract = SampleContract(made["slug"], kind, spreadsheet_id, product, sandbox)
    for readable_id in kind.courses:
        given = {"courseware_id": readable_id}
        product.api.post(f"{API}/contracts/{contract.slug}/courseware/", json=given).raise_for_status()
    return contract


class ContractScenes:
    """The buttons of scenes 1 and 2, on the contract `Leadership 2026`."""

    def __init__(self, product: Product, sandbox: Sandbox, contracts: Sequence[SampleContract]) -> None:
        self.product, self.sandbox = product, sandbox
        self.contract = contracts[0]
        self.contracts = contracts
        self._before: list[Any] = []

    def browser(self) -> Scene:
        page = f"{self.product.api_url}/contracts/{self.contract.slug}"
        return Scene(
            1,
            "A contract in the browser",
            "Maria manages Acme's contracts. Open the contract signed in as her, with its courses and codes, and the "
            "customer's sheet beside it. More seats bring more codes; a preview says what a sync will write.",
            lambda: {
                "The contract, signed in as Maria": f"/demo/sign-in?to=/contracts/{self.contract.slug}",
                "The customer's sheet": self.contract.page,
                "The contract (where Maria is signed in)": page,
            },
            [
                Action("seats", f"Give it {MORE_SEATS} seats", f"The contract has {MORE_SEATS} seats.", self._seats),
                Action(
                    "preview", "Preview a sync", "The preview names the rows that a sync will write.", self._preview
                ),
                Action("sync", "Sync now", f"The sheet holds {MORE_SEATS} codes, each once.", self._sync),
            ],
        )

    def customer(self) -> Scene:
        return Scene(
            2,
            "The customer in the sheet",
            "The sheet belongs to the customer: they sort, annotate, calculate and merge. After each edit the product "
            "syncs. It finds its codes again, keeps what the customer typed, and names what a person must look at.",
            lambda: {"The customer's sheet": self.contract.page},
            [
                Action("sort", "Sort", "Every code is found where it went; no cell is written.", self._sort),
                Action("annotate", "Annotate", "The note still stands beside the same code.", self._annotate),
                Action("formula", "Fill a formula down", "Each formula of column I is kept.", self._formula),
                Action("merge", "Merge a row", "The sync names the merged row as a conflict.", self._merge),
                Action("undo-merge", "Undo", "The sheet is as it was, without a conflict.", self._undo),
                Action("unshare", "Unshare", "The sync asks for the sheet to be shared.", self._unshare),
                Action("undo-unshare", "Undo", "The sheet is shared and synced again.", self._undo),
            ],
        )

    def _seats(self) -> Outcome:
        changed = self.contract.change(max_learners=MORE_SEATS)
        return Outcome(
            f"The cap is {changed['max_learners']}; {changed['codes_changed']['created']} codes were made.",
            {f"The contract has {MORE_SEATS} seats.": changed["max_learners"] == MORE_SEATS},
        )

    def _preview(self) -> Outcome:
        before = len(self.contract.held())
        plan = self.contract.sync("plan")
        after = before + int(plan.get("appended", -1))
        return Outcome(
            f"A sync would append {plan.get('appended')} rows and update {plan.get('updated')}.",
            {f"Then the sheet holds {MORE_SEATS} codes.": plan["status"] == 200 and after == MORE_SEATS},
        )

    def _sync(self) -> Outcome:
        done = self.contract.sync()
        held = [row["code"] for row in self.contract.held()]
        return Outcome(
            f"{done.get('appended')} rows were appended with {done.get('writes')} write.",
            {
                f"The sheet holds {MORE_SEATS} codes.": len(held) == MORE_SEATS,
                "Each code stands there once.": len(set(held)) == len(held),
            },
        )

    def _sort(self) -> Outcome:
        self._remember()
        self.contract.tab.sort("A")
        done = self.contract.sync()
        return Outcome(
            f"The customer sorted by code; the sync read the sheet and wrote {done.get('writes')} times.",
            {"Nothing had to be written.": done.get("writes") == 0, **self._complete()},
        )

    def _annotate(self) -> Outcome:
        self._remember()
        code = self.contract.tab.shown("A4")
        self.contract.tab.type("H4", "note: for Ann")
        self.contract.tab.sort("A", descending=True)
        self.contract.sync()
        beside = {line[0]: line[7] for line in self.contract.tab.grid() if len(line) > 7}
        return Outcome(
            "The customer wrote a note beside a code and sorted the other way.",
            {"The note stands beside the same code.": beside.get(code) == "note: for Ann", **self._complete()},
        )

    def _formula(self) -> Outcome:
        self._remember()
        rows = len(self.contract.held()) + 1
        self.contract.tab.type("I2", "=LEN(A2)")
        self.contract.tab.fill_down("I2", rows)
        self.contract.sync()
        lengths = self.contract.tab.column("I")[1:rows]
        return Outcome(
            f"The customer filled =LEN(A2) down to row {rows}.",
            {"Each row shows the length of its code.": set(lengths) == {"36"}, **self._complete()},
        )

    def _merge(self) -> Outcome:
        self._remember()
        code = self.contract.free_code()
        row = self.contract.tab.column("A").index(code) + 1
        self.contract.tab.merge(f"A{row}:F{row}")
        learner = {"email": f"{uuid.uuid4().hex[:6]}@acme.example.com", "name": "A learner"}
        self.product.api.post(f"{API}/attach/{code}/", json=learner).raise_for_status()
        done = self.contract.sync()
        kinds = sorted({each["kind"] for each in done.get("conflicts", [])})
        return Outcome(
            f"The customer merged A{row}:F{row} and a learner used that code: {', '.join(kinds) or 'nothing'} is reported.",
            {"The sync names a conflict.": bool(kinds), "No other row was lost.": len(self.contract.held()) >= 1},
        )

    def _unshare(self) -> Outcome:
        self._remember()
        self.contract.spreadsheet.unshare(SERVICE_ACCOUNT)
        self.contract.spreadsheet.share_with_everyone(False)
        done = self.contract.sync()
        return Outcome(
            str(done.get("detail", "The sync went through.")),
            {"The message asks for the sheet to be shared.": "share it with" in str(done.get("detail"))},
        )

    def _undo(self) -> Outcome:
        if self._before:
            spreadsheet = load(self._before.pop())
            spreadsheet.lock = self.sandbox.world.lock
            self.sandbox.google.keep(spreadsheet)
        done = self.contract.sync()
        return Outcome(
            "The last edit of the customer is undone, and the sheet was synced.",
            {"The sync found no conflict.": done.get("conflicts") == [], **self._complete()},
        )

    def _remember(self) -> None:
        self._before.append(json.loads(json.dumps(dump(self.contract.spreadsheet))))

    def _complete(self) -> dict[str, bool]:
        held = [row["code"] for row in self.contract.held()]
        return {"Each code stands there once.": len(held) == len(set(held)) >= self.contract.kind.rows}
