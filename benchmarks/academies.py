"""The public list of academies under load: `python -m benchmarks.academies`.

The list of 20 academies, by one worker of this API (with its throttle, set high) and by one of Django REST framework
over the same PostgreSQL in the same run; then this API at half of its maximum rate, and the delay of a publication.

A virtual machine shares its cores with others: its speed changes within a minute, and core time that the host takes in
the middle of a request delays it by tens of milliseconds. The kernel counts that time as stolen. The half rate
therefore consists of short loads, each at half of the rate that the second before it reached, until enough of them have
lost almost nothing to the host. The median of their p99 counts; if there are too few, that of the least disturbed ones,
and a line reports it.

wrk is rarely installed, so the load is made here: a protocol that knows the length of an answer and reads nothing else
keeps up with the server from one core.
"""

import asyncio
import os
import socket
import sys
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import httpx
import uvloop
from rich.console import Console
from rich.table import Table

from b2b_pipelines.academies import service, store
from b2b_pipelines.academies.prices import PriceOutcome
from b2b_pipelines.academies.selection import Selection
from b2b_pipelines.db.engine import Database
from benchmarks.databases import fresh_database
from benchmarks.host import Theft
from benchmarks.servers import server
from sandbox.enterprise_catalog import academy

ACADEMIES = 20
CONNECTIONS = 16
SECONDS = float(os.environ.get("BENCH_SECONDS", "6"))
HALVES = 9
MOST_HALVES = 45
UNDISTURBED = 0.01
"""A load counts as such when the host took no more of the cores' time during it."""
WARMING = 1.0
PATH = "/api/v1/academy-products/"
REQUEST = f"GET {PATH} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
CUSTOMER = UUID("378d5bf0-f67d-4bf7-8b2a-cbbc53d0f772")
BARS = {
    "times Django REST framework": 25,
    "p99 at half of the maximum rate, ms": 5,
    "a publication is seen after, ms": 1000,
}


@dataclass
class Load:
    """The result of a load.

    `took` are seconds from the planned time of a request to its whole answer.
    """

    seconds: float = 0.0
    took: list[float] = field(default_factory=list)
    stolen: float = 0.0  # share of the cores' time

    @property
    def per_second(self) -> float:
        return len(self.took) / self.seconds

    def percentile(self, share: float) -> float:
        return sorted(self.took)[int(len(self.took) * share)]


class Client(asyncio.Protocol):
    """One connection: sends the next request when the last is answered and the next is due."""

    def __init__(self, load: Load, until: float, answer_bytes: int, interval: float, first: float) -> None:
        self.load = load
        self.until = until
        self.answer_bytes = answer_bytes
        self.interval = interval
        self.due = first
        self.received = 0
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.next()

    def next(self) -> None:
        now = time.perf_counter()
        if now >= self.until:
            self.transport.close()
            self.done.set_result(None)
        elif self.interval and self.due > now:
            asyncio.get_running_loop().call_later(self.due - now, self.send)
        else:
            self.send()

    def send(self) -> None:
        self.started = self.due if self.interval else time.perf_counter()
        self.transport.write(REQUEST)

    def data_received(self, data: bytes) -> None:
        if not self.received and not data.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(data[:200].decode())
        self.received += len(data)
        if self.received >= self.answer_bytes:
            if self.received > self.answer_bytes:
                raise RuntimeError("an answer has another length than the first")
            self.load.took.append(time.perf_counter() - self.started)
            self.received = 0
            self.due += self.interval
            self.next()


async def _load(port: int, seconds: float, answer_bytes: int, rate: float) -> Load:
    loop = asyncio.get_running_loop()
    load = Load()
    theft = Theft()
    began = time.perf_counter()
    interval = CONNECTIONS / rate if rate else 0.0
    clients = []
    for number in range(CONNECTIONS):
        first = began + interval * number / CONNECTIONS
        make = lambda first=first: Client(load, began + seconds, answer_bytes, interval, first)  # noqa: E731
        _, client = await loop.create_connection(make, "127.0.0.1", port)
        clients.append(client)
    await asyncio.gather(*(client.done for client in clients))
    load.seconds = time.perf_counter() - began
    load.stolen = theft.share
    return load


def load(port: int, seconds: float, rate: float = 0.0) -> Load:
    """Ask from every connection for so long, at full speed or `rate` times a second in all."""
    return uvloop.run(_load(port, seconds, len(answer(port)), rate))


