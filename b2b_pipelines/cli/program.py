"""`b2b program`: registers one program and what it requires."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from b2b_pipelines.cli import console, courseware
from b2b_pipelines.cli.console import AsJson, Verbose

commands = console.app("Register a program that contracts can be given.")


@commands.command("add")
def add(
    readable_id: Annotated[str, typer.Argument(metavar="READABLE_ID", help="Such as program-v1:ORG+NAME.")],
    title: Annotated[str, typer.Argument(metavar="TITLE")],
    requires: Annotated[
        Path | None,
        typer.Option(
            "--requires",
            metavar="TREE.json",
            exists=True,
            dir_okay=False,
            help='Its requirements tree: an id, {"all_of": […]} or {"min_number_of": N, "of": […]}.',
        ),
    ] = None,
    course: Annotated[
        list[str] | None, typer.Option("--course", metavar="ID", help="A course it requires; repeatable.")
    ] = None,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Register a program, or give one another title and other requirements."""
    from b2b_pipelines.contracts import courseware_registry

    if (requires is None) == (not course):
        console.wrong_usage("say what the program requires: either --requires TREE.json or --course, once or more")
    content = "" if requires is None else courseware.content_of(requires)
    tree = {"all_of": course} if requires is None else courseware_registry.read_json(content)
    catalog = courseware_registry.program(readable_id, title, tree, content)
    with console.surroundings() as here:
        done = courseware.register(here, catalog)
    courseware.show(done, as_json=as_json)
