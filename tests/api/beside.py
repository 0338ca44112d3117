"""A server that is abused beside one that is not, over the same database.

Requests go in turn to both. What the machine does to both (its other work, the time a host takes away, the abusing
clients) is thus in both figures.
"""

import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from b2b_pipelines.db.engine import Database
from b2b_pipelines.tokens import service as tokens
from tests.shop import Shop
from tests.waiting import take, wait_until

B2B = str(Path(sys.executable).with_name("b2b"))
SECRET = "whsec_isolation"
STREAM_SECONDS = 6.0
NOISE_SECONDS = 0.05
"""How much two equal servers differ by chance: a ratio of two small numbers would measure that."""
HEALTHY_SECONDS = 0.1


@dataclass(frozen=True)
class Beside:
    """Seconds that the same requests took at the abused server and at the control, in ascending order."""

    abused: list[float]
    control: list[float]

    @staticmethod
    def percentile(took: list[float], percent: int) -> float:
        return took[min(len(took) * percent // 100, len(took) - 1)]

    def is_unaffected(self, percent: int = 99) -> bool:
        """Whether the abused server took at most twice as long as the control."""
        control = self.percentile(self.control, percent)
        return self.percentile(self.abused, percent) <= max(2 * control, control + NOISE_SECONDS)

    def is_healthy(self) -> bool:
        """Whether half of the requests took at most 100 ms, and 90 % that or twice the control's time."""
        ninety = self.percentile(self.control, 90)
        return self.percentile(self.abused, 50) <= HEALTHY_SECONDS and self.percentile(self.abused, 90) <= max(
            HEALTHY_SECONDS, 2 * ninety, ninety + NOISE_SECONDS
        )

    def __str__(self) -> str:
        percents = (50, 90, 99)
        return ", ".join(
            f"{name} " + "/".join(f"{self.percentile(took, percent) * 1000:.1f}" for percent in percents)
            for name, took in (("abused p50/p90/p99 ms", self.abused), ("control", self.control))
        )


@dataclass(frozen=True)
class Api:
    """A running `b2b api`, a token, and a contract of each of two organizations."""

    port: int
    pid: int
    token: str
    locked: str
    codes: list[str]
    other: str
    control_port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    @property
    def memory(self) -> int:
        """The most resident bytes that the server has had."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        [kibibytes] = re.findall(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
        most = int(kibibytes) * 1024
        print(f"memory of the API at most {most / 10**6:.0f} MB")
        return most

    def seconds(self, path: str) -> float:
        began = time.perf_counter()
        answer = httpx.get(f"{self.url}{path}", headers=self.headers, timeout=30)
        assert answer.status_code == 200, (path, answer.status_code, answer.text)
        return time.perf_counter() - began

    def beside(self, path: str, seconds: float = STREAM_SECONDS) -> Beside:
        """Send 20 requests a second to each of the two servers."""
        took: dict[int, list[float]] = {self.port: [], self.control_port: []}
        until = time.monotonic() + seconds
        with httpx.Client(headers=self.headers, timeout=30) as client:
            while time.monotonic() < until:
                round_began = time.perf_counter()
                for port, times in took.items():
                    began = time.perf_counter()
                    assert client.get(f"http://127.0.0.1:{port}{path}").status_code == 200
                    times.append(time.perf_counter() - began)
                threading.Event().wait(max(0.05 - (time.perf_counter() - round_began), 0))
        found = Beside(sorted(took[self.port]), sorted(took[self.control_port]))
        print(path, found)
        return found


def is_ready(url: str) -> bool:
    with suppress(httpx.TransportError):
        return httpx.get(f"{url}/readyz", timeout=30).status_code == 200
    return False


@contextmanager
def serving(environment: dict[str, str]) -> Iterator[tuple[int, int]]:
    """A `b2b api` that is ready: its port and its process."""
    with subprocess.Popen([B2B, "api", "--port", "0", "--json"], env=environment, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        document = ""
        while not document.rstrip().endswith("}"):
            document += process.stdout.readline().decode()
        url = json.loads(document)["url"]
        wait_until(lambda: is_ready(url))
        yield int(url.rpartition(":")[2]), process.pid
        process.terminate()
        process.wait(30)


@pytest.fixture
def api(database: Database, tmp_path: Path) -> Iterator[Api]:
    shop = Shop(database)
    locked, other = shop.sell("Locked", cap=100), shop.sell("Other", organization="Other", cap=5)
    with database.session() as session:
        _, token = tokens.create(session, "isolation", ["read", "attach", "checkout"])
    environment = {name: value for name, value in os.environ.items() if not name.startswith("B2B_")} | {
        "B2B_DATABASE_URL": database.url,
        "B2B_HOME": str(tmp_path / "home"),
        "B2B_STRIPE_WEBHOOK_SECRET": SECRET,
    }
    with serving(environment) as (port, pid), serving(environment) as (control_port, _):
        yield Api(port, pid, token, locked.slug, locked.every_code, other.slug, control_port)


def healthz_beside(api: Api, abuse: Callable[[], None], seconds: float = 4.0) -> Beside:
    """`/healthz` while the abuse goes on in a thread."""
    worker = threading.Thread(target=abuse, daemon=True)
    worker.start()
    take(0.3)
    found = api.beside("/healthz", seconds)
    worker.join(60)
    return found


def raw(api: Api, *pieces: bytes, patience: float = 20) -> bytes:
    """Return the server's answer to these bytes, read until the server closes the connection."""
    with socket.create_connection(("127.0.0.1", api.port), timeout=patience) as connection:
        answer = b""
        try:
            for piece in pieces:
                connection.sendall(piece)
            while received := connection.recv(65536):
                answer += received
        except (ConnectionResetError, BrokenPipeError):
            pass
        return answer
