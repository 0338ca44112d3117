"""`b2b status`: current problems, since when, and who must act."""

from __future__ import annotations

from dataclasses import asdict

from b2b_pipelines.cli import console
from b2b_pipelines.cli.console import AsCsv, AsJson, Verbose
from b2b_pipelines.faults.status import lines as what_is_wrong

COLUMNS = {"what": "Problem", "since": "Since", "who": "Who acts", "do": "What to do"}


def status(as_csv: AsCsv = False, as_json: AsJson = False, verbose: Verbose = False) -> None:
    """List the current problems: since when, who must act, and how."""
    with console.surroundings() as here, here.reading() as reading:
        lines = what_is_wrong(reading.rows)
    if as_json:
        console.print_json({"well": not lines, "problems": [asdict(line) for line in lines]})
    elif not lines and not as_csv:
        console.say("Nothing is wrong.")
    else:
        rows = [
            asdict(line) | {"what": f"{line.what} of {line.partition}" if line.partition else line.what}
            for line in lines
        ]
        console.print_rows(rows, COLUMNS, as_json=False, as_csv=as_csv)
