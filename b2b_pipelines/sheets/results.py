"""The result of a sync: the tab, the counts, the conflicts, or the error that stopped it."""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from b2b_pipelines.cells import tab_name
from b2b_pipelines.errors import PermanentError, Refused, TransientError
from b2b_pipelines.privacy import masked_text
from b2b_pipelines.sheets.layout import HEADERS, LayoutLost, Written
from b2b_pipelines.sheets.operations import Conflict, Plan
from b2b_pipelines.vendors.google_sheets import Requests

FAR_BELOW = 10


@dataclass(frozen=True, slots=True)
class Target:
    """The tab for a contract's codes.

    `sheet_id` is Google's number of it, `page` the spreadsheet's address.
    """

    spreadsheet_id: str
    sheet_id: int
    tab: str
    new: bool
    page: str

    @property
    def url(self) -> str:
        return f"{self.page}#gid={self.sheet_id}"

    @property
    def key(self) -> str:
        """Return the key under which the codes' locations are stored."""
        return f"{self.spreadsheet_id}#{self.sheet_id}"


@dataclass(frozen=True, slots=True)
class SyncResult:
    """The result of a sync, or of a plan.

    Counts are rows; `reads` and `writes` are requests made. `replaced` counts the customer's rows in A-F that a new
    target replaces, and `replaced_cells` are the first texts in them, without e-mail addresses. `rows_added` are the
    rows (from 1) in which codes were added, `last_code` is that of the last code before them. `needs_consent`: a sync
    would refuse to replace them. `lost` names the missing or misplaced headers. `content_hash` is equal for equal codes
    with equal status, in any rows of the tab.
    """

    contract: str
    target: Target
    header: bool
    updated: int
    appended: int
    unchanged: int
    conflicts: tuple[Conflict, ...]
    requests: Requests
    content_hash: str
    rows: int
    replaced: int = 0
    replaced_cells: tuple[str, ...] = ()
    rows_added: tuple[int, ...] = ()
    last_code: int = 0
    needs_consent: bool = False
    lost: LayoutLost | None = None

    @property
    def lands_far_below(self) -> bool:
        """Return whether codes were added more than 10 rows below the last code.

        People may miss them there.
        """
        return bool(
            self.rows_added
            and self.last_code
            and max(self.rows_added) > self.last_code + FAR_BELOW + len(self.rows_added) - 1
        )

    @property
    def changed(self) -> bool:
        return bool(self.updated or self.appended or self.header)

    def as_json(self) -> dict[str, Any]:
        """Return the document that `b2b sheet plan` and `b2b sheet sync` print."""
        return {
            "contract": self.contract,
            "target": {
                "spreadsheet_id": self.target.spreadsheet_id,
                "sheet_id": self.target.sheet_id,
                "tab": self.target.tab,
                "url": self.target.url,
                "new": self.target.new,
            },
            "header": self.header,
            "replaced": self.replaced,
            "updated": self.updated,
            "appended": self.appended,
            "unchanged": self.unchanged,
            "conflicts": [conflict._asdict() for conflict in self.conflicts],
            "rows_added": list(self.rows_added),
            "needs_consent": self.needs_consent,
            "reads": self.requests.reads,
            "writes": self.requests.writes,
        }


class NotDelivered(Refused):
    """The contract has no sheet, or does not require codes."""

    code = "not_delivered"


class SheetChanged(TransientError):
    """The contract was given another sheet or tab while its sheet was synced."""

    code = "sheet_changed"


class Contended(TransientError):
    """A person edits the sheet faster than it can be written."""

    code = "contended"


class LayoutIsLost(PermanentError):
    """Our columns cannot be found in the tab.

    Carries the `result` of the sync, which wrote nothing.
    """

    code = "layout_lost"

    def __init__(self, result: SyncResult, lost: LayoutLost | None = None) -> None:
        self.lost = lost
        super().__init__(layout_lost_words(result))
        self.result = result


def layout_lost_words(result: SyncResult) -> str:
    """Return what to do about a tab in which our columns cannot be found."""
    return (
        f"the columns of the codes cannot be found in the tab {tab_name(result.target.tab)}: {_headers_lost(result.lost)},"
        f" or rewrite the tab with `b2b sheet rebuild {result.contract}`"
    )


def _headers_lost(lost: LayoutLost | None) -> str:
    if lost is not None and lost.misplaced:
        names = _listed(lost.misplaced)
        return f"the headers {names} are not over their own columns, put each back over its column"
    if lost is None or not lost.missing or len(lost.missing) == len(HEADERS):
        return "put the header back"
    if HEADERS[0] in lost.missing:
        return f"the header {_listed(lost.missing)} is missing, type it over the column of the codes"
    if len(lost.missing) == 1:
        return f"the header {_listed(lost.missing)} is missing, type it over any empty column"
    return f"the headers {_listed(lost.missing)} are missing, type each over an empty column"


def _listed(headers: tuple[str, ...]) -> str:
    return ", ".join(f"`{header}`" for header in headers)


def sync_result(
    slug: str,
    target: Target,
    requests: Requests,
    *,
    first: Plan,
    applied: list[Plan],
    last: Plan,
    needs_consent: bool = False,
) -> SyncResult:
    """Return the result of the `applied` plans.

    If there are none, the result that `last` would have. A write that failed half-way was planned again for the rest:
    then the first plan has the full counts.
    """
    updated = max(first.updated, sum(plan.updated for plan in applied))
    appended = max(first.appended, sum(plan.appended for plan in applied))
    return SyncResult(
        contract=slug,
        target=target,
        header=first.header or any(plan.header for plan in applied),
        updated=updated,
        appended=appended,
        unchanged=max(last.unchanged - updated - appended, 0) if applied else last.unchanged,
        conflicts=last.conflicts,
        requests=requests,
        content_hash=content_hash(last.written),
        rows=len(last.written.rows) if last.written else 0,
        replaced=first.replaced,
        replaced_cells=tuple(masked_text(cell) for cell in first.replaced_cells),
        rows_added=tuple(sorted({row for plan in (first, *applied) for row in plan.rows_added})),
        last_code=first.last_code,
        needs_consent=needs_consent,
        lost=last.lost,
    )


def row_ranges(rows: tuple[int, ...]) -> str:
    """Return row numbers in words, such as `rows 5-7, 9`."""
    ranges: list[list[int]] = []
    for row in sorted(rows):
        if ranges and row == ranges[-1][1] + 1:
            ranges[-1][1] = row
        else:
            ranges.append([row, row])
    texts = [str(first) if first == last else f"{first}-{last}" for first, last in ranges]
    return f"{'row' if len(rows) == 1 else 'rows'} {', '.join(texts)}"


def content_hash(written: Written | None) -> str:
    """Return a hash of the contents of our columns, independent of the order of rows."""
    rows = sorted(json.dumps([row.code, *row.cells[1:]]) for row in (written.rows if written else ()))
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()
