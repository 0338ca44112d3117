"""A customer who does anything to the sheet between syncs, and what must hold whatever they do.

The sheet below is a small model of Google's grid that knows, independently of the code under test, which columns are
ours: every column carries a mark that moves with it.
"""

import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import count

from hypothesis import HealthCheck, event, given, note, settings
from hypothesis import strategies as st

from b2b_pipelines.cells import Cell, Formula
from b2b_pipelines.sheets.columns import find_layout, holds_our_codes
from b2b_pipelines.sheets.layout import HEADERS, CodeRow, Layout, Tab, Written, present_codes
from b2b_pipelines.sheets.plan import CellRun, Plan, pieces, plan_new_target, plan_update

THEIRS = -1
COPY = -10
"""Added to the number of a column of ours of which the customer made a copy, header and all."""
HIDDEN_FORMULA = "\0="
"""Stands in the model for a formula that shows nothing: it must survive."""


def code(number: int) -> str:
    return str(uuid.UUID(int=0xC0DE_0000_0000_4000_8000_0000_0000_0000 + number * 0x9E37_79B9_7F4A_7C15, version=4))


@dataclass
class Sheet:
    """A grid as the customer sees it; `marks` says of each column which of ours it is, 0–5, or that it is THEIRS."""

    grid: list[list[Cell]]
    marks: list[int]

    @classmethod
    def blank(cls, rows: int, columns: int) -> "Sheet":
        return cls([[""] * columns for _ in range(rows)], [THEIRS] * columns)

    def read(self) -> Tab:
        rows: list[list[Cell]] = []
        for line in self.grid:
            row: list[Cell] = [Formula(HIDDEN_FORMULA) if cell == HIDDEN_FORMULA else cell for cell in line]
            while row and row[-1] == "":
                row.pop()
            rows.append(row)
        while rows and not rows[-1]:
            rows.pop()
        return Tab(rows, len(self.grid), len(self.marks))

    def copy(self) -> "Sheet":
        return Sheet([list(row) for row in self.grid], list(self.marks))

    def grow(self, plan: Plan) -> None:
        for row in self.grid:
            row.extend([""] * plan.grow_columns)
        self.marks.extend([THEIRS] * plan.grow_columns)
        self.grid.extend([""] * len(self.marks) for _ in range(plan.grow_rows))
        if plan.clear:
            for row in self.grid[plan.clear.row : plan.clear.row + plan.clear.rows]:
                row[plan.clear.column : plan.clear.column + plan.clear.columns] = [""] * plan.clear.columns
        if plan.kind == "new":
            self.marks[:6] = range(6)
            self.marks[6:] = [mark if mark < 0 else COPY + mark for mark in self.marks[6:]]

    def write(self, runs: tuple[CellRun, ...]) -> None:
        for run in runs:
            for index, values in enumerate(run.values, start=run.row):
                for column, value in enumerate(values, start=run.column):
                    self.grid[index][column] = value  # beyond the grid: an error, as with Google

    def column(self, ours: int) -> int | None:
        return self.marks.index(ours) if ours in self.marks else None

    def shows(self, row: int, column: int) -> Cell:
        cell = self.grid[row][column]
        return "" if cell == HIDDEN_FORMULA else cell

    def is_blank(self, row: int) -> bool:
        return all(self.shows(row, column) == "" for column in range(len(self.marks)))


# What customers do. Every edit takes the sheet, two numbers and a fresh text, and does something or nothing.

Edit = Callable[[Sheet, int, int, str], None]


def rank(cell: Cell) -> tuple[int, float, str]:
    """Google sorts numbers, then text, then blanks."""
    if cell in ("", None, HIDDEN_FORMULA):
        return 2, 0, ""
    return (0, float(cell), "") if isinstance(cell, int | float) else (1, 0, str(cell).casefold())


def used_rows(sheet: Sheet) -> list[int]:
    return [row for row in range(len(sheet.grid)) if not sheet.is_blank(row)]


def code_rows(sheet: Sheet) -> list[int]:
    at = sheet.column(0)
    return [] if at is None else [row for row in used_rows(sheet) if len(str(sheet.grid[row][at]).strip()) == 36]


def pick(rows: list[int], number: int) -> list[int]:
    return [rows[number % len(rows)]] if rows else []


def sort_below_the_header(sheet: Sheet, a: int, b: int, text: str) -> None:
    column = a % len(sheet.marks)
    sheet.grid[1:] = sorted(sheet.grid[1:], key=lambda row: rank(row[column]), reverse=False)


