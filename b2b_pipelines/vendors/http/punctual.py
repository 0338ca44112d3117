"""httpx clients that keep to `bounds`.

A module of its own because httpx takes a tenth of a second to import, and Google is asked without it.
"""

from collections.abc import Callable
from typing import Any

import httpcore
import httpx

from b2b_pipelines.vendors.http.bounds import CHUNK, reporter, seconds_left


class _PunctualStream(httpcore.NetworkStream):
    """A connection on which no read outlasts the answer's time, however the bytes trickle."""

    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        left = seconds_left()
        if left is not None:
            if left <= 0:
                raise httpcore.ReadTimeout("the time for this answer is over")
            timeout = left if timeout is None else min(timeout, left)
        return self._stream.read(max_bytes, timeout)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, timeout)

    def close(self) -> None:
        self._stream.close()

    def start_tls(self, *args: Any, **kwargs: Any) -> httpcore.NetworkStream:
        return _PunctualStream(self._stream.start_tls(*args, **kwargs))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class _PunctualBackend(httpcore.SyncBackend):
    def connect_tcp(self, *args: Any, **kwargs: Any) -> httpcore.NetworkStream:
        return _PunctualStream(super().connect_tcp(*args, **kwargs))


def client(**arguments: Any) -> httpx.Client:
    """Return an httpx client whose reads keep to the time of `answer`.

    Arguments as of `httpx.Client`.
    """
    transport = httpx.HTTPTransport(verify=arguments.pop("verify", True))
    transport._pool._network_backend = _PunctualBackend()  # httpx hands no backend on
    return httpx.Client(transport=transport, **arguments)


def read(response: httpx.Response, came: Callable[[int], None]) -> None:
    """Read a streamed response to its end, within the bounds; afterwards it has its content."""
    chunks = []
    for chunk in response.iter_bytes(CHUNK):
        came(len(chunk))
        chunks.append(chunk)
    response._content = b"".join(chunks)  # as httpx.Response.read does, which has no bound


def drain(response: httpx.Response) -> None:
    """Read a response that httpx would read without a bound, before a sign-in repeats its request."""
    if came := reporter():
        read(response, came)
