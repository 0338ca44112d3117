"""A spreadsheet as Google keeps it, and what a person can do to it in the browser. No HTTP.

Edits of a person speak as the person sees it: cells in A1 notation, rows from 1, columns by letter. What the API uses
speaks as the API does: zero-based indexes, the end excluded.
"""

import secrets
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import wraps
from itertools import count
from typing import Any, Concatenate, Literal, ParamSpec, TypeVar, cast

from b2b_pipelines.sandbox.google import cells as content
from b2b_pipelines.sandbox.google.a1 import (
    Area,
    Box,
    Unparsable,
    column_index,
    parse_cell,
    parse_cells,
    quoted,
    range_name,
    split_range,
)
from b2b_pipelines.sandbox.google.cells import Cell, Formatted, Formula, Scalar, shown_number
from b2b_pipelines.sandbox.google.formulas import evaluate, following, moved

Dimension = Literal["ROWS", "COLUMNS"]
Line = list[Cell | None]
P = ParamSpec("P")
R = TypeVar("R")

MAX_CELLS = 10_000_000
MAX_COLUMNS = 18_278
OWNER = "customer@example.com"

TOO_MANY_CELLS = f"This action would increase the number of cells in the workbook above the limit of {MAX_CELLS} cells."
PROTECTED = (
    "You are trying to edit a protected cell or object. Please contact the spreadsheet owner to remove protection "
    "if you need to edit."
)


class SheetError(Exception):
    """What Google answers with 400 and these words."""


@dataclass(slots=True)
class Protection:
    """Cells that only its editors, and the owner of the spreadsheet, may change."""

    protection_id: int
    area: Area
    description: str = ""
    editors: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Change:
    """What one write of the API changed: cells (sheet id, row, column) of the spreadsheet's version."""

    version: int
    cells: tuple[tuple[int, int, int], ...]


def _edit(method: Callable[Concatenate[Any, P], R]) -> Callable[Concatenate[Any, P], R]:
    """An edit by a person: all of it under the spreadsheet's lock, and a new version after it."""

    @wraps(method)
    def edit(self: Any, *args: P.args, **kwargs: P.kwargs) -> R:
        spreadsheet: Spreadsheet = self.spreadsheet
        with spreadsheet.lock:
            try:
                result = method(self, *args, **kwargs)
            except Unparsable as error:
                raise SheetError(f"Unable to parse range: {error}") from None
            spreadsheet.version += 1
            return result

    return cast(Callable[Concatenate[Any, P], R], edit)


