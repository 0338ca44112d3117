"""Answers of Django REST framework that all Open edX services share: refusals, pages, throttles."""

import math
import time
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from json import JSONDecodeError
from typing import Any
from uuid import UUID

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

Endpoint = Callable[[Request], Awaitable[Response]]

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
SERVER_ERROR = """
<!doctype html>
<html lang="en">
<head>
  <title>Server Error (500)</title>
</head>
<body>
  <h1>Server Error (500)</h1><p></p>
</body>
</html>
"""


class Refusal(Exception):
    """An answer that ends a request: JSON with a status, or Django's page for a 500."""

    def __init__(self, status: int, body: Any = None, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status)
        self.status = status
        self.body = body
        self.headers = dict(headers or {})

    def response(self) -> Response:
        if self.status == 500:
            return HTMLResponse(SERVER_ERROR, 500)
        return JSONResponse(self.body, self.status, self.headers)


def broken() -> Refusal:
    """Return the answer to an exception that the server did not catch: 500, a page of HTML."""
    return Refusal(500)


def forbidden(detail: str = "You do not have permission to perform this action.") -> Refusal:
    return Refusal(403, {"detail": detail})


def route(path: str, **endpoints: Endpoint) -> Route:
    """Return a route with an endpoint for each method; the others get 405 in the framework's words."""

    async def answer(request: Request) -> Response:
        endpoint = endpoints.get(request.method.lower())
        if endpoint is None:
            detail = f'Method "{request.method}" not allowed.'
            return JSONResponse({"detail": detail}, 405, {"Allow": allowed})
        try:
            return await endpoint(request)
        except Refusal as refusal:
            return refusal.response()

    allowed = ", ".join([*(method.upper() for method in endpoints), "OPTIONS"])
    return Route(path, answer, methods=list(METHODS))


async def json_object(request: Request) -> dict[str, Any]:
    """Return the JSON object that was sent. Raises `Refusal` (400)."""
    try:
        body = await request.json()
    except (JSONDecodeError, UnicodeDecodeError) as error:
        raise Refusal(400, {"detail": f"JSON parse error - {error}"}) from None
    if not isinstance(body, dict):
        raise Refusal(400, {"non_field_errors": ["Invalid data. Expected a dictionary."]})
    return body


def uuid_of(text: str) -> UUID | None:
    """Return the UUID that the text is, or None."""
    try:
        return UUID(text)
    except ValueError:
        return None


class Page:
    """One page of rows, asked for by `page` and `page_size`. Raises `Refusal` (404) for a page that does not exist."""

    def __init__(self, request: Request, count: int, *, size: int, most: int | None) -> None:
        asked = request.query_params
        if most is not None and asked.get("page_size", "").isdecimal() and int(asked["page_size"]) > 0:
            size = min(int(asked["page_size"]), most)
        self.request = request
        self.count = count
        self.pages = max(math.ceil(count / size), 1)
        self.number = int(asked.get("page", "1")) if asked.get("page", "1").isdecimal() else 0
        if not 1 <= self.number <= self.pages:
            raise Refusal(404, {"detail": "Invalid page."})
        self.start, self.end = (self.number - 1) * size, self.number * size

    def envelope(self, results: Sequence[Any], netloc: str | None = None) -> dict[str, Any]:
        """Return `count`, `next`, `previous` and `results`. `netloc` replaces the host that the links name."""
        return {
            "count": self.count,
            "next": self._link(self.number + 1, netloc) if self.number < self.pages else None,
            "previous": self._link(self.number - 1, netloc) if self.number > 1 else None,
            "results": list(results),
        }

    def in_detail(self, results: Sequence[Any]) -> dict[str, Any]:
        """Return the envelope of edx-drf-extensions' paginator, which also counts pages."""
        detail = {"num_pages": self.pages, "current_page": self.number, "start": self.start}
        return {**self.envelope(results), **detail}

    def _link(self, number: int, netloc: str | None) -> str:
        url = self.request.url if netloc is None else self.request.url.replace(scheme="http", netloc=netloc)
        return str(url.include_query_params(page=number) if number > 1 else url.remove_query_params("page"))


class Throttles:
    """Limits on the requests of one user: `(requests, seconds)` each. A refused request does not count."""

    def __init__(self, *rates: tuple[int, float]) -> None:
        self.rates = rates
        self._asked: dict[str, deque[float]] = defaultdict(deque)

    def take(self, who: str) -> None:
        """Count a request. Raises `Refusal` (429) with `Retry-After` when there were too many."""
        now, asked = time.monotonic(), self._asked[who]
        wait = max((self._wait(asked, now, *rate) for rate in self.rates), default=0.0)
        if wait > 0:
            seconds = math.ceil(wait)
            unit = "second" if seconds == 1 else "seconds"
            detail = f"Request was throttled. Expected available in {seconds} {unit}."
            raise Refusal(429, {"detail": detail}, {"Retry-After": str(seconds)})
        asked.append(now)

    def use_up(self, who: str, requests: int, *, ago: float = 0.0) -> None:
        """Let a user have made that many requests, so many seconds ago."""
        self._asked[who].extend([time.monotonic() - ago] * requests)

    def _wait(self, asked: deque[float], now: float, requests: int, seconds: float) -> float:
        while asked and asked[0] <= now - max(span for _, span in self.rates):
            asked.popleft()
        recent = [moment for moment in asked if moment > now - seconds] if asked else []
        return recent[-requests] + seconds - now if len(recent) >= requests else 0.0
