"""Records of every request: an id in its answer and its log line, counts and durations.

Paths can hold enrollment codes, so a request is logged and counted by its route (`/api/v1/attach/{code}/`), never by
its path. An unforeseen error is logged without its message, which may quote what was sent.
"""

import logging
import re
import time
import traceback
from contextvars import ContextVar
from random import getrandbits

from fastapi.responses import JSONResponse
from prometheus_client import CollectorRegistry, Counter, GCCollector, Histogram, PlatformCollector, ProcessCollector
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from b2b_pipelines.api.hardening import add_headers, address_fault, is_over_tls

log = logging.getLogger("b2b_pipelines.api")

LARGEST_BODY = 1_000_000
TOO_LARGE = "The body is larger than 1 MB."
_GIVEN_ID = re.compile(r"[A-Za-z0-9._:-]{1,100}")

request_id: ContextVar[str] = ContextVar("request_id", default="-")


class Metrics:
    """The counts of one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self.registry)
        self.requests = Counter(
            "b2b_http_requests", "Requests answered.", ("method", "route", "status"), registry=self.registry
        )
        self.seconds = Histogram(
            "b2b_http_request_seconds",
            "Seconds from a request to its answer.",
            ("method", "route"),
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
            registry=self.registry,
        )


class Observed:
    """ASGI middleware around the whole app."""

    def __init__(self, app: ASGIApp, metrics: Metrics, public_url: str | None = None) -> None:
        self.app = app
        self.metrics = metrics
        self.public_url = public_url

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began = time.perf_counter()
        headers = Headers(scope=scope)
        given = headers.get("x-request-id", "")
        token = request_id.set(given if _GIVEN_ID.fullmatch(given) else _new_id())
        status = 0
        received = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                sent = message["headers"] = list(message.get("headers", ()))
                sent.append((b"x-request-id", request_id.get().encode()))
                add_headers(sent, over_tls=is_over_tls(scope, self.public_url))
            await send(message)

        async def receive_limited() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > LARGEST_BODY:
                raise HTTPException(413, TOO_LARGE)
            return message

        answer: ASGIApp = _too_large if _announced(headers) > LARGEST_BODY else self.app
        if fault := address_fault(scope):
            answer = JSONResponse({"detail": fault[1], "error_code": "invalid_input"}, fault[0])
        try:
            await answer(scope, receive_limited, send_with_id)
        # Whatever it is, the client gets an answer, and the log a trace without the error's own words.
        except Exception as error:  # noqa: BLE001
            where = "".join(traceback.format_tb(error.__traceback__))
            log.error("request=%s %s\n%s", request_id.get(), type(error).__qualname__, where)  # noqa: TRY400
            if not status:
                body = {"detail": f"Internal error. Its request id is {request_id.get()}.", "error_code": "internal"}
                await JSONResponse(body, 500)(scope, receive, send_with_id)
        finally:
            self._note(scope, status, time.perf_counter() - began)
            request_id.reset(token)

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "unknown")
        self.metrics.requests.labels(scope["method"] if route != "unknown" else "any", route, str(status)).inc()
        self.metrics.seconds.labels(scope["method"] if route != "unknown" else "any", route).observe(seconds)
        log.info(
            "request=%s method=%s route=%s status=%s ms=%.1f",
            request_id.get(),
            scope["method"],
            route,
            status,
            seconds * 1000,
        )


def _new_id() -> str:
    """To tell requests apart, not to keep anybody out: made without asking the system for randomness."""
    return f"{getrandbits(128):032x}"


def _announced(headers: Headers) -> int:
    length = headers.get("content-length", "0")
    return int(length) if length.isdecimal() and len(length) < 19 else 0


async def _too_large(scope: Scope, receive: Receive, send: Send) -> None:
    await JSONResponse({"detail": TOO_LARGE}, 413)(scope, receive, send)
