"""`b2b program`: register one program and its requirements, list the registered ones."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from b2b_pipelines.cli import console, courseware
from b2b_pipelines.cli.console import AsCsv, AsJson, Verbose
from b2b_pipelines.inputs.text import containing
from b2b_pipelines.reports import listings

commands = console.app("Programs that can be added to contracts: register one, list them.")


@commands.command(
    "add", epilog="Example: b2b program add program-v1:UAI+LEAD Leadership --course course-v1:UAI+LEAD101"
)
def add(
    readable_id: Annotated[str, typer.Argument(metavar="READABLE_ID", help="Such as program-v1:ORG+NAME.")],
    title: Annotated[str, typer.Argument(metavar="TITLE", help="The title.")],
    requires: Annotated[
        Path | None,
        typer.Option(
            "--requires",
            metavar="TREE.json",
            exists=True,
            dir_okay=False,
            help='The requirements tree: an id, {"all_of": [...]} or {"min_number_of": N, "of": [...]}.',
        ),
    ] = None,
    course: Annotated[
        list[str] | None, typer.Option("--course", metavar="ID", help="A required course. Repeatable.")
    ] = None,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Register a program, or replace its title and requirements."""
    from b2b_pipelines.contracts import catalog
    from b2b_pipelines.inputs.json_text import parse

    if (requires is None) == (not course):
        console.wrong_usage("use either --requires TREE.json or --course (repeatable)")
    content = "" if requires is None else courseware.content_of(requires)
    tree = {"all_of": course} if requires is None else parse(content)
    listed = catalog.program(readable_id, title, tree, content)
    courseware.register(listed, as_json=as_json)


@commands.command("list", epilog="Example: b2b program list --csv")
def list_programs(
    search: courseware.Search = None, as_csv: AsCsv = False, as_json: AsJson = False, verbose: Verbose = False
) -> None:
    """List the registered programs. --json includes their requirements."""
    with console.surroundings() as here, here.reading() as reading:
        rows = reading.rows(listings.PROGRAMS, pattern=containing(search))
    columns = {"readable_id": "Program", "title": "Title"}
    console.print_rows(rows, columns, as_json=as_json, as_csv=as_csv)
