"""`b2b`: the umbrella over every command."""

import gc
import os
import sys
from importlib import import_module
from importlib.util import find_spec
from typing import NoReturn

import typer

from b2b_pipelines.cli import console

HELP = "Contracts, enrollment codes, sheets, licenses and academies of an online-learning organization."

GROUPS = {
    "contract": ("contract", "Create contracts, change them, add courseware to them."),
    "list": ("listing", "List organizations, contracts, courseware and learners."),
    "codes": ("codes", "Enrollment codes: print, find and check them."),
    "sheet": ("sheet", "A contract's codes in the customer's Google Sheet."),
    "learner": ("learner", "Attach learners to contracts, and remove them."),
    "course": ("course", "Courses that can be added to contracts."),
    "program": ("program", "Programs that can be added to contracts."),
    "courseware": ("courseware", "Register courses and programs from a file."),
    "licenses": ("licenses", "Licenses: end expired ones, unlink learners."),
    "academies": ("academies", "Academies: published and refused ones."),
    "intents": ("intents", "Checkout intents: learners' purchases."),
    "alerts": ("alerts", "Alerts: send a test message."),
    "token": ("token", "Tokens of the HTTP API."),
    "user": ("user", "People who sign in to the pages."),
    "db": ("db", "The database: upgrade, check, back up, stop."),
}
"""Groups of commands: the name, the module that defines them as `commands`, and their line in `b2b --help`."""

COMMANDS = {
    "api": "Serve the API and the pages of contract managers.",
    "dev": "Run Dagster's UI and daemon on this machine.",
    "doctor": "List the capabilities that are on or off, and why.",
    "status": "List current problems and who must act.",
}
"""Commands by themselves, with their line in `b2b --help`: the name, the file and the function are the same."""


EXAMPLES = {
    "api": "b2b api --port 8000",
    "demo": "b2b demo",
    "dev": "b2b dev --port 3000",
    "doctor": "b2b doctor --ask",
    "status": "b2b status --json",
    "sandbox": "b2b sandbox --port 8790",
    "tour": "b2b tour",
}
"""An example of each command by itself, for its help."""

STAND_INS = {
    "demo": "Try the whole product in six scenes, on stand-ins.",
    "sandbox": "Run stand-ins of Google Sheets, Open edX and Stripe.",
    "tour": "Walk through the scenes of a running demo.",
}
"""Commands of the package `sandbox`, which a checkout has and an installed wheel does not."""


def single_commands() -> dict[str, tuple[str, str]]:
    """Return each command that is not a group, with its package and its line in `b2b --help`."""
    found = {name: ("b2b_pipelines.cli", short) for name, short in COMMANDS.items()}
    if find_spec("sandbox") is not None:
        found |= {name: ("sandbox.commands", short) for name, short in STAND_INS.items()}
    return dict(sorted(found.items()))


def commands(*nouns: str) -> typer.Typer:
    """Return the umbrella with these nouns loaded; with every noun when none is given."""
    app = console.app(HELP, completion=True)
    singles = single_commands()
    wanted = nouns or (*GROUPS, *singles)
    for name, (module, short) in GROUPS.items():
        if name in wanted:
            app.add_typer(import_module(f"b2b_pipelines.cli.{module}").commands, name=name, short_help=short)
    for name, (package, short) in singles.items():
        if name in wanted:
            command = app.command(name, short_help=short, epilog=f"Example: {EXAMPLES[name]}")
            command(getattr(import_module(f"{package}.{name}"), name))
    return app


def menu() -> typer.Typer:
    """Return the umbrella with all names and no code behind them: enough for help and for typos."""
    app = console.app(HELP, completion=True)
    for name, (_, short) in GROUPS.items():
        app.command(name, short_help=short)(_not_loaded)
    for name, (_, short) in single_commands().items():
        app.command(name, short_help=short)(_not_loaded)
    return app


def _not_loaded() -> None:
    raise AssertionError("the menu holds names only")


YOUNG_OBJECTS = 50_000
"""Objects between two collections of garbage. With Python's 700, imports spend a tenth of a command's time on them."""


def run() -> NoReturn:
    """Run the command line. Only the module of the command that was named is imported."""
    gc.set_threshold(YOUNG_OBJECTS)
    noun = sys.argv[1] if len(sys.argv) > 1 else ""
    console.run(_umbrella_for(noun), "b2b")


def _umbrella_for(noun: str) -> typer.Typer:
    if "_B2B_COMPLETE" in os.environ:  # a shell asks what may follow
        return commands()
    return commands(noun) if noun in GROUPS or noun in single_commands() else menu()