def sort_header_and_all(sheet: Sheet, a: int, b: int, text: str) -> None:
    column = a % min(8, len(sheet.marks))
    sheet.grid.sort(key=lambda row: rank(row[column]))


def sort_only_one_column(sheet: Sheet, a: int, b: int, text: str) -> None:
    column = a % min(8, len(sheet.marks))
    cells = sorted((row[column] for row in sheet.grid[1:]), key=rank)
    for row, cell in zip(sheet.grid[1:], cells, strict=True):
        row[column] = cell


def reverse_rows(sheet: Sheet, a: int, b: int, text: str) -> None:
    last = max(used_rows(sheet), default=0) + 1
    sheet.grid[1:last] = sheet.grid[1:last][::-1]


def insert_row(sheet: Sheet, a: int, b: int, text: str) -> None:
    sheet.grid.insert(a % (len(sheet.grid) + 1), [""] * len(sheet.marks))


def insert_row_above_the_header(sheet: Sheet, a: int, b: int, text: str) -> None:
    sheet.grid.insert(0, [""] * len(sheet.marks))
    if a % 2:
        sheet.grid[0][b % len(sheet.marks)] = text


def delete_row(sheet: Sheet, a: int, b: int, text: str) -> None:
    if len(sheet.grid) > 1:
        for row in pick(used_rows(sheet), a):
            del sheet.grid[row]


def move_row(sheet: Sheet, a: int, b: int, text: str) -> None:
    for row in pick(used_rows(sheet), a):
        sheet.grid.insert(b % len(sheet.grid), sheet.grid.pop(row))


def duplicate_row(sheet: Sheet, a: int, b: int, text: str) -> None:
    for row in pick(code_rows(sheet), a):
        sheet.grid.insert(b % (len(sheet.grid) + 1), list(sheet.grid[row]))


def insert_column(sheet: Sheet, a: int, b: int, text: str) -> None:
    at = a % (len(sheet.marks) + 1)
    sheet.marks.insert(at, THEIRS)
    for index, row in enumerate(sheet.grid):
        row.insert(at, text if b % 2 and index == 0 else "")


def move_column(sheet: Sheet, a: int, b: int, text: str) -> None:
    source, target = a % min(8, len(sheet.marks)), b % len(sheet.marks)
    for row in (sheet.marks, *sheet.grid):
        row.insert(target, row.pop(source))  # type: ignore[attr-defined]


def delete_column(sheet: Sheet, a: int, b: int, text: str) -> None:
    if len(sheet.marks) > 3:
        at = a % min(9, len(sheet.marks))
        for row in (sheet.marks, *sheet.grid):
            del row[at]  # type: ignore[attr-defined]


def delete_foreign_column(sheet: Sheet, a: int, b: int, text: str) -> None:
    for at in pick([column for column, mark in enumerate(sheet.marks) if mark < 0], a):
        for row in (sheet.marks, *sheet.grid):
            del row[at]  # type: ignore[attr-defined]


def edit_code(change: Callable[[str, str], Cell]) -> Edit:
    def edit(sheet: Sheet, a: int, b: int, text: str) -> None:
        at = sheet.column(0)
        for row in pick(code_rows(sheet), a):
            assert at is not None
            sheet.grid[row][at] = change(str(sheet.grid[row][at]), text)

    edit.__name__ = change.__name__
    return edit


def mistype_code(old: str, text: str) -> str:
    return old.replace("0", "f", 1)


def cut_code_short(old: str, text: str) -> str:
    return old[:-2]


def replace_code_by_text(old: str, text: str) -> str:
    return f"edited {text}"


def replace_code_by_number(old: str, text: str) -> int:
    return 4711


def annotate_code(old: str, text: str) -> str:
    return f"{old} ({text})"


def annotate_code_before(old: str, text: str) -> str:
    return f"{text}: {old.upper()}"


def blank_code(old: str, text: str) -> str:
    return ""


def space_and_capitalize_code(old: str, text: str) -> str:
    return f"  {old.upper()}\n"


def repeat_code_in_a_cell(sheet: Sheet, a: int, b: int, text: str) -> None:
    at = sheet.column(0)
    for source in pick(code_rows(sheet), a):
        for target in pick([*code_rows(sheet), len(sheet.grid) - 1], b):
            assert at is not None
            sheet.grid[target][at] = sheet.grid[source][at]


