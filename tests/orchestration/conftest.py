"""A webhook that takes what it is sent, processes of Dagster, and the surroundings of assets."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from b2b_pipelines.db.embedded import EmbeddedPostgres
from tests.assets.conftest import deliver, key_file, sheets, surroundings
from tests.orchestration.processes import Processes, own_processes

__all__ = ["deliver", "key_file", "sheets", "surroundings"]


@pytest.fixture
def processes(tmp_path: Path, postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch) -> Iterator[Processes]:
    """Processes of Dagster, with the settings of the fixtures that the test names before this one."""
    with own_processes(tmp_path, postgres, monkeypatch) as processes:
        yield processes


@dataclass
class Webhook:
    """What was posted to it, and what it answers."""

    url: str = ""
    status: int = 200
    posted: list[dict[str, Any]] = field(default_factory=list)

    def events(self) -> list[str]:
        return [message["event"] for message in self.posted]


@pytest.fixture
def webhook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Webhook]:
    """An HTTP server on this machine that `B2B_ALERT_WEBHOOK_URL` names."""
    state = Webhook()

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if state.status == 200:
                state.posted.append(body)
            self.send_response(state.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_port}/hook"
    monkeypatch.setenv("B2B_ALERT_WEBHOOK_URL", state.url)
    yield state
    server.shutdown()
    server.server_close()
    thread.join()
