"""The results of a tab's formulas: computed when the tab is read, kept until a cell changes.

Recorded behaviour: the answer to a write shows formulas with the values that follow from it (`updatedSpreadsheet` of
`spreadsheets.batchUpdate`, `updatedData` of `spreadsheets.values`), because Google recalculates before it answers.
"""

from typing import TYPE_CHECKING

from sandbox.google.a1 import Box
from sandbox.google.cells import (
    Cell,
    ErrorValue,
    Formatted,
    Formula,
    Matrix,
    Scalar,
    Spilled,
    Value,
    shown_number,
)
from sandbox.google.formulas import SPILLS, evaluate
from sandbox.google.functions import Block

if TYPE_CHECKING:
    from sandbox.google.contents import Contents

DEEPEST = 12
"""Formulas that are computed one inside of the other before the innermost is computed first."""


class _TooDeep(Exception):
    """A chain of formulas that is longer than Python's stack; the argument is the cell to begin with."""


class Values:
    """The values of one grid's formulas."""

    def __init__(self, grid: "Contents") -> None:
        self.grid = grid
        self.has_arrays = False
        """Whether an array formula was ever put into the grid."""
        self._known: dict[tuple[int, int], Scalar | None] = {}
        self._blocks: dict[Box, Matrix] = {}
        self._spills: dict[tuple[int, int], Scalar | None] | None = None
        self._under_way: list[tuple[int, int]] = []

    def note(self, cell: Cell | None) -> None:
        """A cell changed."""
        if self._known or self._blocks or self._spills is not None:
            self.forget()
        if isinstance(cell, Formula) and not self.has_arrays:
            self.has_arrays = cell.value is None and SPILLS.search(cell.text) is not None

    def forget(self) -> None:
        self._known, self._blocks, self._spills = {}, {}, None

    def look_for_arrays(self) -> None:
        """Find out whether there are array formulas, after rows were put in place as a whole."""
        self.has_arrays = any(
            isinstance(cell, Formula) and SPILLS.search(cell.text) is not None
            for line in self.grid.rows
            for cell in line
        )
        self.forget()

    def at(self, row: int, column: int) -> Scalar | None:
        """The value of a cell, spilled ones too."""
        cell = self.grid.at(row, column)
        if isinstance(cell, Formula):
            return cell.value if cell.value is not None else self._formula(row, column, cell)
        if cell is None:
            return self.spills().get((row, column)) if self.has_arrays else None
        return cell.value if isinstance(cell, Formatted | Spilled) else cell

    def of(self, cell: Cell | None) -> Scalar | None:
        """The value of a cell's content, wherever it stands."""
        if isinstance(cell, Formula):
            return cell.value if cell.value is not None else _first(evaluate(cell.text, self.grid))
        return cell.value if isinstance(cell, Formatted | Spilled) else cell

    def block(self, box: Box) -> Matrix:
        """The values of a box, row by row."""
        if box not in self._blocks:
            self._blocks[box] = Block(
                [self.at(row, column) for column in range(box.left, box.right)] for row in range(box.top, box.bottom)
            )
        return self._blocks[box]

    def spills(self) -> dict[tuple[int, int], Scalar | None]:
        """Return the values that array formulas show in other cells than their own."""
        if not self.has_arrays:
            return {}
        if self._spills is None:
            self._spills = {}
            for row, line in enumerate(self.grid.rows):
                for column, cell in enumerate(line):
                    if isinstance(cell, Formula) and cell.value is None and SPILLS.search(cell.text):
                        self._spill(row, column, evaluate(cell.text, self.grid, (row, column)))
        return self._spills

    def _spill(self, row: int, column: int, value: Value) -> None:
        """Lay an array out from its formula on; `#REF!` there if a cell is in its way or the grid ends.

        Source: https://support.google.com/docs/answer/6208276 ("Array result was not expanded because it would
        overwrite data in …", "please insert more rows").
        """
        assert self._spills is not None
        if not isinstance(value, list):
            self._known[row, column] = value
            return
        cells = {
            (row + down, column + right): item for down, line in enumerate(value) for right, item in enumerate(line)
        }
        first = cells.pop((row, column), None)
        blocked = any(
            self.grid.at(*place) is not None
            or place in self._spills
            or place[0] >= self.grid.row_count
            or place[1] >= self.grid.column_count
            for place in cells
        )
        self._known[row, column] = ErrorValue("#REF!") if blocked else first
        if not blocked:
            self._spills.update(cells)

    def _formula(self, row: int, column: int, cell: Formula) -> Scalar | None:
        if self.has_arrays and self._spills is None:
            self.spills()
        place = (row, column)
        if place in self._known:
            return self._known[place]
        if place in self._under_way:
            return ErrorValue("#REF!")  # circular
        if len(self._under_way) >= DEEPEST:
            raise _TooDeep(row, column)
        if self._under_way:
            return self._compute(place, cell)
        return self._from_the_innermost(place, cell)

    def _compute(self, place: tuple[int, int], cell: Formula) -> Scalar | None:
        self._under_way.append(place)
        try:
            value = _first(evaluate(cell.text, self.grid, place))
        finally:
            self._under_way.pop()
        self._known[place] = value
        return value

    def _from_the_innermost(self, place: tuple[int, int], cell: Formula) -> Scalar | None:
        """Compute a formula that may stand at the end of a long chain."""
        chain = [place]
        while chain:
            formula = self.grid.at(*chain[-1])
            assert isinstance(formula, Formula)
            try:
                self._compute(chain[-1], formula)
                chain.pop()
            except _TooDeep as deep:
                if deep.args in chain:
                    self._known[deep.args[0], deep.args[1]] = ErrorValue("#REF!")
                else:
                    chain.append((deep.args[0], deep.args[1]))
        return self._known[place]


def _first(value: Value) -> Scalar | None:
    return (value[0][0] if value and value[0] else "") if isinstance(value, list) else value


def as_shown(value: Scalar | None) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).upper()
    return value if isinstance(value, str) else shown_number(value)