def mention_code_in_a_foreign_column(sheet: Sheet, a: int, b: int, text: str) -> None:
    at = sheet.column(0)
    for row in pick(code_rows(sheet), a):
        for column in pick([column for column, mark in enumerate(sheet.marks) if mark < 0], b):
            assert at is not None
            sheet.grid[row][column] = sheet.grid[row][at]


def edit_status(sheet: Sheet, a: int, b: int, text: str) -> None:
    at = sheet.column(1 + b % 5)
    for row in pick(used_rows(sheet), a):
        if at is not None and row:
            sheet.grid[row][at] = ["", text, 7, "3", True, 1.0, 0.5][b % 7]


def note_beside(sheet: Sheet, a: int, b: int, text: str) -> None:
    for column in pick([column for column, mark in enumerate(sheet.marks) if mark < 0], b):
        sheet.grid[a % len(sheet.grid)][column] = [text, "", 0, False, HIDDEN_FORMULA][b % 5]


def total_below(sheet: Sheet, a: int, b: int, text: str) -> None:
    row = max(used_rows(sheet), default=0) + 1 + a % 3
    at = sheet.column(0)
    if row < len(sheet.grid) and at is not None:
        sheet.grid[row][at] = f"Total {text}"
        if b % 2 and (total := sheet.column(2)) is not None:
            sheet.grid[row][total] = 57


def blank_row(sheet: Sheet, a: int, b: int, text: str) -> None:
    for row in pick(used_rows(sheet), a):
        sheet.grid[row] = [""] * len(sheet.marks)


def blank_tab(sheet: Sheet, a: int, b: int, text: str) -> None:
    if a % 3 == 0:
        for row in sheet.grid:
            row[:] = [""] * len(row)


def blank_rectangle(sheet: Sheet, a: int, b: int, text: str) -> None:
    top, left = a % len(sheet.grid), b % min(7, len(sheet.marks))
    for row in sheet.grid[top : top + 3]:
        row[left : left + 2] = [""] * len(row[left : left + 2])


def shrink_grid(sheet: Sheet, a: int, b: int, text: str) -> None:
    del sheet.grid[max(used_rows(sheet), default=0) + 1 :]
    while len(sheet.marks) > 7 and sheet.marks[-1] < 0 and not any(row[-1] for row in sheet.grid):
        for row in (sheet.marks, *sheet.grid):
            row.pop()  # type: ignore[attr-defined]


def edit_header(sheet: Sheet, a: int, b: int, text: str) -> None:
    at = sheet.column(a % 6)
    if at is not None and str(sheet.grid[0][at]).strip().casefold() in {header.casefold() for header in HEADERS}:
        sheet.grid[0][at] = ["", f"Renamed {text}", f" {HEADERS[a % 6].upper()} "][b % 3]


def copy_column(sheet: Sheet, a: int, b: int, text: str) -> None:
    source = sheet.column(a % 6)
    free = [c for c, mark in enumerate(sheet.marks) if mark < 0 and not any(row[c] for row in sheet.grid)]
    for target in pick(free, b):
        if source is not None:
            sheet.marks[target] = COPY + a % 6
            for row in sheet.grid:
                row[target] = row[source]


EDITS: list[Edit] = [
    *(sort_below_the_header, sort_header_and_all, sort_only_one_column, reverse_rows),
    *(insert_row, insert_row_above_the_header, delete_row, move_row, duplicate_row),
    *(insert_column, move_column, delete_column, delete_foreign_column),
    *map(edit_code, (mistype_code, cut_code_short, replace_code_by_text, replace_code_by_number, annotate_code)),
    *map(edit_code, (annotate_code_before, blank_code, space_and_capitalize_code)),
    *(repeat_code_in_a_cell, mention_code_in_a_foreign_column, edit_status, note_beside, total_below),
    *(blank_row, blank_tab, blank_rectangle, shrink_grid, edit_header, copy_column),
]


# What happens to codes meanwhile.


