"""Streams that are no requests: around and behind a body, and many at once. None holds the server, or grows in it."""

import socket
from contextlib import suppress

import httpx
import pytest

from tests.api.beside import Api, api, healthz_beside, raw

__all__ = ["api"]

pytestmark = pytest.mark.long

CHUNKED = b"POST /api/v1/attach/x/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
LARGE = 50 * 10**6
STREAMS = {
    "trailers": (CHUNKED + b"1\r\n{\r\n0\r\n", b"a: b\r\n" * 10_000),
    "trailer": (CHUNKED + b"1\r\n{\r\n0\r\na: ", b"b" * 65_536),
    "extension": (CHUNKED + b"5;", b"a" * 65_536),
    "chunks": (CHUNKED, b"1\r\na\r\n" * 10_000),
    "pipelined": (b"", b"GET /healthz HTTP/1.1\r\n\r\n" * 2_500),
}


def test_no_stream_of_anything_grows_or_holds_the_server(api: Api):
    sent: dict[str, list[int]] = {kind: [] for kind in STREAMS}

    def abuse() -> None:
        for _ in range(5):
            for kind, (head, piece) in STREAMS.items():
                sent[kind].append(0)
                with suppress(OSError), socket.create_connection(("127.0.0.1", api.port), timeout=20) as connection:
                    connection.sendall(head)
                    while sent[kind][-1] < LARGE:
                        connection.sendall(piece)
                        sent[kind][-1] += len(piece)

    beside = healthz_beside(api, abuse)
    print({kind: f"{max(each) / 10**6:.1f} MB" for kind, each in sent.items()})
    assert all(len(each) == 5 and max(each) < LARGE for each in sent.values()), "the server went on reading"
    assert beside.is_healthy(), str(beside)
    assert api.memory < 300 * 10**6


def test_a_connection_serves_the_next_request_after_a_body_that_was_not_read(api: Api):
    with httpx.Client(timeout=30) as client:
        for _ in range(3):
            refused = client.post(f"{api.url}/api/v1/checkout/", content=b"x" * 900_000)
            assert refused.status_code == 401
            assert client.get(f"{api.url}/healthz").status_code == 200


def test_a_trailer_is_no_header(api: Api):
    """The app has its headers before a trailer comes: one that joined them would be read by some of it."""
    trailer = f"Authorization: Bearer {api.token}\r\nConnection: close\r\n"
    ask = f"GET /api/v1/contracts/{api.other}/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert raw(api, f"{ask}0\r\n{trailer}\r\n".encode()).startswith(b"HTTP/1.1 401 ")
    assert raw(api, f"{ask}1\r\na\r\n0\r\n{trailer}\r\n".encode()).startswith(b"HTTP/1.1 401 ")
