"""What a customer's tab holds, and where in it our six columns are.

Pure: nothing here reads, writes or knows the time. Rows and columns are counted from 0, as Google's API does; only
`HeldRow.row` is the row number people see, counted from 1, because it is stored and shown.
"""

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from b2b_pipelines.cells import Area, Cell, Formula, Spilled, Table, entered, is_blank

HEADERS = ("Enrollment Code", "Use Type", "Total Redemptions", "Invalidated On", "Redeemed By", "Redeemed On")

_NAMES = tuple(header.casefold() for header in HEADERS)
_NAME_SET = frozenset(_NAMES)
_EXACT = frozenset(HEADERS)
_TITLE_ROWS = 100
"""Rows in which a header is looked for in any spelling; below them only as we write it."""
_BLANK = {("", ""), ("", None), (None, ""), (None, None)}
_CODE_LENGTH = 36
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class CodeRow:
    """The truth about one code, as the sheet shows it. Times are text, `YYYY-MM-DD HH:MM:SS UTC`; `""` is none."""

    code: str
    use_type: str
    total_redemptions: int
    invalidated_on: str
    redeemed_by: str
    redeemed_on: str

    @property
    def status(self) -> tuple[str | int, ...]:
        """What stands beside the code: the cells that a sync keeps true."""
        return (self.use_type, self.total_redemptions, self.invalidated_on, self.redeemed_by, self.redeemed_on)

    @property
    def cells(self) -> tuple[str | int, ...]:
        """The whole row, in the order of `HEADERS`."""
        return (self.code, *self.status)


@dataclass(frozen=True, slots=True)
class Tab:
    """A tab as it was read: every column, rows without their trailing blanks, the size of the grid, merges and tables."""

    values: Sequence[Sequence[Cell]]
    row_count: int
    column_count: int
    merges: tuple[Area, ...] = ()
    tables: tuple[Table, ...] = ()

    @property
    def is_blank(self) -> bool:
        """Whether nothing was entered in any cell."""
        return all(is_blank(row) for row in self.values)

    def cell(self, row: int, column: int) -> Cell:
        """The value there; blank where the reading left it out or the grid ends."""
        if row >= len(self.values) or column >= len(self.values[row]):
            return ""
        return self.values[row][column]


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns of ours, in the order of `HEADERS`.

    `has_header`: at least one of their texts stands in `header_row`, which is row 0 or where the customer pushed it.
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
    """Our columns cannot be found: `missing` are the headers whose column was not found, `misplaced` those whose text
    stands over the contents of another one. `header_row` is where the header was looked for."""

    missing: tuple[str, ...] = ()
    misplaced: tuple[str, ...] = ()
    header_row: int = 0


class HeldRow(NamedTuple):
    """One row of ours after a sync: its number (from 1), the code it is about, and what our six columns hold there.

    The first cell is the code as the customer has it: other case, with a note, or, where the cell was edited, no code.
    """

    row: int
    code: str
    cells: tuple[Cell, ...]

    @property
    def is_exact(self) -> bool:
        """The code stands there by itself, and the cells beside it are kept true: the row has no conflict of its own."""
        return normal(self.cells[0]) == normal(self.code)


@dataclass(frozen=True, slots=True)
class Written:
    """What the last sync left behind: the columns it found or made, the width of the grid, and the rows of ours."""

    columns: tuple[int, ...]
    column_count: int
    rows: tuple[HeldRow, ...]


_RowThen: TypeAlias = tuple[Sequence[Cell], tuple[Cell, ...]]
"""A row of ours as it is now, all columns, and what our cells in it held after the last sync."""


def normal(cell: Cell) -> str:
    """Return the text by which codes compare: what the cell shows, trimmed and without case. Blank is `""`.

    A value that spilled there from an array formula is blank: nothing was entered.
    """
    if isinstance(cell, Formula):
        cell = cell.shown
    return "" if cell is None or isinstance(cell, Spilled) else str(cell).strip().casefold()


def typed(cell: Cell) -> str:
    """Return `normal` of what was entered as a constant. A formula that shows a header or a code is not ours."""
    return "" if isinstance(cell, Formula) else normal(cell)


def same(held: Cell, wanted: Cell) -> bool:
    """Whether a cell holds what it should, by what was entered: None is `""`, and 3.0 is 3.

    A count that reads back as its text, as columns of plain text show it, is the count. A checkbox is not a number, and
    a formula is not what it shows.
    """
    held = entered(held)
    if isinstance(wanted, int) and not isinstance(wanted, bool) and held == str(wanted):
        return True
    return held == ("" if wanted is None else wanted) and isinstance(held, bool) == isinstance(wanted, bool)


