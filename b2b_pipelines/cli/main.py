"""`b2b`: the umbrella over every command."""

from typing import NoReturn

from b2b_pipelines.cli import codes, console, contract, db, listing

commands = console.app(
    "Contracts, enrollment codes, sheets, licenses and academies of an online-learning organization."
)
commands.add_typer(contract.commands, name="contract")
commands.add_typer(listing.commands, name="list")
commands.add_typer(codes.commands, name="codes")
commands.add_typer(db.commands, name="db")


def run() -> NoReturn:
    console.run(commands, "b2b")
