"""A signed-in client of Google Sheets: requests that are paced, counted, timed out, and told apart when they fail."""

import json
import logging
import random
import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import Any

import google.auth.exceptions
import google_auth_httplib2
import httplib2
from googleapiclient.errors import HttpError

from b2b_pipelines.vendors.google_sheets.accounts import Account
from b2b_pipelines.vendors.google_sheets.errors import (
    GoogleRefused,
    GoogleUnavailable,
    SheetFull,
    SheetProtected,
    SheetUnshared,
    SignInRefused,
    TabMoved,
    WriteUnsettled,
)
from b2b_pipelines.vendors.google_sheets.reading import VALUES, tab_info, without_trailing_blanks
from b2b_pipelines.vendors.google_sheets.reading import content as content_of
from b2b_pipelines.vendors.google_sheets.requests import quoted
from b2b_pipelines.vendors.google_sheets.tabs import Cell, Kind, Pace, Requests, SpreadsheetInfo, TabContent, TabInfo
from b2b_pipelines.vendors.google_sheets.transport import DRIVE, SHEETS, Connection, SharedToken, spreadsheets
from b2b_pipelines.vendors.http import retry_after

TIMEOUT_SECONDS = 60.0
TRIES = 5
LONGEST_BACKOFF = 32.0
LONGEST_RETRY_AFTER = 120.0
UUID = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F-]{27}")
TAB_IS_ELSEWHERE = ("Unable to parse range", "exceeds grid limits", "No grid with id", "beyond the last requested")

Call = Callable[[Any], Any]
"""Makes a request, not yet sent, of the API's `spreadsheets`."""

log = logging.getLogger(__name__)