def answer(port: int) -> bytes:
    """Return one whole answer, head and body."""
    with socket.create_connection(("127.0.0.1", port)) as probe:
        probe.sendall(REQUEST)
        held = b""
        while b"\r\n\r\n" not in held:
            held += probe.recv(65536)
        start = held.index(b"\r\n\r\n") + 4
        length = int(held.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
        while len(held) < start + length:
            held += probe.recv(65536)
    return held


def serve(which: str, port: int) -> None:
    """Serve the API, or Django REST framework, behind uvicorn, in the server's process."""
    import uvicorn

    from b2b_pipelines.api.app import create_app, prefer_requests

    if which == "drf":
        from benchmarks import drf_academies

        app = drf_academies.application(os.environ["B2B_DATABASE_URL"])
    else:
        from b2b_pipelines.settings import read_settings

        app = create_app(read_settings())
    prefer_requests()  # as `b2b api` does, and for both
    uvicorn.run(app, host="127.0.0.1", port=port, access_log=False, log_config=None, proxy_headers=False)


def publish(database: Database, name: str) -> None:
    """Publish the academies; the first is called `name`."""
    now = datetime.now(UTC)
    rows = [
        academy(
            f"Academy {number:02}",
            name=name if number == 0 else f"Academy {number:02}",
            tags=[{"title": tag} for tag in ("Data", "AI", "Leadership")[: number % 4]],
            stripe_product_id=f"prod_{number:02}",
            stripe_price_lookup_key=f"academy_{number:02}_monthly",
            catalog_query_id=number,
            marketing_url=f"https://example.com/academies/{number:02}",
        )
        for number in range(ACADEMIES)
    ]
    prices = {
        f"academy_{number:02}_monthly": PriceOutcome(
            "priced",
            {
                "id": f"price_{number:02}",
                "product": f"prod_{number:02}",
                "lookup_key": f"academy_{number:02}_monthly",
                "currency": "usd",
                "unit_amount": 9900 + number,
                "unit_amount_decimal": str(Decimal(9900 + number) / 100),
                "recurring": {"interval": "month", "interval_count": 1, "usage_type": "licensed"},
            },
        )
        for number in range(ACADEMIES)
    }
    with database.session() as session:
        service.keep_catalog(session, CUSTOMER, service.CatalogRead(rows, [], name, changed=True), now)
        store.save_prices(session, prices, now)
        service.publish(session, Selection(), now)


def halves(port: int) -> list[Load]:
    """Return loads at half of the rate that the second before them reached.

    Stops when `HALVES` of them are undisturbed or `MOST_HALVES` are done.
    """
    loads: list[Load] = []
    while len(loads) < MOST_HALVES and len(undisturbed(loads)) < HALVES:
        rate = load(port, WARMING).per_second / 2
        loads.append(load(port, SECONDS / 3, rate))
    return loads


def undisturbed(loads: list[Load]) -> list[Load]:
    return [load for load in loads if load.stolen <= UNDISTURBED]


def least_disturbed(loads: list[Load]) -> list[Load]:
    """Return the `HALVES` least disturbed loads, in the order of their p99."""
    return sorted(sorted(loads, key=lambda load: load.stolen)[:HALVES], key=p99)


def describe(loads: list[Load]) -> str:
    """Return the p99 of each load, in ms, with the host's share."""
    each = ", ".join(f"{p99(load):.1f} ({load.stolen:.1%})" for load in loads)
    count = f"{len(undisturbed(loads))} of {len(loads)} loads at half rate lost at most {UNDISTURBED:.0%} to the host"
    few = "" if len(undisturbed(loads)) >= HALVES else f": too few, so the {HALVES} that lost least count"
    return f"{count}{few}\np99 in ms (lost to the host): {each}"


def p99(load: Load) -> float:
    """Return the p99 in milliseconds."""
    return load.percentile(0.99) * 1000


def seconds_until_seen(port: int, database: Database) -> float:
    """Return the longest delay until one of ten publications is seen.

    The list is asked for a thousand times a second.
    """
    longest = 0.0
    with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        for number in range(10):
            name = f"Publication {number}"
            publish(database, name)
            committed = time.perf_counter()
            while name not in client.get(PATH).text:
                time.sleep(0.001)
            longest = max(longest, time.perf_counter() - committed)
    return longest


def same(ours: Any, theirs: Any) -> bool:
    """Return whether both servers answer the same; a time may end with `Z` or with `+00:00`."""
    for item in (*ours["results"], *theirs["results"]):
        item["prices_as_of"] = datetime.fromisoformat(item["prices_as_of"])
    return bool(ours == theirs)


def measure(show: Console) -> tuple[dict[str, Load], dict[str, float]]:
    """Return every load by name, and the figures that have a bar."""
    from benchmarks import drf_academies

    loads: dict[str, Load] = {}
    answers: dict[str, Any] = {}
    with fresh_database() as database:
        publish(database, "Academy 00")
        with database.session() as session:
            drf_academies.copy_academies(session)
        for which, name in (("drf", "Django REST framework"), ("ours", "b2b api")):
            with server("benchmarks.academies", which, database.url, B2B_ACADEMY_THROTTLE="1000000000/hour") as port:
                answers[which] = httpx.get(f"http://127.0.0.1:{port}{PATH}").raise_for_status().json()
                load(port, WARMING)
                loads[name] = load(port, SECONDS)
                if which == "ours":
                    at_half = halves(port)
                    median = least_disturbed(at_half)[HALVES // 2]
                    loads["b2b api at half of its rate"] = median
                    seen = seconds_until_seen(port, database)
    if not same(answers["ours"], answers["drf"]):
        raise RuntimeError("the two servers do not answer the same")
    times = loads["b2b api"].per_second / loads["Django REST framework"].per_second
    show.print(describe(at_half), highlight=False, soft_wrap=True)
    return loads, dict(zip(BARS, (times, p99(median), seen * 1000), strict=True))


def main() -> None:
    show = Console()
    loads, figures = measure(show)
    title = f"The list of {ACADEMIES} academies, one worker, {CONNECTIONS} connections"
    table = Table("", "requests/s", "median ms", "p99 ms", title=title)
    for column in table.columns[1:]:
        column.justify = "right"
    for name, load in loads.items():
        milliseconds = [f"{load.percentile(share) * 1000:.2f}" for share in (0.5, 0.99)]
        table.add_row(name, f"{load.per_second:,.0f}", *milliseconds)
    show.print(table)
    for name, figure in figures.items():
        show.print(f"{name}: {figure:,.1f} (bar: {BARS[name]:,})")


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        serve(sys.argv[2], int(sys.argv[3]))
    else:
        main()
