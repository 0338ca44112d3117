"""Overwritten formulas, as they would read now in the place to which they moved, on small grids."""

import pytest

from b2b_pipelines.cells import Cell, Formula
from b2b_pipelines.sheets.followed import FollowedFormulas
from b2b_pipelines.sheets.layout import Tab
from b2b_pipelines.sheets.operations import CellRun, Plan

FILLED = 9


def a_tab(lost: str) -> list[list[Cell]]:
    """Formulas filled down in A, texts in the first five rows of B, and in C2 the formula that is overwritten."""
    rows: list[list[Cell]] = [[Formula(f"=ROW(A{n + 1})"), "abcde"[n] if n < 5 else "", ""] for n in range(FILLED)]
    rows[1][2] = Formula(lost)
    return rows


def read(rows: list[list[Cell]]) -> Tab:
    return Tab(rows, len(rows), max(map(len, rows)))


@pytest.mark.parametrize(
    ("lost", "expected"),
    [
        pytest.param("=COUNTA(A1:A9)", "=COUNTA(A1:A8)", id="to-the-last-prepared-row"),
        pytest.param("=A7&B5", "=A6&B4", id="below-the-deleted-row"),
        pytest.param("=B3&B2", "=#REF!&B2", id="the-deleted-row"),
    ],
)
def test_a_formula_follows_the_rows_of_a_tab_in_which_one_was_deleted(lost, expected):
    before = read(a_tab(lost))
    rows = a_tab(lost)
    del rows[2]
    rows[1][2] = "ours"
    for number, row in enumerate(rows):
        row[0] = Formula(f"=ROW(A{number + 1})")
    plan = Plan("update", None, None, writes=(CellRun(1, 2, (("ours",),)),))
    formulas = FollowedFormulas(before, plan, read(rows), {0: 0, 1: 1, 2: 2}, {0: 0, 1: 1, 2: 3, 3: 4})
    assert formulas.now(1, 2, 1, 2) == Formula(expected)


def test_a_formula_that_was_filled_down_reads_as_its_neighbours():
    """The rows were sorted: the formulas name their own row, wherever it went."""
    before = read([[Formula(f"=$B$1&B{n + 1}"), text] for n, text in enumerate("dcba")])
    after = read([[Formula(f"=$B$1&B{n + 1}"), text] for n, text in enumerate("abcd")])
    after.values[2][0] = "ours"
    plan = Plan("update", None, None, writes=(CellRun(2, 0, (("ours",),)),))
    formulas = FollowedFormulas(before, plan, after, {0: 0, 1: 1}, {0: 3, 1: 2, 2: 1, 3: 0})
    assert formulas.now(2, 0, 1, 0) == Formula("=$B$1&B3")
