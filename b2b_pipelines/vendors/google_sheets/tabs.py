"""Spreadsheets and their tabs as they were read, and the count of requests."""

from dataclasses import dataclass
from typing import Literal, Protocol

Kind = Literal["read", "write"]
Cell = str | int | float | bool | None


class Pace(Protocol):
    """What keeps an installation inside Google's quota; see `b2b_pipelines.db.limiter`."""

    def wait(self, kind: Kind) -> float: ...

    def pause(self, kind: Kind, seconds: float) -> None: ...


@dataclass(frozen=True, slots=True)
class TabInfo:
    """A tab of a spreadsheet: Google's number for it, its title, its place from 0, the size of its grid."""

    sheet_id: int
    title: str
    index: int
    row_count: int
    column_count: int


@dataclass(frozen=True, slots=True)
class TabContent:
    """A tab and the values in it, row by row, without trailing blanks. What a formula comes out as is its value."""

    info: TabInfo
    values: list[list[Cell]]


@dataclass(frozen=True, slots=True)
class SpreadsheetInfo:
    """A spreadsheet and its tabs; charts and the like, which have no grid, are left out."""

    spreadsheet_id: str
    title: str
    tabs: tuple[TabInfo, ...]


@dataclass
class Requests:
    """How many requests to the Sheets API were made, repeated ones too."""

    reads: int = 0
    writes: int = 0

    def add(self, kind: Kind) -> None:
        if kind == "read":
            self.reads += 1
        else:
            self.writes += 1
