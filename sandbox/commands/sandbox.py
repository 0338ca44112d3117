"""`b2b sandbox`: stand-ins of every vendor on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from sandbox.commands.speaking import (
    AsJson,
    Verbose,
    exports,
    home,
    print_json,
    refuse,
    say,
    short,
    show,
    write_exports,
)

if TYPE_CHECKING:
    from sandbox.server import Sandbox

Host = Annotated[str, typer.Option("--host", help="The address to listen on.")]
Port = Annotated[int, typer.Option("--port", help="The port to listen on.")]


def sandbox(host: Host = "127.0.0.1", port: Port = 8790, as_json: AsJson = False, verbose: Verbose = False) -> None:
    """Stand in for Google Sheets, Open edX and the other vendors, until Ctrl-C. What they hold is kept under B2B_HOME.

    Prints the settings that point this product at them, and leaves them in a file to source.
    """
    from sandbox.server import Sandbox
    from sandbox.settings import sandbox_settings

    kept = home() / "sandbox"
    kept.mkdir(parents=True, exist_ok=True)

    def ready(running: Sandbox) -> None:
        page, settings = f"{running.url}/sandbox/", sandbox_settings(running, kept)
        env_file = write_exports(kept / "env", settings)
        if as_json:
            print_json({"page": page, "env_file": str(env_file), "settings": settings})
            return
        say(f"# The sheets as the customer sees them: {page}")
        say(f"# Catalog, Stripe, license-manager and LMS: {running.url}/sandbox/vendors/")
        say(f"# For another terminal: . {short(env_file)}")
        show("\n".join(exports(settings)))

    try:
        Sandbox(state_file=kept / "state.json").serve(host, port, ready)
    except OSError as error:
        reason = f"the sandbox cannot listen on {host}:{port} ({error.strerror}): choose another --port"
        refuse("refused", reason, as_json=as_json)
