"""Servers of the benchmarks, each in a process of its own."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def server(module: str, which: str, database_url: str, **environment: str) -> Iterator[int]:
    """Start `python -m MODULE serve WHICH PORT` and yield its port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", module, "serve", which, str(port)],
        env={**os.environ, "B2B_DATABASE_URL": database_url, **environment},
    )
    try:
        for _ in range(300):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait(10)
