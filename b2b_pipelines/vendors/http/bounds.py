"""Bounds on vendors' answers: bytes and seconds of an answer.

Requests, bytes and seconds of a listing. httpx bounds each wait for the next bytes, not their number and not their sum.
A trickling or endless answer, or a listing whose `next` leads on forever, would hold a run for hours and fill its
memory.
"""

import http.client
import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from b2b_pipelines.errors import PermanentError

ANSWER_BYTES = 64 * 2**20
ANSWER_SECONDS = 600.0
LISTING_SECONDS = 600.0
LISTING_BYTES = 128 * 2**20
LISTING_REQUESTS = 5_000
CHUNK = 64 * 1024


class BoundExceeded(PermanentError):
    """A vendor's answer is too large or too slow.

    The message names the bound.
    """

    code = "vendor_bound_exceeded"


@dataclass
class _Budget:
    """The remaining bounds of the listing that this thread reads."""

    until: float
    bytes: int
    requests: int


_listing: ContextVar[_Budget | None] = ContextVar("listing", default=None)
_until: ContextVar[float | None] = ContextVar("until", default=None)
_came: ContextVar[Callable[[int], None] | None] = ContextVar("came", default=None)


@contextmanager
def bounded_listing() -> Iterator[None]:
    """Hold everything that this thread reads to the bounds of one listing. It also decorates functions.

    In nested blocks the outer one counts.
    """
    if _listing.get() is not None:
        yield
        return
    token = _listing.set(_Budget(time.monotonic() + LISTING_SECONDS, LISTING_BYTES, LISTING_REQUESTS))
    try:
        yield
    finally:
        _listing.reset(token)


@contextmanager
def answer(vendor: str, *timeouts: type[Exception]) -> Iterator[Callable[[int], None]]:
    """Hold one answer to its bounds, and to those of the listing that it belongs to.

    Gives a function to report the bytes that came. `timeouts` are the errors of the client when a wait is over or its
    connection is cut, besides `OSError`. Raises `BoundExceeded`.
    """
    budget, began, received = _listing.get(), time.monotonic(), 0
    until = min(began + ANSWER_SECONDS, budget.until if budget else began + ANSWER_SECONDS)
    if budget is not None:
        budget.requests -= 1
        if budget.requests < 0:
            raise BoundExceeded(f"{vendor} listed more than {LISTING_REQUESTS:,} pages: its listing does not end")
        if time.monotonic() >= until:
            raise _too_slow(vendor, budget)

    def came(count: int) -> None:
        nonlocal received
        received += count
        if received > ANSWER_BYTES:
            raise BoundExceeded(f"{vendor} sent more than {ANSWER_BYTES // 2**20} MiB in one answer")
        if budget is not None:
            budget.bytes -= count
            if budget.bytes < 0:
                raise BoundExceeded(f"{vendor} sent more than {LISTING_BYTES // 2**20} MiB in one listing")
        if time.monotonic() > until:
            raise _too_slow(vendor, budget)

    overdue: tuple[type[Exception], ...] = (OSError, *timeouts)
    token, reported = _until.set(until), _came.set(came)
    try:
        yield came
    except overdue:
        if time.monotonic() >= until:
            raise _too_slow(vendor, budget) from None
        raise
    finally:
        _until.reset(token)
        _came.reset(reported)


def _too_slow(vendor: str, budget: _Budget | None) -> BoundExceeded:
    what, seconds = ("a listing", LISTING_SECONDS) if budget else ("an answer", ANSWER_SECONDS)
    return BoundExceeded(f"{vendor} did not complete {what} within {seconds:.0f} s")


def seconds_left() -> float | None:
    """Return the seconds until the answer that this thread reads must be complete; None without a bound."""
    until = _until.get()
    return None if until is None else until - time.monotonic()


def reporter() -> Callable[[int], None] | None:
    """Return the function to which this thread reports the bytes of its answer; None without a bound."""
    return _came.get()


@contextmanager
def cut_after(seconds: float, sock: Callable[[], socket.socket | None]) -> Iterator[None]:
    """Cut a connection that is still busy after `seconds`.

    It serves a library that bounds single waits only.
    """

    def cut() -> None:
        connected = sock()
        if connected is not None:
            try:
                connected.shutdown(socket.SHUT_RDWR)
            except OSError:
                return

    timer = threading.Timer(seconds, cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


@contextmanager
def http_client(connection: http.client.HTTPConnection, vendor: str) -> Iterator[None]:
    """Hold the answer on a connection of `http.client`, which httplib2 uses, to the bounds."""
    with answer(vendor, http.client.HTTPException) as came, cut_after(ANSWER_SECONDS, lambda: connection.sock):

        class Bounded(http.client.HTTPResponse):
            def read(self, amt: int | None = None) -> bytes:
                if amt is not None:
                    piece = super().read(amt)
                    came(len(piece))
                    return piece
                inflated = zlib.decompressobj(47) if self.getheader("Content-Encoding") == "gzip" else None
                content = []
                while piece := super().read(CHUNK):
                    came(len(piece) if inflated is None else _inflated_size(inflated, piece))
                    content.append(piece)
                if self.length:  # which read(amt) does not mind
                    raise http.client.IncompleteRead(b"".join(content), self.length)
                return b"".join(content)

        connection.response_class = Bounded
        yield


def _inflated_size(inflated: Any, piece: bytes) -> int:
    """Return the size of a compressed piece when inflated, without holding it whole."""
    size = 0
    while piece:
        try:
            size += len(inflated.decompress(piece, CHUNK * 16))
        except zlib.error:
            return size + len(piece)  # httplib2 raises the error
        piece = inflated.unconsumed_tail
        if size > ANSWER_BYTES:
            break
    return size
