"""A signed-in client of Google Sheets: paced, counted, timed requests with typed errors."""

import json
import logging
import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import Any

import google.auth.exceptions
import google_auth_httplib2
import httplib2
import msgspec
from googleapiclient.errors import HttpError

from b2b_pipelines.cells import Cell
from b2b_pipelines.vendors.google_sheets.accounts import Account
from b2b_pipelines.vendors.google_sheets.errors import (
    GoogleUnavailable,
    Refusal,
    TabMoved,
    WriteUnsettled,
    sign_in_refused,
)
from b2b_pipelines.vendors.google_sheets.reading import (
    Answer,
    Updated,
    as_entered,
    read_spreadsheet,
    read_update,
    tab_mask,
)
from b2b_pipelines.vendors.google_sheets.reading import content as content_of
from b2b_pipelines.vendors.google_sheets.requests import quoted
from b2b_pipelines.vendors.google_sheets.tabs import Kind, Pace, Requests, SpreadsheetInfo, TabContent, TabInfo
from b2b_pipelines.vendors.google_sheets.transport import DRIVE, SHEETS, Connection, SharedToken, spreadsheets
from b2b_pipelines.vendors.http.closing import Closing
from b2b_pipelines.vendors.http.retrying import retry_after

TIMEOUT_SECONDS = 60.0
TRIES = 5
LONGEST_BACKOFF = 32.0
LONGEST_RETRY_AFTER = 120.0
TURN_LASTS_SECONDS = 1.0
"""Seconds in which a read must follow its turn: the limiter adds as many to its window."""

Call = Callable[[Any], Any]
"""Makes a request, not yet sent, of the API's `spreadsheets`."""

log = logging.getLogger(__name__)


