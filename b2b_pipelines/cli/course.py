"""`b2b course`: registers one course and its runs."""

from __future__ import annotations

from typing import Annotated

import typer

from b2b_pipelines.cli import console, courseware
from b2b_pipelines.cli.console import AsJson, Verbose

commands = console.app("Register a course that contracts can be given.")


@commands.command("add")
def add(
    readable_id: Annotated[str, typer.Argument(metavar="READABLE_ID", help="Such as course-v1:ORG+NUMBER.")],
    title: Annotated[str, typer.Argument(metavar="TITLE")],
    run: Annotated[list[str] | None, typer.Option("--run", metavar="TAG", help="A run of it; repeatable.")] = None,
    source_run: Annotated[
        str | None, typer.Option("--source-run", metavar="TAG", help="The run that contract runs are copied from.")
    ] = None,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Register a course, or further runs of one. Its title becomes TITLE; runs it has stay."""
    from b2b_pipelines.contracts import courseware_registry

    catalog = courseware_registry.course(readable_id, title, run or (), source_run)
    with console.surroundings() as here:
        done = courseware.register(here, catalog)
    courseware.show(done, as_json=as_json)
