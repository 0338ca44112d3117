"""What a sync writes: from the rows wanted and what the tab holds to operations, conflicts and counts.

Pure: nothing here reads, writes or knows the time. The rules are those of a guest: the sheet is the customer's, six
columns in it are ours, and in these only the rows of codes, and rows in which nothing stood.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import count, pairwise
from operator import itemgetter
from typing import Literal, NamedTuple, TypeAlias

from b2b_pipelines.sheets.layout import (
    HEADERS,
    Cell,
    CodeRow,
    HeldRow,
    Layout,
    LayoutLost,
    Tab,
    Written,
    codes_within,
    is_blank,
    looks_like_code,
    normal,
    same,
)

Value: TypeAlias = str | int
"""What we write: text as text, a count as a number; `""` empties a cell."""

ConflictKind = Literal["annotated", "duplicate", "unknown_code", "layout_lost"]


class Conflict(NamedTuple):
    """What a person should look at: the row (from 1), and the code concerned where one can be named.

    `annotated`: a cell holds the code and something more. `duplicate`: the code stands further up already.
    `unknown_code`: a cell in which a code of ours stood (named, if known) or that looks like a code holds none of
    ours. `layout_lost`: our columns cannot be found; the row is the header's and there is no code.
    """

    kind: ConflictKind
    row: int
    code: str | None


@dataclass(frozen=True, slots=True)
class CellRange:
    """A rectangle of cells, counted from 0."""

    row: int
    column: int
    rows: int
    columns: int


@dataclass(frozen=True, slots=True)
class CellRun:
    """A rectangle of cells to write, its upper left corner counted from 0; every row of `values` is as wide."""

    row: int
    column: int
    values: tuple[tuple[Value, ...], ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """One sync, decided. To be applied in this order: growth, `clear`, `writes` from first to last.

    `updated`, `appended` and `unchanged` count rows of codes. `rows_after` says by row number (from 1) which code
    stands there afterwards; a row with an annotated code is named only when the code stands nowhere by itself.
    `written` is what the next sync wants to know about this one.
    """

    kind: Literal["new", "update", "layout_lost"]
    layout: Layout | None
    written: Written | None
    writes: tuple[CellRun, ...] = ()
    clear: CellRange | None = None
    grow_rows: int = 0
    grow_columns: int = 0
    conflicts: tuple[Conflict, ...] = ()
    updated: int = 0
    appended: int = 0
    unchanged: int = 0
    header: bool = False
    rows_after: dict[int, str] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """Nothing is to be written."""
        return not (self.writes or self.clear or self.grow_rows or self.grow_columns)

    @property
    def row_by_code(self) -> dict[str, int]:
        """Where each code stands afterwards: its first row, counted from 1."""
        return {code: row for row, code in reversed(self.rows_after.items())}

    @property
    def estimated_bytes(self) -> int:
        """The size of the writes as `updateCells` requests, in bytes of JSON."""
        return sum(_update_cells_bytes(run) for run in self.writes)


def plan_new_target(wanted: Sequence[CodeRow], tab: Tab) -> Plan:
    """Header in row 1 and the codes below it, in place of whatever A–F held; G and beyond are not touched.

    All of A–F is cleared before the first row is written, so that a fill cut short leaves nothing of the past between
    our rows.
    """
    block = (HEADERS, *(row.cells for row in wanted))
    layout = Layout(tuple(range(len(HEADERS))), has_header=True)
    width = max(tab.column_count, len(HEADERS))
    return Plan(
        kind="new",
        layout=layout,
        written=Written(
            layout.columns, width, tuple(HeldRow(n, r.code, r.cells) for n, r in enumerate(wanted, start=2))
        ),
        writes=(CellRun(0, 0, block),),
        clear=None if tab.is_blank else CellRange(0, 0, tab.row_count, min(tab.column_count, len(HEADERS))),
        grow_rows=max(0, len(block) - tab.row_count),
        grow_columns=width - tab.column_count,
        appended=len(wanted),
        header=True,
        rows_after={n: row.code for n, row in enumerate(wanted, start=2)},
    )


def plan_update(wanted: Sequence[CodeRow], tab: Tab, layout: Layout | LayoutLost, written: Written | None) -> Plan:
    """What brings a tab in line without costing the customer an edit.

    `wanted` are the rows in the order in which missing ones are added; every code of the contract that
    `present_codes` shows has to be among them, or its cell is reported as `unknown_code`. Codes in the code column keep
    their row, and only status cells that differ are written; codes that are nowhere go into the first rows that are
    blank in every column, below row 1, which is the header's. A tab that is wholly blank is filled as a new target.

    Planned again on what the tab holds after it was applied, with its `written`, a plan is empty: this is how a write
    is verified, and what to write next if a person edited meanwhile.
    """
    if tab.is_blank:
        return plan_new_target(wanted, tab)
    if isinstance(layout, LayoutLost):
        return Plan("layout_lost", None, written, conflicts=(Conflict("layout_lost", 1, None),))
    truth = {normal(row.code): row for row in wanted}
    found = _read(tab, layout, truth)
    unknown = _unknown_codes(found, tab, layout, written)
    changes = list(_differences(found.standing, tab, layout))
    missing = (row for code, row in truth.items() if code not in found.codes)
    added = [(index, row) for row, index in zip(missing, _blank_rows(found.codeless, tab), strict=False)]
    left = [(index, codes[0].code) for index, codes in found.annotated.items()] + list(unknown.items())
    return Plan(
        kind="update",
        layout=layout,
        written=Written(layout.columns, tab.column_count, _rows_held(found.standing, added, left, tab, layout)),
        writes=_in_order([*_runs(changes), *_runs(_additions(added, layout))], layout.code),
        grow_rows=max(0, max((index + 1 for index, _ in added), default=0) - tab.row_count),
        conflicts=_conflicts(found, unknown),
        updated=len(changes),
        appended=len(added),
        unchanged=len(found.standing) - len(changes),
        rows_after=_codes_by_row(found, added),
    )


def pieces(plan: Plan, limit_bytes: int, range_bytes: int = 160) -> list[tuple[CellRun, ...]]:
    """The writes cut into requests of `RAW` values of at most so many bytes, to be sent in this order.

    The header is in the first, and a new row's code is never sent after the rest of the row: cut short anywhere, the
    next sync goes on from what is there. A row larger than the limit is a piece by itself. `range_bytes` is what each
    rectangle costs beside its values: its range, with the tab's title.
    """
    parts: list[tuple[CellRun, ...]] = []
    part: list[CellRun] = []
    room = limit_bytes
    for run in plan.writes:
        start, room = 0, room - range_bytes
        for index, row in enumerate(run.values):
            size = len(json.dumps(row)) + 2
            if size > room and (part or index > start):
                if index > start:
                    part.append(CellRun(run.row + start, run.column, run.values[start:index]))
                parts.append(tuple(part))
                part, start, room = [], index, limit_bytes - range_bytes
            room -= size
        part.append(CellRun(run.row + start, run.column, run.values[start:]))
    return [*parts, tuple(part)] if part else parts


_Change: TypeAlias = tuple[int, tuple[int, ...], tuple[Value, ...]]
"""Cells of one row to write: the row, their columns from left to right, their values."""


@dataclass(frozen=True, slots=True)
class _Found:
    """What stands in the code column: rows by index from 0, and the wanted codes, normalized, that are among them."""

    standing: list[tuple[int, CodeRow]]
    annotated: dict[int, tuple[CodeRow, ...]]
    others: list[tuple[int, str]]
    codeless: list[int]
    over_header: CodeRow | None
    codes: set[str]


def _read(tab: Tab, layout: Layout, truth: Mapping[str, CodeRow]) -> _Found:
    """Sort the rows by what their code cell holds.

    A row 1 that has a header text of ours is the header whatever its code cell holds: a code put there gets a row of
    its own.
    """
    standing: list[tuple[int, CodeRow]] = []
    texts: list[tuple[int, str]] = []
    codeless: list[int] = []
    codes: set[str] = set()
    over_header = None
    column = layout.code
    for index, row in enumerate(tab.values):
        text = normal(row[column]) if len(row) > column else ""
        if not text:
            codeless.append(index)
        elif text not in truth:
            texts.append((index, text))
        elif index or not layout.has_header:
            standing.append((index, truth[text]))
            codes.add(text)
        else:
            over_header = truth[text]
    within = {index: tuple(code for code in codes_within(text) if code in truth) for index, text in texts}
    return _Found(
        standing=standing,
        annotated={index: tuple(truth[code] for code in found) for index, found in within.items() if found},
        others=[(index, text) for index, text in texts if not within[index]],
        codeless=codeless,
        over_header=over_header,
        codes=codes.union(*within.values()),
    )


def _unknown_codes(found: _Found, tab: Tab, layout: Layout, written: Written | None) -> dict[int, str]:
    """Rows whose code cell was edited, with the code that stood there, or else the text that looks like one.

    A row is one of those if its text was reported before; if it had a code that is now nowhere and still shows
    text that we wrote beside it; if it shows all that was beside such a code elsewhere (it was moved too); or if
    it looks like a code. Totals, footnotes and our own header are none of these.
    """
    others = {index: text for index, text in found.others if text != normal(HEADERS[0])}
    if not others:
        return {}
    here = found.codes.union(others.values())
    held = [(row, normal(row.code), normal(row.cells[0])) for row in (written.rows if written else ())]
    exactly = {(row.row - 1, text): row.code for row, code, text in held if text != code}
    reported = {text for _, text in exactly}
    lost = {row.row - 1: row for row, code, text in held if code in text and code not in here}
    alike = {_shown(row.cells[1:]): row.code for row in lost.values()}
    for index, text in others.items():
        if text not in reported:
            beside = _shown(tab.cell(index, column) for column in layout.status)
            then = lost.get(index)
            if then and any(
                now == old != "" for now, old in zip(beside, then.cells[1:], strict=True) if isinstance(old, str)
            ):
                exactly[index, text] = then.code
            elif beside in alike and not looks_like_code(text):
                exactly[index, text] = alike[beside]
    looking = {
        text: str(tab.cell(index, layout.code)).strip() for index, text in others.items() if looks_like_code(text)
    }
    named = looking | {text: code for (_, text), code in reversed(exactly.items())}
    return {index: exactly.get((index, text), named[text]) for index, text in others.items() if text in named}


def _shown(cells: Iterable[Cell]) -> tuple[Cell, ...]:
    return tuple("" if cell is None else cell for cell in cells)


def _differences(standing: Iterable[tuple[int, CodeRow]], tab: Tab, layout: Layout) -> Iterator[_Change]:
    """The status cells that do not hold the truth."""
    width = max(layout.columns) + 1
    beside = itemgetter(*layout.status)
    for index, code in standing:
        row = tab.values[index]
        if len(row) < width:
            row = [*row, *[""] * (width - len(row))]
        shown, status = beside(row), code.status
        if shown == status and not any(cell is True or cell is False for cell in shown):
            continue
        cells = sorted((c, new) for c, now, new in zip(layout.status, shown, status, strict=True) if not same(now, new))
        if cells:
            yield index, tuple(column for column, _ in cells), tuple(value for _, value in cells)


def _blank_rows(codeless: Iterable[int], tab: Tab) -> Iterator[int]:
    """Rows that are blank in every column, from the top, and then all below. Row 1 is the header's, even if blank."""
    yield from (index for index in codeless if index and is_blank(tab.values[index]))
    yield from count(len(tab.values))


