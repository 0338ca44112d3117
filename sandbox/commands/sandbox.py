"""`b2b sandbox`: stand-ins of every vendor on this machine."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from b2b_pipelines.cli import console, exports
from b2b_pipelines.cli.console import AsJson, Verbose
from b2b_pipelines.errors import Refused
from b2b_pipelines.settings import read_settings

if TYPE_CHECKING:
    from sandbox import Sandbox

Host = Annotated[str, typer.Option("--host", help="The address to listen on.")]
Port = Annotated[int, typer.Option("--port", help="The port to listen on.")]


def sandbox(host: Host = "127.0.0.1", port: Port = 8790, as_json: AsJson = False, verbose: Verbose = False) -> None:
    """Stand in for Google Sheets, Open edX and the other vendors, until Ctrl-C. What they hold is kept under B2B_HOME.

    Prints the settings that point this product at them, to be put into the environment.
    """
    from sandbox import serve

    home = read_settings().home / "sandbox"
    home.mkdir(parents=True, exist_ok=True)

    def ready(running: "Sandbox") -> None:
        page, settings = f"{running.url}/sandbox/", sandbox_settings(running, home)
        if as_json:
            console.print_json({"page": page, "settings": settings})
        else:
            console.say("\n".join([f"# The sheets as the customer sees them: {page}", *exports.lines(settings)]))
        sys.stdout.flush()

    try:
        serve(port, home / "state.json", host=host, ready=ready)
    except OSError as error:
        raise Refused(f"the sandbox cannot listen on {host}:{port} ({error.strerror}): choose another --port") from None


def sandbox_settings(running: "Sandbox", home: Path) -> dict[str, str]:
    """The settings that point the product at every vendor of a running sandbox."""
    from sandbox.open_edx import CLIENT_ID, CLIENT_SECRET
    from sandbox.stripe import API_KEY, WEBHOOK_SECRET

    return google_settings(running, home) | {
        "B2B_STUDIO_URL": running.studio.url,
        "B2B_LMS_URL": running.lms.url,
        "B2B_LICENSE_MANAGER_URL": running.license_manager.url,
        "B2B_ENTERPRISE_CATALOG_URL": running.enterprise_catalog.url,
        "B2B_OAUTH_CLIENT_ID": CLIENT_ID,
        "B2B_OAUTH_CLIENT_SECRET": CLIENT_SECRET,
        "B2B_STRIPE_API_URL": running.stripe.url,
        "B2B_STRIPE_API_KEY": API_KEY,
        "B2B_STRIPE_WEBHOOK_SECRET": WEBHOOK_SECRET,
    }


def google_settings(running: "Sandbox", home: Path) -> dict[str, str]:
    """Those of Google alone; the service account's key is written to `home`."""
    key = home / "service-account.json"
    key.write_text(json.dumps(running.google.make_service_account(), indent=2), encoding="utf-8")
    key.chmod(0o600)
    return {
        "B2B_GOOGLE_SERVICE_ACCOUNT_FILE": str(key),
        "B2B_GOOGLE_SHEETS_URL": running.url,
        "B2B_GOOGLE_DRIVE_URL": running.url,
    }
