"""A customer moves cells between the read and the write of a sync: our cells land on theirs, which get back what they held.

The write of each sync updates two rows and adds two codes. After it, every cell outside our columns, and every row of
the customer's, is as the customer left it: values as values, formulas with the references that Google gave them.
"""

from itertools import product

import pytest

from b2b_pipelines.sheets.layout import HEADERS
from b2b_pipelines.sheets.service import LayoutIsLost
from sandbox.google.a1 import column_letters
from tests.sheets.pace import NoPace

FILLED = 20


def place(tab, header: str = HEADERS[0]) -> tuple[int, int]:
    """Return the row and column of one of our headers."""
    for row in range(tab.used()[0]):
        for column in range(tab.column_count):
            if tab.shown_at(row, column) == header:
                return row, column
    raise AssertionError(f"{header} is gone")


def letters(tab, header: str = HEADERS[0]) -> str:
    return column_letters(place(tab, header)[1])


def fill(tab, column: str, formula: str, title: str = "") -> None:
    code, total = letters(tab), letters(tab, "Total Redemptions")
    tab.type(f"{column}1", title)
    tab.type(f"{column}2", formula.format(code=code, total=total))
    tab.fill_down(f"{column}2", FILLED)


def formulas_left(tab) -> None:
    tab.insert_columns("A")
    fill(tab, "A", '=IMAGE("https://example.com/A1?"&{code}2)')


def two_left(tab) -> None:
    tab.insert_columns("A", 2)
    fill(tab, "A", "={code}2")
    fill(tab, "B", "=COUNTIF(${code}$2:${code}$30,{code}2)")


def formulas_right(tab) -> None:
    fill(tab, "G", '=IF({code}2="","","given")')
    fill(tab, "H", "={total}2+1", "Plus one")


def formulas_between(tab) -> None:
    tab.insert_columns("C")
    fill(tab, "C", "={total}2*10")


def boxes(tab) -> None:
    tab.insert_columns("A")
    tab.checkbox(f"A2:A{FILLED}")
    tab.checkbox(f"H2:H{FILLED}")
    tab.tick("A3")
    tab.tick("H5")


def array_left(tab) -> None:
    tab.insert_columns("A")
    tab.type("A2", '=ARRAYFORMULA(IF(B2:B="","","x"))')


def notes(tab) -> None:
    """Notes of all kinds beside the codes, untitled, and some at the left of them."""
    tab.insert_columns("A")
    tab.paste("A2", [["first"], ["2"], ["12/24/2026"], ["'=text"], ["=SUM(D2:D7)"], ["TRUE"], ["=B2&B4"]])
    tab.paste("H2", [["x"], ["7"], ["=ROW()"], ["y"], ["=D2+1"], [""], ["z"]])


def footer(tab) -> None:
    """A total below the codes, and below it a second table with a merged title and boxes in our columns."""
    tab.type("A12", "Total")
    tab.type("C12", "=SUM(C2:C11)")
    tab.type("A14", "Teams")
    tab.merge("A14:F14")
    tab.merge("B9:C9")
    tab.paste("A15", [["Red", "=COUNTA(A2:A9)", "", "9"], ["Blue", "=A15", "", "8"]])
    tab.checkbox("C15:C16")


def hiding_footer(tab) -> None:
    """The same where covered cells of a merge keep what is written to them."""
    footer(tab)


