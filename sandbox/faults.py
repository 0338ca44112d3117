"""Faults put between a vendor and its clients: one mechanism for every stand-in.

A fault waits in a queue until a request matches it, applies to `times` requests, and is removed. The first match wins.
"""

import asyncio
import gzip
import json
import re
import socket
import struct
import threading
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import parse_qsl, urlencode

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Any, Receive, Send], Awaitable[None]]

When = Literal["before", "after"]
"""Before the request reached the vendor, or after it did its work and before the client has the answer."""

Manner = Literal["reset", "close", "partway"]
"""How a connection is cut: `reset` (RST, ECONNRESET), `close` (FIN without an answer, which httplib2 silently answers
by sending the request again), `partway` (in the middle of the answer's body)."""

FOREVER = 1_000_000
PIECE = b" " * 65_536

Act = Literal["answer", "cut", "delay", "trickle", "malformed", "call", "huge", "drip", "endless"]


@dataclass(slots=True)
class Fault:
    """A fault for the requests that match: of a vendor, a method, a kind (`read`, `write`, `token`), a path.

    `path` is a regular expression searched for in the path as it went over the wire. None matches everything. The
    first `skip` requests that match are left alone, the next `times` are not.
    """

    act: Act
    times: int = 1
    skip: int = 0
    vendor: str | None = None
    method: str | None = None
    kind: str | None = None
    path: str | None = None
    when: When = "before"
    manner: Manner = "reset"
    status: int = 503
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    size: int = 0
    call: Callable[[], object] | None = None

    @property
    def label(self) -> str:
        """A word for the request log."""
        if self.act == "answer":
            return f"answer {self.status}"
        return f"{self.act} {self.when}" if self.act in ("cut", "call", "delay") else self.act

    def matches(self, vendor: str, method: str, kind: str, path: str) -> bool:
        return (
            self.vendor in (None, vendor)
            and self.method in (None, method)
            and self.kind in (None, kind)
            and (self.path is None or re.search(self.path, path) is not None)
        )


class Faults:
    """The faults that wait, and the latency of every answer, in seconds."""

    def __init__(self) -> None:
        self.latency = 0.0
        self._lock = threading.Lock()
        self._waiting: list[Fault] = []

    def add(self, fault: Fault) -> Fault:
        with self._lock:
            self._waiting.append(fault)
        return fault

    def answer(self, status: int, body: Any = None, headers: dict[str, str] | None = None, **matching: Any) -> Fault:
        """Answer with a status instead of doing the work; without a body, in the vendor's own words."""
        return self.add(Fault("answer", status=status, body=body, headers=headers or {}, **matching))

    def cut(self, when: When, manner: Manner = "reset", **matching: Any) -> Fault:
        """Cut the connection, before the work is done or after it."""
        return self.add(Fault("cut", when=when, manner=manner, **matching))

    def delay(self, seconds: float, when: When = "before", **matching: Any) -> Fault:
        """Be slow: to begin, or to answer."""
        return self.add(Fault("delay", seconds=seconds, when=when, **matching))

    def trickle(self, seconds: float, **matching: Any) -> Fault:
        """Send the answer in small pieces, over so many seconds."""
        return self.add(Fault("trickle", seconds=seconds, **matching))

    def malformed(self, **matching: Any) -> Fault:
        """Do the work, and answer with half of the JSON as if it were all."""
        return self.add(Fault("malformed", **matching))

    def huge(self, size: int, **matching: Any) -> Fault:
        """Answer with so many bytes of valid JSON, whose end is not announced."""
        return self.add(Fault("huge", size=size, **matching))

    def drip(self, seconds: float, **matching: Any) -> Fault:
        """Answer byte by byte, one every so many seconds, without an end."""
        return self.add(Fault("drip", seconds=seconds, **matching))

    def endless(self, **matching: Any) -> Fault:
        """Answer every page of a list with the same rows, and say that another page follows."""
        return self.add(Fault("endless", times=FOREVER, **matching))

    def call(self, act: Callable[[], object], when: When = "after", **matching: Any) -> Fault:
        """Have something happen around a request: a person edits between our read and our write.

        `act` runs in the server's thread: it may change the model, and may not make a request to the sandbox.
        """
        return self.add(Fault("call", call=act, when=when, **matching))

    def waiting(self) -> list[Fault]:
        with self._lock:
            return list(self._waiting)

    def clear(self) -> None:
        """No fault, and no latency."""
        with self._lock:
            self._waiting.clear()
        self.latency = 0.0

    def take(self, vendor: str, method: str, kind: str, path: str) -> Fault | None:
        """Return the fault that applies to this request, if any, and use up one of its `times`."""
        with self._lock:
            for fault in self._waiting:
                if not fault.matches(vendor, method, kind, path):
                    continue
                if fault.skip:
                    fault.skip -= 1
                    continue
                fault.times -= 1
                if fault.times <= 0:
                    self._waiting.remove(fault)
                return fault
        return None


