"""The true state of a contract's codes as rows of its sheet, and what a tab shows of it.

Pure.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from b2b_pipelines.cells import Formula, entered
from b2b_pipelines.sheets.layout import HEADERS, CodeRow, HeldRow, Tab, Written, codes_within, normal
from b2b_pipelines.sheets.models import SheetSnapshot
from b2b_pipelines.sheets.operations import Plan
from b2b_pipelines.sheets.store import WantedCode

CODE_LENGTH = 36


def written_of(snapshot: SheetSnapshot) -> Written:
    """Return the contents of our columns as a snapshot has them."""
    rows = tuple(HeldRow(row, code, tuple(cells)) for row, code, cells in snapshot.rows)
    return Written(tuple(snapshot.columns), snapshot.column_count, rows)


def codes_in(tab: Tab) -> set[str]:
    """Return each text of the tab with the form of a code, in lower case."""
    found: set[str] = set()
    for row in tab.values:
        for cell in row:
            text = cell.shown if type(cell) is Formula else cell
            if type(text) is str and len(text) >= CODE_LENGTH:
                found.update(codes_within(text.casefold()))
    return found


def truth(wanted: Iterable[WantedCode], gone: Mapping[str, CodeRow]) -> list[CodeRow]:
    """Return the rows for a sheet: of the codes, and of those that were deleted (`gone`)."""
    rows = [
        CodeRow(
            code=code.code,
            use_type=code.redemption_type,
            total_redemptions=code.total_redemptions,
            invalidated_on=moment_shown(code.invalidated_at),
            redeemed_by=code.email or "",
            redeemed_on=moment_shown(code.redeemed_at),
        )
        for code in wanted
    ]
    return rows + list(gone.values())


def gone(written: Written | None, strangers: Iterable[int], missing: set[str], now: str) -> Mapping[str, CodeRow]:
    """Return the codes in a tab that were deleted since they were written.

    They are invalid since first found so. `missing` are the codes in the tab that the database does not have, and
    `strangers` the rows (from 1) that held no code of ours.
    """
    known = set(strangers)
    rows: defaultdict[str, list[HeldRow]] = defaultdict(list)
    for row in written.rows if written else ():
        if normal(row.code) in missing and row.row not in known:
            rows[normal(row.code)].append(row)
    return {code: as_code_row(_most_complete(copies), now) for code, copies in rows.items()}


def _most_complete(copies: list[HeldRow]) -> HeldRow:
    """Return the contents of a code that is in several rows.

    Rows with just the code count most. A merge may hide a cell in one of them, which another one still shows.
    """
    exact = [row for row in copies if row.is_exact] or copies[-1:]
    cells = (
        next((cell for cell in column if cell not in ("", None)), "")
        for column in zip(*(row.cells for row in exact), strict=True)
    )
    return exact[0]._replace(cells=tuple(cells))


def as_code_row(row: HeldRow, invalidated: str = "") -> CodeRow:
    """Return a row of a snapshot as a code row.

    `invalidated` is the time when it became invalid, unless the row has that time itself.
    """
    _, use_type, total, invalidated_on, redeemed_by, redeemed_on = row.cells
    return CodeRow(
        code=row.code,
        use_type=str(use_type or ""),
        total_redemptions=total if isinstance(total, int) else 0,
        invalidated_on=str(invalidated_on or "") or invalidated,
        redeemed_by=str(redeemed_by or ""),
        redeemed_on=str(redeemed_on or ""),
    )


def moment_shown(moment: datetime | None) -> str:
    """Return a moment as a sheet shows it; `""` for none."""
    return "" if moment is None else f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def shows(tab: Tab, target: Plan) -> bool:
    """Return whether A-F hold exactly the plan of a new target: the plan was applied already."""
    block = target.writes[0].values
    rows = max(len(block), len(tab.values))
    wanted = [block[row] if row < len(block) else ("",) * len(HEADERS) for row in range(rows)]
    return all(
        tuple(entered(tab.cell(row, column)) for column in range(len(HEADERS))) == cells
        for row, cells in enumerate(wanted)
    )
