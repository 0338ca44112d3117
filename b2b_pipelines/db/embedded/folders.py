"""Open a directory, lock it, and wait for a condition."""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from b2b_pipelines.errors import TransientError


class PostgresNotReady(TransientError):
    """The embedded PostgreSQL takes longer to start or stop than the caller waits."""

    code = "postgres_not_ready"


@contextmanager
def opened(path: Path) -> Iterator[int]:
    """Open a directory, and close it afterwards."""
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield folder
    finally:
        os.close(folder)


def lock(descriptor: int) -> bool:
    """Return whether this process now holds the lock of an open file or directory."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def wait_until(holds: Callable[[], bool], seconds: float) -> bool:
    """Return whether the condition holds within so many seconds."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
