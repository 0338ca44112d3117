"""The HTTP server: uvicorn, with bounds on a request's head that its fast parser does not have.

uvicorn's own settings bound idle connections and the queue of new ones. Its parser (httptools) reads a head of any size
and waits for its end forever; `HeadLimits` counts the bytes and the seconds, and leaves the parsing to httptools.
"""

import asyncio
import logging
import socket
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from b2b_pipelines.errors import Refused

LARGEST_HEAD = 64 * 1024
"""Bytes of a request line and its headers."""
LARGEST_UNREAD = 2**20
"""Bytes of a body that are read although its request is answered, so that the connection can serve the next one."""
MOST_PIPELINED = 16
"""Requests that may wait on a connection for the one before them."""
HEAD_SECONDS = 10.0
"""How long a client may take to send them."""
BODY_SECONDS = 60.0
"""How long a client may take to send the body."""
IDLE_SECONDS = 65
"""How long a connection may wait for its next request: longer than the proxies in front of it do."""
UNREAD_SECONDS = 30.0
"""After how long the kernel closes the connection of a client that reads nothing of its answer."""
LINGER_SECONDS = 2.0
"""How long a refused client may go on sending before the connection is cut, so that it reads the refusal."""
BACKLOG = 2048

_TOO_LARGE = b'{"detail": "The request line and headers are larger than 64 KiB."}'
_REFUSAL = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: application/json\r\ncache-control: no-store\r\n"
    b"x-content-type-options: nosniff\r\nconnection: close\r\ncontent-length: %d\r\n\r\n%s"
    % (len(_TOO_LARGE), _TOO_LARGE)
)


class HeadLimits(HttpToolsProtocol):
    """A connection whose request heads are bounded in size (431) and time (closed).

    It is closed too for a chunked body with more framing than content, for many pipelined requests, and for a body that
    goes on long after the answer. Trailers do not reach the app.
    """

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._in_body = False
        self._refused = False
        self._completed = False
        self._head_bytes = 0
        self._body_bytes = 0
        self._content_bytes = 0
        self._timer: asyncio.TimerHandle | None = None
        """Cuts the connection when the head, or the body, does not arrive in time."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._expect_within(HEAD_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        self._arrived()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        while data and not self._refused and not self.transport.is_closing():
            room = LARGEST_HEAD if self._in_body else LARGEST_HEAD - self._head_bytes
            piece, data = (data, b"") if len(data) <= room else (data[:room], data[room:])
            self._completed = False
            super().data_received(piece)
            if self._in_body:
                self._bound_body(len(piece))
            else:
                self._head_bytes = 0 if self._completed else self._head_bytes + len(piece)
                if self._head_bytes >= LARGEST_HEAD:
                    self.transport.write(_REFUSAL)
                    self._refuse()
        if self._timer is None and not self._refused and not self.transport.is_closing():
            if self._in_body:
                self._expect_within(BODY_SECONDS)
            elif self.timeout_keep_alive_task is None and (self.cycle is None or self.cycle.response_complete):
                self._expect_within(HEAD_SECONDS)  # uvicorn no longer counts the connection as idle

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self._timer is None:
            self._expect_within(HEAD_SECONDS)

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._in_body:  # a trailer would join the headers that the app has been given
            super().on_header(name, value)

    def on_body(self, body: bytes) -> None:
        self._content_bytes += len(body)
        if not self._refused:
            super().on_body(body)

    def _bound_body(self, received: int) -> None:
        """Close the connection when a body has too much framing, or goes on long after its request was answered."""
        self._body_bytes += received
        framing = self._body_bytes - self._content_bytes  # and the head, if the body came with it
        if framing > 2 * LARGEST_HEAD + self._content_bytes:
            self._give_up()
        elif self._body_bytes > LARGEST_UNREAD and self.cycle.response_complete:
            self._refuse()

    def on_headers_complete(self) -> None:
        self._in_body = True
        self._head_bytes = self._body_bytes = self._content_bytes = 0
        self._arrived()
        if len(self.pipeline) >= MOST_PIPELINED:
            self._refused = True
            self._give_up()
        if not self._refused:
            super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._in_body = False
        self._completed = True
        self._arrived()
        if not self._refused:
            super().on_message_complete()

    def _expect_within(self, seconds: float) -> None:
        self._timer = self.loop.call_later(seconds, self._give_up)

    def _arrived(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _give_up(self) -> None:
        self._arrived()
        self.transport.abort()

    def _refuse(self) -> None:
        """Read nothing more, and close once the client could read its answer."""
        self._refused = True
        self._arrived()
        self.loop.call_later(LINGER_SECONDS, self.transport.abort)


def server(app: Any) -> uvicorn.Server:
    """Return uvicorn for the app, with every bound.

    Requests are logged by the app itself, by route, because paths can hold enrollment codes. The app decides which
    proxies it believes (`B2B_TRUSTED_PROXIES`).
    """
    config = uvicorn.Config(
        app,
        http=HeadLimits,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        log_config=None,
        log_level=logging.getLogger().level,
        timeout_keep_alive=IDLE_SECONDS,
        timeout_graceful_shutdown=10,
        backlog=BACKLOG,
        ws="none",
    )
    return uvicorn.Server(config)


def listening(host: str, port: int) -> socket.socket:
    """Return a socket that listens there; port 0 takes a free one. Raise `Refused` when that is not possible."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        # With its protocol named: otherwise asyncio leaves Nagle's algorithm on, 40 ms for every answer.
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    except OSError as error:
        raise Refused(f"cannot listen on {host} ({error.strerror or error}): choose another --host") from None
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Inherited by every connection; it also bounds a peer that keeps its window shut (Linux 5.11 and later).
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(UNREAD_SECONDS * 1000))
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise Refused(f"cannot listen on {host} port {port} ({error.strerror}): choose another --port") from None
    return listener
