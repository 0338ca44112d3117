"""Cells that are put back after rows or columns moved during a write, on small grids."""

from collections import Counter

import pytest
from hypothesis import event, given, note, settings
from hypothesis import strategies as st

from b2b_pipelines.sheets.columns import find_layout
from b2b_pipelines.sheets.displaced import is_as_meant, repairs, with_cells, withdrawal
from b2b_pipelines.sheets.layout import HEADERS, Cell, CodeRow, Layout, Tab
from b2b_pipelines.sheets.plan import Plan, plan_update

DAY = "2026-11-01 10:00:00 UTC"
Rows = list[list[Cell]]


def code(number: int) -> str:
    return f"{number:08x}-0000-4000-8000-000000000000"


def truth(number: int, *, redeemed: bool = False) -> CodeRow:
    return (
        CodeRow(code(number), "one-time", 1, DAY, f"l{number}@x", DAY)
        if redeemed
        else CodeRow(code(number), "one-time", 0, "", "", "")
    )


def a_tab(codes: int = 6) -> Rows:
    """A header, codes with notes in G, a footnote of the customer's, and room below."""
    rows: Rows = [[*HEADERS, "Notes", ""]]
    rows += [[*truth(number).cells, f"note {number}", ""] for number in range(codes)]
    rows += [["Total", "", 57, "", "", "", "", ""]]
    return rows + [[""] * 8 for _ in range(5)]


def read(rows: Rows) -> Tab:
    return Tab([list(row) for row in rows], len(rows), len(rows[0]))


def plan_for(tab: Tab, wanted: list[CodeRow]) -> Plan:
    layout = find_layout(tab, [row.code for row in wanted], None)
    assert isinstance(layout, Layout)
    return plan_update(wanted, tab, layout, None)


def hit(rows: Rows, plan: Plan) -> Tab:
    """The tab after the plan was written to places that had moved."""
    held = with_cells(read(rows), plan.writes)
    width = max(map(len, held.values))
    return Tab([[*row, *[""] * (width - len(row))] for row in held.values], max(len(rows), len(held.values)), width)


def mended(before: Tab, plan: Plan, after: Tab) -> Tab:
    layout = find_layout(after, [row.code for row in plan.written.rows], plan.written, believe_headers=True)
    assert isinstance(layout, Layout)
    return with_cells(after, repairs(before, plan, after, layout))


WANTED = [truth(0), truth(1, redeemed=True), truth(2), truth(3), truth(4, redeemed=True), truth(5), truth(6), truth(7)]


def test_nothing_is_put_back_where_nothing_moved():
    before = read(a_tab())
    plan = plan_for(before, WANTED)
    after = hit(a_tab(), plan)
    assert is_as_meant(before, plan, after)
    layout = find_layout(after, [], plan.written)
    assert repairs(before, plan, after, layout) == ()


def test_what_somebody_typed_beside_is_no_move():
    before = read(a_tab())
    plan = plan_for(before, WANTED)
    rows = a_tab()
    rows[2][6], rows[8][7] = "another note", "typed beside a new row"
    after = hit(rows, plan)
    assert not is_as_meant(before, plan, after)
    assert mended(before, plan, after).values == after.values


def test_a_footnote_that_moved_under_a_new_row_is_put_back():
    before = read(a_tab())
    plan = plan_for(before, WANTED)
    rows = a_tab()
    rows.insert(1, [""] * 8)
    after = hit(rows, plan)
    assert ["Total", "", 57, "", "", "", "", ""] not in after.values
    assert ["Total", "", 57, "", "", "", "", ""] in mended(before, plan, after).values


def test_notes_that_moved_among_our_columns_are_put_back():
    before = read(a_tab())
    plan = plan_for(before, WANTED)
    rows = a_tab()
    for row in rows:
        row.insert(3, row.pop(6))
    found = mended(before, plan, hit(rows, plan))
    assert [row[3] for row in found.values[1:7]] == [f"note {number}" for number in range(6)]


def cleared(rows: Rows, top: int, bottom: int, left: int = 0, right: int = 8) -> Rows:
    """The rows with the cells of a rectangle emptied, as a person does it with Delete."""
    return [
        ["" if top <= number < bottom and left <= column < right else cell for column, cell in enumerate(row)]
        for number, row in enumerate(rows)
    ]


@pytest.mark.parametrize(
    ("top", "bottom", "left", "right"),
    [
        pytest.param(1, 7, 0, 6, id="our-cells-of-every-row"),
        pytest.param(5, 6, 0, 6, id="our-cells-of-a-row"),
        pytest.param(5, 6, 0, 8, id="a-whole-row"),
        pytest.param(1, 13, 0, 8, id="every-row"),
    ],
)
def test_what_was_written_into_a_row_that_was_cleared_is_taken_back(top, bottom, left, right):
    """Else the status of a code would stand in a row without one, or that of another."""
    rows = a_tab()
    rows[2][1:6] = truth(1, redeemed=True).status
    before = read(rows)
    plan = plan_for(before, [truth(0), truth(1, redeemed=True), truth(2), truth(3), truth(4, redeemed=True), truth(5)])
    left_over = cleared(rows, top, bottom, left, right)
    assert mended(before, plan, hit(left_over, plan)).values == left_over


