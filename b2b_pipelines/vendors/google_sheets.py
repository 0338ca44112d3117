"""Google Sheets over pygsheets and google-auth: sign in, look at a spreadsheet, read a tab, write a batch.

A tab is read with its properties in one request, and the answer to a write brings the tab as it then is.

google-auth signs in and pygsheets makes the requests; its own retries are off, because it sleeps for 100 s on a 429.
What it lacks is here: every request is paced, counted and timed out; reads are tried again, writes never by themselves.
A write that may or may not have been applied raises `WriteUnsettled`: whoever wrote reads before writing again.
"""

import json
import logging
import random
import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from http.client import HTTPException
from typing import Any, ClassVar, Literal, Protocol

import google.auth.exceptions
import google_auth_httplib2
import httplib2
import pygsheets
from google.auth.credentials import AnonymousCredentials
from google.oauth2 import credentials as user_credentials
from google.oauth2 import service_account
from googleapiclient.errors import HttpError

from b2b_pipelines.errors import NotConfigured, PermanentError, TransientError
from b2b_pipelines.settings import Settings
from b2b_pipelines.vendors import bounds
from b2b_pipelines.vendors.http import retry_after

SCOPES = ("https://www.googleapis.com/auth/spreadsheets",)
SIGN_IN = "https://oauth2.googleapis.com/token"
SHEETS = "https://sheets.googleapis.com"
DRIVE = "https://www.googleapis.com"
TIMEOUT_SECONDS = 60.0
TRIES = 5
LONGEST_BACKOFF = 32.0
LONGEST_RETRY_AFTER = 120.0
IDLE_SECONDS = 3.0
UUID = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F-]{27}")
TAB_IS_ELSEWHERE = ("Unable to parse range", "exceeds grid limits", "No grid with id", "beyond the last requested")

VALUES = "sheets(properties,data(startRow,startColumn,rowData.values.effectiveValue))"

Call = Callable[[Any], Any]
"""Makes a request, not yet sent, of the API's `spreadsheets`."""
Kind = Literal["read", "write"]
Cell = str | int | float | bool | None

log = logging.getLogger(__name__)


class SheetUnshared(PermanentError):
    """The spreadsheet does not exist, or is not shared with us."""

    code = "sheet_unshared"


class SheetProtected(PermanentError):
    """A protected range forbids the write."""

    code = "sheet_protected"


class SheetFull(PermanentError):
    """The spreadsheet would exceed Google's ten million cells."""

    code = "sheet_full"


class SignInRefused(PermanentError):
    """Google does not accept our credentials."""

    code = "sign_in_refused"


class GoogleRefused(PermanentError):
    """Google refuses the request for another reason, in its own words."""

    code = "google_refused"


class GoogleUnavailable(TransientError):
    """Google does not answer, or says that it is too much. `retry_after` are the seconds it asks for, if it does;
    `concerns_everybody`: it said so to the account, not to the one request."""

    code = "google_unavailable"

    def __init__(self, message: str, retry_after: float | None = None, *, concerns_everybody: bool = False) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.concerns_everybody = concerns_everybody


class WriteUnsettled(GoogleUnavailable):
    """A write failed on the way: it may have been applied. Read before writing again."""

    code = "google_unavailable"


class TabMoved(TransientError):
    """There is no tab of that title or number, or not so large a one: it was renamed, deleted or made smaller."""

    code = "tab_moved"


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


@dataclass(frozen=True)
class Account:
    """Whom we sign in as: the credentials, and the address to share a sheet with, as far as it is known."""

    credentials: Any = field(repr=False)
    email: str | None
    identity: str
    """what the pace is counted for"""

    SHARE_WITH_USER: ClassVar[str] = "the Google account that B2B_GOOGLE_OAUTH_TOKEN_FILE was made with"

    @property
    def share_with(self) -> str:
        return self.email or self.SHARE_WITH_USER


def account(settings: Settings) -> Account:
    """Whom the settings sign in as. Raises `NotConfigured` or `SignInRefused`, naming the setting; never its value."""
    if settings.google_service_account_file:
        name = "B2B_GOOGLE_SERVICE_ACCOUNT_FILE"
        return _service_account(name, _read(name, settings.google_service_account_file))
    if settings.google_service_account_json:
        return _service_account(
            "B2B_GOOGLE_SERVICE_ACCOUNT_JSON", settings.google_service_account_json.get_secret_value()
        )
    if settings.google_oauth_token_file:
        name = "B2B_GOOGLE_OAUTH_TOKEN_FILE"
        return _authorized_user(name, _read(name, settings.google_oauth_token_file))
    raise NotConfigured(
        "no Google credentials: set B2B_GOOGLE_SERVICE_ACCOUNT_FILE (or _JSON) or B2B_GOOGLE_OAUTH_TOKEN_FILE"
    )


