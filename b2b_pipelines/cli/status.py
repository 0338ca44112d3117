"""`b2b status`: what is wrong now, since when, and who has to do what."""

from __future__ import annotations

from dataclasses import asdict

from b2b_pipelines.cli import console
from b2b_pipelines.cli.console import AsJson, Verbose

COLUMNS = {"what": "What", "since": "Since (UTC)", "who": "Who", "do": "What to do"}


def status(as_json: AsJson = False, verbose: Verbose = False) -> None:
    """List what is wrong now, since when, and who has to do what."""
    from b2b_pipelines.faults.status import lines as what_is_wrong

    with console.surroundings() as here, here.session() as session:
        lines = what_is_wrong(session)
    if as_json:
        console.print_json({"well": not lines, "problems": [asdict(line) for line in lines]})
    elif not lines:
        console.say("Nothing is wrong.")
    else:
        rows = [
            asdict(line) | {"what": f"{line.what} of {line.partition}" if line.partition else line.what}
            for line in lines
        ]
        console.print_rows(rows, COLUMNS, as_json=False)
