"""A customer who does anything to a sheet, in the stand-in of Google, as a person does it in the browser.

`marks` says of each column which of ours it is, 0-5, or that it is THEIRS: the customer knows, whatever the headers say.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

from b2b_pipelines.sandbox.google.a1 import column_letters
from b2b_pipelines.sandbox.google.cells import Cell
from b2b_pipelines.sandbox.google.model import Tab
from b2b_pipelines.sheets.layout import HEADERS

THEIRS = -1
HEADER_NAMES = tuple(header.casefold() for header in HEADERS)

Grid = list[list[Cell | None]]


def normal(cell: object) -> str:
    return "" if cell is None else str(cell).strip().casefold()


@dataclass
class Customer:
    """A tab, and what this customer knows and does about it. Edits take two numbers and do something or nothing."""

    tab: Tab
    marks: list[int] = field(default_factory=list)
    columns_moved: bool = False
    headers_edited: bool = False
    texts: count = field(default_factory=count)  # type: ignore[type-arg]

    def __post_init__(self) -> None:
        self.marks = [THEIRS] * self.tab.column_count

    # What they see

    def grid(self) -> Grid:
        """Every cell as it is held, formulas as formulas."""
        rows, columns = self.tab.row_count, self.tab.column_count
        return [[self.tab.at(row, column) for column in range(columns)] for row in range(rows)]

    def shows(self, row: int, column: int) -> object:
        """What comes out in a cell; `""` where nothing does."""
        value = self.tab.value_at(row, column)
        return "" if value is None else value

    def column(self, ours: int) -> int | None:
        return self.marks.index(ours) if ours in self.marks else None

    def is_blank(self, row: int) -> bool:
        return all(self.shows(row, column) == "" for column in range(self.tab.column_count))

    def used_rows(self) -> list[int]:
        return [row for row in range(self.tab.used()[0]) if not self.is_blank(row)]

    def code_rows(self) -> list[int]:
        at = self.column(0)
        return [] if at is None else [row for row in self.used_rows() if len(str(self.shows(row, at)).strip()) == 36]

    def headers_intact(self) -> bool:
        """Each of our headers stands once in row 1, over its own column."""
        titles = [normal(self.shows(0, column)) for column in range(self.tab.column_count)]
        return all(
            titles.count(name) == 1 and self.marks[titles.index(name)] == ours for ours, name in enumerate(HEADER_NAMES)
        )

    # What we do to it

    def we_wrote_anew(self) -> None:
        """Our columns are A-F now, by our own doing."""
        self.marks = [*range(6), *([THEIRS] * (self.tab.column_count - 6))]

    def we_may_have_grown_it(self) -> None:
        self.marks += [THEIRS] * (self.tab.column_count - len(self.marks))

    # What they do

    def text(self) -> str:
        return f"note {next(self.texts)}"

    def name(self, row: int, column: int) -> str:
        return f"{column_letters(column)}{row + 1}"

    def pick(self, choices: list[int], number: int) -> list[int]:
        return [choices[number % len(choices)]] if choices else []

    def theirs(self) -> list[int]:
        return [column for column, mark in enumerate(self.marks) if mark == THEIRS]

    def sort(self, a: int, b: int) -> None:
        column = a % min(9, self.tab.column_count)
        self.tab.sort(column_letters(column), descending=bool(b % 2))

    def sort_header_and_all(self, a: int, b: int) -> None:
        if not self.columns_moved:
            self.headers_edited = True
            self.tab.sort(column_letters(a % min(8, self.tab.column_count)), header=False)

    def insert_row(self, a: int, b: int) -> None:
        self.tab.insert_rows(1 + a % (min(self.tab.row_count, 15)))
        if self.headers_intact() is False:
            self.headers_edited = True

    def delete_row(self, a: int, b: int) -> None:
        for row in self.pick(self.used_rows()[1:], a):
            self.tab.delete_rows(row + 1)

    def move_row(self, a: int, b: int) -> None:
        for row in self.pick(self.used_rows()[1:], a):
            self.tab.move_rows(row + 1, before=2 + b % (self.tab.row_count - 1))

    def duplicate_row(self, a: int, b: int) -> None:
        for row in self.pick(self.code_rows(), a):
            self.tab.duplicate_row(row + 1)

    def blank_row(self, a: int, b: int) -> None:
        for row in self.pick(self.used_rows()[1:], a):
            self.tab.clear(f"{row + 1}:{row + 1}")

    def insert_column(self, a: int, b: int) -> None:
        if self.may_move_columns():
            at = a % min(9, self.tab.column_count)
            self.tab.insert_columns(column_letters(at))
            self.marks.insert(at, THEIRS)
            if b % 2:
                self.tab.type(self.name(0, at), self.text())

    def move_column(self, a: int, b: int) -> None:
        if self.may_move_columns():
            source, before = a % min(8, self.tab.column_count), b % min(10, self.tab.column_count)
            if source <= before <= source + 1:
                return
            self.tab.move_columns(column_letters(source), before=column_letters(before))
            mark = self.marks.pop(source)
            self.marks.insert(before if before < source else before - 1, mark)

    def delete_column(self, a: int, b: int) -> None:
        if self.may_move_columns() and self.tab.column_count > 7:
            at = a % min(9, self.tab.column_count) if b % 4 == 0 else self.pick(self.theirs(), a)[0]
            if self.marks[at] != THEIRS:
                self.headers_edited = True
            self.tab.delete_columns(column_letters(at))
            del self.marks[at]

    def may_move_columns(self) -> bool:
        """Not while a header is gone: then nobody could tell the columns apart."""
        self.columns_moved = self.columns_moved or self.headers_intact()
        return self.headers_intact() and not self.headers_edited

    def edit_code(self, a: int, b: int) -> None:
        at = self.column(0)
        for row in self.pick(self.code_rows(), a):
            assert at is not None
            code = str(self.shows(row, at)).strip()
            self.tab.type(
                self.name(row, at),
                [
                    code[:-2],
                    code.replace("0", "f", 1),
                    self.text(),
                    "4711",
                    f"{code} ({self.text()})",
                    f"{self.text()}: {code.upper()}",
                    "",
                    f"  {code.upper()} ",
                ][b % 8],
            )

    def repeat_code_in_a_cell(self, a: int, b: int) -> None:
        at = self.column(0)
        for source in self.pick(self.code_rows(), a):
            for target in self.pick([*self.code_rows(), min(self.tab.used()[0] + 2, self.tab.row_count - 1)], b):
                assert at is not None
                if target:
                    self.tab.type(self.name(target, at), str(self.shows(source, at)))

    def mention_code_elsewhere(self, a: int, b: int) -> None:
        at = self.column(0)
        for row in self.pick(self.code_rows(), a):
            for column in self.pick(self.theirs(), b):
                assert at is not None
                self.tab.type(self.name(row, column), str(self.shows(row, at)))

    def edit_status(self, a: int, b: int) -> None:
        at = self.column(1 + b % 5)
        for row in self.pick(self.used_rows()[1:], a):
            if at is not None:
                self.tab.type(self.name(row, at), ["", self.text(), "7", "'3", "TRUE", "0.5", "=1+1"][b % 7])

    def note(self, a: int, b: int) -> None:
        for column in self.pick(self.theirs(), b):
            self.tab.type(
                self.name(a % min(self.tab.row_count, 20), column),
                [self.text(), "", "0", "FALSE", '=IF(TRUE,"","")', "12/24/2026"][b % 6],
            )

    def total_below(self, a: int, b: int) -> None:
        row, at = self.tab.used()[0] + a % 3, self.column(0)
        if row < self.tab.row_count and at is not None:
            self.tab.type(self.name(row, at), f"Total {self.text()}")

    def blank_tab(self, a: int, b: int) -> None:
        if a % 4 == 0:
            self.tab.clear("A:ZZ")

    def shrink_grid(self, a: int, b: int) -> None:
        self.tab.shrink(max(self.tab.used()[0], 1), self.tab.column_count)

    def edit_header(self, a: int, b: int) -> None:
        at = self.column(a % 6)
        if at is not None and not self.columns_moved and normal(self.shows(0, at)) == HEADER_NAMES[a % 6]:
            self.headers_edited = self.headers_edited or b % 3 < 2
            self.tab.type(self.name(0, at), ["", f"Renamed {self.text()}", f" {HEADERS[a % 6].upper()} "][b % 3])

    def rename_tab(self, a: int, b: int) -> None:
        self.tab.spreadsheet.rename_tab(self.tab.index, self.text())

    def add_tab(self, a: int, b: int) -> None:
        self.tab.spreadsheet.add_tab(self.text())
        self.tab.spreadsheet.move_tab(len(self.tab.spreadsheet.tabs) - 1, 0)


Edit = Callable[[Customer, int, int], None]

EDITS: tuple[Edit, ...] = (
    *(Customer.sort, Customer.sort_header_and_all, Customer.insert_row, Customer.delete_row, Customer.move_row),
    *(Customer.duplicate_row, Customer.blank_row, Customer.insert_column, Customer.move_column, Customer.delete_column),
    *(Customer.edit_code, Customer.repeat_code_in_a_cell, Customer.mention_code_elsewhere, Customer.edit_status),
    *(Customer.note, Customer.note, Customer.total_below, Customer.blank_tab, Customer.shrink_grid),
    *(Customer.edit_header, Customer.rename_tab, Customer.add_tab),
)
