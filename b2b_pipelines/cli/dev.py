"""`b2b dev`: Dagster's UI and daemon on this machine."""

from __future__ import annotations

import os
import shlex
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from b2b_pipelines.cli import console
from b2b_pipelines.cli.console import AsJson, Verbose
from b2b_pipelines.cli.dagster_home import NAMES, PROJECT, dagster_environment, dev_command
from b2b_pipelines.cli.guardian import guard
from b2b_pipelines.cli.in_the_way import lock, require_free_port

Host = Annotated[str, typer.Option("--host", help="The address to listen on.")]
Port = Annotated[int, typer.Option("--port", help="The port of Dagster's UI.")]


def dev(host: Host = "127.0.0.1", port: Port = 3000, as_json: AsJson = False, verbose: Verbose = False) -> None:
    """Run Dagster's UI and daemon on this machine until Ctrl-C.

    The file `env` under B2B_HOME holds the settings that another terminal needs. Dagster logs warnings and errors; with
    --verbose also each tick of a sensor.
    """
    from b2b_pipelines.db.connect import embedded_postgres
    from b2b_pipelines.settings import read_settings

    settings = read_settings()
    os.set_inheritable(lock(settings.home / "dev.lock", "b2b dev"), True)  # kept by what this process becomes
    require_free_port(host, port, "--port")
    starts_postgres = settings.embedded and not embedded_postgres(settings).is_running()
    mark = guard(settings.home if starts_postgres else None)
    environment = {**dagster_environment(settings), **mark}
    shared = {"B2B_HOME": str(settings.home), **{name: environment[name] for name in NAMES}}
    file = _write_exports(settings.home / "env", shared)
    url = f"http://{host}:{port}"
    if as_json:
        console.print_json({"url": url, "env_file": str(file), "settings": shared})
    else:
        console.say(
            f"Dagster's UI: {url} (ready in about half a minute; Ctrl-C stops it)\nFor other terminals: . {_short(file)}"
        )
    sys.stdout.flush()
    if as_json:
        os.dup2(2, 1)  # Dagster's output is not part of the document
    for number in (signal.SIGINT, signal.SIGTERM):  # a background job of a script is born with SIGINT ignored
        signal.signal(number, signal.SIG_DFL)
    command = dev_command(host, port, "info" if verbose else "warning")
    os.chdir(PROJECT)
    os.execve(command[0], command, environment)  # noqa: S606  this process becomes Dagster


def _write_exports(path: Path, environment: Mapping[str, str]) -> Path:
    """Write a file for `. FILE`, with a line `export NAME=VALUE` for each setting. Only its owner may read it."""
    path.touch(mode=0o600)
    path.write_text("".join(f"export {name}={shlex.quote(value)}\n" for name, value in environment.items()), "utf-8")
    return path


def _short(path: Path) -> Path:
    """Return the path as one types it in the working directory."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
