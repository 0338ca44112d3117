"""The token and the connections over which requests go to Google."""

import threading
import time
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import httplib2
import pygsheets
from google.auth.credentials import AnonymousCredentials

from b2b_pipelines.vendors import bounds

SHEETS = "https://sheets.googleapis.com"
DRIVE = "https://www.googleapis.com"
IDLE_SECONDS = 3.0


class SharedToken:
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
def spreadsheets() -> Any:
    """The API's `spreadsheets` as pygsheets makes them: requests that are carried out over whose connection one likes.

    Made once a process: each description of the API is read and made a class, which takes up to 0.1 s of a core.
    """
    client = pygsheets.authorize(custom_credentials=AnonymousCredentials(), retries=0, check=False)
    return client.sheet.service.spreadsheets()


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