@dataclass(frozen=True, slots=True)
class Channel:
    """One request: what ASGI gives to an application, and the socket that it came through."""

    scope: Any
    receive: Receive
    send: Send

    async def drain(self) -> None:
        """Read the request to its end."""
        while True:
            message = await self.receive()
            if message["type"] == "http.disconnect" or not message.get("more_body"):
                return

    async def answer(self, start: Message, body: bytes) -> None:
        await self.send(start)
        await self.send({"type": "http.response.body", "body": body})

    async def begin(self, start: Message, body: bytes) -> None:
        """Send an answer of which more is to come."""
        await self.send(start)
        await self.send({"type": "http.response.body", "body": body, "more_body": True})

    async def held_back(self, app: Application) -> tuple[Message, bytes]:
        """Have the work done; the whole answer, none of it sent."""
        started: list[Message] = []
        body = bytearray()

        async def hold(message: Message) -> None:
            if message["type"] == "http.response.start":
                started.append(message)
            else:
                body.extend(message.get("body", b""))

        await app(self.scope, self.receive, hold)
        return started[0], bytes(body)

    async def cut(self, manner: Manner) -> None:
        """Close the socket under the client, and wait until the server has noticed."""
        transport = self.scope["state"]["transport"]
        if manner == "reset":
            option = struct.pack("ii", 1, 0)
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, option)
            transport.abort()
        else:
            transport.close()
        while (await self.receive())["type"] != "http.disconnect":
            pass


async def befall(fault: Fault, app: Application, channel: Channel, words: Callable[[int], Any]) -> None:
    """Let a request suffer its fault. `words` gives the vendor's body for a status."""
    if fault.act == "answer":
        await channel.drain()
        await channel.answer(*_error(fault, words(fault.status) if fault.body is None else fault.body))
    elif fault.act in ("huge", "drip"):
        await channel.drain()
        await _flood(fault, channel)
    elif fault.act in ("cut", "delay", "call") and fault.when == "before":
        if fault.act == "cut":
            await channel.drain()
            await channel.cut(fault.manner)
            return
        await _pass_time(fault)
        await app(channel.scope, channel.receive, channel.send)
    else:
        number = _ask_for_the_first_page(channel) if fault.act == "endless" else 0
        start, body = await channel.held_back(app)
        await _pass_time(fault)
        await _spoil(fault, channel, start, _with_another_page(number, body) if number else body)


async def _flood(fault: Fault, channel: Channel) -> None:
    """Send JSON that begins well and goes on until it is large enough, or until the client has had enough."""
    headers = [(b"content-type", b"application/json")]
    await channel.begin({"type": "http.response.start", "status": 200, "headers": headers}, b'{"results": [],')
    gone = asyncio.ensure_future(_disconnected(channel))
    try:
        sent = 0
        while not gone.done() and (fault.act == "drip" or sent < fault.size):
            piece = b" " if fault.act == "drip" else PIECE
            await asyncio.sleep(fault.seconds)
            await channel.send({"type": "http.response.body", "body": piece, "more_body": True})
            sent += len(piece)
    finally:
        gone.cancel()
    await channel.send({"type": "http.response.body", "body": b'"count": 0, "next": null, "data": []}'})


async def _disconnected(channel: Channel) -> None:
    while (await channel.receive())["type"] != "http.disconnect":
        pass


def _ask_for_the_first_page(channel: Channel) -> int:
    """Have the vendor answer with its first page, and return the number of the page that was asked for."""
    asked = dict(parse_qsl(channel.scope["query_string"].decode()))
    number = int(asked.pop("page", "1"))
    asked.pop("starting_after", None)
    channel.scope["query_string"] = urlencode(asked).encode()
    return number


def _with_another_page(number: int, body: bytes) -> bytes:
    """The page of a list, which now says that it is not the last one."""
    page = json.loads(body)
    if "has_more" in page:
        page["has_more"] = True
    else:
        page |= {"next": f"http://elsewhere.test/?page={number + 1}", "count": FOREVER, "num_pages": FOREVER}
    return json.dumps(page).encode()


async def _pass_time(fault: Fault) -> None:
    if fault.act == "delay":
        await asyncio.sleep(fault.seconds)
    elif fault.call is not None:
        fault.call()


async def _spoil(fault: Fault, channel: Channel, start: Message, body: bytes) -> None:
    """Deliver an answer as the fault wants it delivered."""
    if fault.act == "cut":
        if fault.manner == "partway":
            await channel.begin(start, body[: len(body) // 2])
        await channel.cut(fault.manner)
    elif fault.act == "trickle":
        size = max(len(body) // 10, 1)
        await channel.begin(start, b"")
        for place in range(0, len(body), size):
            await asyncio.sleep(fault.seconds * size / len(body))
            message = {"type": "http.response.body", "body": body[place : place + size], "more_body": True}
            await channel.send(message)
        await channel.send({"type": "http.response.body", "body": b""})
    elif fault.act == "endless":
        await channel.answer({**start, "headers": _headers(start, body)}, body)
    elif fault.act == "malformed":
        whole = gzip.decompress(body) if (b"content-encoding", b"gzip") in start["headers"] else body
        half = whole[: len(whole) // 2] or b"{"
        await channel.answer({**start, "headers": _headers(start, half)}, half)
    else:
        await channel.answer(start, body)


def _headers(start: Message, body: bytes) -> list[tuple[bytes, bytes]]:
    """The headers of an answer whose body was replaced."""
    about_the_body = (b"content-length", b"content-encoding")
    kept = [(name, value) for name, value in start["headers"] if name not in about_the_body]
    return [*kept, (b"content-length", str(len(body)).encode())]


def _error(fault: Fault, content: Any) -> tuple[Message, bytes]:
    body = content.encode() if isinstance(content, str) else json.dumps(content).encode()
    kind = "text/html; charset=UTF-8" if isinstance(content, str) else "application/json; charset=UTF-8"
    headers = {"content-type": kind, "content-length": str(len(body)), **fault.headers}
    encoded = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http.response.start", "status": fault.status, "headers": encoded}, body