def looks_like_code(text: str) -> bool:
    """Whether a normalized text has the form of an enrollment code, a UUID, and nothing more."""
    return _UUID.fullmatch(text) is not None


def codes_within(text: str) -> tuple[str, ...]:
    """Everything in a normalized text that has the form of a code, each once, in order."""
    return tuple(dict.fromkeys(_UUID.findall(text)))


def present_codes(tab: Tab, layout: Layout) -> set[str]:
    """What stands in the code column, normalized: whole cells, and the codes in cells that hold something more."""
    return _texts((row[layout.code] for row in tab.values if len(row) > layout.code), normal)


def holds_our_codes(tab: Tab, known: Collection[str], written: Written | None = None) -> bool:
    """Whether a tab that is new to a contract already has codes of it under our header.

    Such a tab is updated, not replaced. `known` are codes of the contract, in any spelling.
    """
    layout = find_layout(tab, known, written)
    return (
        isinstance(layout, Layout)
        and layout.has_header
        and not present_codes(tab, layout).isdisjoint(map(normal, known))
    )


def find_layout(
    tab: Tab, known: Collection[str], written: Written | None, *, believe_headers: bool = False
) -> Layout | LayoutLost:
    """Where our columns are now, wherever the customer moved them.

    By the header texts, in row 1 or in the row that has most of them; of two columns with one text, the one that holds
    our data. A text that is gone: where the column was relative to the code column, if the cells there still hold what
    we wrote. The code column, when its text is gone: by the codes in it, which are those of `written`, or, if nothing
    was written yet, the `known` ones, in any spelling. Texts that stand over the contents of another one are not
    believed, unless `believe_headers`: just after a write, columns may have moved under it.
    """
    search = _Search(tab, known, written)
    layout = search.by_names() or search.by_data()
    if isinstance(layout, Layout) and not believe_headers and (misplaced := search.misplaced(layout)):
        return LayoutLost(misplaced=misplaced, header_row=search.header_row)
    return layout


def find_header(tab: Tab) -> int:
    """Return the row that has most of our header texts, the topmost of several; row 0 if no row has two."""
    best, row = 1, 0
    for index, cells in enumerate(tab.values):
        if not _EXACT.isdisjoint(cells) or (index < _TITLE_ROWS and any(typed(cell) in _NAME_SET for cell in cells)):
            count = len({typed(cell) for cell in cells} & _NAME_SET)
            if count > best or (count == best and index == 0):
                best, row = count, index
            if best == len(HEADERS):
                break
    return row


