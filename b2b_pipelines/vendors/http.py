"""The base of every HTTP client here: time-outs, patience, and typed errors with messages.

An answer has one of the statuses that the caller expects, or becomes a typed error. 408, 429, 5xx, time-outs and cut
connections are transient and retried within the caller's `Patience`; everything else is raised at once.
"""

import html
import json
import logging
import re
import ssl
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Protocol, Self
from urllib.parse import unquote

import httpx
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    retry_if_not_exception_type,
    wait_exponential_jitter,
)

from b2b_pipelines.errors import PermanentError, TransientError
from b2b_pipelines.vendors import bounds, punctual
from b2b_pipelines.vendors.bounds import BoundExceeded
from b2b_pipelines.vendors.retrying import retry_after
from b2b_pipelines.vendors.throttle import Throttle

WORDS_SHOWN = 300
WORDS_READ = 10_000
"""Characters of an answer that are looked through for words to show."""
ENCODINGS = 3
"""The most nested encodings that are decoded."""
CODE = re.compile(r"\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b", re.IGNORECASE)
_ESCAPE = re.compile(r"\\+(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2}))")
ADDRESS = re.compile(r"[^\s\"'<>,;:(){}\[\]]+@[^\s\"'<>,;:(){}\[\]]+")


class _NoQueries(logging.Filter):
    """Removes queries from httpx's log of addresses, because a query may hold an e-mail address."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(
                each.copy_with(query=None) if isinstance(each, httpx.URL) else each for each in record.args
            )
        return True


logging.getLogger("httpx").addFilter(_NoQueries())


class VendorUnavailable(TransientError):
    """The vendor cannot answer now, after every retry.

    Causes are 408, 429, 5xx, a time-out or a cut connection. `status`: None without an answer. `retry_after` is the
    vendor's request, in seconds.
    """

    code = "vendor_unavailable"

    def __init__(
        self, message: str, *, status: int | None = None, words: str = "", retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.words = words
        self.retry_after = retry_after


class SignInUnavailable(VendorUnavailable):
    """The sign-in failed after every retry.

    The request that needs the token is not retried on top of that.
    """


class VendorRefused(PermanentError):
    """The vendor answered, and the answer is no.

    `words` are the vendor's own, without e-mail addresses.
    """

    code = "vendor_refused"

    def __init__(self, message: str, *, status: int, words: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.words = words


class AnswerMalformed(PermanentError):
    """The vendor's answer breaks its interface. It never counts as an empty answer."""

    code = "answer_malformed"


VENDOR_ERRORS = (VendorUnavailable, VendorRefused, AnswerMalformed, BoundExceeded)
"""Any error of a request to a vendor."""


@dataclass(frozen=True)
class Patience:
    """The patience with a request: how long it is retried.

    `Retry-After` is obeyed; the client gives up at once when it asks for more time than is left.
    """

    attempts: int = 5
    total_wait: float = 60.0
    """Seconds slept between the attempts of one request, in all."""
    first_wait: float = 0.5
    """Seconds before the second attempt; doubled from then on, with some jitter."""


class Authorization(Protocol):
    """Where the `Authorization` header comes from."""

    def header(self) -> str:
        """Return the header's value; may ask the vendor for a token."""
        ...

    def renewed(self, stale: str) -> str:
        """Return a value to use instead of one that was answered with 401."""
        ...


@dataclass
class RequestTally:
    """Requests made, attempts included, by method."""

    by_method: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def total(self) -> int:
        return self.by_method.total()

    def add(self, method: str) -> None:
        with self._lock:
            self.by_method[method] += 1


_tally: ContextVar[RequestTally | None] = ContextVar("request_tally", default=None)


@contextmanager
def tallied_requests() -> Iterator[RequestTally]:
    """Count the requests that this thread makes inside the block, through any client."""
    tally = RequestTally()
    before = _tally.set(tally)
    try:
        yield tally
    finally:
        _tally.reset(before)


