"""The core of every client, against a loopback server that gives the answers of a test."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any

import pytest

from b2b_pipelines.vendors.http import client as http_client
from b2b_pipelines.vendors.http.client import HttpClient, Patience
from b2b_pipelines.vendors.http.counting import tallied_requests
from b2b_pipelines.vendors.http.errors import AnswerMalformed, VendorRefused, VendorUnavailable

QUICK = Patience(attempts=5, total_wait=3, first_wait=0.01)


@dataclass
class Script:
    """Answers in order, the last one for ever. An answer is (status, headers, body); "cut" and "silence" are no answer."""

    answers: list[Any] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)
    url: str = ""

    def next(self) -> Any:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@pytest.fixture
def script() -> Iterator[Script]:
    script = Script()
    silence = threading.Event()

    class Answering(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            script.seen.append(self.headers.get("Authorization", ""))
            answer = script.next()
            if answer == "cut":
                self.connection.close()
                return
            if answer == "silence":
                silence.wait(5)
                self.connection.close()
                return
            status, headers, body = answer
            payload = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", **headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        do_POST = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

        def finish(self) -> None:
            if not self.wfile.closed and self.connection.fileno() >= 0:
                super().finish()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    script.url = f"http://127.0.0.1:{server.server_port}/base"
    yield script
    silence.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("failure", [408, 429, 500, 502, 503, 504, "cut", "silence"])
def test_what_may_pass_is_tried_five_times_in_all(script: Script, failure: Any) -> None:
    script.answers = [failure if isinstance(failure, str) else (failure, {}, {"detail": "later"})]
    with HttpClient(script.url, vendor="the LMS", timeout=0.1, patience=QUICK) as client:
        with pytest.raises(VendorUnavailable) as raised:
            client.request("POST", "/there", body={})
        assert len(script.seen) == 5
    assert raised.value.status == (failure if isinstance(failure, int) else None)
    assert "POST /there" in raised.value.message


@pytest.mark.parametrize("failure", [503, "cut", "silence"])
def test_what_passed_is_answered(script: Script, failure: Any) -> None:
    script.answers = [failure if isinstance(failure, str) else (failure, {}, ""), (200, {}, {"done": True})]
    with HttpClient(script.url, vendor="the LMS", timeout=0.1, patience=QUICK) as client:
        assert client.json("GET", "/there") == {"done": True}
        assert len(script.seen) == 2


@pytest.mark.parametrize("status", [301, 302, 400, 401, 403, 404, 409, 410, 422])
def test_a_refusal_is_raised_at_once_with_the_vendors_words(script: Script, status: int) -> None:
    script.answers = [(status, {"Location": "/elsewhere"}, {"detail": "No such\n customer"})]
    with HttpClient(script.url, vendor="the LMS", patience=QUICK) as client, pytest.raises(VendorRefused) as raised:
        client.request("POST", "/there")
    assert (raised.value.status, raised.value.words, len(script.seen)) == (status, "No such customer", 1)
    assert raised.value.message == f"the LMS answered {status} to POST /there: No such customer"


def test_a_success_that_was_not_expected_is_a_failure(script: Script) -> None:
    script.answers = [(202, {}, "")]
    with HttpClient(script.url, vendor="the LMS", patience=QUICK) as client, pytest.raises(VendorRefused):
        client.request("POST", "/there", expect=[200])


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds that the client would have slept between its attempts."""
    seconds: list[float] = []
    monkeypatch.setattr(http_client, "time", SimpleNamespace(sleep=seconds.append))
    return seconds


@pytest.mark.parametrize("in_seconds", [True, False], ids=["seconds", "http-date"])
def test_retry_after_is_obeyed(script: Script, slept: list[float], in_seconds: bool) -> None:
    asked = "1" if in_seconds else format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)
    script.answers = [(429, {"Retry-After": asked}, ""), (200, {}, {})]
    with HttpClient(script.url, vendor="the LMS", patience=QUICK) as client:
        client.request("GET", "/there")
    assert 0.9 < sum(slept) < 2.5