class Tab:
    """One sheet of a spreadsheet.

    `rows` is ragged: a row ends after its last filled cell or later, and the rows after the last filled one may be
    missing. `row_count` and `column_count` are the grid.
    """

    def __init__(self, spreadsheet: "Spreadsheet", sheet_id: int, title: str, row_count: int, column_count: int):
        self.spreadsheet = spreadsheet
        self.sheet_id = sheet_id
        self.title = title
        self.row_count = row_count
        self.column_count = column_count
        self.frozen_rows = 0
        self.frozen_columns = 0
        self.hidden = False
        self.rows: list[Line] = []
        self.protections: list[Protection] = []

    def __repr__(self) -> str:
        return f"<Tab {self.title!r} {self.row_count}x{self.column_count}>"

    @property
    def index(self) -> int:
        return self.spreadsheet.tabs.index(self)

    @property
    def box(self) -> Box:
        """The whole grid."""
        return Box(0, 0, self.row_count, self.column_count)

    # What is in it

    def cell(self, where: str) -> Cell | None:
        """What a cell holds: text, number, boolean, `Formula`, `Formatted`, or None."""
        return self.at(*parse_cell(where))

    def at(self, row: int, column: int) -> Cell | None:
        if row < len(self.rows):
            line = self.rows[row]
            if column < len(line):
                return line[column]
        return None

    def value(self, where: str) -> Scalar | None:
        """What a cell comes out as: a formula's value, a date's serial number."""
        return self.computed(self.cell(where))

    def shown(self, where: str) -> str:
        """What a cell shows. Empty cells show nothing, as may formulas."""
        return self.shown_as(self.cell(where))

    def grid(self, cells: str | None = None) -> list[list[str]]:
        """What the cells show, row by row, without what is empty at the end of rows and of the range."""
        box = self._box(cells).clipped(self.row_count, self.column_count)
        return [[self.shown_as(cell) for cell in line] for line in self.lines(box)]

    def column(self, letters: str) -> list[str]:
        """What a column shows from row 1 to its last filled cell."""
        return [line[0] if line else "" for line in self.grid(f"{letters}:{letters}")]

    def lines(self, box: Box) -> list[Line]:
        """The cells of a box, without empty ones at the ends of rows, and without empty rows at the end."""
        lines: list[Line] = []
        for line in self.rows[box.top : box.bottom]:
            cut = line[box.left : box.right]
            while cut and cut[-1] is None:
                cut.pop()
            lines.append(cut)
        while lines and not lines[-1]:
            lines.pop()
        return lines

    def used(self) -> tuple[int, int]:
        """Rows and columns up to the last filled ones."""
        lines = self.lines(self.box)
        return len(lines), max(map(len, lines), default=0)

    def computed(self, cell: Cell | None, depth: int = 0) -> Scalar | None:
        if isinstance(cell, Formula):
            if cell.value is not None:
                return cell.value
            if depth > 50:
                return "#REF!"
            return evaluate(
                cell.text,
                lambda row, column: self.computed(self.at(row, column), depth + 1),
                (self.row_count, self.column_count),
            )
        return cell.value if isinstance(cell, Formatted) else cell

    def shown_as(self, cell: Cell | None) -> str:
        if isinstance(cell, str):
            return cell
        if isinstance(cell, Formatted):
            return cell.shown
        value = self.computed(cell)
        if value is None:
            return ""
        if isinstance(value, bool):
            return str(value).upper()
        return value if isinstance(value, str) else shown_number(value)

    # What the API does to it, and every edit comes down to

    def put(self, row: int, column: int, cell: Cell | None) -> None:
        """Fill or empty one cell of the grid."""
        if isinstance(cell, str) and len(cell) > content.CELL_CHARACTERS:
            raise SheetError(
                f"Your input contains more than the maximum of {content.CELL_CHARACTERS} characters in a single cell."
            )
        rows = self.rows
        while len(rows) <= row:
            rows.append([])
        line = rows[row]
        if column >= len(line):
            if cell is None:
                return
            line.extend([None] * (column + 1 - len(line)))
        recorded = self.spreadsheet.recorded
        if recorded is not None and line[column] != cell:
            recorded.append((self.sheet_id, row, column))
        line[column] = cell

    def empty(self, box: Box) -> None:
        """Empty the cells of a box."""
        recorded = self.spreadsheet.recorded
        for row in range(box.top, min(box.bottom, len(self.rows))):
            line = self.rows[row]
            for column in range(box.left, min(box.right, len(line))):
                if recorded is not None and line[column] is not None:
                    recorded.append((self.sheet_id, row, column))
                line[column] = None

    def guard(self, box: Box, account: str | None) -> None:
        """Raise `SheetError` if the account may not change these cells. None is a person who owns the spreadsheet."""
        if account in (None, self.spreadsheet.owner):
            return
        for protection in self.protections:
            if account not in protection.editors and protection.area.box(self.row_count, self.column_count).touches(
                box
            ):
                raise SheetError(PROTECTED)

    def resize(self, row_count: int, column_count: int) -> None:
        """Give the grid another size. What stands outside of a smaller one is gone."""
        if row_count < 1 or column_count < 1:
            raise SheetError("You can't delete all the rows or columns on the sheet.")
        self.spreadsheet.check_size(row_count * column_count - self.row_count * self.column_count)
        if column_count > MAX_COLUMNS:
            raise SheetError(
                f"This action would increase the number of columns in the sheet above the limit of {MAX_COLUMNS}."
            )
        del self.rows[row_count:]
        for line in self.rows:
            del line[column_count:]
        self.row_count, self.column_count = row_count, column_count

    def size(self, dimension: Dimension) -> int:
        return self.row_count if dimension == "ROWS" else self.column_count

    def append_dimension(self, dimension: Dimension, length: int) -> None:
        rows, columns = (length, 0) if dimension == "ROWS" else (0, length)
        self.resize(self.row_count + rows, self.column_count + columns)

    def insert_dimension(self, dimension: Dimension, start: int, length: int) -> None:
        """Push what stands from `start` on down (or to the right)."""
        self.append_dimension(dimension, length)
        if dimension == "ROWS":
            if start < len(self.rows):
                self.rows[start:start] = [[] for _ in range(length)]
        else:
            for line in self.rows:
                if start < len(line):
                    line[start:start] = [None] * length
        self._follow(dimension, lambda place: place + length if place >= start else place)

    def delete_dimension(self, dimension: Dimension, start: int, end: int) -> None:
        size = self.size(dimension)
        if end - start >= size:
            raise SheetError(f"You can't delete all the {dimension.lower()} on the sheet.")
        if dimension == "ROWS":
            del self.rows[start:end]
            self.row_count -= end - start
        else:
            for line in self.rows:
                del line[start:end]
            self.column_count -= end - start
        self._follow(
            dimension, lambda place: place if place < start else (None if place < end else place - (end - start))
        )

    def move_dimension(self, dimension: Dimension, start: int, end: int, destination: int) -> None:
        """Move rows or columns to stand before what is now at `destination`."""
        if start <= destination <= end:
            return
        order = list(range(self.size(dimension)))
        block = order[start:end]
        del order[start:end]
        target = destination if destination < start else destination - (end - start)
        order[target:target] = block
        if dimension == "ROWS":
            self.rows = [self.rows[place] if place < len(self.rows) else [] for place in order]
        else:
            self.rows = [[line[place] if place < len(line) else None for place in order] for line in self.rows]
        places = {old: new for new, old in enumerate(order)}
        self._follow(dimension, lambda place: places.get(place, place))

    def sort_box(self, box: Box, columns: Sequence[tuple[int, bool]]) -> None:
        """Sort the rows of a box by columns, each with whether it is descending. Empty cells always come last."""
        box = box.clipped(*self.used())
        rows = [[self.at(row, column) for column in range(box.left, box.right)] for row in range(box.top, box.bottom)]
        order = list(range(len(rows)))
        for column, descending in reversed(columns):
            keys = {row: self._sort_key(self.at(box.top + row, column)) for row in order}
            filled = [row for row in order if keys[row] is not None]
            filled.sort(key=lambda row: keys[row] or (0, 0), reverse=descending)
            order = filled + [row for row in order if keys[row] is None]
        for place, row in enumerate(order):
            for offset, cell in enumerate(rows[row]):
                self.put(box.top + place, box.left + offset, _carried(cell, place - row, 0))

    def _sort_key(self, cell: Cell | None) -> tuple[int, Any] | None:
        """Numbers before text before booleans, as Google sorts; None for what is empty."""
        value = self.computed(cell)
        if value is None or value == "":
            return None
        if isinstance(value, bool):
            return 2, value
        return (1, value.casefold()) if isinstance(value, str) else (0, value)

    def _follow(self, dimension: Dimension, places: Callable[[int], int | None]) -> None:
        """Let references and protections follow rows or columns that changed place."""
        for line in self.rows:
            for column, cell in enumerate(line):
                if isinstance(cell, Formula):
                    line[column] = Formula(following(cell.text, dimension, places), cell.value)
        kept = []
        for protection in self.protections:
            first, after = (
                (protection.area.top, protection.area.bottom)
                if dimension == "ROWS"
                else (protection.area.left, protection.area.right)
            )
            new = [
                place
                for old in range(first or 0, after if after is not None else self.size(dimension))
                if (place := places(old)) is not None
            ]
            if not new:
                continue
            start = None if first is None else min(new)
            end = None if after is None else max(new) + 1
            area = protection.area
            protection.area = (
                area._replace(top=start, bottom=end) if dimension == "ROWS" else area._replace(left=start, right=end)
            )
            kept.append(protection)
        self.protections = kept

    # What a person does to it

    @_edit
    def type(self, where: str, text: str, *, value: Scalar | None = None) -> None:
        """Type into a cell as a person does: `=…` is a formula, `12` a number, `'12` text, nothing empties the cell.

        `value` is what a formula comes out as where the stand-in cannot compute it.
        """
        row, column = parse_cell(where)
        self._inside(row, column)
        cell = content.typed(text)
        self.put(row, column, Formula(cell.text, value) if isinstance(cell, Formula) and value is not None else cell)

    @_edit
    def paste(self, where: str, rows: Sequence[Sequence[str]]) -> None:
        """Paste a block of texts with its first cell here. The grid grows where it must."""
        top, left = parse_cell(where)
        self.resize(max(self.row_count, top + len(rows)), max(self.column_count, left + max(map(len, rows), default=0)))
        for row, line in enumerate(rows, top):
            for column, text in enumerate(line, left):
                self.put(row, column, content.typed(text))

    @_edit
    def fill_down(self, where: str, to_row: int) -> None:
        """Drag a cell down to a row: values repeat, and the references of a formula follow."""
        row, column = parse_cell(where)
        self._inside(to_row - 1, column)
        cell = self.at(row, column)
        for target in range(row + 1, to_row):
            self.put(target, column, _carried(cell, target - row, 0))

    @_edit
    def clear(self, cells: str) -> None:
        """Select cells and press Delete."""
        self.empty(self._box(cells).clipped(self.row_count, self.column_count))

    @_edit
    def sort(self, column: str, *, descending: bool = False, header: bool = True, cells: str | None = None) -> None:
        """Sort rows by a column: of the whole tab, or of some cells only. The header row keeps its place."""
        box = self._box(cells)
        self.sort_box(box._replace(top=box.top + 1) if header else box, [(column_index(column), descending)])

    @_edit
    def insert_rows(self, row: int, number: int = 1) -> None:
        """Insert rows above this one."""
        self._inside(row - 1, 0)
        self.insert_dimension("ROWS", row - 1, number)

    @_edit
    def append_rows(self, number: int) -> None:
        """Add empty rows at the bottom of the grid."""
        self.append_dimension("ROWS", number)

    @_edit
    def delete_rows(self, first: int, last: int | None = None) -> None:
        """Delete a row, or the rows from first to last."""
        last = first if last is None else last
        self._inside(first - 1, 0)
        self._inside(last - 1, 0)
        self.delete_dimension("ROWS", first - 1, last)

    @_edit
    def move_rows(self, first: int, last: int | None = None, *, before: int) -> None:
        """Drag rows to stand above the row `before`."""
        last = first if last is None else last
        self._inside(last - 1, 0)
        self.move_dimension("ROWS", first - 1, last, before - 1)

    @_edit
    def duplicate_row(self, row: int) -> None:
        """Insert a copy of a row below it."""
        self._inside(row - 1, 0)
        line = [_carried(self.at(row - 1, column), 1, 0) for column in range(self.column_count)]
        self.insert_dimension("ROWS", row, 1)
        for column, cell in enumerate(line):
            self.put(row, column, cell)

    @_edit
    def insert_columns(self, column: str, number: int = 1) -> None:
        """Insert columns to the left of this one."""
        self._inside(0, column_index(column))
        self.insert_dimension("COLUMNS", column_index(column), number)

    @_edit
    def append_columns(self, number: int) -> None:
        """Add empty columns at the right of the grid."""
        self.append_dimension("COLUMNS", number)

    @_edit
    def delete_columns(self, first: str, last: str | None = None) -> None:
        """Delete a column, or the columns from first to last."""
        self._inside(0, column_index(last or first))
        self.delete_dimension("COLUMNS", column_index(first), column_index(last or first) + 1)

    @_edit
    def move_columns(self, first: str, last: str | None = None, *, before: str) -> None:
        """Drag columns to stand to the left of the column `before` (which may be the one after the last)."""
        self._inside(0, column_index(last or first))
        self.move_dimension("COLUMNS", column_index(first), column_index(last or first) + 1, column_index(before))

    @_edit
    def shrink(self, row_count: int, column_count: int) -> None:
        """Give the grid this size, as if rows and columns beyond it were deleted."""
        self.resize(row_count, column_count)

    @_edit
    def protect(self, cells: str | None = None, *, editors: Iterable[str] = (), description: str = "") -> int:
        """Protect cells, or the whole tab, from everyone but the owner and these editors. Answers its id."""
        area = parse_cells(cells) if cells else Area()
        return self.add_protection(area, editors, description).protection_id

    @_edit
    def unprotect(self) -> None:
        """Lift every protection of this tab."""
        self.protections.clear()

    def add_protection(self, area: Area, editors: Iterable[str], description: str) -> Protection:
        protection = Protection(secrets.randbelow(2**31), area, description, frozenset(editors))
        self.protections.append(protection)
        return protection

    def _box(self, cells: str | None) -> Box:
        return (parse_cells(cells) if cells else Area()).box(self.row_count, self.column_count)

    def _inside(self, row: int, column: int) -> None:
        if not (0 <= row < self.row_count and 0 <= column < self.column_count):
            raise SheetError(
                f"Range ({range_name(self.title, Box(row, column, row + 1, column + 1))}) exceeds grid limits. "
                f"Max rows: {self.row_count}, max columns: {self.column_count}"
            )