class _Search:
    """One search for our columns: first by their names, then by the data in them."""

    def __init__(self, tab: Tab, known: Collection[str], written: Written | None) -> None:
        self.header_row = find_header(tab)
        titles = [typed(cell) for cell in tab.values[self.header_row]] if tab.values else []
        self.tab = tab
        self.known = known
        self.written = written
        self.named = [[column for column, title in enumerate(titles) if title == name] for name in _NAMES]
        self.taken = {column for columns in self.named for column in columns}
        self.offsets = _offsets(written.columns if written else range(len(HEADERS)))

    def by_names(self) -> Layout | None:
        """The ordinary case: each header text stands once."""
        if any(len(columns) != 1 for columns in self.named):
            return None
        return Layout(tuple(columns[0] for columns in self.named), has_header=True, header_row=self.header_row)

    def by_data(self) -> Layout | LayoutLost:
        code = self.code_column()
        if code is None:
            missing = tuple(HEADERS[i] for i, columns in enumerate(self.named) if i == 0 or not columns)
            return LayoutLost(missing, header_row=self.header_row)
        rows = self.rows_of_ours(code)
        found = [code, *(self.status_column(header, code, rows) for header in range(1, len(HEADERS)))]
        unmoved = self.unmoved(found)
        columns = [
            place if column is None and place in unmoved and self.is_still_ours(header, place, rows) else column
            for header, (column, place) in enumerate(zip(found, self.places(code), strict=True))
        ]
        if None in columns:
            missing = tuple(HEADERS[i] for i, column in enumerate(columns) if column is None)
            return LayoutLost(missing, header_row=self.header_row)
        found_all = tuple(column for column in columns if column is not None)
        return Layout(found_all, not self.taken.isdisjoint(found_all), self.header_row)

    def misplaced(self, layout: Layout) -> tuple[str, ...]:
        """Return the headers whose texts changed places, by what we wrote, or by the codes that stand under another one.

        Columns whose cells were cleared or edited fit nowhere: their headers did not change places.
        """
        rows = self.rows_wherever(layout)
        fits = [self.fits(header, column, rows) for header, column in enumerate(layout.columns)]
        wrong = [header for header, columns in enumerate(self.named) if columns and not fits[header]]
        places = {
            header: {other for other in wrong if other != header and self.exchanged(header, other, layout, rows)}
            for header in wrong
        }
        if places.get(0):
            return tuple(HEADERS[header] for header in sorted({0, *places[0]}))
        exchanged = all(places.values()) and set().union(*places.values()) == set(wrong)
        return tuple(HEADERS[header] for header in wrong) if exchanged else ()

    def fits(self, header: int, column: int, rows: list[_RowThen], *, surely: bool = False) -> bool:
        """Whether half of what we wrote under a header, or should have, stands in a column; `surely`: more than half."""
        agreeing, telling = self.agreement(header, column, rows)
        return 2 * agreeing > telling if surely else 2 * agreeing >= telling

    def exchanged(self, header: int, other: int, layout: Layout, rows: list[_RowThen]) -> bool:
        """Whether the contents of a header stand under another one; blank ones do if the other's stand under it."""
        here, there = layout.columns[header], layout.columns[other]
        if self.fits(header, there, rows, surely=True):
            return True
        return self.fits(header, there, rows) and self.fits(other, here, rows, surely=True)

    def rows_wherever(self, layout: Layout) -> list[_RowThen]:
        """The rows of the last sync, found by their codes in whichever of our columns these stand.

        Before the first sync, rows that have a known code: of those only the code is known.
        """
        own = self.rows_of_ours(layout.code)
        if own or not (texts := self.codes_of_ours() - {_NAMES[0]}):
            return own
        for column in layout.columns[1:]:
            if self.written and (found := self.rows_of_ours(column)):
                return found
            codes = [
                (row, (typed(row[column]), *[""] * (len(HEADERS) - 1)))
                for row in self.tab.values
                if len(row) > column and typed(row[column]) in texts
            ]
            if codes:
                return [(row, tuple(row[column] if i == 0 else "" for i in range(len(HEADERS)))) for row, _ in codes]
        return own

    def code_column(self) -> int | None:
        """The column named so, or else that our codes stand in.

        Most of our codes do, or, where we would look for the column, they are most of what stands in it.
        """
        codes, places = self.codes_of_ours(), self.likely_places()
        width = max(map(len, self.tab.values), default=0)
        columns = self.named[0] or [column for column in range(width) if column not in self.taken]
        texts = {column: texts_in(self.tab, column) for column in columns}
        standing = {column: len(codes & texts[column]) for column in columns}
        if not self.named[0]:
            ours = len(self.written.rows if self.written and self.written.rows else self.known)
            of = {column: min(ours, len(texts[column])) if column in places else ours for column in columns}
            standing = {column: count for column, count in standing.items() if count and 2 * count >= of[column]}
        if len(standing) < 2:
            return next(iter(standing), None)
        evidence = {column: (count, count) for column, count in standing.items()}
        return self.most_likely(0, evidence, {column: self.agreement_beside(column) for column in standing})

    def most_likely(self, header: int, evidence: Mapping[int, tuple[int, int]], company: Mapping[int, int]) -> int:
        """Of several columns, each with the cells that agree and those that tell, the one that is ours.

        It is the one that did not move, if half of what tells in it agrees, and half as much as in any other: a copy
        is truer than a column in which the customer edited something. Else the one where most agrees and least does
        not, then the one in the better company, then the leftmost.
        """
        most = max(agreeing for agreeing, _ in evidence.values())
        then = self.written.columns[header] if self.written else None

        def likelihood(column: int) -> tuple[bool, int, int, int]:
            agreeing, telling = evidence[column]
            stayed = column == then and 2 * agreeing >= max(most, telling)
            return stayed, 2 * agreeing - telling, company[column], -column

        return max(evidence, key=likelihood)

    def agreement_beside(self, code: int) -> int:
        """How many cells hold what we wrote if this is the code column and the others stand to it as they did."""
        rows = self.rows_of_ours(code)
        places = enumerate(self.places(code)[1:], start=1)
        return sum(self.agreement(header, place, rows)[0] for header, place in places if place >= 0)

    def likely_places(self) -> set[int]:
        """Where the code column is if it still stands to another column, or to the edge of the grid, as it did."""
        places = {
            column - self.offsets[header]
            for header, columns in enumerate(self.named)
            for column in columns
            if column not in self.named[0]
        }
        return places | {self.written.columns[0]} if self.written else places

    def codes_of_ours(self) -> set[str]:
        """The texts, normalized, that tell which column is ours: codes, and their header where it was sorted away."""
        held = self.written.rows if self.written else ()
        texts = {text for row in held for text in (row.code, row.cells[0])} if held else set(self.known)
        return {normal(text) for text in texts} | {_NAMES[0]}

    def rows_of_ours(self, code: int) -> list[_RowThen]:
        """The rows of the last sync that stand in the tab, wherever they are now, with what they held then.

        A text that stood in several rows, which then held different things, tells nothing.
        """
        held: dict[str, tuple[Cell, ...] | None] = {}
        for row in self.written.rows if self.written else ():
            text = normal(row.cells[0])
            first = held.setdefault(text, row.cells)
            if first is not row.cells and (first is None or first[1:] != row.cells[1:]):
                held[text] = None
        return [(row, cells) for row in self.tab.values if len(row) > code and (cells := held.get(typed(row[code])))]

    def places(self, code: int) -> tuple[int, ...]:
        """Where our columns are if none moved relative to the code column."""
        return tuple(code + offset for offset in self.offsets)

    def status_column(self, header: int, code: int, rows: list[_RowThen]) -> int | None:
        """The column named so or else, where it was relative to the code column, the one that holds what we wrote.

        It does if most of the cells that show anything, or should, show what we wrote.
        """
        place = self.places(code)[header]
        if self.named[header]:
            evidence = {column: self.agreement(header, column, rows) for column in self.named[header]}
            return self.most_likely(header, evidence, {column: column == place for column in evidence})
        if self.is_free(place):
            right, telling = self.agreement(header, place, rows)
            return place if 2 * right > telling else None
        return None

    def is_free(self, column: int) -> bool:
        """Whether there is such a column, and no header of ours over it."""
        return 0 <= column < self.tab.column_count and column not in self.taken

    def unmoved(self, found: list[int | None]) -> set[int]:
        """Columns that stand where they stood: none was inserted or deleted before them, judging by those found and by the
        edges of the grid, and none of those found was moved over them."""
        assert found[0] is not None
        pairs = [
            (column, place) for column, place in zip(found, self.places(found[0]), strict=True) if column is not None
        ]
        at_place = [place for column, place in pairs if column == place]
        first, last = min(at_place), max(at_place)
        if self.written and found[0] == self.written.columns[0]:
            first = 0
        if self.written and self.tab.column_count - found[0] == self.written.column_count - self.written.columns[0]:
            last = self.tab.column_count - 1
        passed = (range(min(pair), max(pair) + 1) for pair in pairs if pair[0] != pair[1])
        return set(range(first, last + 1)).difference(*passed)

    def is_still_ours(self, header: int, column: int, rows: list[_RowThen]) -> bool:
        """Whether a column that has not moved shows its header in another row, or nothing that speaks against it.

        A blank column does not, where we wrote nothing; as that says little, another of our headers in the column
        overrules it: the header row was sorted away, and columns changed places.
        """
        if not self.is_free(column):
            return False
        names = texts_in(self.tab, column).intersection(_NAMES)
        if names:
            return names == {_NAMES[header]}
        agreeing, telling = self.agreement(header, column, rows)
        nothing_was_written = self.written is not None and not self.written.rows
        return 2 * agreeing >= telling and (bool(rows) or nothing_was_written)

    def agreement(self, header: int, column: int, rows: list[_RowThen]) -> tuple[int, int]:
        """In how many of our rows the column shows what we wrote, and in how many it shows or should show anything."""
        pairs = [(row[column] if column < len(row) else "", then[header]) for row, then in rows]
        telling = [pair for pair in pairs if pair not in _BLANK]
        return sum(same(now, then) for now, then in telling), len(telling)


def texts_in(tab: Tab, column: int) -> set[str]:
    """The texts that were typed into a column, normalized, and the codes in those that hold a code and something more."""
    return _texts((row[column] for row in tab.values if len(row) > column), typed)


def _texts(cells: Iterable[Cell], text_of: Callable[[Cell], str]) -> set[str]:
    texts = {text_of(cell) for cell in cells}
    texts.discard("")
    return texts.union(*(codes_within(text) for text in texts if len(text) > _CODE_LENGTH))


def _offsets(columns: Sequence[int]) -> tuple[int, ...]:
    """How far right of the code column each column is."""
    return tuple(column - columns[0] for column in columns)
