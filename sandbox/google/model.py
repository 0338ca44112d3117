"""A spreadsheet as Google keeps it, and what a person can do to it in the browser. No HTTP.

Edits of a person speak as the person sees it: cells in A1 notation, rows from 1, columns by letter. What the API uses
speaks as the API does: zero-based indexes, the end excluded.
"""

import secrets
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Literal

from sandbox.google.a1 import Area, Unparsable, parse_cells, quoted, split_range
from sandbox.google.contents import Dimension, Line, Protection
from sandbox.google.grid import MAX_CELLS, SheetError
from sandbox.google.regions import Hypotheses, Region
from sandbox.google.tab import Tab, edit

__all__ = ["Dimension", "Line", "Protection", "SheetError", "Spreadsheet", "Tab", "new_spreadsheet"]

OWNER = "customer@example.com"
TOO_MANY_CELLS = f"This action would increase the number of cells in the workbook above the limit of {MAX_CELLS} cells."
TAB_TITLES = {
    "en_US": "Sheet{}",
    "ja_JP": "シート{}",
    "es_ES": "Hoja {}",
    "de_DE": "Tabellenblatt{}",
    "fr_FR": "Feuille {}",
    "pt_BR": "Página{}",
}
"""How Google names a tab that is not named, by the spreadsheet's locale."""
Role = Literal["writer", "reader"]


@dataclass(frozen=True, slots=True)
class Change:
    """The changes of one API write: cells (sheet id, row, column) of a spreadsheet version."""

    version: int
    cells: tuple[tuple[int, int, int], ...]


@dataclass(slots=True)
class _TabState:
    tab: Tab
    title: str
    row_count: int
    column_count: int
    frozen: tuple[int, int, bool]
    rows: list[Line]
    protections: list[Protection]
    regions: list[Region]