BESIDE = {
    each.__name__: each
    for each in (
        *(formulas_left, two_left, formulas_right, formulas_between, boxes, array_left, notes, footer),
        hiding_footer,
    )
}
MOVES = {
    "insert-a": lambda tab: tab.insert_columns("A"),
    "insert-two": lambda tab: tab.insert_columns("A", 2),
    "insert-before-code": lambda tab: tab.insert_columns(letters(tab)),
    "insert-in-ours": lambda tab: tab.insert_columns(letters(tab, "Redeemed By")),
    "insert-after-ours": lambda tab: tab.insert_columns(column_letters(place(tab, "Redeemed On")[1] + 1)),
    "delete-a": lambda tab: tab.delete_columns("A"),
    "delete-beside": lambda tab: tab.delete_columns(column_letters(place(tab, "Redeemed On")[1] + 1)),
    "delete-ours": lambda tab: tab.delete_columns(letters(tab, "Invalidated On")),
    "delete-code": lambda tab: tab.delete_columns(letters(tab)),
    "delete-three": lambda tab: tab.delete_columns(letters(tab), letters(tab, "Total Redemptions")),
    "beside-to-front": lambda tab: tab.move_columns(column_letters(place(tab, "Redeemed On")[1] + 1), before="A"),
    "beside-into-ours": lambda tab: tab.move_columns(
        column_letters(place(tab, "Redeemed On")[1] + 1), before=letters(tab, "Use Type")
    ),
    "front-behind": lambda tab: tab.move_columns("A", before="M"),
    "code-behind": lambda tab: tab.move_columns(letters(tab), before="K"),
    "code-to-front": lambda tab: tab.move_columns(letters(tab), before="A"),
    "insert-row-top": lambda tab: tab.insert_rows(2),
    "insert-title": lambda tab: tab.insert_rows(1, 2),
    "insert-rows": lambda tab: tab.insert_rows(5, 3),
    "insert-row-below": lambda tab: tab.insert_rows(8),
    "delete-code-row": lambda tab: tab.delete_rows(4),
    "delete-rows": lambda tab: tab.delete_rows(3, 5),
    "delete-blank-row": lambda tab: tab.delete_rows(9),
    "move-row": lambda tab: tab.move_rows(2, before=7),
    "sort-codes": lambda tab: tab.sort(letters(tab), descending=True, cells=f"A1:Z{7}"),
    "clear-row": lambda tab: tab.clear("A4:Z4"),
    "row-and-column": lambda tab: (tab.insert_rows(4), tab.insert_columns("A")),
    "sort-and-column": lambda tab: (tab.sort(letters(tab), descending=True, cells="A1:Z7"), tab.insert_columns("A")),
    "delete-row-and-column": lambda tab: (tab.delete_rows(3), tab.delete_columns("A")),
    "title-and-column": lambda tab: (tab.insert_rows(1), tab.insert_columns("A")),
}
EVERY = list(product(BESIDE, MOVES))
SHORT = {
    ("formulas_left", "insert-a"),
    ("notes", "delete-a"),
    ("footer", "insert-row-top"),
    ("boxes", "beside-to-front"),
}


def theirs(tab, codes: list[str]) -> dict[tuple[int, int], object]:
    """Return the entries of the customer's cells: columns without a header of ours, and rows with a text of theirs."""
    titles = {column: row for header in HEADERS for row, column in places_of(tab, header)}
    code = next((column for _, column in places_of(tab, HEADERS[0])), None)
    top = max(titles.values())
    foreign = [
        row
        for row in range(tab.row_count)
        if row != top and any(tab.at(row, column) is not None for column in titles)
        if code is not None and tab.shown_at(row, code) not in ("", *codes)
    ]
    return {
        (row, column): tab.at(row, column)
        for row in range(tab.row_count)
        for column in range(tab.column_count)
        if column not in titles or row in foreign
    }


def places_of(tab, header: str) -> list[tuple[int, int]]:
    try:
        return [place(tab, header)]
    except AssertionError:
        return []


@pytest.mark.parametrize(
    ("beside", "move"),
    [
        pytest.param(beside, move, id=f"{beside}-{move}", marks=() if (beside, move) in SHORT else pytest.mark.long)
        for beside, move in EVERY
    ],
)
def test_cells_that_moved_under_a_write_get_back_what_they_held(deliver, sandbox, beside, move):
    sandbox.google.hypotheses.covered_cells = "hide" if beside == "hiding_footer" else "drop"
    acme = deliver(cap=6)
    acme.sync()
    BESIDE[beside](acme.tab)
    acme.redeem(acme.codes()[1], "ann@example.com")
    acme.redeem(acme.codes()[5], "ben@example.com")
    acme.modify(max_learners=8)
    left: dict[tuple[int, int], object] = {}

    def edit() -> None:
        MOVES[move](acme.tab)
        left.update(theirs(acme.tab, acme.codes()))

    sandbox.faults.call(edit, when="before", kind="write")
    lost = False
    try:
        acme.sync()
    except LayoutIsLost:
        lost = True

    changed = {cell: (held, acme.tab.at(*cell)) for cell, held in left.items() if not is_same(held, acme.tab.at(*cell))}
    assert changed == {}
    assert lost == (move in ("delete-ours", "delete-code", "delete-three") or (beside, move) in NO_COLUMN_LEFT)
    if not lost:
        at = place(acme.tab)[1]
        shown = [acme.tab.shown_at(row, at) for row in range(acme.tab.row_count)]
        assert sorted(cell for cell in shown if len(cell) == 36) == sorted(acme.codes())
        use = place(acme.tab, "Use Type")[1]
        assert not [row for row in range(acme.tab.row_count) if acme.tab.at(row, use) == "one-time" and not shown[row]]
        assert not acme.plan().changed


NO_COLUMN_LEFT = {
    (beside, move)
    for beside in ("formulas_right", "formulas_between", "footer", "hiding_footer")
    for move in ("delete-a", "delete-row-and-column")
}
"""The first column is the codes'."""


def is_same(one: object, other: object) -> bool:
    return type(one) is type(other) and one == other


