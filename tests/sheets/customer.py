"""A customer who does anything to a sheet, in the stand-in of Google, as a person does it in the browser.

`marks` says of each column which of ours it is, 0-5, or that it is THEIRS: the customer knows, whatever the headers say.
"""

import uuid
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from itertools import count

from b2b_pipelines.sheets.layout import HEADERS
from sandbox.google.a1 import Box, column_letters
from sandbox.google.cells import Cell, Formula
from sandbox.google.model import Tab

THEIRS = -1
HEADER_NAMES = tuple(header.casefold() for header in HEADERS)

FORMULAS = (
    '=IF({code}{row}="","","given")',
    "={code}{row}",
    "={total}{row}+1",
    "=$" + "{code}${row}",
    "=COUNTIF({code}${row}:{code}${end},{code}{row})",
    "=COUNTA({code}${row}:{code})",
    '=ARRAYFORMULA(IF({code}{row}:{code}="","","x"))',
    '=IMAGE("https://example.com/"&{code}{row})',
    "=ROW()",
)

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
    then: dict[str, tuple[str, ...] | None] = field(default_factory=dict)
    """The cells beside each text in the codes' column after the last sync; None where rows of one text differed."""
    texts: count = field(default_factory=count)  # type: ignore[type-arg]

    def __post_init__(self) -> None:
        self.marks = [THEIRS] * self.tab.column_count

    # What they see

    def grid(self) -> Grid:
        """Every cell as it is held, formulas as formulas."""
        columns = self.tab.column_count
        lines = [[*line[:columns], *[None] * (columns - len(line))] for line in self.tab.rows[: self.tab.row_count]]
        return lines + [[None] * columns for _ in range(self.tab.row_count - len(lines))]

    def shows(self, row: int, column: int) -> object:
        """Return the value of a cell, or `""` if it has none."""
        value = self.tab.value_at(row, column)
        return "" if value is None else value

    def column(self, ours: int) -> int | None:
        return self.marks.index(ours) if ours in self.marks else None

    def is_blank(self, row: int) -> bool:
        return all(self.shows(row, column) == "" for column in range(self.tab.column_count))

    def is_wholly_empty(self) -> bool:
        """Nothing was entered in any cell."""
        return all(cell is None for line in self.tab.rows for cell in line)

    def free_rows(self) -> list[bool]:
        """For each row: a code may be added, as our cells are blank and only what was prepared stands beside them."""
        spilled, standing = self.tab.values.spills(), self.code_rows()
        grid = self.grid()
        formulas = {column for row in standing for column, cell in enumerate(grid[row]) if isinstance(cell, Formula)}

        def is_free(row: int, column: int, mark: int, cell: Cell | None) -> bool:
            if mark == THEIRS:
                return cell is None or cell is False or (isinstance(cell, Formula) and column in formulas)
            return cell is None and not self.tab.is_covered(row, column) and spilled.get((row, column)) is None

        return [
            all(is_free(row, column, mark, line[column]) for column, mark in enumerate(self.marks))
            for row, line in enumerate(grid)
        ]

    def header_row(self) -> int:
        """The row in which our header stands, wherever it was pushed; 0 if none of its texts is left."""
        for row in range(self.tab.used()[0]):
            for column, mark in enumerate(self.marks):
                if mark != THEIRS and normal(self.shows(row, column)) == HEADER_NAMES[mark]:
                    return row
        return 0

    def covers_of_ours(self, row: int) -> bool:
        """A merge covers one of our cells in the row."""
        return any(self.tab.is_covered(row, column) for column, mark in enumerate(self.marks) if mark != THEIRS)

    def used_rows(self) -> list[int]:
        return [row for row in range(self.tab.used()[0]) if not self.is_blank(row)]

    def body_rows(self) -> list[int]:
        """The rows in which something stands, but for the header's."""
        return [row for row in self.used_rows() if row != self.header_row()]

    def code_rows(self) -> list[int]:
        at = self.column(0)
        if at is None:
            return []
        return [row for row in range(self.tab.used()[0]) if len(str(self.shows(row, at)).strip()) == 36]

    def headers_intact(self) -> bool:
        """Each of our headers stands once in the header's row, over its own column."""
        row = self.header_row()
        titles = [normal(self.shows(row, column)) for column in range(self.tab.column_count)]
        return all(
            titles.count(name) == 1 and self.marks[titles.index(name)] == ours for ours, name in enumerate(HEADER_NAMES)
        )

    def forget_columns_without_codes(self) -> None:
        """Where no code is left, nothing but the headers' texts says which column is which, for them as for us.

        An edited code that a sync reported is as good as a code: what stands beside it is known. A column whose text is
        gone stays the one that it was, unless another text stands over it.
        """
        row = self.header_row()
        titles = [normal(self.shows(row, column)) for column in range(self.tab.column_count)]
        cells = [normal(cell) for line in self.tab.grid() for cell in line]
        has_codes = any(len(cell) >= 36 or cell in self.then for cell in cells)
        if not has_codes and all(titles.count(name) <= 1 for name in HEADER_NAMES):
            said = [HEADER_NAMES.index(title) if title in HEADER_NAMES else THEIRS for title in titles]
            self.marks = [
                mark if text == THEIRS and mark not in said else text
                for text, mark in zip(said, self.marks, strict=True)
            ]

    def note_what_stands(self, reported: Collection[int]) -> None:
        """Keep what stands beside the codes after a sync, and in rows (from 1) that it `reported` as edited."""
        self.then = {}
        for row, text, beside in self.lines(self.marks):
            if len(text) >= 36 or row + 1 in reported:
                self.then[text] = beside if self.then.setdefault(text, beside) == beside else None

    def lines(self, marks: list[int]) -> Iterator[tuple[int, str, tuple[str, ...]]]:
        """The rows with a text in the codes' column, and what stands beside it; our columns are those of `marks`."""
        code, *others = [marks.index(ours) if ours in marks else None for ours in range(6)]
        for row in range(self.tab.used()[0]):
            text = "" if code is None else normal(self.shows(row, code))
            if text:
                values = ["" if column is None else self.shows(row, column) for column in others]
                yield row, text, tuple(f"{value!r}" if isinstance(value, bool) else str(value) for value in values)

    def believe_exchanged_headers(self) -> None:
        """Headers that changed places are right unless the cells say otherwise, for a sync as for a person.

        The cells beside a code were there after the last sync: they contradict a header where most of them stand under
        another one. Codes contradict a header wherever they stand, and so do edited ones that a sync reported.
        """
        row = self.header_row()
        titles = [normal(self.shows(row, column)) for column in range(self.tab.column_count)]
        if not all(titles.count(name) == 1 for name in HEADER_NAMES):
            return
        said = [HEADER_NAMES.index(title) if title in HEADER_NAMES else THEIRS for title in titles]
        moved = [ours for ours in range(6) if said.index(ours) != self.column(ours)]
        if not moved or {column for column, mark in enumerate(said) if mark != THEIRS} != {
            column for column, mark in enumerate(self.marks) if mark != THEIRS
        }:
            return
        if 0 in moved:
            codes = [text for text in self.then if len(text) == 36]
            texts = [text for _, text, _ in self.lines(self.marks)]
            if not any(text in self.then or any(code in text for code in codes) for text in texts):
                self.marks = said
            return

        def differing(marks: list[int]) -> tuple[int, int]:
            known = [(beside, then) for _, text, beside in self.lines(marks) if (then := self.then.get(text))]
            cells = [beside[ours - 1] != then[ours - 1] for beside, then in known for ours in moved]
            return sum(cells), len(cells)

        (wrong, cells), (wrong_if_said, _) = differing(self.marks), differing(said)
        if wrong_if_said <= wrong or 2 * wrong >= cells:
            self.marks = said

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
        self.sort_by(column, descending=bool(b % 2))

    def sort_by(self, column: int, *, descending: bool = False, header: bool = True) -> None:
        """Sort the rows below the header, or all; not through merges, which Google refuses."""
        first = self.header_row() + 1 if header else 0
        box = Box(first, 0, *self.tab.box[2:])
        if first < self.tab.row_count and not any(
            merge.box(*self.tab.box[2:]).touches(box) for merge in self.tab.regions_of("merge")
        ):
            self.tab.sort_box(box, [(column, descending)])

    def sort_header_and_all(self, a: int, b: int) -> None:
        if not self.columns_moved:
            self.headers_edited = True
            self.sort_by(a % min(8, self.tab.column_count), header=False)

    def insert_row(self, a: int, b: int) -> None:
        self.tab.insert_rows(1 + a % (min(self.tab.row_count, 15)))
        if self.headers_intact() is False:
            self.headers_edited = True

    def delete_row(self, a: int, b: int) -> None:
        for row in self.pick(self.body_rows(), a):
            self.tab.delete_rows(row + 1)

    def move_row(self, a: int, b: int) -> None:
        """Move a row, but not out of a merge or into one.

        Neither recordings nor documents say what Google does then, and merges never overlap.
        """
        for row in self.pick(self.body_rows(), a):
            before = 1 + b % (self.tab.row_count - 1)
            merges = [merge.box(*self.tab.box[2:]) for merge in self.tab.regions_of("merge")]
            tall = [box for box in merges if box.bottom - box.top > 1]
            if not any(box.top <= row < box.bottom or box.top < before < box.bottom for box in tall):
                self.tab.move_rows(row + 1, before=before + 1)

    def duplicate_row(self, a: int, b: int) -> None:
        for row in self.pick(self.code_rows(), a):
            self.tab.duplicate_row(row + 1)

    def blank_row(self, a: int, b: int) -> None:
        for row in self.pick(self.body_rows(), a):
            self.tab.clear(f"{row + 1}:{row + 1}")

    def insert_column(self, a: int, b: int) -> None:
        if self.may_move_columns():
            at = a % min(9, self.tab.column_count)
            self.tab.insert_columns(column_letters(at))
            self.marks.insert(at, THEIRS)
            if b % 2:
                self.tab.type(self.name(self.header_row(), at), self.text())

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
        """Return whether columns may move. Without a header they could not be distinguished."""
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
        for row in self.pick(self.body_rows(), a):
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
            self.tab.unmerge("A:ZZ")
            self.tab.clear("A:ZZ")

    def shrink_grid(self, a: int, b: int) -> None:
        self.tab.shrink(max(self.tab.used()[0], 1), self.tab.column_count)

    def edit_header(self, a: int, b: int) -> None:
        at = self.column(a % 6)
        row = self.header_row()
        if at is not None and not self.columns_moved and normal(self.shows(row, at)) == HEADER_NAMES[a % 6]:
            self.headers_edited = self.headers_edited or b % 3 < 2
            self.tab.type(self.name(row, at), ["", f"Renamed {self.text()}", f" {HEADERS[a % 6].upper()} "][b % 3])

    # What they put beside the codes

    def put_formula(self, a: int, b: int) -> None:
        """Fill a formula down beside the codes, to their end or beyond it: relative, absolute, aggregating, spilling."""
        code, total = self.column(0), self.column(2)
        rows = self.code_rows()
        free = [column for column in self.theirs() if all(self.tab.at(row, column) is None for row in rows)]
        if not rows or code is None or total is None:
            return
        for column in self.pick(free, b):
            first, last = rows[0], min(rows[-1] + 1 + a % 5, self.tab.row_count)
            formula = FORMULAS[(a + b) % len(FORMULAS)].format(
                code=column_letters(code), total=column_letters(total), row=first + 1, end=self.tab.row_count
            )
            if formula.startswith("=ARRAY"):
                if all(self.tab.at(row, column) is None for row in range(first, self.tab.row_count)):
                    self.tab.type(self.name(first, column), formula)
                return
            self.tab.type(self.name(first, column), formula)
            self.tab.fill_down(self.name(first, column), last)

    def put_checkboxes(self, a: int, b: int) -> None:
        """Checkboxes beside the codes and in some rows below, one of them ticked."""
        rows = self.code_rows()
        for column in self.pick(self.theirs(), b) if rows else []:
            last = min(rows[-1] + 1 + a % 6, self.tab.row_count)
            self.tab.checkbox(f"{self.name(rows[0], column)}:{self.name(last - 1, column)}")
            if a % 2 and self.tab.at(rows[a % len(rows)], column) is False:
                self.tab.tick(self.name(rows[a % len(rows)], column))

    def merge_notes(self, a: int, b: int) -> None:
        """Merge two cells of a column of theirs."""
        for column in self.pick(self.theirs(), b):
            row = a % max(min(self.tab.row_count, 20) - 1, 1)
            self.merge(row, column, row + 2, column + 1)

    def merge_ours(self, a: int, b: int) -> None:
        """Merge one of our status cells with the one below it, which loses what it held."""
        at = self.column(1 + b % 5)
        for row in self.pick(self.body_rows(), a):
            if at is not None and row > self.header_row():
                self.merge(row, at, row + 2, at + 1)

    def merge(self, top: int, left: int, bottom: int, right: int) -> None:
        box = Box(top, left, bottom, right)
        inside = bottom <= self.tab.row_count and right <= self.tab.column_count
        touched = any(merge.box(*self.tab.box[2:]).touches(box) for merge in self.tab.regions_of("merge"))
        if inside and not touched:
            self.tab.merge(f"{self.name(top, left)}:{self.name(bottom - 1, right - 1)}")

    def insert_title(self, a: int, b: int) -> None:
        """A title above the header, over a blank row or not."""
        if self.headers_intact():
            self.tab.insert_rows(1, 1 + a % 2)
            self.tab.type(self.name(0, b % self.tab.column_count), f"Title {self.text()}")

    def insert_spacer(self, a: int, b: int) -> None:
        """A blank row between the codes, or one with a word in a column of theirs."""
        rows = self.code_rows()
        for row in self.pick(rows[1:], a):
            self.tab.insert_rows(row + 1)
            for column in self.pick(self.theirs(), b) if b % 2 else []:
                self.tab.type(self.name(row, column), self.text())

    def second_table(self, a: int, b: int) -> None:
        """Another table below ours, in our columns, with a header of its own."""
        top = self.tab.used()[0] + 1 + a % 3
        code, use = self.column(0), self.column(1)
        if top + 3 <= self.tab.row_count and code is not None and use is not None:
            for row, word in enumerate(("Team", "red", "blue"), top):
                self.tab.type(self.name(row, code), f"{word} {self.text()}")
                self.tab.type(self.name(row, use), self.text())

    def swap_headers(self, a: int, b: int) -> None:
        """Swap the texts of two of our headers: the contents stay."""
        row, one, other = self.header_row(), self.column(a % 6), self.column(b % 6)
        if self.headers_intact() and not self.columns_moved and None not in (one, other) and one != other:
            assert one is not None
            assert other is not None
            self.headers_edited = True
            first, second = str(self.shows(row, one)), str(self.shows(row, other))
            self.tab.type(self.name(row, one), second)
            self.tab.type(self.name(row, other), first)

    def plain_text_column(self, a: int, b: int) -> None:
        """Format › Number › Plain text for a whole column, ours or theirs."""
        letters = column_letters(a % min(9, self.tab.column_count))
        self.tab.plain_text(f"{letters}:{letters}")

    def make_table(self, a: int, b: int) -> None:
        """Convert the header and the codes below it to a table, with the columns beside them or without."""
        rows, columns = self.code_rows(), [column for column, mark in enumerate(self.marks) if mark != THEIRS]
        top = self.header_row()
        if not rows or rows[0] < top or not self.headers_intact() or self.tab.regions_of("table", "merge"):
            return
        right = min(max(columns) + 1 + b % 3, self.tab.column_count)
        self.tab.make_table(f"{self.name(top, min(columns))}:{self.name(rows[-1], right - 1)}")

    def filter_rows(self, a: int, b: int) -> None:
        """A filter that hides some of the codes' rows, or no filter any more."""
        rows = self.code_rows()
        if not rows or b % 4 == 0:
            self.tab.remove_filter()
            return
        last = column_letters(self.tab.column_count - 1)
        hidden = [row + 1 for row in rows if row % 2 == a % 2]
        self.tab.filter(f"A{self.header_row() + 1}:{last}{rows[-1] + 1}", hide=hidden)

    def copy_tab(self, a: int, b: int) -> None:
        """Duplicate the tab; sometimes the copy takes its title."""
        spreadsheet = self.tab.spreadsheet
        copy, title = spreadsheet.copy_tab(self.tab.index, self.text()), self.tab.title
        if b % 2:
            spreadsheet.rename_tab(self.tab.index, self.text())
            spreadsheet.rename_tab(copy.index, title)
        if a % 2:
            spreadsheet.move_tab(copy.index, 0)

    def add_tab_of_another_installation(self, a: int, b: int) -> None:
        """Our header over codes that this installation does not know, sometimes with a title, notes or moved columns."""
        spreadsheet = self.tab.spreadsheet
        tab = spreadsheet.add_tab(self.text())
        codes = [[str(uuid.UUID(int=0xF0E1 + number)), "one-time", "0"] for number in range(1 + a % 4)]
        tab.paste("A1", [list(HEADERS), *codes])
        if a % 2:
            tab.type("G2", self.text())
        if a % 3 == 0:
            tab.insert_rows(1)
            tab.type("B1", self.text())
        if a % 5 == 0:
            tab.insert_columns("A")
        if b % 2:
            spreadsheet.move_tab(tab.index, 0)

    def tabs_of_other_installations(self) -> list[Tab]:
        """The tabs that `add_tab_of_another_installation` made, and that are still as they were."""
        return [
            tab
            for tab in self.tab.spreadsheet.tabs
            if tab is not self.tab
            and any(str(cell).startswith("00000000-0000-0000") for row in tab.grid() for cell in row)
        ]

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
    *(Customer.edit_header, Customer.rename_tab, Customer.add_tab, Customer.put_formula, Customer.put_formula),
    *(Customer.put_checkboxes, Customer.merge_notes, Customer.merge_ours, Customer.insert_title),
    *(Customer.insert_spacer, Customer.second_table, Customer.swap_headers, Customer.copy_tab),
    *(Customer.plain_text_column, Customer.make_table, Customer.filter_rows),
    Customer.add_tab_of_another_installation,
)
MEANWHILE: tuple[Edit, ...] = (
    *(Customer.sort, Customer.insert_row, Customer.delete_row, Customer.move_row, Customer.note, Customer.put_formula),
    *(Customer.insert_column, Customer.move_column, Customer.rename_tab, Customer.put_checkboxes),
)
"""Actions that may happen in the middle of a sync: a person does not type into cells that are being written."""