@dataclass
class Contract:
    """The codes there are, what was deleted from the database, and what the last sync left behind."""

    rows: list[CodeRow] = field(default_factory=list)
    deleted: dict[str, CodeRow] = field(default_factory=dict)
    written: Written | None = None
    keeps_only_what_wrote: bool = False
    numbers: count = field(default_factory=count)  # type: ignore[type-arg]

    def create(self, a: int) -> None:
        self.rows += [CodeRow(code(next(self.numbers)), "one-time", 0, "", "", "") for _ in range(1 + a % 4)]

    def redeem(self, a: int) -> None:
        for index in pick(list(range(len(self.rows))), a):
            times = self.rows[index].total_redemptions + 1
            now = f"2026-11-{times:02} 10:00:00 UTC"
            mail = ["=IMPORTXML(1)", "ada@example.com", "7"][a % 3]
            self.rows[index] = replace(
                self.rows[index], total_redemptions=times, invalidated_on=now, redeemed_by=mail, redeemed_on=now
            )

    def deactivate(self, a: int) -> None:
        for index in pick(list(range(len(self.rows))), a):
            self.rows[index] = replace(self.rows[index], invalidated_on="2026-12-01 00:00:00 UTC")

    def delete(self, a: int) -> None:
        for index in pick(list(range(len(self.rows))), a):
            row = self.rows.pop(index)
            self.deleted[row.code] = replace(row, invalidated_on="2026-12-24 00:00:00 UTC")

    def wanted(self, present: set[str]) -> list[CodeRow]:
        return [*self.rows, *(row for row in self.deleted.values() if row.code in present)]


EVENTS = (Contract.create, Contract.redeem, Contract.deactivate, Contract.delete)


def plan_for(sheet: Sheet, contract: Contract) -> tuple[list[CodeRow], Plan]:
    """Plan as the service does before it writes."""
    tab = sheet.read()
    known = [row.code for row in contract.rows]
    if contract.written is None and not holds_our_codes(tab, known):
        return contract.wanted(set()), plan_new_target(contract.wanted(set()), tab)
    layout = find_layout(tab, known, contract.written)
    wanted = contract.wanted(present_codes(tab, layout) if isinstance(layout, Layout) else set())
    return wanted, plan_update(wanted, tab, layout, contract.written)


# What must hold.


def normal(cell: Cell) -> str:
    return str(cell).strip().casefold()


def is_header_row(sheet: Sheet, row: int) -> bool:
    return row == 0 and any(
        mark >= 0 and normal(sheet.grid[0][column]) == HEADERS[mark].casefold()
        for column, mark in enumerate(sheet.marks)
    )


def check_nothing_of_theirs_changed(before: Sheet, after: Sheet, plan: Plan, wanted: list[CodeRow]) -> None:
    codes = {row.code for row in wanted}
    at = after.column(0)
    assert at is not None
    for row in range(len(before.grid)):
        for column in range(len(before.marks)):
            old, new = before.grid[row][column], after.grid[row][column]
            if type(old) is type(new) and old == new:
                continue
            where = f"row {row + 1}, column {column + 1}: {old!r} became {new!r}"
            assert after.marks[column] >= 0, f"foreign column, {where}"
            if plan.kind == "new":
                continue
            ours = column != at and normal(before.grid[row][at]) in codes and not is_header_row(before, row)
            assert ours or (before.is_blank(row) and row > 0), f"foreign row, {where}"


def check_every_code_has_its_row(sheet: Sheet, plan: Plan, wanted: list[CodeRow]) -> None:
    at = sheet.column(0)
    assert at is not None
    truth = {row.code: row for row in wanted}
    standing: dict[str, list[int]] = {row.code: [] for row in wanted}
    flagged: list[tuple[str, int, str]] = []
    for index in range(len(sheet.grid)):
        text = normal(sheet.grid[index][at])
        if text in truth and is_header_row(sheet, index):
            flagged.append(("duplicate", 1, text))
        elif text in truth:
            standing[text].append(index)
            shown = [sheet.shows(index, column) for ours in range(1, 6) if (column := sheet.column(ours)) is not None]
            assert shown == list(truth[text].status), f"row {index + 1} does not show the truth"
            assert not any(isinstance(cell, bool) for cell in shown)
        else:
            flagged += [("annotated", index + 1, row.code) for row in wanted if row.code in text]
    annotated = {code for kind, _, code in flagged if kind == "annotated"}
    for text, rows in standing.items():
        assert rows or text in annotated, f"{text} is nowhere"
        flagged += [("duplicate", row + 1, text) for row in rows[1:]]
    reported = [tuple(conflict) for conflict in plan.conflicts if conflict.kind != "unknown_code"]
    assert Counter(reported) == Counter(flagged)
    assert plan.updated + plan.unchanged + plan.appended == sum(map(len, standing.values()))
    assert plan.rows_after is not None
    for text, rows in standing.items():
        assert {number - 1 for number, code in plan.rows_after.items() if code == text} >= set(rows)
    assert set(plan.rows_after.values()) == set(truth)