def _service_account(name: str, text: str) -> Account:
    try:
        info = json.loads(text)
        made = service_account.Credentials.from_service_account_info(info, scopes=SCOPES)
    except (ValueError, TypeError, AttributeError, google.auth.exceptions.GoogleAuthError):
        raise SignInRefused(f"{name} is not a service account's key: download it as JSON from Google Cloud") from None
    return Account(made, info["client_email"], info["client_email"])


def _authorized_user(name: str, text: str) -> Account:
    """Made here, because google-auth's own way to read such a file passes over its `token_uri`."""
    try:
        info = json.loads(text)
        made = user_credentials.Credentials(
            None,
            refresh_token=info["refresh_token"],
            token_uri=info.get("token_uri") or SIGN_IN,
            client_id=info["client_id"],
            client_secret=info["client_secret"],
            scopes=SCOPES,
        )
    except (ValueError, TypeError, LookupError, AttributeError):
        raise SignInRefused(
            f"{name} is not an authorized user's token (client_id, client_secret, refresh_token)"
        ) from None
    return Account(made, info.get("account") or None, f"user:{info['client_id']}:{info.get('account', '')}")


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
        self._token = _Token(account.credentials)
        self._spreadsheets = _spreadsheets()
        self._threads = threading.local()
        self._connections: list[_Http] = []

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
            http = _Http(self._urls, self._timeout)
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
            grids = tuple(_tab(properties) for properties in sheets if "gridProperties" in properties)
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
            found = _content(answer.get("updatedSpreadsheet", {}))
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
            return answer["sheets"][0]["properties"], _content(answer)

        try:
            properties, content = self.sheets.try_again(self.requests, call, properties_and_content)
        except TabMoved:
            return None
        if content is not None or "gridProperties" not in properties:
            found: TabContent | None = content
            return found
        tab = _tab(properties)
        return TabContent(tab, self._values(spreadsheet_id, tab.title, valueRenderOption="UNFORMATTED_VALUE"))

    def entered(self, spreadsheet_id: str, title: str) -> list[list[Cell]]:
        """What a tab holds as a person would type it in: formulas as formulas, dates as dates. One read."""
        return self._values(spreadsheet_id, title, valueRenderOption="FORMULA", dateTimeRenderOption="FORMATTED_STRING")

    def _values(self, spreadsheet_id: str, title: str, **render: str) -> list[list[Cell]]:
        def values(answer: Any) -> list[list[Cell]]:
            only = answer["valueRanges"][0]
            return [_without_trailing_blanks(row) for row in (only.get("values", []) if only["range"] else [])]

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


class _Token:
    """Google's credentials as the connections of all threads use them: asked for a token once, and for nothing else.

    By itself google-auth would also ask Google's IAM, in a thread and over a connection of its own, for the regions
    that an account is bound to: a request that nobody paces, and that leaves the machine when Google is a sandbox.
    """

    def __init__(self, credentials: Any) -> None:
        self._credentials = credentials
        self._signing_in = threading.Lock()

    def before_request(self, request: Any, _method: str, _url: str, headers: dict[str, str]) -> None:
        """See that there is a token, and put it on the request: one sign-in, however many threads want it."""
        with self._signing_in:
            if not self._credentials.valid:
                self._credentials.refresh(request)
            self._credentials.apply(headers)

    def refresh(self, request: Any) -> None:
        """Sign in anew, after Google refused the token."""
        with self._signing_in:
            self._credentials.refresh(request)


@cache
def _spreadsheets() -> Any:
    """The API's `spreadsheets` as pygsheets makes them: requests that are carried out over whose connection one likes.

    Made once a process: each description of the API is read and made a class, which takes up to 0.1 s of a core.
    """
    client = pygsheets.authorize(custom_credentials=AnonymousCredentials(), retries=0, check=False)
    return client.sheet.service.spreadsheets()


class _Http(httplib2.Http):
    """httplib2 with a time-out, another base URL, and no second sending.

    `before_each` is called before each request to the Sheets API, also one that is repeated with a new token.

    A write over a connection that was cut would be sent again by httplib2 itself; here that is refused. Idle
    connections, which the other side may have closed, are not used again for that reason.
    """

    def __init__(self, urls: Mapping[str, str], timeout: float) -> None:
        super().__init__(timeout=timeout)
        self.follow_redirects = False  # the token is for Google's host
        self._urls = urls
        self._used = 0.0
        self.before_each: Callable[[], None] = lambda: None

    def request(self, uri: str, *args: Any, **kwargs: Any) -> Any:
        if uri.startswith(f"{SHEETS}/"):
            self.before_each()
        if time.monotonic() - self._used > IDLE_SECONDS:
            self.close()
        for official, actual in self._urls.items():
            if uri.startswith(f"{official}/"):
                uri = actual + uri.removeprefix(official)
                break
        try:
            return super().request(uri, *args, **kwargs)
        except BaseException:
            self.close()  # what is left of the answer would be taken for the next one
            raise
        finally:
            self._used = time.monotonic()

    def _conn_request(self, conn: Any, request_uri: str, method: str, body: Any, headers: Any) -> Any:
        send, sent = conn.request, False

        def once(*args: Any, **kwargs: Any) -> Any:
            nonlocal sent
            if sent:
                raise ConnectionResetError("the connection was cut after the request had been sent")
            sent = True
            return send(*args, **kwargs)

        conn.request = once
        try:
            with bounds.http_client(conn, "Google"):
                return super()._conn_request(conn, request_uri, method, body, headers)  # type: ignore[misc]
        finally:
            del conn.request


