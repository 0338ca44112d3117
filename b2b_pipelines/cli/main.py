"""`b2b`: the umbrella over every command."""

from typing import NoReturn

from b2b_pipelines.cli import console, db

commands = console.app("Contracts, enrollment codes, sheets, licenses and academies of an online-learning organization.")
commands.add_typer(db.commands, name="db")


def run() -> NoReturn:
    console.run(commands, "b2b")