@pytest.mark.parametrize("asked", ["soon", "-3", "", "Wed, 99 Foo 2026"])
def test_a_nonsensical_retry_after_is_like_none(script: Script, asked: str) -> None:
    script.answers = [(503, {"Retry-After": asked}, ""), (200, {}, {})]
    with HttpClient(script.url, vendor="the LMS", patience=QUICK) as client:
        client.request("GET", "/there")


def test_a_retry_after_beyond_our_patience_gives_up_at_once(script: Script) -> None:
    script.answers = [(429, {"Retry-After": "3600"}, "")]
    begun = time.monotonic()
    with HttpClient(script.url, vendor="the LMS", patience=QUICK) as client, pytest.raises(VendorUnavailable) as raised:
        client.request("GET", "/there")
    assert (raised.value.retry_after, len(script.seen)) == (3600, 1)
    assert time.monotonic() - begun < 1


def test_waits_of_one_request_add_up_to_no_more_than_allowed(script: Script, slept: list[float]) -> None:
    script.answers = [(429, {"Retry-After": "0.4"}, "")]
    with (
        HttpClient(script.url, vendor="the LMS", patience=Patience(attempts=5, total_wait=1)) as client,
        pytest.raises(VendorUnavailable),
    ):
        client.request("GET", "/there")
    assert len(script.seen) == 3
    assert slept == [0.4, 0.4]


def test_no_address_gets_into_an_error(script: Script) -> None:
    script.answers = [(400, {}, {"detail": "Jane.Doe@example.com and not-an-address and 'x y' are wrong"})]
    with HttpClient(script.url, vendor="the LMS", patience=QUICK) as client, pytest.raises(VendorRefused) as raised:
        client.request("POST", "/there", private=["NOT-an-address", "x y"])
    assert raised.value.words == "(address) and (address) and '(address)' are wrong"


@pytest.mark.parametrize("address", ["jane  doe at home", 'the "jane" doe', "jane\tdoe", "jane\\doe", "jané\ndoe"])
@pytest.mark.parametrize(
    "answer",
    [
        lambda address: {"detail": f"{address} is wrong"},
        lambda address: {"user_emails": [f"{address} is wrong"]},
        lambda address: {"detail": json.dumps([f"{address} is wrong"])},
        lambda address: f"<{address} is wrong>".encode(),
    ],
    ids=["a-text", "a-list", "json-in-a-text", "no-json"],
)
def test_no_part_of_a_malformed_address_gets_into_an_error_however_it_is_repeated(
    script: Script, address: str, answer: Callable[[str], object]
) -> None:
    script.answers = [(400, {}, answer(address))]
    with HttpClient(script.url, vendor="the LMS", patience=QUICK) as client, pytest.raises(VendorRefused) as raised:
        client.request("POST", "/there", private=[address])
    assert "(address) is wrong" in raised.value.words
    assert "jan" not in raised.value.words


def test_a_page_instead_of_words_is_not_repeated(script: Script) -> None:
    script.answers = [(404, {"Content-Type": "text/html"}, b"<html>" + b"x" * 5000)]
    with HttpClient(script.url, vendor="the LMS", patience=QUICK) as client, pytest.raises(VendorRefused) as raised:
        client.request("GET", "/there")
    assert raised.value.words == "(a web page)"


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"count": 3, "resu', b"\xff\xfe"])
def test_an_answer_that_is_not_json_is_never_an_empty_one(script: Script, body: bytes) -> None:
    script.answers = [(200, {}, body)]
    with HttpClient(script.url, vendor="the LMS", patience=QUICK) as client, pytest.raises(AnswerMalformed):
        client.json("GET", "/there")


def test_requests_are_tallied_for_whoever_asks(script: Script) -> None:
    script.answers = [(503, {}, ""), (200, {}, {})]
    with HttpClient(script.url, vendor="the LMS", patience=QUICK) as client:
        with tallied_requests() as tally:
            client.request("GET", "/there")
        client.request("POST", "/there")
        assert (tally.total, len(script.seen)) == (2, 3)


def test_nobody_listening_is_unavailable() -> None:
    with HttpClient("http://127.0.0.1:9", vendor="the LMS", patience=QUICK) as client, pytest.raises(VendorUnavailable):
        client.request("GET", "/there")
