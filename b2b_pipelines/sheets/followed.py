"""Formulas that were overwritten, as they would read now in the place to which their cell moved.

Google rewrites the references of a formula whenever cells move. A formula that was filled down reads as its neighbours
that were not overwritten; another one follows the rows and columns.

Pure: nothing here reads, writes or knows the time. Rows and columns are counted from 0.
"""

from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from functools import cached_property
from itertools import islice
from typing import NamedTuple, TypeAlias

from b2b_pipelines.cells import Cell, Formula, is_prepared
from b2b_pipelines.sheets.alignment import Nearby, Origins, by_cell
from b2b_pipelines.sheets.layout import Tab
from b2b_pipelines.sheets.operations import Plan
from b2b_pipelines.sheets.references import Places, copied, following

_Rule: TypeAlias = Callable[[str, int, int], str]
"""How a formula was rewritten, by its text, and by how many rows down and columns to the right its cell went."""
NEIGHBOURS = 50
"""Rows above, and below, in which a formula like an overwritten one is searched; and formulas that prove a rule."""


class _Untouched(NamedTuple):
    """A formula that was not overwritten: its text and place now, and then."""

    text: str
    row: int
    column: int
    text_then: str
    row_then: int
    column_then: int


class FollowedFormulas:
    """The earlier cells of a tab, with formulas as they would read now."""

    def __init__(self, before: Tab, plan: Plan, after: Tab, columns: Origins, rows: Origins) -> None:
        self.before, self.after, self.columns = before, after, columns
        self.written = by_cell(plan.writes)
        self.rows_then = Nearby(rows)
        self.rows_deleted = after.row_count < before.row_count + plan.grow_rows
        self.columns_deleted = after.column_count < before.column_count + plan.grow_columns

    def now(self, row: int, column: int, row_then: int, column_then: int) -> Cell:
        """Return the earlier cell as it would be at its place now."""
        old = self.before.cell(row_then, column_then)
        if not isinstance(old, Formula):
            return old
        distances = (near for step in range(1, NEIGHBOURS + 1) for near in (row - step, row + step))
        for near in self.untouched((near, column) for near in distances):
            if copied(near.text_then, row_then - near.row_then, column_then - near.column_then) == old.text:
                return Formula(copied(near.text, row - near.row, column - near.column))
        return Formula(self.rule(old.text, row - row_then, column - column_then))

    def untouched(self, cells: Iterable[tuple[int, int]]) -> Iterator[_Untouched]:
        """Yield the formulas among the cells that were not overwritten, with what they were."""
        for row, column in cells:
            cell = self.after.cell(row, column) if row >= 0 else ""
            if isinstance(cell, Formula) and column in self.columns and column not in self.written.get(row, ()):
                row_then, column_then = self.rows_then.candidates(row)[0], self.columns[column]
                then = self.before.cell(row_then, column_then) if row_then >= 0 else ""
                if isinstance(then, Formula) and then.pattern == cell.pattern:
                    yield _Untouched(cell.text, row, column, then.text, row_then, column_then)

    @cached_property
    def rule(self) -> _Rule:
        """Return how formulas were rewritten, judging by some that were not overwritten.

        They follow the cells to which they refer, unless rows were sorted.
        """
        cells = ((row, column) for row, line in enumerate(self.after.values) for column in range(len(line)))
        known = list(islice(self.untouched(cells), NEIGHBOURS))
        for rule in (self.follow, copied):
            if all(
                rule(each.text_then, each.row - each.row_then, each.column - each.column_then) == each.text
                for each in known
            ):
                return rule
        return self.follow

    def follow(self, text: str, rows: int, columns: int) -> str:
        """Return a formula whose references follow the rows and columns, wherever it stands itself."""
        return following(text, self.row_now, self.column_now)

    @cached_property
    def row_now(self) -> Places:
        """Return the places of rows now; None for a row with contents that is gone.

        Prepared rows, which are alike, are judged by the rows around them.
        """
        rows = enumerate(self.before.values) if self.rows_deleted else ()
        held = {row for row, cells in rows if not all(map(is_prepared, cells))}
        return _places(self.rows_then.known, held)

    @cached_property
    def column_now(self) -> Places:
        width = self.before.column_count if self.columns_deleted else 0
        held = {column for row in self.before.values for column in range(min(width, len(row))) if row[column] != ""}
        return _places(self.columns, held)


def _places(origins: Mapping[int, int], held: Container[int]) -> Places:
    """Return where rows (or columns) are now: known, gone if they held contents, or between the known ones."""
    now = Nearby({then: place for place, then in origins.items()})
    return lambda then: None if then in held and then not in now.known else now.candidates(then)[0]