def check_edited_cells_are_reported(before: Sheet, plan: Plan, wanted: list[CodeRow], written: Written | None) -> None:
    at = before.column(0)
    assert at is not None
    codes = {row.code for row in wanted}
    texts = [normal(row[at]) for row in before.grid]
    was = {held.code: held.cells[1:] for held in written.rows if held.code in normal(held.cells[0])} if written else {}
    lost = [status for code, status in was.items() if not any(code in text for text in texts)]
    reported = {conflict.row - 1 for conflict in plan.conflicts if conflict.kind == "unknown_code"}
    told = {normal(held.cells[0]) for held in written.rows} if written else set()
    for index, text in enumerate(texts):
        beside = tuple(before.shows(index, before.marks.index(ours)) for ours in range(1, 6))
        if any(code in text for code in codes) or not text:
            assert index not in reported
        elif len(text) == 36 and text.count("-") == 4:
            assert index in reported, "what looks like a code is reported"
        elif index in reported:
            assert beside[0] != "" or text in told or not text.startswith("total"), "totals are the customer's business"
            assert text not in {header.casefold() for header in HEADERS}
        elif text.startswith("edited"):
            assert lost.count(beside) == 0, "an edited cell is reported"


def columns_can_be_told(sheet: Sheet, written: Written | None) -> bool:
    """Whether no column was moved and the rows of ours that are left still hold, by and large, what we wrote."""
    if (
        written is None
        or [sheet.column(ours) for ours in range(6)] != list(written.columns)
        or min(sheet.marks) < THEIRS
    ):
        return False
    then = {normal(held.cells[0]): held.cells[1:] for held in written.rows}
    found = [(text, row) for row in sheet.grid if (text := normal(row[written.columns[0]])) in then]
    wrong = [sum(row[column] != then[text][n] for text, row in found) for n, column in enumerate(written.columns[1:])]
    half = 2 * len({text for text, _ in found}) >= len(written.rows)
    return bool(found) and half and 4 * max(wrong) <= len(found) and len(sheet.marks) == written.column_count


def accept_what_cannot_be_told(before: Sheet, after: Sheet, layout: Layout, written: Written | None) -> None:
    """Let the marks follow the plan where a person could not tell either.

    A copy with our header is as good as the original if that is gone, renamed or no longer what it was. A column that
    lost its header and was blank cannot be distinguished from a blank one moved to its place; nor can the code column,
    deleted or without its header, from another one with the codes in it.
    """
    then = {normal(held.cells[0]): held.cells for held in written.rows} if written else {}
    rows = [(row, then[text]) for row in before.grid if (text := normal(row[layout.code])) in then]
    for ours, column in enumerate(layout.columns):
        original = before.column(ours)
        if column == original:
            continue
        named = original is not None and normal(before.grid[0][original]) == HEADERS[ours].casefold()
        copied = before.marks[column] == COPY + ours
        intact = original is not None and all(row[original] == held[ours] for row, held in rows)
        if ours == 0 and original is not None:
            intact = set(then) <= {normal(row[original]) for row in before.grid}
        alike = original is not None and all(row[column] == row[original] for row, _ in rows)
        shown = [("" if row[column] == HIDDEN_FORMULA else row[column], held[ours]) for row, held in rows]
        telling = [now == then for now, then in shown if (now, then) != ("", "")]
        blank = 2 * sum(telling) >= len(telling)
        texts = {text for row in before.grid if (text := normal(row[column]))}
        codes = ours == 0 and 2 * len(texts & {*then, HEADERS[0].casefold()}) >= min(
            len(texts), len(written.rows if written else ())
        )
        if (copied and (alike or not (named and intact))) or ((blank or codes) and not named):
            event("could not be distinguished")
            for sheet in (before, after):
                sheet.marks = [COPY + ours if mark == ours else mark for mark in sheet.marks]
                sheet.marks[column] = ours


