"""`b2b`: the umbrella over every command."""

from typing import NoReturn

from b2b_pipelines.cli import (
    academies,
    api,
    codes,
    console,
    contract,
    course,
    courseware,
    db,
    demo,
    dev,
    doctor,
    intents,
    learner,
    licenses,
    listing,
    program,
    sandbox,
    sheet,
    token,
)

commands = console.app(
    "Contracts, enrollment codes, sheets, licenses and academies of an online-learning organization."
)
commands.add_typer(contract.commands, name="contract")
commands.add_typer(listing.commands, name="list")
commands.add_typer(codes.commands, name="codes")
commands.add_typer(sheet.commands, name="sheet")
commands.add_typer(learner.commands, name="learner")
commands.add_typer(course.commands, name="course")
commands.add_typer(program.commands, name="program")
commands.add_typer(courseware.commands, name="courseware")
commands.add_typer(licenses.commands, name="licenses")
commands.add_typer(academies.commands, name="academies")
commands.add_typer(intents.commands, name="intents")
commands.add_typer(token.commands, name="token")
commands.command("api")(api.serve)
commands.command("demo")(demo.demo)
commands.command("dev")(dev.dev)
commands.command("doctor")(doctor.doctor)
commands.command("sandbox")(sandbox.sandbox)
commands.add_typer(db.commands, name="db")


def run() -> NoReturn:
    console.run(commands, "b2b")
