"""The contents of a customer's tab, and what its cells say about our six columns.

Pure: nothing here reads, writes or knows the time. Rows and columns are counted from 0, as Google's API does; only
`HeldRow.row` is the row number people see, counted from 1, because it is stored and shown.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from b2b_pipelines.cells import Area, Cell, Formula, Spilled, Table, entered, is_blank

HEADERS = ("Enrollment Code", "Use Type", "Total Redemptions", "Invalidated On", "Redeemed By", "Redeemed On")

_CODE_LENGTH = 36
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class CodeRow:
    """The true row of one code, for the sheet.

    Times are text, `YYYY-MM-DD HH:MM:SS UTC`, or `""`.
    """

    code: str
    use_type: str
    total_redemptions: int
    invalidated_on: str
    redeemed_by: str
    redeemed_on: str

    @property
    def status(self) -> tuple[str | int, ...]:
        """Return the cells beside the code, which a sync keeps true."""
        return (self.use_type, self.total_redemptions, self.invalidated_on, self.redeemed_by, self.redeemed_on)

    @property
    def cells(self) -> tuple[str | int, ...]:
        """Return the whole row, in the order of `HEADERS`."""
        return (self.code, *self.status)


@dataclass(frozen=True, slots=True)
class Tab:
    """A tab as read.

    It has every column, rows without trailing blanks, the grid's size, merges and tables.
    """

    values: Sequence[Sequence[Cell]]
    row_count: int
    column_count: int
    merges: tuple[Area, ...] = ()
    tables: tuple[Table, ...] = ()

    @property
    def is_blank(self) -> bool:
        """Return whether every cell is blank."""
        return all(is_blank(row) for row in self.values)

    def cell(self, row: int, column: int) -> Cell:
        """Return the value of a cell; blank beyond the read rows and the grid."""
        if row >= len(self.values) or column >= len(self.values[row]):
            return ""
        return self.values[row][column]


@dataclass(frozen=True, slots=True)
class Layout:
    """Our columns in a tab, in the order of `HEADERS`.

    `has_header`: at least one of their texts is in `header_row`, which is row 0 or where the customer pushed it.
    """

    columns: tuple[int, ...]
    has_header: bool
    header_row: int = 0

    @property
    def code(self) -> int:
        return self.columns[0]

    @property
    def status(self) -> tuple[int, ...]:
        return self.columns[1:]


@dataclass(frozen=True, slots=True)
class LayoutLost:
    """Our columns cannot be found, or not all of them.

    `missing` are the headers without a column, `misplaced` those over the contents of another column. `header_row` is
    the row that was searched for headers.
    """

    missing: tuple[str, ...] = ()
    misplaced: tuple[str, ...] = ()
    header_row: int = 0


class HeldRow(NamedTuple):
    """One row of a code after a sync.

    It has its number (from 1), its code, and the contents of the six columns. The first cell is the code as the
    customer has it: in other case, with a note, or, after an edit, without a code.
    """

    row: int
    code: str
    cells: tuple[Cell, ...]

    @property
    def is_exact(self) -> bool:
        """Return whether the cell holds just the code and the row is kept true.

        Such a row has no conflict of its own.
        """
        return normal(self.cells[0]) == normal(self.code)


@dataclass(frozen=True, slots=True)
class Written:
    """The state after the last sync: its columns, the width of the grid, and the rows of ours."""

    columns: tuple[int, ...]
    column_count: int
    rows: tuple[HeldRow, ...]


def normal(cell: Cell) -> str:
    """Return the text by which codes compare: the shown text, trimmed and without case.

    Blank is `""`. A value that spilled from an array formula is blank, because nothing was entered in its cell.
    """
    if type(cell) is str:  # nearly always
        return cell.strip().casefold()
    if isinstance(cell, Formula):
        cell = cell.shown
    return "" if cell is None or isinstance(cell, Spilled) else str(cell).strip().casefold()


def typed(cell: Cell) -> str:
    """Return `normal` of a cell with a constant.

    A formula that shows a header or a code is not ours.
    """
    return "" if isinstance(cell, Formula) else normal(cell)


def same(held: Cell, wanted: Cell) -> bool:
    """Return whether a cell holds the wanted value, by its entry: None is `""`, and 3.0 is 3.

    A count that reads back as its text, as in columns of plain text, is the count. A checkbox is not a number, and a
    formula is not its value.
    """
    if type(held) is str and type(wanted) is str:  # nearly always
        return held == wanted
    held = entered(held)
    if isinstance(wanted, int) and not isinstance(wanted, bool) and held == str(wanted):
        return True
    return held == ("" if wanted is None else wanted) and isinstance(held, bool) == isinstance(wanted, bool)


def looks_like_code(text: str) -> bool:
    """Return whether a normalized text has the form of an enrollment code and nothing more.

    The form is that of a UUID.
    """
    return _UUID.fullmatch(text) is not None


def codes_within(text: str) -> tuple[str, ...]:
    """Return each part of a normalized text that has the form of a code, once, in order."""
    return tuple(dict.fromkeys(_UUID.findall(text)))


def present_codes(tab: Tab, layout: Layout) -> set[str]:
    """Return the normalized texts of the code column.

    They are whole cells, and codes in cells with more text.
    """
    return _texts((row[layout.code] for row in tab.values if len(row) > layout.code), normal)


def texts_in(tab: Tab, column: int) -> set[str]:
    """Return the texts typed into a column, normalized.

    Of a text with a code and something more, the codes are returned too.
    """
    return _texts((row[column] for row in tab.values if len(row) > column), typed)


def _texts(cells: Iterable[Cell], text_of: Callable[[Cell], str]) -> set[str]:
    texts = {text_of(cell) for cell in cells}
    texts.discard("")
    return texts.union(*(codes_within(text) for text in texts if len(text) > _CODE_LENGTH))
