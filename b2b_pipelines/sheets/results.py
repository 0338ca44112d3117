"""What a sync has to say: the tab, the counts, the conflicts, or why it could not go on."""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from b2b_pipelines.errors import PermanentError, Refused, TransientError
from b2b_pipelines.sheets.layout import Written
from b2b_pipelines.sheets.plan import Conflict
from b2b_pipelines.vendors.google_sheets import Requests


@dataclass(frozen=True, slots=True)
class Target:
    """The tab that a contract's codes go to. `sheet_id` is Google's number for the tab, `page` where a person opens the
    spreadsheet."""

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
        """What the codes' locations are noted with."""
        return f"{self.spreadsheet_id}#{self.sheet_id}"


@dataclass(frozen=True, slots=True)
class SyncResult:
    """What a sync did, or a plan would do. Counts are rows; `reads` and `writes` are requests made.

    `content_hash` is the same for the same codes with the same status, wherever in the tab they stand.
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

    @property
    def changed(self) -> bool:
        return bool(self.updated or self.appended or self.header)

    def as_json(self) -> dict[str, Any]:
        """The document that `b2b sheet plan` and `b2b sheet sync` print."""
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
            "updated": self.updated,
            "appended": self.appended,
            "unchanged": self.unchanged,
            "conflicts": [conflict._asdict() for conflict in self.conflicts],
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
    """Somebody edits the sheet faster than it can be written."""

    code = "contended"


class LayoutIsLost(PermanentError):
    """Our columns cannot be found in the tab. Carries the `result` of the sync, which wrote nothing."""

    code = "layout_lost"

    def __init__(self, result: SyncResult) -> None:
        super().__init__(layout_lost_words(result))
        self.result = result


def layout_lost_words(result: SyncResult) -> str:
    """What to do about a tab in which our columns cannot be found."""
    return (
        f"our columns cannot be found in the tab {result.target.tab!r}: put the header back,"
        f" or write the tab anew with `b2b sheet rebuild {result.contract}`"
    )


def content_hash(written: Written | None) -> str:
    """A hash of what our columns hold, the same in whatever order the rows stand."""
    rows = sorted(json.dumps([row.code, *row.cells[1:]]) for row in (written.rows if written else ()))
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()
