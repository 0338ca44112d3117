"""Find our six columns in a customer's tab, wherever the customer moved them.

Pure: nothing here reads, writes or knows the time. Rows and columns are counted from 0, as Google's API does.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from itertools import permutations
from typing import TypeAlias

from b2b_pipelines.cells import Cell
from b2b_pipelines.sheets.layout import (
    HEADERS,
    Layout,
    LayoutLost,
    Tab,
    Written,
    codes_within,
    normal,
    present_codes,
    same,
    texts_in,
    typed,
)

_NAMES = tuple(header.casefold() for header in HEADERS)
_NAME_SET = frozenset(_NAMES)
_EXACT = frozenset(HEADERS)
_TITLE_ROWS = 100
"""Rows in which a header is recognized in any spelling; below them only in our spelling."""
_BLANK = ("", None)

_RowThen: TypeAlias = tuple[Sequence[Cell], tuple[Cell, ...]]
"""A current row of ours, all columns, with the contents of our cells in it after the last sync."""


def holds_our_codes(tab: Tab, known: Collection[str], written: Written | None = None) -> bool:
    """Return whether a tab that is new to a contract already has its codes under our header.

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
    """Find our columns in a tab, wherever the customer moved them.

    - By the header texts, in row 1 or in the row that has most of them; of two columns with one text, the column that
      holds our data.
    - For a missing text: at the old distance from the code column, if the cells there still hold our values.
    - For the code column without its text: by its codes, which are those of `written` or, before the first write, the
      `known` ones, in any spelling.

    Texts over the contents of another column are ignored, unless `believe_headers`: just after a write, columns may
    have moved under it.
    """
    search = _Search(tab, known, written)
    layout = search.by_names() or search.by_data()
    if believe_headers or isinstance(layout, LayoutLost):
        return layout
    layout = search.where_values_stayed(layout)
    misplaced = search.misplaced(layout)
    return LayoutLost(misplaced=misplaced, header_row=search.header_row) if misplaced else layout


