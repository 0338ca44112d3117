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

COMMANDS = ("api", "demo", "dev", "doctor", "sandbox")
"""Commands by themselves: the name, the file and the function are one."""


def commands(noun: str | None = None) -> typer.Typer:
    """Every command; or, when `noun` is one, only that, which need not load the others."""
    app = console.app("Contracts, enrollment codes, sheets, licenses and academies of an online-learning organization.")
    wanted = {noun} if noun in GROUPS or noun in COMMANDS else {*GROUPS, *COMMANDS}
    for name, file in GROUPS.items():
        if name in wanted:
            app.add_typer(import_module(f"b2b_pipelines.cli.{file}").commands, name=name)
    for name in COMMANDS:
        if name in wanted:
            app.command(name)(getattr(import_module(f"b2b_pipelines.cli.{name}"), name))
    app.callback()(_umbrella)  # so that a single command is still called by its name
    return app


def _umbrella() -> None:
    """Nothing: what is said before a noun concerns every command."""


def run() -> NoReturn:
    console.run(commands(sys.argv[1] if len(sys.argv) > 1 else None), "b2b")
