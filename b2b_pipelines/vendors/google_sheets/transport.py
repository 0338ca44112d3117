"""The token and the connections over which requests go to Google."""

import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import httplib2
from google.auth.credentials import AnonymousCredentials
from google_auth_httplib2 import AuthorizedHttp
from googleapiclient.schema import Schemas

from b2b_pipelines.vendors.http import bounds

SHEETS = "https://sheets.googleapis.com"
DRIVE = "https://www.googleapis.com"
IDLE_SECONDS = 3.0
LARGEST_BODY = 1 << 30


class SharedToken:
    """Google's credentials, shared by the connections of all threads.

    They request one token, and nothing else. By itself google-auth would also ask Google's IAM, in a thread and over a
    connection of its own, for the regions to which an account is bound: a request outside the pace, which leaves the
    machine even when Google is a sandbox.
    """

    def __init__(self, credentials: Any) -> None:
        self._credentials = credentials
        self._signing_in = threading.Lock()

    def before_request(self, request: Any, _method: str, _url: str, headers: dict[str, str]) -> None:
        """Put a token on the request, signing in first if needed.

        One sign-in serves any number of threads.
        """
        with self._signing_in:
            if not self._credentials.valid:
                self._credentials.refresh(request)
            self._credentials.apply(headers)

    def refresh(self, request: Any) -> None:
        """Sign in again, after Google refused the token."""
        with self._signing_in:
            self._credentials.refresh(request)


@cache
def spreadsheets() -> Any:
    """Return the API's `spreadsheets` as pygsheets makes them, for requests over any connection.

    Made once a process: the description of the API is read and made a class, which takes up to 0.1 s of a core.
    `pygsheets.authorize` would do the same for Drive, which this product does not use and which takes 10 MB.
    """
    pygsheets = _pygsheets()
    data = str(Path(pygsheets.__file__).parent / "data")
    http = AuthorizedHttp(AnonymousCredentials(), http=httplib2.Http())
    with _without_docstrings():
        return pygsheets.sheet.SheetAPIWrapper(http, data, retries=0, check=False).service.spreadsheets()


@contextmanager
def _without_docstrings() -> Iterator[None]:
    """Make the API's class without the schemas in its docstrings.

    googleapiclient writes out every nested schema in the docstring of each method, which takes 32 MB and 0.1 s.
    """
    written_out = Schemas.prettyPrintByName, Schemas.prettyPrintSchema
    Schemas.prettyPrintByName = Schemas.prettyPrintSchema = lambda *_: ""
    try:
        yield
    finally:
        Schemas.prettyPrintByName, Schemas.prettyPrintSchema = written_out


def _pygsheets() -> Any:
    """Import pygsheets without pandas and without its sign-in, which saves 50 MB and half a second.

    It needs pandas for data frames only, and catches the `ImportError`. Its sign-in of people, over oauthlib and
    requests, is not used: `accounts` signs in. A module that is imported already costs nothing more.
    """
    unused = {name: module for name, module in _unused_by_pygsheets().items() if name not in sys.modules}
    sys.modules.update(unused)  # type: ignore[arg-type]
    try:
        return import_module("pygsheets")
    finally:
        for name in unused:
            del sys.modules[name]


def _unused_by_pygsheets() -> dict[str, ModuleType | None]:
    flow, requests = ModuleType("google_auth_oauthlib.flow"), ModuleType("google.auth.transport.requests")
    flow.__dict__.update(Flow=None, InstalledAppFlow=None)
    requests.__dict__.update(Request=None)
    return {"pandas": None, flow.__name__: flow, requests.__name__: requests}


class Connection(httplib2.Http):
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
            self.close()  # the rest of the answer would count as the next one
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
        receive = conn.getresponse
        conn.getresponse = lambda: _unpacked(receive())
        try:
            with bounds.http_client(conn, "Google"):
                return super()._conn_request(conn, request_uri, method, body, headers)  # type: ignore[misc]
        finally:
            del conn.request, conn.getresponse


def _unpacked(response: Any) -> Any:
    """Return the response with its gzipped body decompressed into one buffer.

    httplib2 would hold a large tab twice.
    """
    if response.headers.get("content-encoding") != "gzip":
        return response
    packed = response.read()
    try:
        size = int.from_bytes(packed[-4:], "little")
        body = zlib.decompress(packed, wbits=31, bufsize=min(max(size, 1), LARGEST_BODY))
    except zlib.error as error:
        raise httplib2.HttpLib2Error("the answer cannot be decompressed") from error
    del response.headers["content-encoding"]
    response.read = lambda: body
    return response
