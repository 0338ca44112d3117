"""The demo's inbox: takes what the product posts to `B2B_ALERT_WEBHOOK_URL`."""

import threading
import time
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

PATH = "/demo/inbox"
KEPT = 500


class Inbox:
    """Alerts and recoveries, the newest last."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._messages: list[dict[str, Any]] = []

    async def receive(self, request: Request) -> Response:
        """Take one message."""
        message = {"at": time.time(), **await request.json()}
        with self._lock:
            self._messages = [*self._messages, message][-KEPT:]
        return JSONResponse({})

    def messages(self) -> list[dict[str, Any]]:
        with self._lock:
            return list(self._messages)

    def has(self, word: str, since: int = 0) -> bool:
        """Return whether a message after the first `since` ones holds a word in its event or text."""
        return any(word in f"{each.get('event')} {each.get('text')}" for each in self.messages()[since:])
