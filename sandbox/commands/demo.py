"""`b2b demo`: the whole mission in six scenes, on the stand-ins, with the product as separate programs."""

import signal
from typing import Annotated

import typer

from sandbox.commands.speaking import AsJson, Verbose, home, refuse, say

Exit = Annotated[bool, typer.Option("--exit", help="Press every button, check what it shows, and exit.")]
UiPort = Annotated[int, typer.Option("--port", help="The port of Dagster's UI.")]
SandboxPort = Annotated[int, typer.Option("--sandbox-port", help="The port of the start page and the stand-ins.")]
ApiPort = Annotated[int, typer.Option("--api-port", help="The port of the product's API and pages.")]


def demo(
    check_and_exit: Exit = False,
    port: UiPort = 3000,
    sandbox_port: SandboxPort = 8790,
    api_port: ApiPort = 8000,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Show the whole mission in six scenes: contracts, the customer's sheet, licenses, academies, a purchase, a bad day.

    Works in a home of its own, emptied each time, and leaves yours alone. Ctrl-C stops everything it started. With
    --json it prints one document when it is ready.
    """
    import httpx

    from sandbox.demo.performance import perform
    from sandbox.demo.processes import DemoRefused

    for number in (signal.SIGINT, signal.SIGTERM):  # a background job of a script is born with SIGINT ignored
        signal.signal(number, signal.default_int_handler)
    ports = {"--port": port, "--sandbox-port": sandbox_port, "--api-port": api_port}
    try:
        perform(home(), dict.fromkeys(ports, 0) if check_and_exit else ports, check_and_exit, as_json=as_json)
    except DemoRefused as refused:
        refuse(refused.code, str(refused), as_json=as_json)
    except httpx.HTTPStatusError as error:
        answer = (
            f"{error.request.method} {error.request.url.path}: {error.response.status_code} {error.response.text[:300]}"
        )
        refuse("demo_failed", f"the product answered {answer}", as_json=as_json)
    except KeyboardInterrupt:
        if not as_json:
            say("Stopped.")
