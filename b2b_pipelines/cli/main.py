"""`b2b`: the umbrella over every command."""

import sys
from importlib import import_module
from typing import NoReturn

import typer

from b2b_pipelines.cli import console

GROUPS = {
    "contract": "contract",
    "list": "listing",
    "codes": "codes",
    "sheet": "sheet",
    "learner": "learner",
    "course": "course",
    "program": "program",
    "courseware": "courseware",
    "licenses": "licenses",
    "academies": "academies",
    "intents": "intents",
    "token": "token",
    "db": "db",
}
"""Groups of commands: the name, and the file that has them as `commands`."""

SHORT = {
    "codes": "Enrollment codes: hand them out, check them.",
    "licenses": "Licenses: end the expired ones, unlink learners.",
    "intents": "Checkout intents: learners' attempts to buy.",
}
"""What the list of all says of a group whose own words would be cut at 80 columns."""

COMMANDS = {
    "api": "Serve the API and the pages of contract managers.",
    "demo": "Deliver the codes of a sample organization, and show it.",
    "dev": "Run Dagster's UI and daemon here.",
    "doctor": "List what is on, what is off, and why.",
    "status": "Say what is wrong now, and who must do what.",
    "sandbox": "Stand in for Google Sheets, Open edX and the others.",
}
"""Commands by themselves, with what the list of all says of them: the name, the file and the function are one."""


def commands(noun: str | None = None) -> typer.Typer:
    """Every command; or, when `noun` is one, only that, which need not load the others."""
    app = console.app("Contracts, enrollment codes, sheets, licenses and academies of an online-learning organization.")
    wanted = {noun} if noun in GROUPS or noun in COMMANDS else {*GROUPS, *COMMANDS}
    for name, file in GROUPS.items():
        if name in wanted:
            app.add_typer(import_module(f"b2b_pipelines.cli.{file}").commands, name=name, short_help=SHORT.get(name))
    for name, short in COMMANDS.items():
        if name in wanted:
            app.command(name, short_help=short)(getattr(import_module(f"b2b_pipelines.cli.{name}"), name))
    app.callback()(_umbrella)  # so that a single command is still called by its name
    return app


def _umbrella() -> None:
    """Nothing: what is said before a noun concerns every command."""


def run() -> NoReturn:
    console.run(commands(sys.argv[1] if len(sys.argv) > 1 else None), "b2b")