def find_header(tab: Tab) -> int:
    """Return the row with most of our header texts, the topmost of several.

    Row 0 if no row has two.
    """
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
    """One search for our columns: first by their headers, then by their data."""

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
        """Return the layout of the ordinary case, in which each header text occurs once."""
        if any(len(columns) != 1 for columns in self.named):
            return None
        return Layout(tuple(columns[0] for columns in self.named), has_header=True, header_row=self.header_row)

    def where_values_stayed(self, layout: Layout) -> Layout:
        """Return the layout with the columns that stayed under an edited header, though another column has its text.

        A column stayed where most of its values are in the old place, and none are under the text: a customer who moves
        a column moves its values, too.
        """
        places = self.places(layout.code)
        if places == layout.columns or self.written is None:
            return layout
        rows = self.rows_of_ours(layout.code)
        columns = [
            place if self.stayed(header, place, column, rows) else column
            for header, (column, place) in enumerate(zip(layout.columns, places, strict=True))
        ]
        return replace(layout, columns=tuple(columns))

    def stayed(self, header: int, place: int, column: int, rows: list[_RowThen]) -> bool:
        """Return whether a header's values are in its old place, and none of them in the column with its text."""
        if column == place or not self.is_free(place) or self.agreement(header, column, rows)[0]:
            return False
        agreeing, telling = self.agreement(header, place, rows)
        return 2 * agreeing > telling

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
        """Return the headers whose texts changed places, two by two or in a circle.

        The evidence is the last written values, or the codes under another header. Of the headers over edited cells,
        the likeliest exchange is the one in which most cells are as they were, blank ones included: "Invalidated On"
        and "Redeemed On" are alike in the rows of redeemed codes, and one other row shows their exchange. More than
        half of the cells must be as they were: columns that were cleared or edited resemble nothing, and their headers
        did not change places. A header over no edited cell has no part in a likelier exchange.
        """
        rows, columns = self.rows_wherever(layout), layout.columns
        named = [header for header, places in enumerate(self.named) if places]
        differ = {(header, header): self.differences(header, columns[header], rows) for header in named}
        wrong = [header for header in named if differ[header, header]]
        if 0 in wrong and not self.fits(0, columns[0], rows):
            under = {other for other in wrong[1:] if self.fits(0, columns[other], rows, surely=True)}
            if under:
                return tuple(HEADERS[header] for header in sorted({0, *under}))
        most = sum(differ.values())
        differ |= {pair: self.differences(pair[0], columns[pair[1]], rows, most) for pair in permutations(wrong, 2)}
        over = _likeliest(wrong, differ)
        circles = {header: _circle(header, over) for header in wrong}
        return tuple(
            HEADERS[header]
            for header, circle in circles.items()
            if len(circle) > 1 and 2 * sum(differ[each, over[each]] for each in circle) < len(circle) * len(rows)
        )

    def fits(self, header: int, column: int, rows: list[_RowThen], *, surely: bool = False) -> bool:
        """Return whether a column holds half of the values of a header.

        With `surely`, it must be more than half. The values are those of the last write, or those it should have
        written.
        """
        agreeing, telling = self.agreement(header, column, rows)
        return 2 * agreeing > telling if surely else 2 * agreeing >= telling

    def differences(self, header: int, column: int, rows: list[_RowThen], most: int | None = None) -> int:
        """Return how many cells of a column are not as a header's were, at most `most`."""
        number = 0
        for row, then in rows:
            now, wanted = row[column] if column < len(row) else "", then[header]
            if not same(now, wanted) and not (now in _BLANK and wanted in _BLANK):
                number += 1
                if number == most:
                    break
        return number

    def rows_wherever(self, layout: Layout) -> list[_RowThen]:
        """Return the rows of the last sync, found by their codes in any of our columns.

        Elsewhere than in the codes' column, and before the first sync, rows with a code, alone or with a note: of those
        only the code is known.
        """
        own = self.rows_of_ours(layout.code)
        if own or not (texts := self.codes_of_ours() - {_NAMES[0]}):
            return own
        for column in layout.columns[1:]:
            if self.written and (found := self.rows_of_ours(column)):
                return found
            with_text = ((row, typed(row[column])) for row in self.tab.values if len(row) > column)
            rows = [row for row, text in with_text if text in texts or not texts.isdisjoint(codes_within(text))]
            if rows:
                return [(row, (row[column], *[""] * (len(HEADERS) - 1))) for row in rows]
        return own

    def code_column(self) -> int | None:
        """Return the column with the header of the codes, or else the column that holds our codes.

        It holds most of our codes or, in a likely place, they are most of its contents.
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
        """Return which of several columns is the product's.

        `evidence` counts the agreeing and the deciding cells of each. The choice is the column that did not move, if half of
        its deciding cells agree, and half as many as in any other: a copy is truer than a column in which the customer
        edited cells. It is that column, too, where nothing agrees anywhere: an edit of a blank cell does not move a
        column. Otherwise it is the column with most agreement and least disagreement, then the one in the better
        company, then the leftmost.
        """
        most = max(agreeing for agreeing, _ in evidence.values())
        then = self.written.columns[header] if self.written else None

        def likelihood(column: int) -> tuple[bool, int, int, int]:
            agreeing, telling = evidence[column]
            stayed = column == then and (not most or 2 * agreeing >= max(most, telling))
            return stayed, 2 * agreeing - telling, company[column], -column

        return max(evidence, key=likelihood)

    def agreement_beside(self, code: int) -> int:
        """Return the number of cells with written values if this is the code column.

        The other columns keep their distance to it.
        """
        rows = self.rows_of_ours(code)
        places = enumerate(self.places(code)[1:], start=1)
        return sum(self.agreement(header, place, rows)[0] for header, place in places if place >= 0)

    def likely_places(self) -> set[int]:
        """Return the code column's places at its old distance to another column or the grid's edge."""
        places = {
            column - self.offsets[header]
            for header, columns in enumerate(self.named)
            for column in columns
            if column not in self.named[0]
        }
        return places | {self.written.columns[0]} if self.written else places

    def codes_of_ours(self) -> set[str]:
        """Return the normalized texts that identify a column.

        They are codes, and a header that was sorted away.
        """
        held = self.written.rows if self.written else ()
        texts = {text for row in held for text in (row.code, row.cells[0])} if held else set(self.known)
        return {normal(text) for text in texts} | {_NAMES[0]}

    def rows_of_ours(self, code: int) -> list[_RowThen]:
        """Return the rows of the last sync that are in the tab, with their old contents.

        They may have moved. A text of several rows with different contents proves nothing.
        """
        held: dict[str, tuple[Cell, ...] | None] = {}
        for row in self.written.rows if self.written else ():
            text = normal(row.cells[0])
            first = held.setdefault(text, row.cells)
            if first is not row.cells and (first is None or first[1:] != row.cells[1:]):
                held[text] = None
        return [(row, cells) for row in self.tab.values if len(row) > code and (cells := held.get(typed(row[code])))]

    def places(self, code: int) -> tuple[int, ...]:
        """Return the places of our columns if none moved relative to the code column."""
        return tuple(code + offset for offset in self.offsets)

    def status_column(self, header: int, code: int, rows: list[_RowThen]) -> int | None:
        """Return the column with the header or else, in its old place, with the written values.

        The place counts from the code column. A column has our values if most of its cells with contents, or that
        should have them, show our values.
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
        """Return whether the column exists and has none of our headers over it."""
        return 0 <= column < self.tab.column_count and column not in self.taken

    def unmoved(self, found: list[int | None]) -> set[int]:
        """Return the columns that did not move.

        No column was inserted or deleted before them, judging by the found ones and by the edges of the grid, and no
        found column was moved over them.
        """
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
        """Return whether an unmoved column shows its header in another row, or nothing against it.

        A blank column shows nothing against it where we wrote nothing. That is weak evidence, so another of our headers
        in the column overrules it: the header row was sorted away, and columns changed places.
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
        """Return how many code rows show the written values, and how many show or should show any."""
        agreeing = telling = 0
        for row, then in rows:
            now, wanted = row[column] if column < len(row) else "", then[header]
            if now not in _BLANK or wanted not in _BLANK:
                telling += 1
                agreeing += same(now, wanted)
        return agreeing, telling


def _offsets(columns: Sequence[int]) -> tuple[int, ...]:
    """Return the distance of each column to the right of the code column."""
    return tuple(column - columns[0] for column in columns)


def _likeliest(headers: Sequence[int], differ: Mapping[tuple[int, int], int]) -> Mapping[int, int]:
    """Return the exchange of headers with the fewest differing cells, of several the one that moves fewest."""

    def unlikelihood(exchange: Mapping[int, int]) -> tuple[int, int]:
        pairs = exchange.items()
        return sum(differ[pair] for pair in pairs), sum(header != other for header, other in pairs)

    return min((dict(zip(headers, order, strict=True)) for order in permutations(headers)), key=unlikelihood)


def _circle(start: int, over: Mapping[int, int]) -> list[int]:
    """Return the places that an exchange leads through until it comes back to the start."""
    circle, place = [start], over[start]
    while place != start:
        circle.append(place)
        place = over[place]
    return circle