def _carried(cell: Cell | None, rows: int, columns: int) -> Cell | None:
    """A cell as it is after it was copied or sorted to another place."""
    if isinstance(cell, Formula) and (rows or columns):
        return Formula(moved(cell.text, rows, columns), cell.value)
    return cell


@dataclass(slots=True)
class _TabState:
    tab: Tab
    title: str
    row_count: int
    column_count: int
    frozen: tuple[int, int, bool]
    rows: list[Line]
    protections: list[Protection]


@dataclass(eq=False)
class Spreadsheet:
    """A spreadsheet: its tabs, and who may open it.

    `version` grows with every change. `lock` guards everything in it: edits take it by themselves.
    """

    spreadsheet_id: str
    title: str
    owner: str = OWNER
    shared_with: set[str] = field(default_factory=set)
    public: bool = False
    version: int = 1
    tabs: list[Tab] = field(default_factory=list)
    lock: threading.RLock = field(default_factory=threading.RLock, repr=False)
    changes: deque[Change] = field(default_factory=lambda: deque(maxlen=200), repr=False)
    recorded: list[tuple[int, int, int]] | None = field(default=None, repr=False)

    @property
    def spreadsheet(self) -> "Spreadsheet":
        return self

    @property
    def url(self) -> str:
        """The URL as a customer copies it out of the browser."""
        return f"https://docs.google.com/spreadsheets/d/{self.spreadsheet_id}/edit#gid={self.tabs[0].sheet_id}"

    def opens_for(self, account: str) -> bool:
        """Whether this account may read and edit it."""
        return self.public or account in (self.owner, *self.shared_with)

    # Finding

    def tab(self, which: str | int = 0) -> Tab:
        """A tab by its title, compared without case, or by its place. Raises `KeyError`."""
        if isinstance(which, int):
            if 0 <= which < len(self.tabs):
                return self.tabs[which]
        else:
            for tab in self.tabs:
                if tab.title.casefold() == which.casefold():
                    return tab
        raise KeyError(f"no tab {which!r}: there are {', '.join(quoted(tab.title) for tab in self.tabs)}")

    def tab_by_id(self, sheet_id: int) -> Tab:
        """A tab by its numeric id. Raises `SheetError` in Google's words."""
        for tab in self.tabs:
            if tab.sheet_id == sheet_id:
                return tab
        raise SheetError(f"No grid with id: {sheet_id}")

    def resolve(self, text: str) -> tuple[Tab, Area]:
        """The tab and cells that a range in A1 notation means. Raises `SheetError`."""
        try:
            title, cells = split_range(text)
            tab = self.tabs[0] if title is None else self.tab(title)
            return tab, parse_cells(cells) if cells else Area()
        except (Unparsable, KeyError):
            raise SheetError(f"Unable to parse range: {text}") from None

    # What the API does

    @contextmanager
    def writing(self) -> Iterator[None]:
        """A write of the API: all of it or, when anything raises, nothing. Remembers the cells it changed."""
        with self.lock:
            before = self._state()
            self.recorded = []
            try:
                yield
            except BaseException:
                self._restore(before)
                raise
            else:
                self.version += 1
                self.changes.append(Change(self.version, tuple(self.recorded)))
            finally:
                self.recorded = None

    def changed_since(self, version: int, sheet_id: int) -> list[tuple[int, int]]:
        """Cells of a tab that the API changed after this version, as far as that is remembered."""
        return [
            (row, column)
            for change in self.changes
            if change.version > version
            for of, row, column in change.cells
            if of == sheet_id
        ]

    def check_size(self, more: int) -> None:
        if more > 0 and sum(tab.row_count * tab.column_count for tab in self.tabs) + more > MAX_CELLS:
            raise SheetError(TOO_MANY_CELLS)

    def new_tab(
        self,
        title: str | None = None,
        *,
        sheet_id: int | None = None,
        row_count: int = 1000,
        column_count: int = 26,
        index: int | None = None,
    ) -> Tab:
        """Add a tab, by default `SheetN`. Raises `SheetError` for a title or an id that is taken."""
        if title is None:
            taken = {tab.title.casefold() for tab in self.tabs}
            title = next(name for n in count(len(self.tabs) + 1) if (name := f"Sheet{n}").casefold() not in taken)
        self._check_title(title, None)
        self.check_size(row_count * column_count)
        if sheet_id is None:
            sheet_id = secrets.randbelow(2**31) if self.tabs else 0
        elif any(tab.sheet_id == sheet_id for tab in self.tabs):
            raise SheetError(f"A sheet with the ID {sheet_id} already exists. Please enter another ID.")
        tab = Tab(self, sheet_id, title, row_count, column_count)
        self.tabs.insert(len(self.tabs) if index is None else index, tab)
        return tab

    def remove_tab(self, tab: Tab) -> None:
        if len(self.tabs) == 1:
            raise SheetError("You can't remove all the sheets in a document.")
        self.tabs.remove(tab)

    def retitle(self, tab: Tab, title: str) -> None:
        self._check_title(title, tab)
        tab.title = title

    def _check_title(self, title: str, but: Tab | None) -> None:
        if not title.strip():
            raise SheetError("The sheet name cannot be empty.")
        if any(tab is not but and tab.title.casefold() == title.casefold() for tab in self.tabs):
            raise SheetError(f'A sheet with the name "{title}" already exists. Please enter another name.')

    def _state(self) -> tuple[str, list[_TabState]]:
        return self.title, [
            _TabState(
                tab,
                tab.title,
                tab.row_count,
                tab.column_count,
                (tab.frozen_rows, tab.frozen_columns, tab.hidden),
                [line[:] for line in tab.rows],
                [Protection(p.protection_id, p.area, p.description, p.editors) for p in tab.protections],
            )
            for tab in self.tabs
        ]

    def _restore(self, state: tuple[str, list[_TabState]]) -> None:
        self.title, tabs = state
        self.tabs = [kept.tab for kept in tabs]
        for kept in tabs:
            tab = kept.tab
            tab.title, tab.row_count, tab.column_count = kept.title, kept.row_count, kept.column_count
            tab.frozen_rows, tab.frozen_columns, tab.hidden = kept.frozen
            tab.rows, tab.protections = kept.rows, kept.protections

    # What a person does

    @_edit
    def rename(self, title: str) -> None:
        self.title = title

    @_edit
    def add_tab(self, title: str | None = None) -> Tab:
        return self.new_tab(title)

    @_edit
    def rename_tab(self, which: str | int, title: str) -> None:
        self.retitle(self.tab(which), title)

    @_edit
    def delete_tab(self, which: str | int) -> None:
        self.remove_tab(self.tab(which))

    @_edit
    def move_tab(self, which: str | int, index: int) -> None:
        """Drag a tab to another place in the strip."""
        tab = self.tab(which)
        self.tabs.remove(tab)
        self.tabs.insert(index, tab)

    @_edit
    def share(self, email: str) -> None:
        self.shared_with.add(email)

    @_edit
    def unshare(self, email: str) -> None:
        self.shared_with.discard(email)

    @_edit
    def share_with_everyone(self, public: bool = True) -> None:
        """Let anyone with the link edit it, or no longer."""
        self.public = public