def test_what_was_written_into_a_tab_that_was_cleared_is_taken_back():
    before = read(a_tab())
    plan = plan_for(before, WANTED)
    after = hit(cleared(a_tab(), 0, 13), plan)
    assert with_cells(after, withdrawal(plan, after)).is_blank
    assert withdrawal(plan, hit(cleared(a_tab(), 0, 7), plan)) == ()


@settings(max_examples=300)
@given(
    typed=st.lists(
        st.tuples(st.integers(1, 12), st.integers(0, 7), st.sampled_from(["", "typed", 7])), min_size=1, max_size=3
    ),
    redeemed=st.sets(st.integers(0, 5)),
    added=st.integers(0, 4),
)
def test_typing_is_no_move(typed, redeemed, added):
    before = read(a_tab())
    plan = plan_for(before, [truth(number, redeemed=number in redeemed) for number in range(6 + added)])
    rows = a_tab()
    for row, column, text in typed:
        rows[row][column] = text
    kept = {(row, column): rows[row][column] for row, column, _ in typed}
    ours = {
        (run.row + y, run.column + x)
        for run in plan.writes
        for y, line in enumerate(run.values)
        for x in range(len(line))
    }
    found = mended(before, plan, hit(rows, plan))
    for (row, column), text in kept.items():
        assert (row, column) in ours or found.cell(row, column) == text
    for row, column in ours:
        assert (row, column) in kept or found.cell(row, column) in (
            before.cell(row, column),
            hit(rows, plan).cell(row, column),
        )
    for row in range(len(before.values)):
        for column in range(8):
            if (row, column) not in ours and (row, column) not in kept:
                assert found.cell(row, column) == before.cell(row, column)


numbers = st.integers(0, 12)
MOVES = ("insert", "move", "sort", "reverse", "insert column", "move notes", "delete blank")


def move(rows: Rows, what: str, a: int, b: int) -> None:
    match what:
        case "insert":
            rows.insert(1 + a % (len(rows) - 1), [""] * len(rows[0]))
        case "move":
            rows.insert(1 + b % (len(rows) - 1), rows.pop(1 + a % 7))
        case "sort":
            column = a % len(rows[0])
            rows[1:] = sorted(rows[1:], key=lambda row: (row[column] == "", str(row[column])))
        case "reverse":
            rows[1:8] = rows[1:8][::-1]
        case "insert column":
            at = a % (len(rows[0]) + 1)
            for row in rows:
                row.insert(at, "")
        case "move notes":
            at = rows[0].index("Notes")
            for row in rows:
                row.insert(a % len(row), row.pop(at))
        case "delete blank":
            if len(rows) > 10:
                rows.pop()


def belongings(rows: Rows) -> Counter[tuple[Cell, ...]]:
    """Count the customer's cells: each note with the code beside it, and the footnote."""
    header = rows[0]
    at, notes, total = header.index(HEADERS[0]), header.index("Notes"), header.index(HEADERS[2])
    return Counter(
        [(row[at], row[notes]) for row in rows[1:] if row[notes]]
        + [(row[at], row[total]) for row in rows if row[at] == "Total"]
    )


@settings(max_examples=500)
@given(
    moves=st.lists(st.tuples(st.sampled_from(MOVES), numbers, numbers), min_size=1, max_size=1),
    redeemed=st.sets(st.integers(0, 5)),
    added=st.integers(0, 4),
)
def test_whatever_moves_the_customers_cells_stay_and_the_next_plan_settles_ours(moves, redeemed, added):
    before = read(a_tab())
    wanted = [truth(number, redeemed=number in redeemed) for number in range(6 + added)]
    plan = plan_for(before, wanted)
    rows = a_tab()
    for what, a, b in moves:
        move(rows, what, a, b)
    theirs = belongings(rows)
    note(f"{moves} {redeemed} {added}")
    after = hit(rows, plan)
    event(
        "hit"
        if after.values != with_cells(read(rows), ()).values and not is_as_meant(before, plan, after)
        else "missed"
    )
    found = mended(before, plan, after)
    width = max(map(len, found.values))
    full: Rows = [[*row, *[""] * (width - len(row))] for row in found.values]
    layout = find_layout(found, [row.code for row in wanted], plan.written)
    assert isinstance(layout, Layout)
    again = plan_update(wanted, found, layout, plan.written)
    settled = with_cells(Tab(full, len(full), width), again.writes)
    assert not theirs - belongings([list(row) for row in settled.values])
    stood = Counter(row[layout.code] for row in settled.values if len(str(row[layout.code])) == 36)
    assert stood == Counter(row.code for row in wanted)
    strays = [row for row in settled.values[1:] if row[layout.code] in ("", "Total") and DAY in row]
    assert strays == []
