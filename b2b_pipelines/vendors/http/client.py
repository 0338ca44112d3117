"""One request to a vendor: retries, time-outs, and typed errors with messages.

An answer has one of the statuses that the caller expects, or becomes a typed error. 408, 429, 5xx, time-outs and cut
connections are transient and retried within the caller's `Patience`; everything else is raised at once.
"""

import ssl
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

import httpx
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    retry_if_not_exception_type,
    wait_exponential_jitter,
)

from b2b_pipelines.vendors.http import bounds, punctual
from b2b_pipelines.vendors.http.closing import Closing
from b2b_pipelines.vendors.http.counting import count
from b2b_pipelines.vendors.http.errors import AnswerMalformed, SignInUnavailable, VendorRefused, VendorUnavailable
from b2b_pipelines.vendors.http.redaction import message_of, without
from b2b_pipelines.vendors.http.retrying import retry_after
from b2b_pipelines.vendors.http.throttle import Rate, Throttle


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


class HttpClient(Closing):
    """One vendor behind one base URL (which may have a path). Thread-safe; connections are kept.

    `vendor` is the name in error messages ("the LMS"). `timeout` is in seconds and bounds connecting, and every wait
    for the vendor's next bytes. `auth` signs requests in. With a `Throttle`,
    every attempt waits for its turn, and so does a request that is repeated with a new token.
    """

    def __init__(
        self,
        base_url: str,
        *,
        vendor: str,
        timeout: float = 30.0,
        patience: Patience | None = None,
        auth: httpx.Auth | None = None,
        throttle: Throttle | None = None,
    ) -> None:
        self.vendor = vendor
        self.patience = patience or Patience()
        self._throttle = throttle or Throttle()
        self._client = punctual.client(
            base_url=base_url,
            timeout=float(timeout),
            verify=_trusted(),
            auth=auth,
            event_hooks={"request": [self._begin]},
        )

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
        response = self._send(call)
        if response.is_success if call.expected is None else response.status_code in call.expected:
            return response
        raise self._failure(call, response)

    def _begin(self, _: httpx.Request) -> None:
        self._throttle.wait()
        count()

    def _send(self, call: "_Call") -> httpx.Response:
        try:
            with (
                bounds.answer(self.vendor, httpx.TimeoutException) as came,
                self._client.stream(call.method, call.path, **call.arguments) as response,
            ):
                punctual.read(response, came)
                return response
        except httpx.TimeoutException:
            raise VendorUnavailable(f"{self.vendor} did not answer {call} in time") from None
        except httpx.TransportError as error:
            reason = type(error).__name__ if not str(error) else str(error)
            raise VendorUnavailable(
                f"{self.vendor} could not be reached for {call}: {without(reason, call.private)}"
            ) from None
        except httpx.DecodingError:
            raise AnswerMalformed(f"{self.vendor} answered {call} with bytes that cannot be decoded") from None

    def refused(self, method: str, path: str, response: httpx.Response, private: Iterable[str] = ()) -> VendorRefused:
        """Return the refusal for an expected status whose content is a refusal."""
        status, words = response.status_code, without(message_of(response), private)
        return VendorRefused(self._answered(f"{method} {path}", status, words), status=status, words=words)

    def _answered(self, call: object, status: int, words: str) -> str:
        return f"{self.vendor} answered {status} to {call}" + (f": {words}" if words else "")

    def _failure(self, call: "_Call", response: httpx.Response) -> VendorUnavailable | VendorRefused:
        status, words = response.status_code, without(message_of(response), call.private)
        message = self._answered(call, status, words)
        if status in (httpx.codes.REQUEST_TIMEOUT, httpx.codes.TOO_MANY_REQUESTS) or status >= 500:
            after = retry_after(response.headers.get("Retry-After"))
            return VendorUnavailable(message, status=status, words=words, retry_after=after)
        return VendorRefused(message, status=status, words=words)


class VendorClient(Closing):
    """The client of one service at `base_url`. Thread-safe. As a context manager it closes its connections.

    Arguments as of `HttpClient`. Its requests keep to the `rates` of the class, unless others are given.
    """

    vendor: ClassVar[str]
    rates: ClassVar[tuple[Rate, ...]] = ()

    def __init__(
        self,
        base_url: str,
        auth: httpx.Auth | None = None,
        *,
        timeout: float = 30.0,
        patience: Patience | None = None,
        rates: tuple[Rate, ...] | None = None,
    ) -> None:
        throttle = Throttle(self.rates if rates is None else rates)
        self.http = HttpClient(
            base_url, vendor=self.vendor, timeout=timeout, patience=patience, auth=auth, throttle=throttle
        )

    def close(self) -> None:
        self.http.close()


@dataclass
class _Call:
    method: str
    path: str
    arguments: dict[str, Any]
    expected: frozenset[int] | None
    private: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


@cache
def _trusted() -> ssl.SSLContext:
    """Return the trusted certificates.

    All clients share them, because reading them takes longer than a request.
    """
    return httpx.create_ssl_context()
