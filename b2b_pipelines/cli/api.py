"""`b2b api`: serves the HTTP API and the contract manager's pages."""

from __future__ import annotations

import resource
import sys
from contextlib import closing, suppress
from typing import Annotated

import typer

from b2b_pipelines.cli import console
from b2b_pipelines.cli.console import AsJson, Verbose


def api(
    host: Annotated[str, typer.Option("--host", help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="The port; 0 takes a free one.")] = 8000,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Serve the API and the contract manager's pages until it is interrupted.

    It starts without its database too, and answers 503 until that is there.
    """
    from b2b_pipelines.academies.selection import read_selection
    from b2b_pipelines.api.app import create_app, prefer_requests
    from b2b_pipelines.api.server import listening, server
    from b2b_pipelines.settings import read_settings

    settings = read_settings()
    read_selection(settings)  # a file of overrides that cannot be used is refused at start
    app = create_app(settings)
    with closing(listening(host, port)) as listener:
        shown = f"[{host}]" if ":" in host else host
        url = f"http://{shown}:{listener.getsockname()[1]}"
        if as_json:
            console.print_json({"url": url, "docs": f"{url}/docs"})
        else:
            console.say(f"Contracts: {url}/\nAPI: {url}/docs")
        sys.stdout.flush()
        prefer_requests()
        _allow_many_connections()
        with suppress(KeyboardInterrupt):  # how it is meant to end
            server(app).run(sockets=[listener])


def _allow_many_connections() -> None:
    """Raise the limit of open files to what the system allows: 1,024 idle clients would keep everybody else out."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