def update_cells(sheet_id: int, row: int, column: int, values: Sequence[Sequence[Cell]]) -> dict[str, Any]:
    """The change that writes a rectangle, text as text and numbers as numbers; `""` or None empties a cell."""
    return {
        "updateCells": {
            "start": {"sheetId": sheet_id, "rowIndex": row, "columnIndex": column},
            "rows": [{"values": [_cell(value) for value in cells]} for cells in values],
            "fields": "userEnteredValue",
        }
    }


def clear_cells(sheet_id: int, row: int, column: int, rows: int, columns: int) -> dict[str, Any]:
    """The change that empties a rectangle and leaves its formatting."""
    return {
        "updateCells": {
            "range": {
                "sheetId": sheet_id,
                "startRowIndex": row,
                "endRowIndex": row + rows,
                "startColumnIndex": column,
                "endColumnIndex": column + columns,
            },
            "fields": "userEnteredValue",
        }
    }


def append_dimension(sheet_id: int, dimension: Literal["ROWS", "COLUMNS"], length: int) -> dict[str, Any]:
    """The change that makes a grid larger. Applied twice it grows twice, which loses nothing."""
    return {"appendDimension": {"sheetId": sheet_id, "dimension": dimension, "length": length}}


def quoted(title: str) -> str:
    """A tab's title as A1 notation wants it."""
    return "'" + title.replace("'", "''") + "'"


def column_letters(number: int) -> str:
    """The letters of a column, counted from 1: A, …, Z, AA, …"""
    letters = ""
    while number:
        number, rest = divmod(number - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters


def _cell(value: Cell) -> dict[str, Any]:
    if value is None or value == "":
        return {}
    kinds = {str: "stringValue", bool: "boolValue"}
    return {"userEnteredValue": {kinds.get(type(value), "numberValue"): value}}


def _tab(properties: Mapping[str, Any]) -> TabInfo:
    grid = properties["gridProperties"]
    return TabInfo(
        sheet_id=int(properties.get("sheetId", 0)),
        title=str(properties.get("title", "")),
        index=int(properties.get("index", 0)),
        row_count=int(grid.get("rowCount", 0)),
        column_count=int(grid.get("columnCount", 0)),
    )


def _content(spreadsheet: Mapping[str, Any]) -> TabContent | None:
    """The one tab of a spreadsheet that came with its values; None if it came without, or not from the first cell on."""
    for sheet in spreadsheet.get("sheets", []):
        data = sheet.get("data", [])
        if len(data) == 1 and not data[0].get("startRow", 0) and not data[0].get("startColumn", 0):
            rows = [
                _without_trailing_blanks([_value(cell) for cell in row.get("values", [])])
                for row in data[0].get("rowData", [])
            ]
            while rows and not rows[-1]:  # Google lists rows to the end of the grid when they are formatted
                rows.pop()
            return TabContent(_tab(sheet["properties"]), rows)
    return None


def _value(cell: Mapping[str, Any]) -> Cell:
    held: Mapping[str, Any] = cell.get("effectiveValue", {})
    for kind in ("stringValue", "numberValue", "boolValue"):
        if kind in held:
            found: Cell = held[kind]
            return found
    return str(held["errorValue"].get("message", "#ERROR!")) if "errorValue" in held else ""


def _without_trailing_blanks(row: list[Cell]) -> list[Cell]:
    end = len(row)
    while end and row[end - 1] == "":
        end -= 1
    return row[:end]


def _words(error: HttpError) -> str:
    """What Google says, in at most 200 characters, without e-mail addresses and enrollment codes."""
    try:
        said = json.loads(error.content)["error"]["message"]
    except (ValueError, KeyError, TypeError):
        said = getattr(error, "reason", None) or "no reason given"
    return " ".join(word for word in str(said).split() if "@" not in word and not UUID.search(word))[:200]


def _read(name: str, path: Any) -> str:
    try:
        return str(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SignInRefused(f"{name}: the file cannot be read ({error.strerror})") from None
