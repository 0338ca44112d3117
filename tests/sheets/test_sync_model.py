"""Invariants under any edits of the sheet and changes of the codes, sync after sync, over HTTP.

What is wanted is worked out here a second time, from the rows of the database, without the code under test.
"""

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

import pytest
from hypothesis import Phase, event, given, note, seed, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.orm import Session

from b2b_pipelines.sheets import service
from b2b_pipelines.sheets.kept import texts_kept
from b2b_pipelines.sheets.layout import HEADERS
from b2b_pipelines.sheets.refusals import TargetTaken
from b2b_pipelines.sheets.service import Contended, LayoutIsLost, SyncResult
from sandbox.google.a1 import Area
from sandbox.google.model import Tab
from tests.sheets.customer import EDITS, HEADER_NAMES, MEANWHILE, THEIRS, Customer, Edit, Grid, normal
from tests.sheets.pace import NoPace

ACCOUNT = "b2b@sandbox.test"
SCENARIOS = int(os.environ.get("SHEET_SCENARIOS", "300"))
SEED = os.environ.get("SHEET_SEED")
"""A number draws other scenarios than CI does, and reports the first failure without shrinking it."""
PHASES = (Phase.generate,) if SEED else tuple(Phase)
SYNCS = 5

CODES = text("""
SELECT code.code, code.redemption_type, code.active,
       to_char(coalesce(code.expires_at, code.deactivated_at, CASE WHEN redemption_type = 'one-time' THEN last.at END),
               'YYYY-MM-DD HH24:MI:SS UTC') AS invalidated,
       last.number, last.email, to_char(last.at, 'YYYY-MM-DD HH24:MI:SS UTC') AS redeemed, last.seated
FROM enrollment_code code
LEFT JOIN LATERAL (
    SELECT count(*) AS number, max(redeemed_at) AS at, (array_agg(learner.email ORDER BY redeemed_at DESC))[1] AS email,
           bool_or(seat.id IS NOT NULL) AS seated
    FROM code_redemption redemption
    JOIN learner ON learner.id = redemption.learner_id
    LEFT JOIN contract_learner seat ON seat.learner_id = learner.id AND seat.contract_id = code.contract_id
    WHERE redemption.code_id = code.id
) last ON true
WHERE code.contract_id = :contract ORDER BY code.id
""")


@dataclass
class World:
    """One database, one account and one product for all scenarios."""

    database: object
    sandbox: object
    sheets: object
    numbers: Iterator[int] = field(default_factory=lambda: iter(range(1, 1_000_000)))


@pytest.fixture
def world(database, sandbox, signed_in):
    with database.session() as session:
        session.execute(text("INSERT INTO organization (name, slug, org_key) VALUES ('Acme', 'acme', 'ACME')"))
        session.execute(text("INSERT INTO course (readable_id, title) VALUES ('course-v1:A+1', 'Course')"))
        session.execute(
            text(
                "INSERT INTO course_run (courseware_id, course_id, run_tag, title) "
                "SELECT 'course-v1:A+1+R', id, 'R', '' FROM course"
            )
        )
        session.execute(text("INSERT INTO product (course_run_id) SELECT id FROM course_run"))
    return World(database, sandbox, signed_in(pace=NoPace()))


