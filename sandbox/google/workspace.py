"""The stand-in of Google Sheets: its spreadsheets, its accounts, and what a test or the page does to them."""

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sandbox.faults import Fault
from sandbox.google import model
from sandbox.google import state as state_file
from sandbox.google.cells import user_entered
from sandbox.google.errors import REFUSALS, ApiError, error_body, office_file
from sandbox.google.model import OWNER, Spreadsheet
from sandbox.google.quota import Quota
from sandbox.google.regions import Hypotheses
from sandbox.google.tokens import SERVICE_ACCOUNT, Accounts
from sandbox.vendor import Vendor
from sandbox.world import World

DRIVE_LAG = 60.0
"""Seconds for which Drive still answers with the previous version and time of modification."""


class Workspace(Vendor):
    """Google Sheets v4 on loopback.

    Set `quota` to have requests refused as Google refuses them: `google.quota = Quota(reads=60, writes=60)`.
    """

    name = "google"
    paths = ("/v4/", "/token", "/drive/")

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.accounts = Accounts()
        self.quota = Quota()
        self.hypotheses = Hypotheses()
        self._spreadsheets: dict[str, Spreadsheet] = {}
        self._told_by_drive: dict[str, tuple[int, float]] = {}

    # What a test does

    def make_service_account(self, email: str = SERVICE_ACCOUNT) -> dict[str, str]:
        """The key JSON of a service account that may sign in here."""
        with self.world.lock:
            return self.accounts.make_service_account(self.url, email)

    def make_authorized_user(self, email: str) -> dict[str, str]:
        """The JSON of an authorized user, with a refresh token that is good here."""
        with self.world.lock:
            return self.accounts.make_authorized_user(self.url, email)

    def create_spreadsheet(
        self,
        title: str = "Codes",
        shared_with: Iterable[str] = (SERVICE_ACCOUNT,),
        tabs: Mapping[str, Sequence[Sequence[object]]] | Sequence[str] | None = None,
        *,
        public: bool = False,
        locale: str = "en_US",
        sheet_id: int = 0,
    ) -> str:
        """A customer's new spreadsheet, shared with some accounts; its id.

        `tabs` are titles, or titles with rows of values as a person would type them (None leaves a cell empty). The
        first takes the place of `Sheet1`. A grid is 1000 rows and 26 columns, or as large as the rows need. `locale`
        names the first tab (`シート1` in `ja_JP`), and `sheet_id` is its number.
        """
        spreadsheet = self.new(title, owner=OWNER, locale=locale, sheet_id=sheet_id)
        spreadsheet.shared_with.update(shared_with)
        spreadsheet.public = public
        content = tabs if isinstance(tabs, Mapping) else dict.fromkeys(tabs or (), ())
        for place, (name, rows) in enumerate(content.items()):
            if place == 0:
                tab = spreadsheet.tabs[0]
                spreadsheet.retitle(tab, name)
            else:
                tab = spreadsheet.new_tab(name)
            tab.resize(max(1000, len(rows)), max(26, max(map(len, rows), default=0)))
            for row, line in enumerate(rows):
                for column, value in enumerate(line):
                    if value is not None:
                        tab.put(row, column, user_entered(value))
        self.keep(spreadsheet)
        return spreadsheet.spreadsheet_id

    def spreadsheet(self, spreadsheet_id: str) -> Spreadsheet:
        """A spreadsheet, to look into and to edit as its owner. Raises `KeyError`."""
        return self._spreadsheets[spreadsheet_id]

    def spreadsheets(self) -> list[Spreadsheet]:
        """All of them, the oldest first."""
        return list(self._spreadsheets.values())

    def delete_spreadsheet(self, spreadsheet_id: str) -> None:
        """Delete it for good: from now on it is not found. Raises `KeyError`."""
        with self.world.lock:
            del self._spreadsheets[spreadsheet_id]

    def spreadsheet_url(self, spreadsheet_id: str) -> str:
        """The URL as a customer copies it out of the browser."""
        return self.spreadsheet(spreadsheet_id).url

    def page(self, spreadsheet_id: str) -> str:
        """Where a person sees and edits it."""
        return f"{self.url}/sandbox/sheets/{spreadsheet_id}"

    def refuse(self, reason: str, **matching: Any) -> Fault:
        """Have requests refused with 403 for a reason of `errors.REFUSALS`, as a fault does: `times`, `kind`, `path`."""
        refusal = REFUSALS[reason]
        body = refusal if isinstance(refusal, str) else refusal.body
        return self.world.faults.answer(403, body, **{"vendor": self.name, "path": "^/v4/", **matching})

    def counts(self) -> dict[str, int]:
        """Requests since the log was last reset, by kind: `read`, `write`, and when there were any `token`, `drive`."""
        return self.world.log.counts(vendor=self.name)

    # What the API does

    def new(self, title: str, *, owner: str, locale: str = "en_US", sheet_id: int = 0) -> Spreadsheet:
        """A new spreadsheet, not yet found by its id."""
        spreadsheet = model.new_spreadsheet(title, owner=owner, locale=locale, sheet_id=sheet_id)
        spreadsheet.lock = self.world.lock
        return spreadsheet

    def keep(self, spreadsheet: Spreadsheet) -> None:
        with self.world.lock:
            spreadsheet.hypotheses = self.hypotheses
            self._spreadsheets[spreadsheet.spreadsheet_id] = spreadsheet

    def opened(self, spreadsheet_id: str, account: str, *, writes: bool) -> Spreadsheet:
        """A spreadsheet for an account. Raises `ApiError`: 404 if there is none, 403 if it is not shared.

        Recorded (gspread's cassettes): 404 "Requested entity was not found." and 403 "The caller does not have
        permission". A viewer reads, and a write of theirs is that 403. A file in the bin is not found by whom it was
        shared with (https://support.google.com/drive/answer/2375102).
        """
        spreadsheet = self._spreadsheets.get(spreadsheet_id)
        if spreadsheet is None or (spreadsheet.trashed and account != spreadsheet.owner):
            raise ApiError(404)
        if not spreadsheet.opens_for(account):
            raise ApiError(403)
        if spreadsheet.office_file:
            raise office_file()
        if writes and not spreadsheet.may_edit(account):
            raise ApiError(403)
        return spreadsheet

    def file(self, file_id: str, account: str) -> Spreadsheet:
        """A spreadsheet as a file of Drive, which says of a file that is not shared that it is not found."""
        spreadsheet = self._spreadsheets.get(file_id)
        if spreadsheet is None or not spreadsheet.opens_for(account):
            raise ApiError(404, f"File not found: {file_id}.")
        return spreadsheet

    def as_drive_knows_it(self, spreadsheet: Spreadsheet) -> tuple[int, float]:
        """Version and time of modification, which lag behind the edits."""
        told = self._told_by_drive.get(spreadsheet.spreadsheet_id)
        if told is None or (told[0] != spreadsheet.version and time.time() - told[1] > DRIVE_LAG):
            told = (spreadsheet.version, time.time())
            self._told_by_drive[spreadsheet.spreadsheet_id] = told
        return told

    # What the sandbox does

    def error_body(self, status: int) -> Any:
        return error_body(status)

    def clear(self) -> None:
        self._spreadsheets.clear()
        self._told_by_drive.clear()
        self.quota = Quota()
        self.hypotheses = Hypotheses()

    def dump(self) -> Any:
        return {
            "spreadsheets": [state_file.dump(spreadsheet) for spreadsheet in self.spreadsheets()],
            "accounts": self.accounts.dump(),
        }

    def load(self, state: Any) -> None:
        for kept in state["spreadsheets"]:
            spreadsheet = state_file.load(kept)
            spreadsheet.lock = self.world.lock
            self.keep(spreadsheet)
        self.accounts.load(state["accounts"])
