"""Abuse of the API beside ordinary requests of others, on real server processes (`tests/api/beside.py`)."""

import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx
import pytest
from sqlalchemy import text

from b2b_pipelines.db.engine import Database
from sandbox.stripe import checkout_event, signed
from tests.api.beside import SECRET, Api, api, healthz_beside, raw
from tests.waiting import take

__all__ = ["api"]

pytestmark = pytest.mark.long


@contextmanager
def locked(database: Database, slug: str) -> Iterator[None]:
    """Another transaction holds the contract while the block runs."""
    with database.engine.connect() as connection:
        connection.execute(text("SELECT 1 FROM contract WHERE slug = :slug FOR UPDATE"), {"slug": slug})
        yield
        connection.rollback()


def stripe_event(api: Api, number: int) -> float:
    body, headers = signed(checkout_event(f"evt_{number}"), SECRET)
    began = time.perf_counter()
    answer = httpx.post(f"{api.url}/api/v1/stripe/events/", content=body, headers=headers, timeout=30)
    assert answer.status_code == 200, answer.text
    return time.perf_counter() - began


def test_sixty_attaches_on_a_locked_contract_stop_nobody_else(api: Api, database: Database):
    path = f"/api/v1/contracts/{api.other}/"
    answers: list[tuple[int, str, float]] = []
    stopping = threading.Event()

    def keep_attaching(number: int) -> None:
        with httpx.Client(headers=api.headers, timeout=60) as client:
            while not stopping.is_set():
                began = time.monotonic()
                answer = client.post(
                    f"{api.url}/api/v1/attach/{api.codes[number]}/", json={"email": f"learner-{number}@example.com"}
                )
                answers.append((answer.status_code, answer.text, time.monotonic() - began))
                assert answer.status_code != 503 or answer.headers["Retry-After"]

    with ThreadPoolExecutor(60) as crowd, locked(database, api.locked):
        attaching = [crowd.submit(keep_attaching, number) for number in range(60)]
        take(2)
        beside, ready, events = api.beside(path, 20), [], []
        for number in range(8):
            ready.append(api.seconds("/readyz"))
            events.append(stripe_event(api, number))
            take(0.5)
        stopping.set()
        for each in attaching:
            each.result()
    assert answers
    assert {status for status, _, _ in answers} == {503}
    assert all(json.loads(words)["error_code"] == "busy" for _, words, _ in answers)
    waits = sorted(seconds for _, _, seconds in answers)
    print(f"waits of {len(waits)} attaches: median {waits[len(waits) // 2]:.2f} s, longest {waits[-1]:.2f} s")
    assert waits[len(waits) // 2] < 5.5
    assert waits[-1] < 7  # 5 s, and what 60 clients and a server wait for a busy machine
    assert max(ready) < 1
    assert max(events) < 1
    assert beside.is_unaffected(), str(beside)
    answer = httpx.post(
        f"{api.url}/api/v1/attach/{api.codes[0]}/", json={"email": "late@example.com"}, headers=api.headers
    )
    assert answer.status_code == 201


def test_other_routes_that_wait_for_a_locked_contract_stop_nobody_either(api: Api, database: Database):
    path = f"/api/v1/contracts/{api.other}/"
    with database.session() as session:
        product = session.execute(
            text(
                "SELECT min(product_id) FROM enrollment_code JOIN contract ON contract.id = contract_id WHERE slug = :s"
            ),
            {"s": api.locked},
        ).scalar()
    basket = {"learner": {"email": "j@example.com"}, "products": [product], "codes": [api.codes[0]]}

    def check_out(number: int) -> int:
        body = basket | {"learner": {"email": f"j{number}@example.com"}}
        return httpx.post(f"{api.url}/api/v1/checkout/", json=body, headers=api.headers, timeout=60).status_code

    with ThreadPoolExecutor(60) as crowd, locked(database, api.locked):
        waiting = [crowd.submit(check_out, number) for number in range(60)]
        take(0.5)
        beside = api.beside(path, 3)
        attached = httpx.post(f"{api.url}/api/v1/checkout/quote/", json=basket, headers=api.headers, timeout=60)
        assert {each.result() for each in waiting} == {503}
    assert attached.status_code == 200
    assert beside.is_unaffected(90), str(beside)  # of 60 requests at most: a p99 would be the slowest one


def test_headers_that_never_end_are_refused_at_once(api: Api):
    answers: list[bytes] = []

    def abuse() -> None:
        endless = b"X-Long: " + b"a" * 100_000_000
        for _ in range(3):
            answers.append(raw(api, b"GET /healthz HTTP/1.1\r\nHost: x\r\n", endless))

    beside = healthz_beside(api, abuse)
    assert beside.is_healthy(), str(beside)
    assert len(answers) == 3
    assert all(answer == b"" or answer.startswith(b"HTTP/1.1 431 ") for answer in answers)
    small = raw(api, b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Long: " + b"a" * 70_000 + b"\r\n\r\n")
    assert small.startswith(b"HTTP/1.1 431 ")
    kept = raw(api, b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Long: " + b"a" * 60_000 + b"\r\n\r\n")
    assert kept.startswith(b"HTTP/1.1 200 ")
    assert api.memory < 300 * 10**6


@pytest.mark.parametrize(
    "beginning",
    [b"", b"GET /healthz HTTP/1.1\r\nHost: x\r\n", b"\r\n\r\n", b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET / HT"],
    ids=["silent", "half", "blank", "second"],
)
def test_a_head_that_is_not_completed_is_cut_after_ten_seconds(api: Api, beginning: bytes):
    began = time.monotonic()
    raw(api, beginning)
    assert 9 < time.monotonic() - began < 12


def test_three_thousand_half_open_requests_stop_nobody(api: Api):

    code = (
        "import resource, asyncio, sys\n"
        "most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]; resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))\n"
        "async def half():\n"
        "    reader, writer = await asyncio.open_connection('127.0.0.1', int(sys.argv[1]))\n"
        "    writer.write(b'GET /healthz HTTP/1.1\\r\\nHost: x\\r\\n')\n"
        "    try: await asyncio.wait_for(reader.read(), 25); return 1\n"
        "    except ConnectionResetError: return 1\n"
        "    except TimeoutError: return 0\n"
        "async def main(): print(sum(await asyncio.gather(*(half() for _ in range(3000)))))\n"
        "asyncio.run(main())\n"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(api.port)], stdout=subprocess.PIPE, text=True) as clients:
        take(2)
        beside = api.beside("/healthz", 5)
        closed, _ = clients.communicate(timeout=60)
    assert closed.strip() == "3000"
    assert beside.is_healthy(), str(beside)
    assert api.memory < 300 * 10**6


def test_bodies_without_an_end_are_refused(api: Api):
    statuses: list[int] = []

    def pieces() -> Iterator[bytes]:
        for _ in range(1000):
            yield b"x" * 1_000_000

    def abuse() -> None:
        head = "POST /api/v1/checkout/ HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n"
        for _ in range(2):
            with socket.create_connection(("127.0.0.1", api.port), timeout=60) as connection:
                connection.sendall(head.encode())
                statuses.append(int(connection.recv(65536).split()[1]))
                for piece in pieces():
                    try:
                        connection.sendall(piece)
                    except OSError:
                        break
        answer = httpx.post(f"{api.url}/api/v1/checkout/", content=b"x" * 2_000_000, headers=api.headers, timeout=60)
        statuses.append(answer.status_code)

    beside = healthz_beside(api, abuse)
    assert statuses == [413, 413, 413]
    assert beside.is_healthy(), str(beside)
    assert api.memory < 300 * 10**6


def test_deep_json_and_slow_readers_and_bodies_stop_nobody(api: Api):
    deep = b'{"email": ' + b"[" * 400_000 + b"]" * 400_000 + b"}"
    statuses: list[int] = []
    path = f"/api/v1/contracts/{api.locked}/codes/?page_size=1000"
    ask = f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {api.token}\r\n\r\n".encode()
    slow = [socket.create_connection(("127.0.0.1", api.port)) for _ in range(200)]
    for number, connection in enumerate(slow):
        if number % 2:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
            connection.sendall(ask)
        else:
            connection.sendall(b"POST /api/v1/attach/x/ HTTP/1.1\r\nHost: x\r\nContent-Length: 900000\r\n\r\n{")

    def abuse() -> None:
        for _ in range(5):
            answer = httpx.post(
                f"{api.url}/api/v1/attach/x/",
                content=deep,
                headers=api.headers | {"Content-Type": "application/json"},
                timeout=60,
            )
            statuses.append(answer.status_code)

    beside = healthz_beside(api, abuse)
    for connection in slow:
        connection.close()
    assert set(statuses) == {400}
    assert beside.is_healthy(), str(beside)
    assert api.memory < 300 * 10**6
