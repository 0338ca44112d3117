"""`b2b course`: register one course and its runs, list the registered ones."""

from __future__ import annotations

from typing import Annotated

import typer

from b2b_pipelines.cli import console, courseware
from b2b_pipelines.cli.console import AsCsv, AsJson, Verbose
from b2b_pipelines.contracts.rules import SOURCE_TAG
from b2b_pipelines.inputs.text import containing
from b2b_pipelines.reports import listings

commands = console.app("Courses that can be added to contracts: register one, list them.")


@commands.command("add", epilog="Example: b2b course add course-v1:UAI+LEAD101 'Leading Teams' --source-run SOURCE")
def add(
    readable_id: Annotated[str, typer.Argument(metavar="READABLE_ID", help="Such as course-v1:ORG+NUMBER.")],
    title: Annotated[str, typer.Argument(metavar="TITLE", help="The title.")],
    run: Annotated[list[str] | None, typer.Option("--run", metavar="TAG", help="A run of it; repeatable.")] = None,
    source_run: Annotated[
        str | None, typer.Option("--source-run", metavar="TAG", help="The run that contract runs are copied from.")
    ] = None,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Register a course, or more runs of one. Its title becomes TITLE. Existing runs stay."""
    from b2b_pipelines.contracts import catalog

    listed = catalog.course(readable_id, title, run or (), source_run)
    courseware.register(listed, as_json=as_json)


@commands.command("list", epilog="Example: b2b course list --search leadership")
def list_courses(
    search: courseware.Search = None, as_csv: AsCsv = False, as_json: AsJson = False, verbose: Verbose = False
) -> None:
    """List the registered courses, and whether each has a source run to copy."""
    with console.surroundings() as here, here.reading() as reading:
        rows = reading.rows(listings.COURSES, pattern=containing(search), source_tag=SOURCE_TAG)
    columns = {"readable_id": "Course", "title": "Title", "has_source_run": "Source run"}
    console.print_rows(rows, columns, as_json=as_json, as_csv=as_csv)
