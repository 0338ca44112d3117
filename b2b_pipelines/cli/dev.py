"""`b2b dev`: Dagster's UI and daemon on this machine."""

import os
from typing import Annotated

import typer

from b2b_pipelines.cli import console
from b2b_pipelines.cli.console import Verbose
from b2b_pipelines.cli.dagster_home import dagster_environment, dev_command
from b2b_pipelines.settings import PROJECT, read_settings

Host = Annotated[str, typer.Option("--host", help="The address to listen on.")]
Port = Annotated[int, typer.Option("--port", help="The port of Dagster's UI.")]


def dev(host: Host = "127.0.0.1", port: Port = 3000, verbose: Verbose = False) -> None:
    """Run Dagster's UI and daemon here, until Ctrl-C."""
    environment = dagster_environment(read_settings())
    console.say(f"Dagster's UI: http://{host}:{port} (Ctrl-C stops it)")
    command = dev_command(host, port)
    os.chdir(PROJECT)
    os.execve(command[0], command, environment)  # noqa: S606  this process becomes Dagster