def test_formulas_without_a_title_survive_a_column_inserted_before_them(deliver, sandbox):
    """The world of seed 61009 of the model test: a lost code is written again below, beside formulas filled down."""
    acme = deliver(cap=7)
    acme.sync()
    tab = acme.tab
    tab.shrink(20, 8)
    fill(tab, "H", '=IMAGE("https://example.com/"&{code}2)')
    tab.move_columns("A", before="D")
    tab.move_columns("H", before="A")
    tab.clear("B5:H5")
    left: list[object] = []

    def edit() -> None:
        tab.insert_columns("A")
        tab.type("A1", "note 3")
        left[:] = [(tab.at(row, 0), tab.at(row, 1)) for row in range(tab.row_count)]

    sandbox.faults.call(edit, when="before", kind="write")
    acme.sync()
    assert [(tab.at(row, 0), tab.at(row, 1)) for row in range(tab.row_count)] == left
    code = place(tab)[1]
    assert sorted(tab.shown_at(row, code) for row in range(1, 20) if tab.shown_at(row, code)) == sorted(acme.codes())
    assert not acme.plan().changed


MEANWHILE = {
    "nothing": lambda tab: None,
    "a-note": lambda tab: tab.type("K4", "typed meanwhile"),
    "insert-column": lambda tab: tab.insert_columns("A"),
    "move-column": lambda tab: tab.move_columns("B", before="A"),
    "insert-row": lambda tab: tab.insert_rows(2),
    "delete-row": lambda tab: tab.delete_rows(FILLED + 1),
}


@pytest.mark.parametrize("again", MEANWHILE)
def test_cells_that_move_while_a_repair_waits_for_its_turn_are_restored_where_they_are(
    deliver, sandbox, signed_in, again
):
    """The quota of Google may make the second write wait for a minute, in which the customer goes on."""

    class Crowded(NoPace):
        waited = False

        def wait(self, kind: str) -> float:
            if kind == "read" or self.waited:
                return 0.0
            self.waited = True
            MEANWHILE[again](acme.tab)
            return 40.0

    acme = deliver(cap=6, client=signed_in(pace=NoPace()))
    acme.sync()
    tab = acme.tab
    formulas_left(tab)
    acme.redeem(acme.codes()[1], "ann@example.com")
    acme.modify(max_learners=8)
    pace = Crowded()
    acme.sheets = signed_in(pace=pace)
    sandbox.faults.call(lambda: tab.insert_columns("A"), when="before", kind="write")
    acme.sync()

    assert pace.waited
    header, code = place(tab)
    first = 2 if again == "insert-row" else 1
    formula = '=IMAGE("https://example.com/A1?"&{}{})'
    column = 0 if again == "move-column" else code - 1
    held = [tab.at(row, column) for row in range(tab.row_count)]
    expected = [formula.format(column_letters(code), row + 1) for row in range(first, first + FILLED - 1)]
    assert [cell.text for cell in held if cell is not None] == expected
    assert next(row for row, cell in enumerate(held) if cell is not None) == first
    others = {*range(tab.column_count)} - {column, *(place(tab, title)[1] for title in HEADERS)}
    strays = {tab.at(row, other) for row in range(tab.row_count) for other in others} - {None}
    assert strays == ({"typed meanwhile"} if again == "a-note" else set())
    shown = [tab.shown_at(row, code) for row in range(header + 1, tab.row_count)]
    assert sorted(filter(None, shown)) == sorted(acme.codes())
    assert not acme.plan().changed


@pytest.mark.long
@pytest.mark.parametrize(
    "second", ["insert-a", "insert-row-top", "sort-codes", "delete-beside", "code-to-front", "insert-in-ours"]
)
@pytest.mark.parametrize("first", ["insert-a", "insert-row-top", "delete-beside", "code-to-front"])
def test_cells_that_move_under_a_write_and_under_its_repair_get_back_what_they_held(deliver, sandbox, first, second):
    acme = deliver(cap=6)
    acme.sync()
    tab = acme.tab
    formulas_left(tab)
    tab.type("B14", "Total")
    tab.type("D14", "=SUM(D2:D9)")
    acme.redeem(acme.codes()[1], "ann@example.com")
    acme.modify(max_learners=8)
    edits = iter([first, second])
    sandbox.faults.call(lambda: MOVES[next(edits)](tab), when="before", kind="write", times=2)
    acme.sync()

    _, code = place(tab)
    theirs = next(column for column in range(tab.column_count) if tab.at(12, column) is not None)
    held = {row: cell.text for row in range(tab.row_count) if (cell := tab.at(row, theirs)) is not None}
    formula = '=IMAGE("https://example.com/A1?"&{}{})'
    assert held == {row: formula.format(column_letters(code), row + 1) for row in held}
    assert len(held) == FILLED - 1
    others = {*range(tab.column_count)} - {theirs, *(place(tab, title)[1] for title in HEADERS)}
    assert {tab.at(row, other) for row in range(tab.row_count) for other in others} == {None}
    shown = [tab.shown_at(row, code) for row in range(tab.row_count)]
    assert sorted(cell for cell in shown if len(cell) == 36) == sorted(acme.codes())
    assert shown.count("Total") == 1
    assert not acme.plan().changed
