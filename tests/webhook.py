"""A webhook for alerts that takes what it is sent, or answers what it is told to."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any


@dataclass
class Webhook:
    """What was posted to it, and what it answers. `posted` is what it took (`bodies` as
    bytes), `refused` counts what it did not."""

    url: str = ""
    status: int = 200
    refused: int = 0
    posted: list[dict[str, Any]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    signatures: list[str | None] = field(default_factory=list)

    def events(self) -> list[str]:
        return [message["event"] for message in self.posted]


@contextmanager
def listening() -> Iterator[Webhook]:
    """An HTTP server on this machine."""
    state = Webhook()

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if state.status == 200:
                state.posted.append(json.loads(body))
                state.bodies.append(body)
                state.signatures.append(self.headers["X-B2B-Signature"])
            else:
                state.refused += 1
            self.send_response(state.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_port}/hook"
    yield state
    server.shutdown()
    server.server_close()
    thread.join()
