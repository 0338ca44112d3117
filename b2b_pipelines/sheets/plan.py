"""Plan a sync: from the wanted rows and the tab's cells to operations, conflicts and counts.

Pure: nothing here reads, writes or knows the time. The rules are those of a guest: the sheet is the customer's. Six
columns in it are ours, and in these only the rows of codes, and blank rows.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter

from b2b_pipelines.cells import Cell, shown
from b2b_pipelines.sheets.layout import (
    HEADERS,
    CodeRow,
    HeldRow,
    Layout,
    LayoutLost,
    Tab,
    Written,
    codes_within,
    looks_like_code,
    normal,
    same,
)
from b2b_pipelines.sheets.operations import (
    CellRange,
    CellRun,
    Change,
    Conflict,
    ConflictKind,
    Entry,
    Plan,
    in_order,
    pieces,
    runs_of,
)
from b2b_pipelines.sheets.room import Covered, free_rows, grown_table
from b2b_pipelines.sheets.takeover import plan_new_target, plan_rebuild

__all__ = [
    "CellRange",
    "CellRun",
    "Conflict",
    "ConflictKind",
    "Entry",
    "Plan",
    "pieces",
    "plan_new_target",
    "plan_rebuild",
    "plan_update",
]


def plan_update(wanted: Sequence[CodeRow], tab: Tab, layout: Layout | LayoutLost, written: Written | None) -> Plan:
    """Plan the update of a tab that keeps every edit of the customer's.

    `wanted` are the rows in the order in which missing ones are added; every code of the contract that `present_codes`
    shows has to be among them, or its cell is reported as `unknown_code`. Codes in the code column keep their row, and
    only status cells that differ are written; missing codes go into the first free rows below the header and below the
    last code. A tab that is wholly blank is filled as a new target.

    Planned again on the tab after the write, with its `written`, a plan is empty: this verifies a write, and yields the
    next write if a person edited meanwhile.
    """
    if tab.is_blank:
        return plan_new_target(wanted, tab)
    if isinstance(layout, LayoutLost):
        conflict = Conflict("layout_lost", layout.header_row + 1, None)
        return Plan("layout_lost", None, written, conflicts=(conflict,), lost=layout)
    truth = {normal(row.code): row for row in wanted}
    found = _read(tab, layout, truth)
    unknown = _unknown_codes(found, tab, layout, written)
    covered = Covered(tab, layout.columns)
    changes = list(_differences(found.standing, tab, layout, covered))
    missing = [row for code, row in truth.items() if code not in found.codes]
    last = max([layout.header_row if layout.has_header else 0, *found.annotated, *(i for i, _ in found.standing)])
    free = free_rows(last + 1, [i for i, _ in found.standing], tab, layout, covered) if missing else iter(())
    added = [(index, row) for row, index in zip(missing, free, strict=False)]
    left = [(index, codes[0].code) for index, codes in found.annotated.items()] + list(unknown.items())
    return Plan(
        kind="update",
        layout=layout,
        written=Written(
            layout.columns,
            tab.column_count,
            _rows_held(found.standing, added, left, tab=tab, layout=layout, covered=covered),
        ),
        writes=in_order([*runs_of(changes), *runs_of(_additions(added, layout))], layout.code),
        grow_rows=max(0, max((index + 1 for index, _ in added), default=0) - tab.row_count),
        conflicts=_conflicts(found, unknown, layout, covered),
        updated=len(changes),
        appended=len(added),
        unchanged=len(found.standing) - len(changes),
        rows_after=_codes_by_row(found, added),
        rows_added=tuple(index + 1 for index, _ in added),
        last_code=last + 1 if found.standing or found.annotated else 0,
        table=grown_table(tab, layout, {index for index, _ in added}),
    )


@dataclass(frozen=True, slots=True)
class _Found:
    """The contents of the code column: rows by index from 0, and the wanted codes among them.

    The codes are normalized.
    """

    standing: list[tuple[int, CodeRow]]
    annotated: dict[int, tuple[CodeRow, ...]]
    others: list[tuple[int, str]]
    over_header: CodeRow | None
    codes: set[str]


def _read(tab: Tab, layout: Layout, truth: Mapping[str, CodeRow]) -> _Found:
    """Sort the rows by the contents of their code cell.

    The header row is always the header: a code typed into it gets a row of its own.
    """
    standing: list[tuple[int, CodeRow]] = []
    texts: list[tuple[int, str]] = []
    codes: set[str] = set()
    over_header = None
    column = layout.code
    header_row = layout.header_row if layout.has_header else None
    for index, row in enumerate(tab.values):
        text = normal(row[column]) if len(row) > column else ""
        if not text:
            continue
        if text not in truth:
            texts.append((index, text))
        elif index != header_row:
            standing.append((index, truth[text]))
            codes.add(text)
        else:
            over_header = truth[text]
    within = {index: tuple(code for code in codes_within(text) if code in truth) for index, text in texts}
    return _Found(
        standing=standing,
        annotated={index: tuple(truth[code] for code in found) for index, found in within.items() if found},
        others=[(index, text) for index, text in texts if not within[index]],
        over_header=over_header,
        codes=codes.union(*within.values()),
    )


def _unknown_codes(found: _Found, tab: Tab, layout: Layout, written: Written | None) -> dict[int, str]:
    """Return the rows whose code cell was edited, with the earlier code.

    Without one, the value is the text that looks like a code. A row is one of those if its text was reported before; if
    it had a code that is now nowhere and still shows text that we wrote beside it; if it shows everything that was
    beside such a code elsewhere (it was moved too); or if it looks like a code. Totals, footnotes and our own header
    are never among them.
    """
    others = {index: text for index, text in found.others if text != normal(HEADERS[0])}
    if not others:
        return {}
    here = found.codes.union(others.values())
    held = [(row, normal(row.code), normal(row.cells[0])) for row in (written.rows if written else ())]
    exactly = {(row.row - 1, text): row.code for row, code, text in held if text != code}
    reported = {text for _, text in exactly}
    lost = {row.row - 1: row for row, code, text in held if code in text and code not in here}
    alike = {tuple(map(shown, row.cells[1:])): row.code for row in lost.values()}
    for index, text in others.items():
        if text not in reported:
            beside = tuple(shown(tab.cell(index, column)) for column in layout.status)
            then = lost.get(index)
            if then and any(
                now == old != "" for now, old in zip(beside, then.cells[1:], strict=True) if isinstance(old, str)
            ):
                exactly[index, text] = then.code
            elif beside in alike and not looks_like_code(text):
                exactly[index, text] = alike[beside]
    looking = {
        text: str(shown(tab.cell(index, layout.code))).strip()
        for index, text in others.items()
        if looks_like_code(text)
    }
    named = looking | {text: code for (_, text), code in reversed(exactly.items())}
    return {index: exactly.get((index, text), named[text]) for index, text in others.items() if text in named}


def _differences(
    standing: Iterable[tuple[int, CodeRow]], tab: Tab, layout: Layout, covered: Covered
) -> Iterator[Change]:
    """Yield the status cells that differ from the truth, except those that a merge covers."""
    width = max(layout.columns) + 1
    beside = itemgetter(*layout.status)
    for index, code in standing:
        row = tab.values[index]
        if len(row) < width:
            row = [*row, *[""] * (width - len(row))]
        held, status = beside(row), code.status
        if held == status and not any(cell is True or cell is False for cell in held):
            continue
        hidden = covered.columns_of(index)
        cells = sorted(
            (column, new)
            for column, now, new in zip(layout.status, held, status, strict=True)
            if not same(now, new) and column not in hidden
        )
        if cells:
            yield index, tuple(column for column, _ in cells), tuple(value for _, value in cells)


def _additions(added: Iterable[tuple[int, CodeRow]], layout: Layout) -> Iterator[Change]:
    """Yield whole new rows."""
    columns, order = zip(*sorted((column, header) for header, column in enumerate(layout.columns)), strict=True)
    left_to_right = itemgetter(*order)
    return ((index, columns, left_to_right(row.cells)) for index, row in added)


def _conflicts(found: _Found, unknown: Mapping[int, str], layout: Layout, covered: Covered) -> tuple[Conflict, ...]:
    conflicts = [Conflict("unknown_code", index + 1, code) for index, code in unknown.items()]
    conflicts += [Conflict("annotated", i + 1, code.code) for i, codes in found.annotated.items() for code in codes]
    if found.over_header:
        conflicts.append(Conflict("duplicate", layout.header_row + 1, found.over_header.code))
    seen: set[str] = set()
    for index, code in found.standing:
        if code.code in seen:
            conflicts.append(Conflict("duplicate", index + 1, code.code))
        if covered.columns_of(index):
            conflicts.append(Conflict("merged", index + 1, code.code))
        seen.add(code.code)
    return tuple(sorted(conflicts, key=lambda conflict: conflict.row))


def _rows_held(
    standing: Iterable[tuple[int, CodeRow]],
    added: Iterable[tuple[int, CodeRow]],
    left: Iterable[tuple[int, str]],
    *,
    tab: Tab,
    layout: Layout,
    covered: Covered,
) -> tuple[HeldRow, ...]:
    """Return the contents of our columns in every row of ours once the plan is applied.

    `left` are rows with a conflict, which are not changed.
    """
    rows = [
        HeldRow(
            index + 1,
            row.code,
            (shown(tab.values[index][layout.code]), *_status_held(index, row, tab, layout, covered)),
        )
        for index, row in standing
    ]
    rows += [HeldRow(index + 1, row.code, row.cells) for index, row in added]
    rows += [HeldRow(i + 1, code, tuple(shown(tab.cell(i, column)) for column in layout.columns)) for i, code in left]
    return tuple(sorted(rows, key=itemgetter(0)))


def _status_held(index: int, row: CodeRow, tab: Tab, layout: Layout, covered: Covered) -> tuple[Cell, ...]:
    hidden = covered.columns_of(index)
    if not hidden:
        return row.status
    return tuple(
        shown(tab.cell(index, column)) if column in hidden else value
        for column, value in zip(layout.status, row.status, strict=True)
    )


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
