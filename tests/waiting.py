"""Waiting: the one place in the tests that sleeps."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any

PAUSE = 0.01


class QuickTicks:
    """`asyncio` for uvicorn, which looks every 0.1 s whether it is to stop and whether its connections are closed."""

    def __getattr__(self, name: str) -> Any:
        return getattr(asyncio, name)

    def sleep(self, seconds: float) -> Coroutine[Any, Any, None]:
        return asyncio.sleep(min(seconds, 2 * PAUSE))


def wait_until(
    holds: Callable[[], object],
    seconds: float = 30.0,
    explain: Callable[[], str] = lambda: "the condition does not hold yet",
    pause: float = PAUSE,
) -> float:
    """Wait until the condition holds, and return the seconds that it took.

    The test fails after `seconds`, with the explanation.
    """
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < seconds, explain()
        time.sleep(pause)
    return time.monotonic() - began


def take(seconds: float) -> None:
    """Take this long, as the work does that a test imitates. `wait_until` waits for a result."""
    time.sleep(seconds)