def new_spreadsheet(title: str = "Untitled spreadsheet", *, owner: str = OWNER) -> Spreadsheet:
    """An empty spreadsheet as Google makes it: one tab `Sheet1`, sheet id 0, 1000 rows and 26 columns."""
    spreadsheet = Spreadsheet("1" + secrets.token_urlsafe(33)[:43].replace("~", "-"), title, owner)
    spreadsheet.new_tab("Sheet1", sheet_id=0)
    return spreadsheet


# What a state file holds


def dump(spreadsheet: Spreadsheet) -> dict[str, Any]:
    with spreadsheet.lock:
        return {
            "id": spreadsheet.spreadsheet_id,
            "title": spreadsheet.title,
            "owner": spreadsheet.owner,
            "shared_with": sorted(spreadsheet.shared_with),
            "public": spreadsheet.public,
            "version": spreadsheet.version,
            "tabs": [
                {
                    "sheet_id": tab.sheet_id,
                    "title": tab.title,
                    "row_count": tab.row_count,
                    "column_count": tab.column_count,
                    "frozen_rows": tab.frozen_rows,
                    "frozen_columns": tab.frozen_columns,
                    "hidden": tab.hidden,
                    "rows": [[content.as_json(cell) for cell in line] for line in tab.lines(tab.box)],
                    "protections": [
                        {
                            "id": protection.protection_id,
                            "area": list(protection.area),
                            "description": protection.description,
                            "editors": sorted(protection.editors),
                        }
                        for protection in tab.protections
                    ],
                }
                for tab in spreadsheet.tabs
            ],
        }


def load(state: dict[str, Any]) -> Spreadsheet:
    """The spreadsheet that `dump` wrote."""
    spreadsheet = Spreadsheet(
        state["id"],
        state["title"],
        state["owner"],
        set(state["shared_with"]),
        state["public"],
        state["version"],
    )
    for kept in state["tabs"]:
        tab = Tab(spreadsheet, kept["sheet_id"], kept["title"], kept["row_count"], kept["column_count"])
        tab.frozen_rows, tab.frozen_columns, tab.hidden = kept["frozen_rows"], kept["frozen_columns"], kept["hidden"]
        tab.rows = [[content.from_json(cell) for cell in line] for line in kept["rows"]]
        tab.protections = [
            Protection(item["id"], Area(*item["area"]), item["description"], frozenset(item["editors"]))
            for item in kept["protections"]
        ]
        spreadsheet.tabs.append(tab)
    return spreadsheet