class GoogleSheets:
    """A signed-in client. It may be shared: every thread works over a connection of its own."""

    def __init__(
        self,
        account: Account,
        pace: Pace,
        *,
        sheets_url: str = SHEETS,
        drive_url: str = DRIVE,
        timeout: float = TIMEOUT_SECONDS,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.account = account
        self._pace = pace
        self._urls = {SHEETS: sheets_url, DRIVE: drive_url}
        self._timeout = timeout
        self._sleep = sleep
        self._token = SharedToken(account.credentials)
        self._spreadsheets = spreadsheets()
        self._threads = threading.local()
        self._connections: list[Connection] = []

    def close(self) -> None:
        """Close the connections of every thread."""
        for connection in self._connections:
            connection.close()

    def counting(self, requests: Requests) -> "CountedSheets":
        """The client for one piece of work, whose requests are counted in `requests`."""
        return CountedSheets(self, requests)

    def _connection(self) -> google_auth_httplib2.AuthorizedHttp:
        """This thread's connection, over which requests carry the token."""
        if not hasattr(self._threads, "connection"):
            http = Connection(self._urls, self._timeout)
            self._connections.append(http)
            self._threads.connection = google_auth_httplib2.AuthorizedHttp(self._token, http=http)
        return self._threads.connection

    def take_turn(self, kind: Kind) -> float:
        """Wait until a request of this kind may be made; the seconds that took."""
        return self._pace.wait(kind)

    def send(
        self,
        kind: Kind,
        requests: Requests,
        call: Call,
        take: Callable[[Any], Any] = lambda answer: answer,
        *,
        has_turn: bool = False,
    ) -> Any:
        """Make one request and tell what became of it, as this module's errors do. Tries once.

        `take` takes what is needed out of the answer; an answer in which that is not to be found counts as none. With
        `has_turn` the request does not wait for its turn: that was taken before.
        """
        connection = self._connection()
        turns = [kind] if has_turn else []

        def before_each() -> None:
            if not turns:
                self.take_turn(kind)
            turns.clear()
            requests.add(kind)

        connection.http.before_each = before_each
        try:
            return take(call(self._spreadsheets).execute(http=connection, num_retries=0))
        except HttpError as error:
            raise self._refusal(error, kind) from error
        except google.auth.exceptions.RefreshError as error:
            if error.retryable:
                raise GoogleUnavailable("Google's sign-in does not answer") from error
            raise SignInRefused(
                f"Google refuses to sign in {self.account.share_with}: check the key and whether the account is enabled"
            ) from error
        except google.auth.exceptions.TransportError as error:
            raise GoogleUnavailable("Google's sign-in does not answer") from error
        except (OSError, httplib2.HttpLib2Error, HTTPException) as error:
            failed = WriteUnsettled if kind == "write" else GoogleUnavailable
            raise failed(f"the connection to Google was cut or timed out ({type(error).__name__})") from error
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            failed = WriteUnsettled if kind == "write" else GoogleUnavailable
            raise failed("Google's answer could not be read: it was cut short, or lacks what was asked for") from error

    def try_again(self, requests: Requests, call: Call, take: Callable[[Any], Any]) -> Any:
        """Read, up to five times, with truncated exponential backoff."""
        for attempt in range(1, TRIES + 1):
            try:
                return self.send("read", requests, call, take)
            except GoogleUnavailable as error:
                if attempt == TRIES:
                    raise
                self.back_off("read", attempt, error)
        raise AssertionError("unreachable")

    def back_off(self, kind: Kind, attempt: int, error: GoogleUnavailable) -> None:
        """Wait before the next try: as long as Google asks for, else twice as long each time, with jitter.

        What was said to the account lets everybody of the installation wait.
        """
        if error.retry_after is not None:
            seconds = min(error.retry_after, LONGEST_RETRY_AFTER)
        else:
            seconds = min(2.0 ** (attempt - 1), LONGEST_BACKOFF) * (0.5 + random.random() / 2)  # noqa: S311
        if error.concerns_everybody:
            self._pace.pause(kind, seconds)
        log.info("%s; trying again in %.1f s", error.message, seconds)
        self._sleep(seconds)

    def _refusal(self, error: HttpError, kind: Kind) -> Exception:
        status, words = int(error.resp.status), _words(error)
        if status == 429 or status >= 500:
            after = retry_after(error.resp.get("retry-after"))
            failed = WriteUnsettled if kind == "write" and status != 429 else GoogleUnavailable
            everybody = status == 429 or after is not None
            return failed(f"Google answers {status}: {words}", after, concerns_everybody=everybody)
        if "protected cell" in words or "protected range" in words:
            return SheetProtected(
                f"a protected range forbids writing: let {self.account.share_with} edit it, or remove the protection"
            )
        if status == 403 and ("has not been used in project" in words or "disabled" in words):
            return GoogleRefused(f"the Google Sheets API is not enabled for our account's project: {words}")
        if status in (403, 404):
            return SheetUnshared(
                f"the spreadsheet is not there or not shared with us: share it with {self.account.share_with} as an editor"
            )
        if status == 401:
            return SignInRefused(f"Google refuses the token of {self.account.share_with}: check the credentials")
        if "10000000 cells" in words.replace(",", ""):
            return SheetFull(
                "the spreadsheet is at Google's limit of 10 million cells: delete unused tabs or rows in it"
            )
        if any(said in words for said in TAB_IS_ELSEWHERE):
            return TabMoved("the tab was renamed, deleted or made smaller while it was looked at: try again")
        return GoogleRefused(f"Google answers {status}: {words}")


@dataclass
class CountedSheets:
    """What can be done with spreadsheets, each request counted."""

    sheets: GoogleSheets
    requests: Requests
    has_turn: bool = field(init=False, default=False)

    @property
    def account(self) -> Account:
        return self.sheets.account

    def open(self, spreadsheet_id: str) -> SpreadsheetInfo:
        """A spreadsheet and its tabs. One read. Raises `SheetUnshared`."""

        def tabs(answer: Any) -> SpreadsheetInfo:
            sheets = [sheet["properties"] for sheet in answer["sheets"]]
            grids = tuple(tab_info(properties) for properties in sheets if "gridProperties" in properties)
            return SpreadsheetInfo(spreadsheet_id, answer.get("properties", {}).get("title", ""), grids)

        found: SpreadsheetInfo = self.sheets.try_again(
            self.requests,
            lambda spreadsheets: spreadsheets.get(
                spreadsheetId=spreadsheet_id, fields="properties.title,sheets.properties"
            ),
            tabs,
        )
        return found

    def read(self, spreadsheet_id: str, title: str, sheet_id: int | None = None) -> TabContent | None:
        """A tab and all that is in it, by its title; None if there is none. One read.

        With a `sheet_id` it is that tab, whatever its title is by now: where the title leads elsewhere, a second read
        finds it. Raises `GoogleUnavailable` for answers that do not hold the tab: unreadable is not the same as empty.
        """

        def by_title(spreadsheets: Any) -> Any:
            return spreadsheets.get(
                spreadsheetId=spreadsheet_id, ranges=[quoted(title)], includeGridData=True, fields=VALUES
            )

        def by_number(spreadsheets: Any) -> Any:
            body = {"dataFilters": [{"gridRange": {"sheetId": sheet_id}}], "includeGridData": True}
            return spreadsheets.getByDataFilter(spreadsheetId=spreadsheet_id, body=body, fields=VALUES)

        found = self._read(spreadsheet_id, by_title)
        if sheet_id is None or (found is not None and found.info.sheet_id == sheet_id):
            return found
        return self._read(spreadsheet_id, by_number)

    def update(self, spreadsheet_id: str, changes: Sequence[Mapping[str, Any]], tab: TabInfo) -> TabContent | None:
        """Apply changes at once, all or none, and return the tab as it then is; None if the answer does not say.

        One write, tried once.
        """
        body = {
            "requests": list(changes),
            "includeSpreadsheetInResponse": True,
            "responseRanges": [quoted(tab.title)],
            "responseIncludeGridData": True,
        }

        def content(answer: Any) -> TabContent | None:
            found = content_of(answer.get("updatedSpreadsheet", {}))
            return found if found is not None and found.info.sheet_id == tab.sheet_id else None

        held: TabContent | None = self._write(
            lambda spreadsheets: spreadsheets.batchUpdate(
                spreadsheetId=spreadsheet_id, body=body, fields=f"replies,updatedSpreadsheet({VALUES})"
            ),
            content,
        )
        return held

    def grow(self, spreadsheet_id: str, changes: Sequence[Mapping[str, Any]]) -> None:
        """Apply changes at once, all or none, when more is to follow: nobody asks what the tab then holds.

        One write, tried once.
        """
        self._write(
            lambda spreadsheets: spreadsheets.batchUpdate(
                spreadsheetId=spreadsheet_id, body={"requests": list(changes)}, fields="replies"
            )
        )

    def write_values(self, spreadsheet_id: str, ranges: Sequence[Mapping[str, Any]]) -> None:
        """Write values as they are (`RAW`), range after range in that order. One write, tried once."""
        body = {"valueInputOption": "RAW", "data": list(ranges)}
        self._write(
            lambda spreadsheets: spreadsheets.values().batchUpdate(
                spreadsheetId=spreadsheet_id, body=body, fields="totalUpdatedCells"
            )
        )

    def take_turn_to_write(self) -> float:
        """Wait until the next write may be made, unless that was waited for; the seconds that took.

        So what is to be written can be decided by what is there when nothing but the request itself is to come.
        """
        waited = 0.0 if self.has_turn else self.sheets.take_turn("write")
        self.has_turn = True
        return waited

    def _write(self, call: Call, take: Callable[[Any], Any] = lambda answer: answer) -> Any:
        has_turn, self.has_turn = self.has_turn, False
        return self.sheets.send("write", self.requests, call, take, has_turn=has_turn)

    def _read(self, spreadsheet_id: str, call: Call) -> TabContent | None:
        """The tab in the answer to a read; None if there is none, or a chart. Values that were left out are asked for."""

        def properties_and_content(answer: Any) -> tuple[Mapping[str, Any], TabContent | None]:
            return answer["sheets"][0]["properties"], content_of(answer)

        try:
            properties, content = self.sheets.try_again(self.requests, call, properties_and_content)
        except TabMoved:
            return None
        if content is not None or "gridProperties" not in properties:
            found: TabContent | None = content
            return found
        tab = tab_info(properties)
        return TabContent(tab, self._values(spreadsheet_id, tab.title, valueRenderOption="UNFORMATTED_VALUE"))

    def entered(self, spreadsheet_id: str, title: str) -> list[list[Cell]]:
        """What a tab holds as a person would type it in: formulas as formulas, dates as dates. One read."""
        return self._values(spreadsheet_id, title, valueRenderOption="FORMULA", dateTimeRenderOption="FORMATTED_STRING")

    def _values(self, spreadsheet_id: str, title: str, **render: str) -> list[list[Cell]]:
        def values(answer: Any) -> list[list[Cell]]:
            only = answer["valueRanges"][0]
            return [without_trailing_blanks(row) for row in (only.get("values", []) if only["range"] else [])]

        held: list[list[Cell]] = self.sheets.try_again(
            self.requests,
            lambda spreadsheets: spreadsheets.values().batchGet(
                spreadsheetId=spreadsheet_id, ranges=[quoted(title)], **render
            ),
            values,
        )
        return held

    def back_off(self, kind: Kind, attempt: int, error: GoogleUnavailable) -> None:
        """Wait before the next try of a piece of work."""
        self.sheets.back_off(kind, attempt, error)


def _words(error: HttpError) -> str:
    """What Google says, in at most 200 characters, without e-mail addresses and enrollment codes."""
    try:
        said = json.loads(error.content)["error"]["message"]
    except (ValueError, KeyError, TypeError):
        said = getattr(error, "reason", None) or "no reason given"
    return " ".join(word for word in str(said).split() if "@" not in word and not UUID.search(word))[:200]
