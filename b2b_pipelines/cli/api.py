"""`b2b api`: serves the HTTP API and the contract manager's pages."""

import logging
import socket
import sys
from contextlib import closing, suppress
from typing import Annotated

import typer

from b2b_pipelines.cli import console
from b2b_pipelines.cli.console import AsJson, Verbose
from b2b_pipelines.errors import Refused
from b2b_pipelines.settings import read_settings


def api(
    host: Annotated[str, typer.Option("--host", help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="The port; 0 takes a free one.")] = 8000,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Serve the API and the contract manager's pages until it is interrupted.

    It starts without its database too, and answers 503 until that is there.
    """
    import uvicorn

    from b2b_pipelines.academies.selection import read_selection
    from b2b_pipelines.api.app import create_app, prefer_requests

    settings = read_settings()
    read_selection(settings)  # a file of overrides that cannot be used is refused at start
    app = create_app(settings)
    with closing(_listening(host, port)) as listener:
        shown = f"[{host}]" if ":" in host else host
        url = f"http://{shown}:{listener.getsockname()[1]}"
        if as_json:
            console.print_json({"url": url, "docs": f"{url}/docs"})
        else:
            console.say(f"Contracts: {url}/\nAPI: {url}/docs")
        sys.stdout.flush()
        # Paths may hold enrollment codes: requests are logged by the app itself, by route. The client's address is
        # the peer's; who believes X-Forwarded-For says so in B2B_TRUSTED_PROXIES.
        level = logging.getLogger().level
        config = uvicorn.Config(
            app, access_log=False, proxy_headers=False, server_header=False, log_config=None, log_level=level
        )
        prefer_requests()
        with suppress(KeyboardInterrupt):  # how it is meant to end
            uvicorn.Server(config).run(sockets=[listener])


def _listening(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        # With its protocol named: otherwise asyncio leaves Nagle's algorithm on, 40 ms for every answer.
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    except OSError as error:
        raise Refused(f"cannot listen on {host}: {error.strerror or error}") from None
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(2048)
    except OSError as error:
        listener.close()
        raise Refused(f"cannot listen on {host} port {port}: {error.strerror or error}") from None
    return listener
