"""Spreadsheets and their tabs as they were read, and the count of requests."""

from dataclasses import dataclass
from typing import Literal, Protocol

from b2b_pipelines.cells import Area, Cell, Table

Kind = Literal["read", "write"]


class Pace(Protocol):
    """The pace that keeps an installation within Google's quota; see `b2b_pipelines.db.limiter`."""

    def wait(self, kind: Kind) -> float: ...

    def take(self, kind: Kind, patience: float) -> bool: ...

    def pause(self, kind: Kind, seconds: float) -> None: ...

    def pause_until_minute_ends(self, kind: Kind) -> None: ...


@dataclass(frozen=True, slots=True)
class TabInfo:
    """A tab of a spreadsheet.

    Google's number for it, its title, its place from 0, the size of its grid.
    """

    sheet_id: int
    title: str
    index: int
    row_count: int
    column_count: int


@dataclass(frozen=True, slots=True)
class TabContent:
    """A tab and its entered cells, row by row, without trailing blanks.

    Its merges and Google Tables. `texts` are the shown texts of the first columns, if requested.
    """

    info: TabInfo
    values: list[list[Cell]]
    merges: tuple[Area, ...] = ()
    tables: tuple[Table, ...] = ()
    texts: list[list[str]] | None = None


@dataclass(frozen=True, slots=True)
class SpreadsheetInfo:
    """A spreadsheet and its tabs; charts and the like, which have no grid, are left out."""

    spreadsheet_id: str
    title: str
    tabs: tuple[TabInfo, ...]


@dataclass
class Requests:
    """The number of requests to the Sheets API, retries included."""

    reads: int = 0
    writes: int = 0

    def add(self, kind: Kind) -> None:
        if kind == "read":
            self.reads += 1
        else:
            self.writes += 1
