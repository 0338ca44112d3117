"""The API behind its real server, on loopback."""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

import httpx
import pytest

from b2b_pipelines.api.app import create_app
from b2b_pipelines.api.server import listening, server
from b2b_pipelines.db.embedded import EmbeddedPostgres
from b2b_pipelines.db.engine import Database
from b2b_pipelines.settings import Settings
from b2b_pipelines.tokens import service as tokens
from tests.waiting import wait_until

Connect = Callable[..., httpx.Client]


class Current:
    """Stands for the database of the test that runs now: starting a server for each takes a quarter of a second."""

    def __init__(self, idle: Database) -> None:
        self.database = idle

    def __getattr__(self, name: str) -> Any:
        return getattr(self.database, name)


@pytest.fixture(scope="session")
def served(postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Current]]:
    idle = Database(postgres.url("postgres"))
    current = Current(idle)
    with pytest.MonkeyPatch.context() as environment:
        for name in [name for name in os.environ if name.startswith("B2B_")]:
            environment.delenv(name)
        settings = Settings(home=tmp_path_factory.mktemp("home"))
    with serving(create_app(settings, cast(Database, current))) as url:
        yield url, current
    idle.dispose()


@pytest.fixture
def api_url(served: tuple[str, Current], database: Database) -> Iterator[str]:
    """Where the API over the test's database is served."""
    url, current = served
    idle, current.database = current.database, database
    yield url
    current.database = idle


@contextmanager
def connecting(base_url: str, database: Database) -> Iterator[Connect]:
    """Give a function that makes clients with a token of some scopes, and close them."""
    clients: list[httpx.Client] = []

    def connected(*scopes: str, organization: str | None = None) -> httpx.Client:
        with database.session() as session:
            _, text = tokens.create(session, "a test", scopes, organization)
        client = httpx.Client(
            base_url=base_url,
            headers={"Authorization": f"Bearer {text}"},
            timeout=60,
            limits=httpx.Limits(max_keepalive_connections=100),  # none is closed while a crowd uses the client
        )
        clients.append(client)
        return client

    yield connected
    for client in clients:
        client.close()


@pytest.fixture
def connect(api_url: str, database: Database) -> Iterator[Connect]:
    """`connect("read", "attach", organization="ACME")`: a client with a token of those scopes."""
    with connecting(f"{api_url}/api/v1", database) as connect:
        yield connect


@pytest.fixture
def everything(connect: Connect) -> httpx.Client:
    """A client that may do everything, on every organization."""
    return connect("read", "emails", "attach", "checkout", "provisioning", "manage", "metrics")


class serving:  # noqa: N801
    """`with serving(app) as url:` the app on a free port, in a thread."""

    def __init__(self, app: object) -> None:
        self.listener = listening("127.0.0.1", 0)
        self.server = server(app)
        self.thread = threading.Thread(target=self.server.run, args=([self.listener],), daemon=True)

    def __enter__(self) -> str:
        self.thread.start()
        wait_until(self._is_started, pause=0.005)
        port = self.listener.getsockname()[1]
        return f"http://127.0.0.1:{port}"

    def _is_started(self) -> bool:
        assert self.thread.is_alive() or self.server.started
        return self.server.started

    def __exit__(self, *_: object) -> None:
        self.server.should_exit = True
        self.thread.join(10)