class Scenario:
    """A contract, its sheet and its customer."""

    def __init__(self, world: World, number: int, cap: int | None, codes: int, size: tuple[int, int]) -> None:
        self.world = world
        spreadsheet = world.sandbox.google.create_spreadsheet(shared_with=[ACCOUNT])
        self.slug = f"c{number}"
        self.created = 0
        with world.database.session() as session:
            self.id = session.scalar(
                text("""INSERT INTO contract (organization_id, name, slug, integration_type, max_learners, sheet_url)
                        SELECT id, 'C', :slug, 'non-sso', :cap, :sheet FROM organization RETURNING id"""),
                {"slug": self.slug, "cap": cap, "sheet": spreadsheet},
            )
            self.create(session, codes)
        self.customer = Customer(world.sandbox.google.spreadsheet(spreadsheet).tabs[0])
        self.customer.tab.shrink(*size)
        self.customer.marks = [THEIRS] * size[1]
        self.cap: int | None = None
        self.beside: dict[str, tuple[object, ...]] = {}
        self.redeemed: set[str] = set()
        self.takes_a_seat: set[str] = set()
        self.active: list[str] = []
        self.known: set[str] = set()
        self.deleted: set[str] = set()

    # What happens to the codes

    def create(self, session: Session, number: int) -> None:
        self.created += 100
        session.execute(
            text("""INSERT INTO enrollment_code (code, contract_id, product_id, redemption_type, amount)
                    SELECT md5(:contract || '-' || :first + n)::uuid::text, :contract, product.id, 'one-time', 0
                    FROM product, generate_series(1, :number) AS n"""),
            {"contract": self.id, "number": number, "first": self.created},
        )

    def some_code(self, a: int) -> str:
        return f"""(SELECT id FROM enrollment_code WHERE contract_id = {self.id} ORDER BY id
                    OFFSET {a} % greatest((SELECT count(*) FROM enrollment_code WHERE contract_id = {self.id}), 1) LIMIT 1)"""

    def happen_now(self, what: str, a: int) -> None:
        with self.world.database.session() as session:
            self.happen(session, what, a)

    def happen(self, session: Session, what: str, a: int) -> None:
        match what:
            case "create":
                self.create(session, 1 + a % 4)
            case "redeem":
                session.execute(
                    text(f"""
                    WITH code AS (
                        SELECT id, redemption_type FROM enrollment_code
                        WHERE id = {self.some_code(a)}
                          AND NOT EXISTS (SELECT FROM code_redemption WHERE code_id = enrollment_code.id)
                    ), person AS (INSERT INTO learner (email) SELECT :email FROM code RETURNING id),
                    seat AS (INSERT INTO contract_learner (contract_id, learner_id, how)
                             SELECT :contract, id, 'code' FROM person)
                    INSERT INTO code_redemption (code_id, redemption_type, learner_id, kind, redeemed_at)
                    SELECT code.id, redemption_type, person.id, 'attach', '2026-11-01T10:00:00Z'::timestamptz
                    FROM code, person
                    """),
                    {"contract": self.id, "email": f"{['=IMPORTXML(1)', 'ada', '7'][a % 3]}{next(self.world.numbers)}"},
                )
            case "remove learners":
                session.execute(
                    text("DELETE FROM contract_learner WHERE contract_id = :contract"), {"contract": self.id}
                )
            case "deactivate":
                session.execute(
                    text(f"""UPDATE enrollment_code SET active = false, deactivated_at = '2026-12-01T00:00:00Z'
                             WHERE id = {self.some_code(a)}""")
                )
            case "delete":
                gone = session.scalars(
                    text(f"""DELETE FROM enrollment_code WHERE id = {self.some_code(a)} AND NOT EXISTS
                             (SELECT FROM code_redemption WHERE code_id = enrollment_code.id) RETURNING code""")
                ).all()
                self.deleted |= set(gone)
            case "cap":
                session.execute(
                    text("UPDATE contract SET max_learners = :cap WHERE id = :contract"),
                    {"contract": self.id, "cap": a % 9},
                )

    # What must hold

    def look_up(self) -> None:
        """Read the current state of the contract and of each code."""
        with self.world.database.session() as session:
            self.cap = session.scalar(text("SELECT max_learners FROM contract WHERE id = :id"), {"id": self.id})
            rows = session.execute(CODES, {"contract": self.id}).all()
        self.beside = {
            row.code: (row.redemption_type, row.number, row.invalidated or "", row.email or "", row.redeemed or "")
            for row in rows
        }
        self.redeemed = {row.code for row in rows if row.number}
        self.takes_a_seat = {row.code for row in rows if (row.seated if row.number else row.active)}
        self.active = [row.code for row in rows if row.active]

    def wanted(self, standing: set[str]) -> dict[str, tuple[object, ...]]:
        """Return expected rows: redeemed codes, codes in the sheet, others while seats are free."""
        kept = self.redeemed | (standing & self.beside.keys())
        rest = [code for code in self.active if code not in kept]
        free = max(self.cap - len(kept & self.takes_a_seat), 0) if self.cap else None
        return {code: self.beside[code] for code in kept.union(rest[:free])}

    def in_code_column(self, grid_of: Customer) -> dict[int, str]:
        at = grid_of.column(0)
        if at is None:
            return {}
        return {row: cell for row in range(grid_of.tab.row_count) if (cell := normal(grid_of.shows(row, at)))}

    def sync(self, *, rebuild: bool = False) -> SyncResult | None:
        """One sync, checked from all sides; None if the layout was lost."""
        customer, world = self.customer, self.world
        customer.forget_columns_without_codes()
        customer.believe_exchanged_headers()
        note(f"sync {customer.marks} " + "\n    ".join(map(str, customer.tab.grid())))
        before, blank = customer.grid(), customer.free_rows()
        tables = self.tables()
        was_empty, others = customer.is_wholly_empty(), self.other_tabs()
        texts = self.in_code_column(customer)
        anywhere = self.anywhere() if rebuild else set()
        header = customer.header_row() if is_header_row(customer) else None
        intact = customer.headers_intact()
        self.look_up()
        world.sandbox.log.reset()
        try:
            done = service.sync(world.database, world.sheets, self.slug, rebuild=rebuild)
        except LayoutIsLost as lost:
            assert not intact, "all headers are there"
            assert world.sandbox.google.counts()["write"] == 0
            assert customer.grid() == before
            assert [conflict.kind for conflict in lost.result.conflicts] == ["layout_lost"]
            return None
        counts = world.sandbox.google.counts()
        assert (counts["read"], counts["write"]) == (done.requests.reads, done.requests.writes)
        assert counts["read"] <= 2
        assert counts["write"] <= 1
        if done.target.new or done.header:
            assert rebuild or was_empty or not self.known
            customer.we_wrote_anew()
        customer.we_may_have_grown_it()
        after = customer.grid()
        assert self.other_tabs() == others, "another tab was changed"
        top = customer.header_row() if is_header_row(customer) else None
        assert self.tables() == grown(tables, done.rows_added, top, customer.column(0)), (
            "a table does not end where its rows end"
        )
        self.check_nothing_of_theirs_changed(before, blank, after, texts, header, anew=done.header)
        here = {code for cell in texts.values() for code in self.beside if code in cell}
        self.check_every_code_has_its_row(done, anywhere if rebuild else set() if done.header else here)
        customer.note_what_stands({found.row for found in done.conflicts if found.kind == "unknown_code"})
        return done

    def anywhere(self) -> set[str]:
        """The codes that stand in any cell of the tab."""
        cells = [cell.casefold() for line in self.customer.tab.rows for cell in line if isinstance(cell, str)]
        return {code for code in self.beside for cell in cells if code in cell}

    def sync_while(self, when: str, act: Callable[[], None]) -> None:
        """One sync in the middle of which the customer edits: after the read, before the write or after it.

        What they typed and what is not ours stands as they left it. Codes are looked at after the next sync.
        """
        customer, world = self.customer, self.world
        left: list[tuple[list[list[object]], Counter[tuple[object, ...]]]] = []

        def edit() -> None:
            act()
            left[:] = [(self.foreign_columns(), self.foreign_rows())]

        self.look_up()
        customer.forget_columns_without_codes()
        customer.believe_exchanged_headers()
        anew = customer.is_wholly_empty()
        if anew:
            customer.we_wrote_anew()  # as this sync does, before the edit or after it
        kind, moment = {"read": ("read", "after"), "before": ("write", "before"), "after": ("write", "after")}[when]
        world.sandbox.faults.call(edit, moment, kind=kind)
        try:
            done = service.sync(world.database, world.sheets, self.slug)
        except (Contended, LayoutIsLost) as error:
            event(f"edited meanwhile: {type(error).__name__}")
        else:
            event("edited meanwhile: synced")
            if done.header and not anew:
                customer.we_wrote_anew()
            customer.note_what_stands({found.row for found in done.conflicts if found.kind == "unknown_code"})
        world.sandbox.faults.clear()
        customer.we_may_have_grown_it()
        self.note_codes_that_stand()
        if left:
            note("left " + "\n    ".join(map(str, customer.tab.grid())))
            columns, rows = left[0]
            now = self.foreign_columns()
            for one, other in zip(columns, now, strict=False):
                assert one == other[: len(one)], "a foreign column was changed while it was edited"
            assert not rows - self.foreign_rows(), "a foreign row was changed while it was edited"

    def be_given_tab_of_another_installation(self, tab: Tab, b: int) -> None:
        """The contract names a tab with another installation's codes.

        Nothing is written there, until a rebuild takes it; or the contract goes back to its own tab.
        """
        customer, world = self.customer, self.world
        own, grids = customer.tab, {each.sheet_id: each.grid() for each in customer.tab.spreadsheet.tabs}
        self.name_tab(tab.title)
        world.sandbox.log.reset()
        for look in (service.plan, service.sync):
            with pytest.raises(TargetTaken, match="another installation"):
                look(world.database, world.sheets, self.slug)
        assert world.sandbox.google.counts()["write"] == 0
        assert {each.sheet_id: each.grid() for each in own.spreadsheet.tabs} == grids
        if b % 2:
            self.name_tab(own.title)
            return
        theirs = [row[:6] for row in tab.grid()]
        self.customer = Customer(tab, texts=customer.texts)
        self.known = set()
        assert self.sync(rebuild=True) is not None
        with world.database.session() as session:
            kept = texts_kept(service.find_snapshot(session, self.slug, before=True).rows)
        assert [[str(cell) for cell in row] for row in kept] == [trimmed(row) for row in theirs]

    def name_tab(self, title: str) -> None:
        with self.world.database.session() as session:
            session.execute(
                text("UPDATE contract SET sheet_tab = :title WHERE id = :id"), {"title": title, "id": self.id}
            )

    def restore_and_undo(self, a: int) -> None:
        """Restore a snapshot of the tab, and restore that: the cells come back, and no foreign cell changes."""
        world, customer = self.world, self.customer
        with world.database.session() as session:
            last = service.find_snapshot(session, self.slug)
            merged = {found["row"] for found in last.conflicts if found["kind"] == "merged"}
            held = sorted(last.rows, key=lambda row: (row[0] in merged, row[0]), reverse=True)
            codes = {normal(code): cells for _, code, cells in held if normal(cells[0]) == normal(code)}
            for what in ("redeem", "deactivate", "create"):
                self.happen(session, what, a)
        assert self.sync() is not None
        synced, columns, rows = customer.grid(), self.foreign_columns(), self.foreign_rows()
        with world.database.session() as session:
            before_it = service.find_snapshot(session, self.slug)
        for expected, snapshot in ((codes, last), (None, before_it)):
            service.restore(world.database, world.sheets, self.slug, snapshot)
            assert (self.foreign_columns(), self.foreign_rows()) == (columns, rows), "a restore changed a foreign cell"
            if expected is None:
                break
            for row, code in self.in_code_column(customer).items():
                shown = [customer.shows(row, at) for at in map(customer.column, range(6)) if at is not None]
                if code in expected and len(shown) == 6 and not customer.covers_of_ours(row):
                    assert [str(cell) for cell in shown[1:]] == [str(cell) for cell in expected[code][1:]]
        assert customer.grid() == synced, "a restore that was restored leaves the tab as it was"
        assert not service.plan(world.database, world.sheets, self.slug).changed

    def foreign_columns(self) -> list[list[object]]:
        grid = self.customer.grid()
        return [[line[column] for line in grid] for column in self.customer.theirs()]

    def foreign_rows(self) -> Counter[tuple[object, ...]]:
        """Count our columns' values in rows whose code cell was entered and does not hold a code."""
        customer = self.customer
        codes = self.known | set(self.beside) | self.deleted
        rows = [
            tuple(customer.tab.at(row, at) for ours in range(6) if (at := customer.column(ours)) is not None)
            for row, text in self.in_code_column(customer).items()
            if not any(code in text for code in codes)
        ]
        return Counter(rows)

    def note_codes_that_stand(self) -> None:
        texts = self.in_code_column(self.customer).values()
        self.known |= {code for cell in texts for code in self.beside if code in cell}

    def check_nothing_of_theirs_changed(
        self, before: Grid, blank: list[bool], after: Grid, texts: dict[int, str], header: int | None, *, anew: bool
    ) -> None:
        marks = self.customer.marks
        codes = self.known | set(self.beside)
        last = max([row for row, cell in texts.items() if any(code in cell for code in codes)], default=header or 0)
        for row, cells in enumerate(before):
            if cells == after[row] and [*map(type, cells)] == [*map(type, after[row])]:
                continue
            for column, old in enumerate(cells):
                if after[row][column] == old and type(after[row][column]) is type(old):
                    continue
                where = f"row {row + 1}, column {column + 1}: {old!r} became {after[row][column]!r}"
                assert marks[column] != THEIRS, f"foreign column, {where}"
                ours = marks[column] > 0 and texts.get(row) in codes and row != header
                assert anew or ours or (blank[row] and row > max(last, header or 0)), f"foreign row, {where}"

    def tables(self) -> list[Area]:
        return [table.area for table in self.customer.tab.regions_of("table")]

    def other_tabs(self) -> list[tuple[int, list[list[str]]]]:
        """Return the texts of every tab but ours, by its number."""
        tabs = self.customer.tab.spreadsheet.tabs
        return sorted((tab.sheet_id, tab.grid()) for tab in tabs if tab is not self.customer.tab)

    def check_every_code_has_its_row(self, done: SyncResult, standing: set[str]) -> None:
        customer = self.customer
        now = self.in_code_column(customer)
        wanted = self.wanted(standing)
        flagged: list[tuple[str, int, str]] = []
        seen: set[str] = set()
        header = customer.header_row() if is_header_row(customer) else None
        for row, cell in sorted(now.items()):
            if row == header:
                flagged += [("duplicate", row + 1, cell)] if cell in wanted else []
            elif cell in wanted or (cell in self.deleted and cell in self.known):
                columns = {ours: at for ours in range(1, 6) if (at := customer.column(ours)) is not None}
                shown = {
                    ours: customer.shows(row, at)
                    for ours, at in columns.items()
                    if not customer.tab.is_covered(row, at)
                }
                if cell in wanted:
                    truth = {ours: wanted[cell][ours - 1] for ours in shown}
                    if shown.get(2) == str(truth.get(2)):
                        shown[2] = truth[2]  # a count in a plain-text column reads back as its text
                    assert shown == truth, f"row {row + 1} does not show the truth"
                    assert not any(isinstance(value, bool) for value in shown.values())
                elif 3 in shown:
                    assert str(shown[3]).endswith(" UTC"), f"row {row + 1} does not say that its code is invalid"
                flagged += [("merged", row + 1, cell)] if customer.covers_of_ours(row) else []
                flagged += [("duplicate", row + 1, cell)] if cell in seen else []
                seen.add(cell)
            else:
                flagged += [("annotated", row + 1, code) for code in wanted if code in cell]
        annotated = {code for kind, _, code in flagged if kind == "annotated"}
        assert not wanted.keys() - seen - annotated, "a code is nowhere"
        conflicts = [tuple(conflict) for conflict in done.conflicts]
        told = [c for c in conflicts if c[0] != "unknown_code" and not (c[0] == "annotated" and c[2] in self.deleted)]
        assert Counter(told) == Counter(flagged)
        self.known = seen | {code for cell in now.values() for code in self.known | set(wanted) if code in cell}