@dataclass(eq=False)
class Spreadsheet:
    """A spreadsheet: its tabs, and who may open it.

    `version` grows with every change. `lock` guards everything in it: edits take it by themselves.
    """

    spreadsheet_id: str
    title: str
    owner: str = OWNER
    shared_with: set[str] = field(default_factory=set)
    public: bool = False
    viewers: set[str] = field(default_factory=set)
    locale: str = "en_US"
    trashed: bool = False
    office_file: bool = False
    """An Excel file opened in Drive: it has an address like a spreadsheet's, and the API refuses it."""
    version: int = 1
    hypotheses: Hypotheses = field(default_factory=Hypotheses, repr=False)
    tabs: list[Tab] = field(default_factory=list)
    lock: threading.RLock = field(default_factory=threading.RLock, repr=False)
    changes: deque[Change] = field(default_factory=lambda: deque(maxlen=200), repr=False)
    recorded: list[tuple[int, int, int]] | None = field(default=None, repr=False)

    @property
    def spreadsheet(self) -> "Spreadsheet":
        return self

    @property
    def url(self) -> str:
        """The URL as a customer copies it out of the browser, who looks at the first tab."""
        return self.url_of(self.tabs[0])

    def url_of(self, tab: Tab) -> str:
        """The URL as the browser shows it while a person looks at this tab: `gid` is the tab's number."""
        if self.office_file:
            return f"https://docs.google.com/spreadsheets/d/{self.spreadsheet_id}/edit?rtpof=true&sd=true"
        return (
            f"https://docs.google.com/spreadsheets/d/{self.spreadsheet_id}/edit?gid={tab.sheet_id}#gid={tab.sheet_id}"
        )

    def opens_for(self, account: str) -> bool:
        """Whether this account may read it. In the bin it is there for its owner alone."""
        if self.trashed:
            return account == self.owner
        return self.public or account in (self.owner, *self.shared_with, *self.viewers)

    def may_edit(self, account: str) -> bool:
        """Whether this account may write to it."""
        return self.public or account in (self.owner, *self.shared_with)

    # Finding

    def tab(self, which: str | int = 0) -> Tab:
        """A tab by its title, compared without case, or by its place. Raises `KeyError`."""
        if isinstance(which, int):
            if 0 <= which < len(self.tabs):
                return self.tabs[which]
        else:
            for tab in self.tabs:
                if tab.title.casefold() == which.casefold():
                    return tab
        raise KeyError(f"no tab {which!r}: there are {', '.join(quoted(tab.title) for tab in self.tabs)}")

    def tab_by_id(self, sheet_id: int) -> Tab:
        """A tab by its numeric id. Raises `SheetError` in Google's words."""
        for tab in self.tabs:
            if tab.sheet_id == sheet_id:
                return tab
        raise SheetError(f"No grid with id: {sheet_id}")

    def resolve(self, text: str) -> tuple[Tab, Area]:
        """The tab and cells that a range in A1 notation means. Raises `SheetError`."""
        try:
            title, cells = split_range(text)
            tab = self.tabs[0] if title is None else self.tab(title)
            return tab, parse_cells(cells) if cells else Area()
        except (Unparsable, KeyError):
            raise SheetError(f"Unable to parse range: {text}") from None

    # What the API does

    @contextmanager
    def writing(self) -> Iterator[None]:
        """A write of the API: all of it or, when anything raises, nothing. Remembers the cells it changed."""
        with self.lock:
            before = self._state()
            self.recorded = []
            try:
                yield
            except BaseException:
                self._restore(before)
                raise
            else:
                self.version += 1
                self.changes.append(Change(self.version, tuple(self.recorded)))
            finally:
                self.recorded = None

    def changed_since(self, version: int, sheet_id: int) -> list[tuple[int, int]]:
        """Cells of a tab that the API changed after this version, as far as that is remembered."""
        return [
            (row, column)
            for change in self.changes
            if change.version > version
            for of, row, column in change.cells
            if of == sheet_id
        ]

    def check_size(self, more: int) -> None:
        if more > 0 and sum(tab.row_count * tab.column_count for tab in self.tabs) + more > MAX_CELLS:
            raise SheetError(TOO_MANY_CELLS)

    def new_tab(
        self,
        title: str | None = None,
        *,
        sheet_id: int | None = None,
        row_count: int = 1000,
        column_count: int = 26,
        index: int | None = None,
    ) -> Tab:
        """Add a tab, by default `SheetN`. Raises `SheetError` for a title or an id that is taken."""
        if title is None:
            taken = {tab.title.casefold() for tab in self.tabs}
            pattern = TAB_TITLES.get(self.locale, TAB_TITLES["en_US"])
            title = next(name for n in count(len(self.tabs) + 1) if (name := pattern.format(n)).casefold() not in taken)
        self._check_title(title, None)
        self.check_size(row_count * column_count)
        if sheet_id is None:
            sheet_id = secrets.randbelow(2**31) if self.tabs else 0
        elif any(tab.sheet_id == sheet_id for tab in self.tabs):
            raise SheetError(f"A sheet with the ID {sheet_id} already exists. Please enter another ID.")
        tab = Tab(self, sheet_id, title, row_count, column_count)
        self.tabs.insert(len(self.tabs) if index is None else index, tab)
        return tab

    def remove_tab(self, tab: Tab) -> None:
        if len(self.tabs) == 1:
            raise SheetError("You can't remove all the sheets in a document.")
        self.tabs.remove(tab)

    def duplicate(
        self, tab: Tab, title: str | None = None, *, sheet_id: int | None = None, index: int | None = None
    ) -> Tab:
        """Add a copy of a tab, by default `Copy of …` after it, with all that is in it.

        Source: https://developers.google.com/workspace/sheets/api/reference/rest/v4/spreadsheets/request#duplicatesheetrequest
        """
        if title is None:
            taken = {each.title.casefold() for each in self.tabs}
            first = f"Copy of {tab.title}"
            names = (first if n == 1 else f"{first} {n}" for n in count(1))
            title = next(name for name in names if name.casefold() not in taken)
        place = tab.index + 1 if index is None else index
        copy = self.new_tab(
            title, sheet_id=sheet_id, row_count=tab.row_count, column_count=tab.column_count, index=place
        )
        copy.frozen_rows, copy.frozen_columns = tab.frozen_rows, tab.frozen_columns
        copy.rows = [line[:] for line in tab.rows]
        copy.regions = [region.copy() for region in tab.regions]
        for region in copy.regions:
            if region.kind == "table":
                region.properties["tableId"] = str(secrets.randbelow(2**31))
        copy.values.look_for_arrays()
        return copy

    def retitle(self, tab: Tab, title: str) -> None:
        self._check_title(title, tab)
        tab.title = title

    def _check_title(self, title: str, but: Tab | None) -> None:
        if not title.strip():
            raise SheetError("The sheet name cannot be empty.")
        if any(tab is not but and tab.title.casefold() == title.casefold() for tab in self.tabs):
            raise SheetError(f'A sheet with the name "{title}" already exists. Please enter another name.')

    def _state(self) -> tuple[str, list[_TabState]]:
        return self.title, [
            _TabState(
                tab,
                tab.title,
                tab.row_count,
                tab.column_count,
                (tab.frozen_rows, tab.frozen_columns, tab.hidden),
                [line[:] for line in tab.rows],
                [Protection(p.protection_id, p.area, p.description, p.editors) for p in tab.protections],
                [region.copy() for region in tab.regions],
            )
            for tab in self.tabs
        ]

    def _restore(self, state: tuple[str, list[_TabState]]) -> None:
        self.title, tabs = state
        self.tabs = [kept.tab for kept in tabs]
        for kept in tabs:
            tab = kept.tab
            tab.title, tab.row_count, tab.column_count = kept.title, kept.row_count, kept.column_count
            tab.frozen_rows, tab.frozen_columns, tab.hidden = kept.frozen
            tab.rows, tab.protections, tab.regions = kept.rows, kept.protections, kept.regions
            tab.changed(regions=True)

    # What a person does

    @edit
    def rename(self, title: str) -> None:
        self.title = title

    @edit
    def add_tab(self, title: str | None = None) -> Tab:
        return self.new_tab(title)

    @edit
    def rename_tab(self, which: str | int, title: str) -> None:
        self.retitle(self.tab(which), title)

    @edit
    def delete_tab(self, which: str | int) -> None:
        self.remove_tab(self.tab(which))

    @edit
    def move_tab(self, which: str | int, index: int) -> None:
        """Drag a tab to another place in the strip."""
        tab = self.tab(which)
        self.tabs.remove(tab)
        self.tabs.insert(index, tab)

    @edit
    def copy_tab(self, which: str | int, title: str | None = None) -> Tab:
        """Duplicate a tab: `Copy of …`."""
        return self.duplicate(self.tab(which), title)

    @edit
    def share(self, email: str, role: Role = "writer") -> None:
        """Share it with an account, as an editor or (`reader`) for viewing only."""
        self.shared_with.discard(email)
        self.viewers.discard(email)
        (self.shared_with if role == "writer" else self.viewers).add(email)

    @edit
    def unshare(self, email: str) -> None:
        self.shared_with.discard(email)
        self.viewers.discard(email)

    @edit
    def share_with_everyone(self, public: bool = True) -> None:
        """Let anyone with the link edit it, or no longer."""
        self.public = public

    @edit
    def trash(self) -> None:
        """Move it to the bin: whom it was shared with does not find it any more."""
        self.trashed = True

    @edit
    def restore_from_trash(self) -> None:
        self.trashed = False

    @edit
    def make_office_file(self, office_file: bool = True) -> None:
        """Let it be an Excel file that is edited in the browser without having been converted, or a spreadsheet again."""
        self.office_file = office_file


def new_spreadsheet(
    title: str = "Untitled spreadsheet", *, owner: str = OWNER, locale: str = "en_US", sheet_id: int = 0
) -> Spreadsheet:
    """An empty spreadsheet as Google makes it: one tab, 1000 rows and 26 columns.

    The tab is `Sheet1`, or what that is in the locale (`シート1`, `Hoja 1`), its number 0, or another where the first tab
    was made by a template or deleted.
    """
    spreadsheet = Spreadsheet("1" + secrets.token_urlsafe(33)[:43].replace("~", "-"), title, owner, locale=locale)
    spreadsheet.new_tab(sheet_id=sheet_id)
    return spreadsheet
