"""Fork the processes of runs from a process that has imported the code already.

Dagster's code server starts each run as a new Python, which imports Dagster and this project: two to three seconds of a
core, for a run that then works for one. On a small machine a changed contract waits for that start, and a backfill of
scattered contracts for many. Here the code server forks runs from a server process of `multiprocessing`
(`forkserver`) that holds the imported modules and nothing else: no thread, no connection. Launch, termination and
monitoring of runs stay those of Dagster.

Dagster has no setting for it: `DagsterApiServer` names the start method in a private attribute. `make test-next` shows
whether the newest Dagster still does. Without it, runs start as Dagster starts them. See ADR 054.
"""

import multiprocessing
import sys
from functools import cache
from multiprocessing.context import BaseContext
from typing import Any

SERVER = "dagster._grpc.server"
ATTRIBUTE = "_mp_ctx"
PRELOADED = ["dagster._cli", "dagster._grpc.impl", "b2b_pipelines.dagster_preloaded"]


def fork_runs() -> bool:
    """Let the code server of this process fork its runs. Return False in any other process."""
    server = sys.modules.get(SERVER)
    if server is None or sys.platform != "linux":
        return False
    # A property wins over the attribute that an existing server has.
    setattr(server.DagsterApiServer, ATTRIBUTE, property(lambda _: preloaded(), _keep_ours))
    return True


@cache
def preloaded() -> BaseContext:
    """Return the context whose processes are forked with the modules of `PRELOADED`."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    return context


def _keep_ours(_: Any, context: BaseContext) -> None:
    """Ignore the start method that a new server sets."""
