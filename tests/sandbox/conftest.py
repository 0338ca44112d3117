"""pygsheets pointed at the sandbox."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httplib2
import httpx
import pygsheets
import pytest
from google.oauth2 import service_account

from sandbox.google import Tab
from sandbox.server import Sandbox

SCOPES = ["https://www.googleapis.com/auth/spreadsheets", "https://www.googleapis.com/auth/drive"]


class RewritingHttp(httplib2.Http):
    """httplib2 that takes what is meant for Google to the sandbox."""

    def __init__(self, base_url: str, timeout: float = 10) -> None:
        super().__init__(timeout=timeout)
        self.base_url = base_url

    def request(self, uri: str, *args: Any, **kwargs: Any) -> Any:
        for google in ("https://sheets.googleapis.com", "https://www.googleapis.com"):
            uri = uri.replace(google, self.base_url, 1)
        return super().request(uri, *args, **kwargs)


@pytest.fixture
def sign_in(sandbox: Sandbox, tmp_path: Path) -> Iterator[Callable[..., pygsheets.client.Client]]:
    """A pygsheets client signed in by a service account's key file."""
    opened: list[RewritingHttp] = []

    def client(timeout: float = 10, **account: str) -> pygsheets.client.Client:
        key = tmp_path / f"key-{len(opened)}.json"
        key.write_text(json.dumps(sandbox.google.make_service_account(**account)))
        http = RewritingHttp(sandbox.url, timeout)
        opened.append(http)
        return pygsheets.authorize(service_account_file=str(key), http=http, retries=0, check=False)

    yield client
    for http in opened:
        http.close()


@pytest.fixture
def gsheets(sign_in: Callable[..., pygsheets.client.Client]) -> pygsheets.client.Client:
    return sign_in()


@contextmanager
def bare_http(sandbox: Sandbox, scopes: Sequence[str] = SCOPES) -> Iterator[httpx.Client]:
    """Yield a client with a token for these scopes."""
    key = sandbox.google.make_service_account()
    with httpx.Client(base_url=sandbox.url, timeout=10) as client:
        credentials = service_account.Credentials.from_service_account_info(key, scopes=scopes)
        assertion = credentials._make_authorization_grant_assertion().decode()
        grant = {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": assertion}
        answer = client.post("/token", data=grant)
        assert answer.status_code == 200, answer.text
        client.headers["authorization"] = f"Bearer {answer.json()['access_token']}"
        sandbox.log.reset()
        yield client


@pytest.fixture
def rest(sandbox: Sandbox) -> Iterator[httpx.Client]:
    """Bare HTTP with a good token, for what pygsheets hides."""
    with bare_http(sandbox) as client:
        yield client


@pytest.fixture
def codes(sandbox: Sandbox) -> str:
    """A spreadsheet that the service account may edit."""
    return sandbox.google.create_spreadsheet("Codes", tabs={"Sheet1": [["a", 1], [None, True], ["c"]], "It's": []})


@pytest.fixture
def tab(sandbox: Sandbox, codes: str) -> Tab:
    return sandbox.google.spreadsheet(codes).tab()


@pytest.fixture
def get(rest: httpx.Client, codes: str) -> Callable[..., Any]:
    def read(path: str = "", status: int = 200, **params: Any) -> Any:
        answer = rest.get(f"/v4/spreadsheets/{codes}{path}", params=params)
        assert answer.status_code == status, answer.text
        return answer.json()

    return read


@pytest.fixture
def batch_update(rest: httpx.Client, codes: str) -> Callable[..., Any]:
    def update(*requests: Any, status: int = 200, fields: str | None = None, **body: Any) -> Any:
        params = {"fields": fields} if fields else {}
        body["requests"] = list(requests)
        answer = rest.post(f"/v4/spreadsheets/{codes}:batchUpdate", json=body, params=params)
        assert answer.status_code == status, answer.text
        return answer.json() if status == 200 else answer.json()["error"]["message"]

    return update


@pytest.fixture
def put(rest: httpx.Client, codes: str) -> Callable[..., Any]:
    def write(cells: str, values: Any, status: int = 200, how: str = "RAW", **params: Any) -> Any:
        answer = rest.put(
            f"/v4/spreadsheets/{codes}/values/{cells}",
            json={"values": values},
            params={"valueInputOption": how, **params},
        )
        assert answer.status_code == status, answer.text
        return answer.json() if status == 200 else answer.json()["error"]["message"]

    return write