def _additions(added: Iterable[tuple[int, CodeRow]], layout: Layout) -> Iterator[_Change]:
    """Whole new rows."""
    columns, order = zip(*sorted((column, header) for header, column in enumerate(layout.columns)), strict=True)
    left_to_right = itemgetter(*order)
    return ((index, columns, left_to_right(row.cells)) for index, row in added)


def _runs(changes: Iterable[_Change]) -> Iterator[CellRun]:
    """Changes, given from the top down, as the fewest rectangles that touch no other cell."""
    open_runs: dict[tuple[int, int], tuple[int, list[tuple[Value, ...]]]] = {}
    for row, columns, values in changes:
        for start, end in _stretches(columns):
            place = (columns[start], end - start)
            top, rows = open_runs.get(place, (row, []))
            if rows and top + len(rows) != row:
                yield CellRun(top, place[0], tuple(rows))
                top, rows = row, []
            rows.append(values[start:end])
            open_runs[place] = (top, rows)
    yield from (CellRun(top, column, tuple(rows)) for (column, _), (top, rows) in open_runs.items())


@lru_cache(maxsize=64)
def _stretches(columns: tuple[int, ...]) -> tuple[tuple[int, int], ...]:
    """Where neighbouring columns begin and end, as slices."""
    breaks = [i for i in range(1, len(columns)) if columns[i] != columns[i - 1] + 1]
    return tuple(pairwise((0, *breaks, len(columns))))