class GoogleSheets(Closing):
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
        """Return the client for one piece of work, whose requests are counted in `requests`."""
        return CountedSheets(self, requests)

    def _connection(self) -> google_auth_httplib2.AuthorizedHttp:
        """Return this thread's connection, over which requests carry the token."""
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
        decode: Callable[[bytes], Any] = json.loads,
        has_turn: bool = False,
    ) -> Any:
        """Make one request and raise this module's errors for a failure. Tries once.

        `decode` reads the bytes of the answer and `take` picks the needed part; an answer without that part counts as
        none. With `has_turn` the request does not wait for its turn, because the caller has waited.
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
            request = call(self._spreadsheets)
            request.postproc = lambda _response, content: decode(content)
            return take(request.execute(http=connection, num_retries=0))
        except HttpError as error:
            refusal = Refusal.read(int(error.resp.status), error.content, getattr(error, "reason", None))
            after = retry_after(error.resp.get("retry-after"))
            raise refusal.as_error(kind, self.account.share_with, after) from error
        except google.auth.exceptions.RefreshError as error:
            if error.retryable:
                raise GoogleUnavailable("Google's sign-in does not answer") from error
            raise sign_in_refused(self.account.share_with, error) from error
        except google.auth.exceptions.TransportError as error:
            raise GoogleUnavailable("Google's sign-in does not answer") from error
        except (OSError, httplib2.HttpLib2Error, HTTPException) as error:
            failed = WriteUnsettled if kind == "write" else GoogleUnavailable
            raise failed(f"the connection to Google was cut or timed out ({type(error).__name__})") from error
        except (ValueError, LookupError, TypeError, AttributeError, msgspec.MsgspecError) as error:
            failed = WriteUnsettled if kind == "write" else GoogleUnavailable
            raise failed("Google's answer could not be read, because it was cut short or lacks a part") from error

    def try_again(
        self,
        requests: Requests,
        call: Call,
        take: Callable[[Any], Any],
        decode: Callable[[bytes], Any] = json.loads,
        *,
        has_turn: bool = False,
    ) -> Any:
        """Read, up to five times, with truncated exponential backoff. With `has_turn` the first try does not wait."""
        for attempt in range(1, TRIES + 1):
            try:
                return self.send("read", requests, call, take, decode=decode, has_turn=has_turn and attempt == 1)
            except GoogleUnavailable as error:
                if attempt == TRIES:
                    raise
                self.back_off("read", attempt, error)
        raise AssertionError("unreachable")

    def back_off(self, kind: Kind, attempt: int, error: GoogleUnavailable) -> None:
        """Wait before the next try.

        The wait is Google's, else twice as long each time, with jitter. A limit of the account makes every process of
        the installation wait; when the quota of this minute is spent, they wait for their next turn until the minute is
        over.
        """
        if error.until_minute_ends:
            self._pace.pause_until_minute_ends(kind)
            log.info("%s; trying again when the minute is over", error.happened)
            return
        if error.retry_after is not None:
            seconds = min(error.retry_after, LONGEST_RETRY_AFTER)
        else:
            seconds = min(2.0 ** (attempt - 1), LONGEST_BACKOFF) * (0.5 + random.random() / 2)  # noqa: S311
        if error.concerns_everybody:
            self._pace.pause(kind, seconds)
        log.info("%s; trying again in %.1f s", error.happened, seconds)
        self._sleep(seconds)


@dataclass
class CountedSheets:
    """Requests to spreadsheets, each of them counted."""

    sheets: GoogleSheets
    requests: Requests
    turns: dict[Kind, float] = field(init=False, default_factory=dict)

    @property
    def account(self) -> Account:
        return self.sheets.account

    def open(self, spreadsheet_id: str) -> SpreadsheetInfo:
        """Return a spreadsheet and its tabs. One read. Raises `SheetUnshared`."""

        def tabs(answer: Answer) -> SpreadsheetInfo:
            grids = tuple(sheet.info for sheet in answer.sheets if sheet.info is not None)
            if not answer.sheets:  # every spreadsheet has a sheet: this answer is not one
                raise GoogleUnavailable("Google's answer is not a spreadsheet")
            return SpreadsheetInfo(spreadsheet_id, answer.properties.title, grids)

        found: SpreadsheetInfo = self.sheets.try_again(
            self.requests,
            lambda spreadsheets: spreadsheets.get(
                spreadsheetId=spreadsheet_id, fields="properties.title,sheets.properties", prettyPrint=False
            ),
            tabs,
            read_spreadsheet,
            has_turn=self._use_turn("read"),
        )
        return found

    def read(
        self, spreadsheet_id: str, title: str, sheet_id: int | None = None, *, text_columns: int = 0
    ) -> TabContent | None:
        """Return a tab with all its contents, by its title; None if the title does not exist.

        One read. With a `sheet_id` it is that tab, under any current title: if the title leads elsewhere, a second read
        finds it. With `text_columns` the content has the texts that the first columns show. Raises `GoogleUnavailable`
        for answers without the tab, because unreadable is not the same as empty.
        """

        def by_title(spreadsheets: Any) -> Any:
            return spreadsheets.get(
                spreadsheetId=spreadsheet_id,
                ranges=[quoted(title)],
                includeGridData=True,
                fields=tab_mask(with_texts=bool(text_columns)),
                prettyPrint=False,
            )

        found = self._read(spreadsheet_id, by_title, text_columns)
        if sheet_id is None or (found is not None and found.info.sheet_id == sheet_id):
            return found
        return self.read_number(spreadsheet_id, sheet_id, text_columns=text_columns)

    def read_number(self, spreadsheet_id: str, sheet_id: int, *, text_columns: int = 0) -> TabContent | None:
        """Return a tab with all its contents, by Google's number for it; None if it does not exist.

        One read.
        """

        def by_number(spreadsheets: Any) -> Any:
            body = {"dataFilters": [{"gridRange": {"sheetId": sheet_id}}], "includeGridData": True}
            mask = tab_mask(with_texts=bool(text_columns))
            return spreadsheets.getByDataFilter(spreadsheetId=spreadsheet_id, body=body, fields=mask, prettyPrint=False)

        return self._read(spreadsheet_id, by_number, text_columns)

    def update(
        self,
        spreadsheet_id: str,
        changes: Sequence[Mapping[str, Any]],
        tab: TabInfo,
        before: Sequence[Sequence[Cell]] = (),
    ) -> TabContent | None:
        """Apply changes at once, all or none.

        Return the tab after them, or None if the answer omits it; it shares its texts with the tab `before`. One write,
        tried once.
        """
        body = {
            "requests": list(changes),
            "includeSpreadsheetInResponse": True,
            "responseRanges": [quoted(tab.title)],
            "responseIncludeGridData": True,
        }

        def content(answer: Updated) -> TabContent | None:
            found = content_of(answer.updated_spreadsheet, before=before)
            return found if found is not None and found.info.sheet_id == tab.sheet_id else None

        held: TabContent | None = self._write(
            lambda spreadsheets: spreadsheets.batchUpdate(
                spreadsheetId=spreadsheet_id, body=body, fields=f"updatedSpreadsheet({tab_mask()})", prettyPrint=False
            ),
            content,
            read_update,
        )
        return held

    def grow(self, spreadsheet_id: str, changes: Sequence[Mapping[str, Any]]) -> None:
        """Apply changes at once, all or none, without reading the tab, because more changes follow.

        One write, tried once.
        """
        self._write(
            lambda spreadsheets: spreadsheets.batchUpdate(
                spreadsheetId=spreadsheet_id, body={"requests": list(changes)}, fields="replies"
            )
        )

    def write_values(self, spreadsheet_id: str, ranges: Sequence[Mapping[str, Any]], *, typed: bool = False) -> None:
        """Write values as they are (`RAW`), range after range in that order. One write, tried once.

        `typed`: as if a person typed them in, so that a date becomes a date that is shown as one.
        """
        body = {"valueInputOption": "USER_ENTERED" if typed else "RAW", "data": list(ranges)}
        self._write(
            lambda spreadsheets: spreadsheets.values().batchUpdate(
                spreadsheetId=spreadsheet_id, body=body, fields="totalUpdatedCells"
            )
        )

    def take_turn(self, kind: Kind) -> float:
        """Wait until the next request of this kind may be made, unless the caller waited already.

        Return the seconds. The caller can therefore take a lock for the first read, or decide a write on the newest
        read, with only the request itself left to make. A read that follows more than a second later takes another
        turn, because the pace counts a request at its turn.
        """
        if kind in self.turns:
            return 0.0
        waited = self.sheets.take_turn(kind)
        self.turns[kind] = time.monotonic()
        return waited

    def _use_turn(self, kind: Kind) -> bool:
        """Return whether the caller has waited for the turn of this request."""
        taken = self.turns.pop(kind, None)
        return taken is not None and (kind == "write" or time.monotonic() - taken < TURN_LASTS_SECONDS)

    def _write(
        self,
        call: Call,
        take: Callable[[Any], Any] = lambda answer: answer,
        decode: Callable[[bytes], Any] = json.loads,
    ) -> Any:
        return self.sheets.send("write", self.requests, call, take, decode=decode, has_turn=self._use_turn("write"))

    def _read(self, spreadsheet_id: str, call: Call, text_columns: int) -> TabContent | None:
        """Return the tab in the answer to a read; None if it is missing, or a chart.

        Requests omitted values.
        """

        def tab_and_content(answer: Answer) -> tuple[TabInfo | None, TabContent | None]:
            return answer.sheets[0].info, content_of(answer, text_columns)

        try:
            has_turn = self._use_turn("read")
            tab, content = self.sheets.try_again(
                self.requests, call, tab_and_content, read_spreadsheet, has_turn=has_turn
            )
        except TabMoved:
            return None
        if content is not None or tab is None:
            found: TabContent | None = content
            return found
        return TabContent(tab, self._values(spreadsheet_id, tab.title))

    def _values(self, spreadsheet_id: str, title: str) -> list[list[Cell]]:
        """Return the cells entered in a tab, without the values of its formulas. One read."""

        def values(answer: Any) -> list[list[Cell]]:
            only = answer["valueRanges"][0]
            return [as_entered(row) for row in (only.get("values", []) if only["range"] else [])]

        held: list[list[Cell]] = self.sheets.try_again(
            self.requests,
            lambda spreadsheets: spreadsheets.values().batchGet(
                spreadsheetId=spreadsheet_id, ranges=[quoted(title)], valueRenderOption="FORMULA", prettyPrint=False
            ),
            values,
            has_turn=self._use_turn("read"),
        )
        return held

    def back_off(self, kind: Kind, attempt: int, error: GoogleUnavailable) -> None:
        """Wait before the next try of a piece of work."""
        self.sheets.back_off(kind, attempt, error)