class HttpClient:
    """One vendor behind one base URL (which may have a path). Thread-safe; connections are kept.

    `vendor` is the name in error messages ("the LMS"). `timeout` is in seconds and bounds connecting, and every wait
    for the vendor's next bytes. With an `Authorization`, a 401 gets a new token once per request. With a `Throttle`,
    every attempt waits for its turn.
    """

    def __init__(
        self,
        base_url: str,
        *,
        vendor: str,
        timeout: float = 30.0,
        patience: Patience | None = None,
        authorization: Authorization | None = None,
        throttle: Throttle | None = None,
    ) -> None:
        self.vendor = vendor
        self.patience = patience or Patience()
        self.tally = RequestTally()
        self._authorization = authorization
        self._throttle = throttle or Throttle()
        self._client = punctual.client(base_url=base_url, timeout=float(timeout), verify=_trusted())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._client.close()

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        body: object = None,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        expect: Iterable[int] | None = None,
        patience: Patience | None = None,
        private: Iterable[str] = (),
    ) -> httpx.Response:
        """Return the vendor's answer when its status is one of `expect` (default: any 2xx).

        `body` is sent as JSON, `form` as a form. `private` are texts (addresses that were sent) that errors must not
        repeat from the vendor's message. Raises `VendorUnavailable` after the attempts that `patience` allows,
        `VendorRefused` for any other status, redirects included.
        """
        call = _Call(
            method=method,
            path=path,
            arguments={"params": params, "json": body, "data": form},
            headers=dict(headers or {}),
            expected=None if expect is None else frozenset(expect),
            private=tuple(private),
        )
        allowed = patience or self.patience
        backoff = wait_exponential_jitter(multiplier=allowed.first_wait, max=30, jitter=allowed.first_wait)

        def wait(state: RetryCallState) -> float:
            failure = state.outcome.exception() if state.outcome else None
            asked = failure.retry_after if isinstance(failure, VendorUnavailable) else None
            return backoff(state) if asked is None else asked

        def stop(state: RetryCallState) -> bool:
            return (
                state.attempt_number >= allowed.attempts or state.idle_for + state.upcoming_sleep > allowed.total_wait
            )

        passing = retry_if_exception_type(VendorUnavailable) & retry_if_not_exception_type(SignInUnavailable)
        retrying = Retrying(retry=passing, wait=wait, stop=stop, sleep=time.sleep, reraise=True)
        return retrying(self._attempt, call)

    def json(self, method: str, path: str, **arguments: Any) -> Any:
        """Return the answer's JSON, requested as by `request`.

        Raises `AnswerMalformed` when it is not JSON.
        """
        response = self.request(method, path, **arguments)
        try:
            return response.json()
        except (ValueError, RecursionError):
            raise AnswerMalformed(f"{self.vendor} answered {method} {path} with something that is not JSON") from None

    def _attempt(self, call: "_Call") -> httpx.Response:
        response = self._send(call, self._authorization.header() if self._authorization else None)
        if response.status_code == httpx.codes.UNAUTHORIZED and self._authorization and not call.renewed:
            call.renewed = True
            stale = response.request.headers["Authorization"]
            response = self._send(call, self._authorization.renewed(stale))
        if response.is_success if call.expected is None else response.status_code in call.expected:
            return response
        raise self._failure(call, response)

    def _send(self, call: "_Call", authorization: str | None) -> httpx.Response:
        headers = call.headers | ({"Authorization": authorization} if authorization else {})
        self._throttle.wait()
        self.tally.add(call.method)
        if tally := _tally.get():
            tally.add(call.method)
        try:
            with (
                bounds.answer(self.vendor, httpx.TimeoutException) as came,
                self._client.stream(call.method, call.path, headers=headers, **call.arguments) as response,
            ):
                punctual.read(response, came)
                return response
        except httpx.TimeoutException:
            raise VendorUnavailable(f"{self.vendor} did not answer {call} in time") from None
        except httpx.TransportError as error:
            reason = type(error).__name__ if not str(error) else str(error)
            raise VendorUnavailable(
                f"{self.vendor} could not be reached for {call}: {_without(reason, call.private)}"
            ) from None
        except httpx.DecodingError:
            raise AnswerMalformed(f"{self.vendor} answered {call} with bytes that cannot be decoded") from None

    def refused(self, method: str, path: str, response: httpx.Response, private: Iterable[str] = ()) -> VendorRefused:
        """Return the refusal for an expected status whose content is a refusal."""
        status, words = response.status_code, _without(_message(response), private)
        return VendorRefused(self._told(f"{method} {path}", status, words), status=status, words=words)

    def _told(self, call: object, status: int, words: str) -> str:
        return f"{self.vendor} answered {status} to {call}" + (f": {words}" if words else "")

    def _failure(self, call: "_Call", response: httpx.Response) -> VendorUnavailable | VendorRefused:
        status, words = response.status_code, _without(_message(response), call.private)
        message = self._told(call, status, words)
        if status in (httpx.codes.REQUEST_TIMEOUT, httpx.codes.TOO_MANY_REQUESTS) or status >= 500:
            after = retry_after(response.headers.get("Retry-After"))
            return VendorUnavailable(message, status=status, words=words, retry_after=after)
        return VendorRefused(message, status=status, words=words)


@dataclass
class _Call:
    method: str
    path: str
    arguments: dict[str, Any]
    headers: dict[str, str]
    expected: frozenset[int] | None
    private: tuple[str, ...]
    renewed: bool = False

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


@cache
def _trusted() -> ssl.SSLContext:
    """Return the trusted certificates.

    All clients share them, because reading them takes longer than a request.
    """
    return httpx.create_ssl_context()


def _message(response: httpx.Response) -> str:
    """Return the vendor's message about a failure, without the text of web pages."""
    if "html" in response.headers.get("Content-Type", ""):
        return "(a web page)"
    try:
        answer = response.json()
    except (ValueError, RecursionError):
        answer = response.text
    if isinstance(answer, dict) and len(answer) == 1:
        answer = next(iter(answer.values()))
    return answer if isinstance(answer, str) else json.dumps(answer, ensure_ascii=False)


def _quoted(text: str, ascii_only: bool) -> str:
    """Return a text as JSON writes it."""
    return json.dumps(text.strip(), ensure_ascii=ascii_only)[1:-1]


def decoded(message: str) -> str:
    """Return the message with percent, HTML and JSON escapes decoded."""
    for _ in range(ENCODINGS):
        plain = unquote(html.unescape(_ESCAPE.sub(lambda found: chr(int(found[1] or found[2], 16)), message)))
        if plain == message:
            break
        message = plain
    return message.encode(errors="replace").decode()


def _without(message: str, private: Iterable[str]) -> str:
    """Return the message on one line, shortened, with addresses and codes redacted.

    Encoded ones are redacted too.
    """
    message = decoded(message[:WORDS_READ])
    forms = {" ".join(form.split()) for text in private for form in (text, _quoted(text, False), _quoted(text, True))}
    message = " ".join(message.split())
    for text in sorted(forms - {""}, key=len, reverse=True):
        message = re.sub(re.escape(text), "(address)", message, flags=re.IGNORECASE)
    message = CODE.sub("(code)", ADDRESS.sub("(address)", message))
    return message if len(message) <= WORDS_SHOWN else message[:WORDS_SHOWN] + "…"