def sync(sheet: Sheet, contract: Contract, *, was_cut_short: bool = False) -> Plan:
    """One sync, checked from all sides."""
    note("sync of " + "\n        ".join(map(str, [sheet.marks, *sheet.grid])))
    before = sheet.copy()
    wanted, plan = plan_for(sheet, contract)
    if plan.kind == "layout_lost":
        assert plan.is_empty
        assert [(found.kind, found.code) for found in plan.conflicts] == [("layout_lost", None)]
        titles = [normal(cell) for cell in sheet.grid[0]]
        assert any(titles.count(header.casefold()) != 1 for header in HEADERS), "all headers are there"
        assert was_cut_short or not columns_can_be_told(sheet, contract.written)
        return plan
    if plan.kind == "new":
        assert contract.written is None or all(before.is_blank(row) for row in range(len(before.grid)))
    sheet.grow(plan)
    sheet.write(plan.writes)
    assert plan.layout is not None
    if plan.kind == "update":
        accept_what_cannot_be_told(before, sheet, plan.layout, contract.written)
    assert plan.layout.columns == tuple(sheet.column(ours) for ours in range(6))
    check_nothing_of_theirs_changed(before, sheet, plan, wanted)
    check_every_code_has_its_row(sheet, plan, wanted)
    if plan.kind == "update":
        check_edited_cells_are_reported(before, plan, wanted, contract.written)
    if not (plan.is_empty and contract.keeps_only_what_wrote):
        contract.written = plan.written
    again = plan_for(sheet, contract)[1]
    assert again.is_empty, "a second sync writes nothing"
    if plan.written is not None and not plan.written.rows and not plan.layout.has_header:
        return plan  # no header and no row of ours: the next sync cannot tell any more which columns are ours
    assert again.layout == plan.layout
    assert again.conflicts == plan.conflicts
    assert again.written == plan.written
    return plan


def sync_cut_short(sheet: Sheet, contract: Contract, after: int) -> None:
    """A sync that is killed between two pieces: nothing of it is remembered."""
    before = sheet.copy()
    wanted, plan = plan_for(sheet, contract)
    sheet.grow(plan)
    for piece in pieces(plan, limit_bytes=300, range_bytes=20)[:after]:
        sheet.write(piece)
    if plan.layout:
        if plan.kind == "update":
            accept_what_cannot_be_told(before, sheet, plan.layout, contract.written)
        check_nothing_of_theirs_changed(before, sheet, plan, wanted)


numbers = st.integers(0, 40)
edits = st.lists(st.tuples(st.sampled_from(EDITS), numbers, numbers), max_size=4)
events = st.lists(st.tuples(st.sampled_from(EVENTS), numbers), max_size=3)
cuts = st.one_of(st.none(), st.none(), st.integers(0, 5))
rounds = st.lists(st.tuples(edits, events, cuts), min_size=5, max_size=5)
REPEATABLE = settings(derandomize=True, deadline=None, max_examples=100, suppress_health_check=list(HealthCheck))


def live(sheet: Sheet, contract: Contract, edits: list[tuple[Edit, int, int]], events: list, texts: count) -> None:  # type: ignore[type-arg]
    for edit, a, b in edits:
        note(f"{edit.__name__}({a}, {b})")
        edit(sheet, a, b, f"note {next(texts)}")
    for happen, a in events:
        note(f"{happen.__name__}({a})")
        happen(contract, a)


@REPEATABLE
@given(
    rounds=rounds,
    size=st.tuples(st.integers(1, 30), st.integers(3, 10)),
    codes=st.integers(0, 9),
    keeps_only_what_wrote=st.booleans(),
)
def test_whatever_customers_do_every_code_has_its_row_and_nothing_of_theirs_changes(
    rounds, size, codes, keeps_only_what_wrote
):
    sheet, contract, texts = Sheet.blank(*size), Contract(keeps_only_what_wrote=keeps_only_what_wrote), count()
    contract.create(codes)
    sync(sheet, contract)
    for edits, events, cut in rounds:
        live(sheet, contract, edits, events, texts)
        if cut is not None:
            sync_cut_short(sheet, contract, cut)
        plan = sync(sheet, contract, was_cut_short=cut is not None)
        event("kind", plan.kind)
        for conflict in plan.conflicts:
            event("conflict", conflict.kind)
        if plan.kind == "layout_lost":
            rebuild(sheet, contract)


def rebuild(sheet: Sheet, contract: Contract) -> None:
    """Rebuild the sheet as `b2b sheet rebuild` does."""
    before = sheet.copy()
    plan = plan_new_target(contract.rows, sheet.read())
    sheet.grow(plan)
    sheet.write(plan.writes)
    check_nothing_of_theirs_changed(before, sheet, plan, contract.rows)
    check_every_code_has_its_row(sheet, plan, contract.rows)
    contract.written = plan.written
    assert plan_for(sheet, contract)[1].is_empty
