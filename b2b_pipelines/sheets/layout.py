"""What a customer's tab holds, and where in it our six columns are.

Pure: nothing here reads, writes or knows the time. Rows and columns are counted from 0, as Google's API does; only
`HeldRow.row` is the row number people see, counted from 1, because it is stored and shown.
"""

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

HEADERS = ("Enrollment Code", "Use Type", "Total Redemptions", "Invalidated On", "Redeemed By", "Redeemed On")

Cell: TypeAlias = str | int | float | bool | None
"""A value as `UNFORMATTED_VALUE` reads it: numbers are numbers, text is text, blank is `""` or None."""

_NAMES = tuple(header.casefold() for header in HEADERS)
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
    """A tab as it was read: every column, rows without their trailing blanks, and the size of the grid."""

    values: Sequence[Sequence[Cell]]
    row_count: int
    column_count: int

    @property
    def is_blank(self) -> bool:
        """Nothing is shown in any cell. A formula that shows `""` counts as blank."""
        return all(is_blank(row) for row in self.values)

    def cell(self, row: int, column: int) -> Cell:
        """The value there; blank where the reading left it out or the grid ends."""
        if row >= len(self.values) or column >= len(self.values[row]):
            return ""
        return self.values[row][column]


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns of ours, in the order of `HEADERS`; `has_header`: one of their texts at least stands in row 1."""

    columns: tuple[int, ...]
    has_header: bool

    @property
    def code(self) -> int:
        return self.columns[0]

    @property
    def status(self) -> tuple[int, ...]:
        return self.columns[1:]


@dataclass(frozen=True, slots=True)
class LayoutLost:
    """Where our columns are cannot be told; `missing` are the headers whose column was not found."""

    missing: tuple[str, ...]


class HeldRow(NamedTuple):
    """One row of ours after a sync: its number (from 1), the code it is about, and what our six columns hold there.

    The first cell is the code as the customer has it: other case, with a note, or, where the cell was edited, no code.
    """

    row: int
    code: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Written:
    """What the last sync left behind: the columns it found or made, the width of the grid, and the rows of ours."""

    columns: tuple[int, ...]
    column_count: int
    rows: tuple[HeldRow, ...]


_RowThen: TypeAlias = tuple[int, tuple[Cell, ...]]
"""Where a row of ours is now, and what its cells held after the last sync."""


def normal(cell: Cell) -> str:
    """How codes and headers compare: trimmed and without case. Blank is `""`."""
    return "" if cell is None else str(cell).strip().casefold()


def is_blank(row: Iterable[Cell]) -> bool:
    """No cell shows anything. A space is something; 0 and FALSE are too."""
    return all(cell is None or cell == "" for cell in row)


def same(held: Cell, wanted: Cell) -> bool:
    """Whether a cell holds what it should: None is `""`, 3.0 is 3, but the text "3" is not, and no checkbox is a number.

    Text in place of a number is put right once: what is written as a number is read as one.
    """
    if held is None:
        held = ""
    return held == ("" if wanted is None else wanted) and isinstance(held, bool) == isinstance(wanted, bool)


def looks_like_code(text: str) -> bool:
    """Whether a normalized text has the form of an enrollment code, a UUID, and nothing more."""
    return _UUID.fullmatch(text) is not None


def codes_within(text: str) -> tuple[str, ...]:
    """Everything in a normalized text that has the form of a code, each once, in order."""
    return tuple(dict.fromkeys(_UUID.findall(text)))


def present_codes(tab: Tab, layout: Layout) -> set[str]:
    """What stands in the code column, normalized: whole cells, and the codes in cells that hold something more."""
    return texts_in(tab, layout.code)


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


def find_layout(tab: Tab, known: Collection[str], written: Written | None) -> Layout | LayoutLost:
    """Where our columns are now, wherever the customer moved them.

    By the header texts in row 1. A text that is gone: where the column was relative to the code column, if the cells
    there still hold what we wrote. The code column, when its text is gone: by the codes in it, which are those of
    `written`, or the `known` ones (in any spelling) if nothing was written yet. Of two columns with one text, or when a
    text stands over a column that holds nothing of ours while the old place still does, our data decides.
    """
    search = _Search(tab, known, written)
    return search.by_names() or search.by_data()


class _Search:
    """One search for our columns: first by their names, then by the data in them."""

    def __init__(self, tab: Tab, known: Collection[str], written: Written | None) -> None:
        titles = [normal(cell) for cell in tab.values[0]] if tab.values else []
        self.tab = tab
        self.known = known
        self.written = written
        self.named = [[column for column, title in enumerate(titles) if title == name] for name in _NAMES]
        self.taken = {column for columns in self.named for column in columns}
        self.offsets = _offsets(written.columns if written else range(len(HEADERS)))

    def by_names(self) -> Layout | None:
        """The ordinary case: each header text once, and the columns beside each other as we left them."""
        if any(len(columns) != 1 for columns in self.named):
            return None
        layout = Layout(tuple(columns[0] for columns in self.named), has_header=True)
        return layout if self.written is None or _offsets(layout.columns) == self.offsets else None

    def by_data(self) -> Layout | LayoutLost:
        code = self.code_column()
        if code is None:
            return LayoutLost(tuple(HEADERS[i] for i, columns in enumerate(self.named) if i == 0 or not columns))
        rows = self.rows_of_ours(code)
        found = [code, *(self.status_column(header, code, rows) for header in range(1, len(HEADERS)))]
        unmoved = self.unmoved(found)
        columns = [
            place if column is None and place in unmoved and self.is_still_blank(header, place, rows) else column
            for header, (column, place) in enumerate(zip(found, self.places(code), strict=True))
        ]
        if None in columns:
            return LayoutLost(tuple(HEADERS[i] for i, column in enumerate(columns) if column is None))
        return Layout(tuple(column for column in columns if column is not None), not self.taken.isdisjoint(columns))

    def code_column(self) -> int | None:
        """The column named so or that our codes stand in; in doubt the one that stands to the others as it did."""
        codes = self.codes_of_ours()
        places = Counter(
            column - offset
            for columns, offset in zip(self.named[1:], self.offsets[1:], strict=True)
            for column in columns
        )
        if self.written:
            places[self.written.columns[0]] += 1
        named = self.named[0]
        width = max(map(len, self.tab.values), default=0)
        unnamed = (column for column in range(width) if column not in self.taken)
        standing = {column: len(codes & texts_in(self.tab, column)) for column in (*named, *unnamed)}
        likely = {
            column: count
            for column, count in standing.items()
            if column in named or (count and (places[column] or (not named and 2 * count >= len(codes))))
        }
        return _most_likely(likely, lambda column: (column in named, places[column]))

    def codes_of_ours(self) -> set[str]:
        """The codes, normalized, that tell which column is ours."""
        if self.written and self.written.rows:
            return {text for held in self.written.rows for text in (normal(held.code), normal(held.cells[0]))}
        return {normal(code) for code in self.known}

    def rows_of_ours(self, code: int) -> list[_RowThen]:
        """The rows of the last sync that stand in the tab, wherever they are now, with what they held then.

        A text that stood in several rows, which then held different things, tells nothing.
        """
        held: dict[str, tuple[Cell, ...] | None] = {}
        for row in self.written.rows if self.written else ():
            text, then = normal(row.cells[0]), (normal(row.cells[0]), *row.cells[1:])
            held[text] = then if held.get(text, then) == then else None
        texts = (normal(self.tab.cell(row, code)) for row in range(len(self.tab.values)))
        return [(row, then) for row, text in enumerate(texts) if (then := held.get(text))]

    def places(self, code: int) -> tuple[int, ...]:
        """Where our columns are if none moved relative to the code column."""
        return tuple(code + offset for offset in self.offsets)

    def status_column(self, header: int, code: int, rows: list[_RowThen]) -> int | None:
        """The column named so or, where it was relative to the code column, the one that holds what we wrote.

        It does if most of the cells that show anything, or should, show what we wrote.
        """
        place = self.places(code)[header]
        likely = {column: self.agreement(header, column, rows)[0] for column in self.named[header]}
        agreeing, telling = self.agreement(header, place, rows)
        if self.is_free(place) and 2 * agreeing > telling:
            likely[place] = agreeing
        return _most_likely(likely, lambda column: (column in self.named[header], column == place))

    def is_free(self, column: int) -> bool:
        """Whether there is such a column, and no header of ours over it."""
        return 0 <= column < self.tab.column_count and column not in self.taken

    def unmoved(self, found: list[int | None]) -> range:
        """Columns among which none was inserted or deleted, judging by those found and by the edges of the grid."""
        assert found[0] is not None
        at_place = [place for column, place in zip(found, self.places(found[0]), strict=True) if column == place]
        first, last = min(at_place), max(at_place)
        if self.written and found[0] == self.written.columns[0]:
            first = 0
        if self.written and self.tab.column_count - found[0] == self.written.column_count - self.written.columns[0]:
            last = self.tab.column_count - 1
        return range(first, last + 1)

    def is_still_blank(self, header: int, column: int, rows: list[_RowThen]) -> bool:
        """Whether a column was left blank and is: in itself this says little, so the column must not have moved.

        Nor may it show another of our headers, which a header row that was sorted away still does.
        """
        told = bool(rows) or not (self.written and self.written.rows)
        others = {*_NAMES} - {_NAMES[header]}
        return (
            told
            and self.is_free(column)
            and self.agreement(header, column, rows) == (0, 0)
            and others.isdisjoint(texts_in(self.tab, column))
        )

    def agreement(self, header: int, column: int, rows: list[_RowThen]) -> tuple[int, int]:
        """In how many of our rows the column shows what we wrote, and in how many it shows or should show anything."""
        pairs = [(self.tab.cell(row, column), then[header]) for row, then in rows]
        telling = [(now, then) for now, then in pairs if not (same(now, "") and same(then, ""))]
        return sum(same(now, then) for now, then in telling), len(telling)


def texts_in(tab: Tab, column: int) -> set[str]:
    """The texts of a column, normalized, and the codes in those that hold a code and something more."""
    texts = {normal(row[column]) for row in tab.values if len(row) > column}
    texts.discard("")
    return texts.union(*(codes_within(text) for text in texts if len(text) > _CODE_LENGTH))


def _offsets(columns: Sequence[int]) -> tuple[int, ...]:
    """How far right of the code column each column is."""
    return tuple(column - columns[0] for column in columns)


def _most_likely(evidence: dict[int, int], place: Callable[[int], tuple[int, ...]]) -> int | None:
    """Of the columns with at least half as much evidence as the best, the best placed; then evidence, then leftmost."""
    most = max(evidence.values(), default=0)
    return max(
        (column for column, count in evidence.items() if 2 * count >= most),
        key=lambda column: (*place(column), evidence[column], -column),
        default=None,
    )