def grown(tables: list[Area], added: Sequence[int], header: int | None, code: int | None) -> list[Area]:
    """The tables, with the rows that were added directly below the one that holds the codes' header.

    `added` are counted from 1.
    """
    areas = []
    for area in tables:
        bottom, right = area.bottom or 0, area.right or 0
        holds = header in range(area.top, bottom) and code in range(area.left, right)
        while holds and bottom + 1 in added:
            bottom += 1
        areas.append(area._replace(bottom=bottom))
    return areas


def trimmed(row: Sequence[str]) -> list[str]:
    """The row without blank cells at its end."""
    end = max((place for place, cell in enumerate(row, 1) if cell), default=0)
    return list(row[:end])


def is_header_row(customer: Customer) -> bool:
    row = customer.header_row()
    titles = [normal(customer.shows(row, column)) for column in range(customer.tab.column_count)]
    return any(mark != THEIRS and titles[column] == HEADER_NAMES[mark] for column, mark in enumerate(customer.marks))


numbers = st.integers(0, 60)
HAPPENINGS = ("create", "create", "redeem", "redeem", "remove learners", "deactivate", "delete", "cap")
edits = st.lists(st.tuples(st.sampled_from(EDITS), numbers, numbers), max_size=4)
happenings = st.lists(st.tuples(st.sampled_from(HAPPENINGS), numbers), max_size=3)
meanwhile = st.one_of(
    st.none(),
    st.none(),
    st.tuples(
        st.sampled_from(("read", "before", "after")),
        st.one_of(st.sampled_from(MEANWHILE), st.sampled_from(HAPPENINGS)),
        numbers,
        numbers,
    ),
)
other_installations = st.one_of(st.none(), st.none(), st.none(), st.tuples(numbers, numbers))
rounds = st.lists(
    st.tuples(edits, happenings, other_installations, meanwhile), min_size=SYNCS - 1, max_size=SYNCS - 1
)  # after the first fill


