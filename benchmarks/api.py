"""The HTTP API under load: `python -m benchmarks.api`.

One server process each on loopback, and a client process that keeps 16 connections busy: the list of 1,000 codes in
pages of 100, by this API and by Django REST framework over the same tables in the same run, then attaching learners.
"""

import asyncio
import json
import os
import socket
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx
from rich.console import Console
from rich.table import Table

from b2b_pipelines.contracts import catalog, courseware_registry
from b2b_pipelines.contracts.patch import ContractPatch
from b2b_pipelines.contracts.rules import IntegrationType
from b2b_pipelines.db import schema
from b2b_pipelines.db.embedded import EmbeddedPostgres
from b2b_pipelines.db.engine import Database
from b2b_pipelines.delivery import Actor, changes
from b2b_pipelines.learners import service as learners
from b2b_pipelines.learners.service import Person
from b2b_pipelines.tokens import service as tokens
from benchmarks.servers import server

CODES = 1000
REDEEMED = 300
CONNECTIONS = 16
SECONDS = float(os.environ.get("BENCH_SECONDS", "6"))
WARMING = 1.0


@dataclass(frozen=True)
class Load:
    """The result of a load.

    Answers per second, and the latency of half, and of 99 %, of them, in seconds.
    """

    per_second: float
    median: float
    p99: float
    bytes_each: int


def contract_with_codes(database: Database, name: str, cap: int) -> tuple[str, list[str]]:
    """Make a contract with so many one-time codes; return its slug and the codes."""
    with database.session() as session:
        bench, terms = Actor.system("the benchmark"), ContractPatch(max_learners=cap)
        contract = changes.create_contract(
            session, "Acme", name, IntegrationType.NON_SSO, terms, by=bench, create_organization=True
        ).contract
        courseware_registry.register(session, catalog.course("course-v1:X+1", "One", source_run="SOURCE"))
        changes.give_courseware(session, contract.slug, "course-v1:X+1", by=bench)
        from sqlalchemy import text

        found = session.scalars(
            text("SELECT code FROM enrollment_code WHERE contract_id = :id ORDER BY id"), {"id": contract.id}
        )
        return contract.slug, list(found)


async def load(host: str, port: int, requests: Sequence[bytes], seconds: float) -> Load:
    """Keep the connections busy with these requests, repeated unless they differ."""
    waiting = iter(requests) if len(requests) > 1 else None
    took: list[float] = []
    sizes: list[int] = []
    began = time.perf_counter()
    until = began + seconds

    async def one_connection() -> None:
        reader, writer = await asyncio.open_connection(host, port)
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while time.perf_counter() < until:
            request = next(waiting, None) if waiting else requests[0]
            if request is None:
                break
            start = time.perf_counter()
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith((b"HTTP/1.1 200", b"HTTP/1.1 201")):
                raise RuntimeError(head.decode())
            length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
            await reader.readexactly(length)
            took.append(time.perf_counter() - start)
            sizes.append(length)
        writer.close()

    await asyncio.gather(*(one_connection() for _ in range(CONNECTIONS)))
    elapsed = time.perf_counter() - began
    took.sort()
    return Load(len(took) / elapsed, took[len(took) // 2], took[int(len(took) * 0.99)], sizes[-1])


def serve(which: str, port: int) -> None:
    """Serve the API, or Django REST framework, behind uvicorn, in the server's process."""
    import uvicorn

    database_url = os.environ["B2B_DATABASE_URL"]
    if which == "drf":
        from benchmarks import drf

        app = drf.application(database_url)
        uvicorn.run(app, host="127.0.0.1", port=port, access_log=False, log_config=None, lifespan="auto")
    else:
        from b2b_pipelines.api.app import create_app, prefer_requests
        from b2b_pipelines.api.server import listening
        from b2b_pipelines.api.server import server as api_server
        from b2b_pipelines.settings import read_settings

        app = create_app(read_settings())
        prefer_requests()
        api_server(app).run(sockets=[listening("127.0.0.1", port)])


def as_request(method: str, path: str, token: str, body: object = None) -> bytes:
    content = b"" if body is None else json.dumps(body).encode()
    head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
    return f"{head}Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n".encode() + content


def measure(database_url: str, database: Database, show: Console) -> dict[str, Load]:
    """Return every load by name."""
    slug, every_code = contract_with_codes(database, "Listed", CODES)
    with database.session() as session:
        _, token = tokens.create(session, "bench", ["read", "attach"])
    for number, code in enumerate(every_code[:REDEEMED]):
        with database.session() as session:
            learners.attach(session, code, Person(f"learner-{number}@example.com"), datetime.now(UTC))
    _, seats = contract_with_codes(database, "Attached", 20_000)
    path = f"/api/v1/contracts/{slug}/codes/?page_size=100"
    listing = [as_request("GET", path, token)]
    found, firsts = {}, {}
    for which, name in (("ours", "b2b api"), ("drf", "Django REST framework")):
        with server("benchmarks.api", which, database_url) as port:
            show.print(f"{name}: {SECONDS:.0f} s …")
            answer = httpx.get(f"http://127.0.0.1:{port}{path}", headers={"Authorization": f"Bearer {token}"})
            firsts[which] = [
                (row["code"], row["attached_by"], row["amount"]) for row in answer.raise_for_status().json()["results"]
            ]
            asyncio.run(load("127.0.0.1", port, listing, WARMING))
            found[f"100 of 1,000 codes, {name}"] = asyncio.run(load("127.0.0.1", port, listing, SECONDS))
            if which == "ours":
                one = [as_request("GET", f"/api/v1/contracts/{slug}/", token)]
                found["a contract"] = asyncio.run(load("127.0.0.1", port, one, SECONDS))
    if firsts["ours"] != firsts["drf"]:
        raise RuntimeError("the two servers do not answer the same")
    with server("benchmarks.api", "ours", database_url) as port:
        attaching = [
            as_request("POST", f"/api/v1/attach/{code}/", token, {"email": f"new-{number}@example.com"})
            for number, code in enumerate(seats)
        ]
        show.print(f"attaching: {SECONDS:.0f} s …")
        found["attach, all to one contract"] = asyncio.run(load("127.0.0.1", port, attaching, SECONDS))
    return found


def main() -> None:
    show = Console()
    with tempfile.TemporaryDirectory() as place:
        postgres = EmbeddedPostgres(Path(place) / "postgres")
        postgres.ensure_running()
        try:
            postgres.ensure_database("bench")
            database_url = postgres.url("bench")
            database = Database(database_url)
            schema.upgrade(database.engine)
            found = measure(database_url, database, show)
            database.dispose()
        finally:
            postgres.stop()
    table = Table(
        "", "requests/s", "median ms", "p99 ms", "bytes", title=f"HTTP, one process, {CONNECTIONS} connections"
    )
    for column in table.columns[1:]:
        column.justify = "right"
    for name, load in found.items():
        table.add_row(
            name,
            f"{load.per_second:,.0f}",
            f"{load.median * 1000:.1f}",
            f"{load.p99 * 1000:.1f}",
            f"{load.bytes_each:,}",
        )
    show.print(table)


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        serve(sys.argv[2], int(sys.argv[3]))
    else:
        main()