def _in_order(runs: Iterable[CellRun], code_column: int) -> tuple[CellRun, ...]:
    """Codes before what stands beside them, then from the top: a row must never be left with a status and no code."""

    def place(run: CellRun) -> tuple[bool, int, int]:
        return not run.column <= code_column < run.column + len(run.values[0]), run.row, run.column

    return tuple(sorted(runs, key=place))


def _conflicts(found: _Found, unknown: Mapping[int, str]) -> tuple[Conflict, ...]:
    conflicts = [Conflict("unknown_code", index + 1, code) for index, code in unknown.items()]
    conflicts += [Conflict("annotated", i + 1, code.code) for i, codes in found.annotated.items() for code in codes]
    if found.over_header:
        conflicts.append(Conflict("duplicate", 1, found.over_header.code))
    seen: set[str] = set()
    for index, code in found.standing:
        if code.code in seen:
            conflicts.append(Conflict("duplicate", index + 1, code.code))
        seen.add(code.code)
    return tuple(sorted(conflicts, key=lambda conflict: conflict.row))


def _rows_held(
    standing: Iterable[tuple[int, CodeRow]],
    added: Iterable[tuple[int, CodeRow]],
    left: Iterable[tuple[int, str]],
    tab: Tab,
    layout: Layout,
) -> tuple[HeldRow, ...]:
    """What our columns hold in every row of ours once the plan is applied; `left` are rows with a conflict, left alone."""
    rows = [HeldRow(index + 1, row.code, (tab.values[index][layout.code], *row.status)) for index, row in standing]
    rows += [HeldRow(index + 1, row.code, row.cells) for index, row in added]
    rows += [HeldRow(i + 1, code, tuple(tab.cell(i, column) for column in layout.columns)) for i, code in left]
    return tuple(sorted(rows, key=itemgetter(0)))


def _codes_by_row(found: _Found, added: Iterable[tuple[int, CodeRow]]) -> dict[int, str]:
    rows = {index + 1: row.code for index, row in (*found.standing, *added)}
    by_themselves = set(rows.values())
    rows |= {
        index + 1: code.code
        for index, codes in found.annotated.items()
        for code in reversed(codes)
        if code.code not in by_themselves
    }
    return dict(sorted(rows.items()))


def _update_cells_bytes(run: CellRun) -> int:
    cells = len(run.values) * len(run.values[0])
    return (
        len(json.dumps(run.values))
        + cells * len('{"userEnteredValue": {"stringValue": }}')
        + len(run.values) * 12
        + 200
    )