@pytest.mark.long
@seed(SEED)
@settings(max_examples=SCENARIOS, derandomize=SEED is None, phases=PHASES)
@given(
    rounds=rounds,
    size=st.tuples(st.integers(1, 25), st.integers(3, 10)),
    cap=st.one_of(st.none(), st.integers(0, 9)),
    codes=st.integers(0, 9),
    covered_cells=st.sampled_from(("drop", "hide")),
    plain_text_numbers=st.sampled_from(("text", "number")),
    restored=st.one_of(st.none(), st.none(), numbers),
)
def test_whatever_happens_every_code_has_its_row_and_nothing_of_theirs_changes(
    world, rounds, size, cap, codes, covered_cells, plain_text_numbers, restored
):
    world.sandbox.google.hypotheses.covered_cells = covered_cells
    world.sandbox.google.hypotheses.plain_text_numbers = plain_text_numbers
    scenario = Scenario(world, next(world.numbers), cap, codes, size)
    assert scenario.sync() is not None
    assert [scenario.customer.tab.shown(f"{letter}1") for letter in "ABCDEF"] == list(HEADERS)
    for edits, happenings, other, meanwhile in rounds:
        play_round(scenario, edits, happenings, other, meanwhile)
    if restored is not None and scenario.customer.headers_intact():
        event("restored")
        scenario.restore_and_undo(restored)


