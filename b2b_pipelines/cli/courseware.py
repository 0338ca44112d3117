"""`b2b courseware`: register many courses and programs from a file."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from b2b_pipelines.cli import console
from b2b_pipelines.cli.console import AsJson, Verbose
from b2b_pipelines.errors import InvalidInput

if TYPE_CHECKING:
    from b2b_pipelines.contracts.catalog import Catalog

Search = Annotated[
    str | None, typer.Option("--search", metavar="TEXT", help="Only those whose id or title contains TEXT.")
]

commands = console.app("Register courses and programs from a file.")


@commands.command(
    "import",
    epilog="Example: b2b courseware import catalog.json",
    short_help="Register the courses and programs of a JSON file.",
)
def import_courseware(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False, help="JSON, as docs/files.md shows.")
    ],
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Register every course and program of a JSON file. One invalid entry rejects the whole file."""
    from b2b_pipelines.contracts import catalog

    register(catalog.read_catalog(content_of(file)), as_json=as_json)


def content_of(file: Path) -> str:
    """Return a text file's content. Raises `InvalidInput` when it is not UTF-8."""
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise InvalidInput(f"{file} is not text in UTF-8.") from None


def register(catalog: Catalog, *, as_json: bool) -> None:
    """Register in one transaction, with a progress bar, and print how many entries were created and updated."""
    from b2b_pipelines.contracts import courseware_registry

    with (
        console.surroundings() as here,
        console.progress("Registering", len(catalog)) as advance,
        here.session() as session,
    ):
        done = courseware_registry.register(session, catalog, advance)
    if as_json:
        console.print_json(asdict(done))
        return
    for what, tally in asdict(done).items():
        if numbers := ", ".join(f"{number} {did}" for did, number in tally.items() if number):
            console.say(f"{what.capitalize()}: {numbers}.")
