"""`b2b sandbox`: stand-ins of every vendor on this machine."""

import json
from pathlib import Path
from typing import Annotated

import typer

from b2b_pipelines.cli import console
from b2b_pipelines.cli.console import Verbose
from b2b_pipelines.errors import Refused
from b2b_pipelines.settings import read_settings

Host = Annotated[str, typer.Option("--host", help="The address to listen on.")]
Port = Annotated[int, typer.Option("--port", help="The port to listen on.")]


def sandbox(host: Host = "127.0.0.1", port: Port = 8790, verbose: Verbose = False) -> None:
    """Stand in for Google Sheets, Open edX and the other vendors, until Ctrl-C. What they hold is kept under B2B_HOME.

    Prints the settings that point this product at them, to be put into the environment.
    """
    from b2b_pipelines.sandbox import Sandbox, serve

    home = read_settings().home / "sandbox"
    home.mkdir(parents=True, exist_ok=True)

    def ready(running: Sandbox) -> None:
        console.say(f"# The sheets as the customer sees them: {running.url}/sandbox/")
        for name, value in sandbox_settings(running, home).items():
            console.say(f"export {name}={value}")

    try:
        serve(port, home / "state.json", host=host, ready=ready)
    except OSError as error:
        raise Refused(f"the sandbox cannot listen on {host}:{port} ({error.strerror}): choose another --port") from None


def sandbox_settings(running: object, home: Path) -> dict[str, str]:
    """The settings that point the product at a running sandbox; the service account's key is written to `home`."""
    from b2b_pipelines.sandbox import Sandbox

    assert isinstance(running, Sandbox)
    key = home / "service-account.json"
    key.write_text(json.dumps(running.google.make_service_account(), indent=2), encoding="utf-8")
    key.chmod(0o600)
    return {
        "B2B_GOOGLE_SERVICE_ACCOUNT_FILE": str(key),
        "B2B_GOOGLE_SHEETS_URL": running.url,
        "B2B_GOOGLE_DRIVE_URL": running.url,
    }