def play_round(
    scenario: Scenario,
    edits: Sequence[tuple[Edit, int, int]],
    happenings: Sequence[tuple[str, int]],
    other: tuple[int, int] | None,
    meanwhile: tuple[str, Edit | str, int, int] | None,
) -> None:
    """Edits and changes of the codes, then a sync, which a second one has nothing to add to."""
    world = scenario.world
    scenario.customer.columns_moved = scenario.customer.headers_edited = False
    for edit, a, b in edits:
        note(f"{edit.__name__}({a}, {b})")
        edit(scenario.customer, a, b)
    for what, a in happenings:
        note(f"{what} {a}")
        scenario.happen_now(what, a)
    if other is not None:
        note(f"another installation {other}")
        scenario.customer.add_tab_of_another_installation(*other)
        scenario.be_given_tab_of_another_installation(
            scenario.customer.tabs_of_other_installations()[-1], other[1] // 2
        )
    if meanwhile is not None:
        when, act, a, b = meanwhile
        name = act if isinstance(act, str) else act.__name__
        note(f"meanwhile ({when}) {name}({a}, {b})")
        happen = partial(scenario.happen_now, act, a) if isinstance(act, str) else partial(act, scenario.customer, a, b)
        scenario.sync_while(when, happen)
    done = scenario.sync()
    event("synced" if done else "layout lost")
    if done is None:
        scenario.customer.tab.unmerge("A:ZZ")
        done = scenario.sync(rebuild=True)
    assert done is not None
    for conflict in done.conflicts:
        event(conflict.kind)
    again = service.plan(world.database, world.sheets, scenario.slug)
    if not scenario.known and not scenario.customer.headers_intact():
        return  # no header and no code: our columns cannot be identified
    assert not again.changed, "a second sync writes nothing"
    assert again.conflicts == done.conflicts
