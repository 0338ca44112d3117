"""`b2b doctor --live SPREADSHEET`: check the assumptions about Google with a real account."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from b2b_pipelines.cells import tab_name
from b2b_pipelines.cli import console
from b2b_pipelines.cli.console import Surroundings
from b2b_pipelines.contracts.rules import spreadsheet_id
from b2b_pipelines.errors import InvalidInput

if TYPE_CHECKING:
    from b2b_pipelines.sheets.live_check import Report

Live = Annotated[
    str | None,
    typer.Option(
        "--live",
        metavar="SPREADSHEET",
        help="Check the assumptions about Google on this throw-away Google Sheet, and write a report.",
    ),
]
WithQuota = Annotated[
    bool, typer.Option("--quota", help="With --live: read until Google refuses, and time it. Takes about 2 minutes.")
]
ReportFile = Annotated[
    Path | None,
    typer.Option("--report", metavar="FILE", help="With --live: the report's file (google-live-check-TIME.json)."),
]


def run(here: Surroundings, spreadsheet: str, *, quota: bool, report_file: Path | None, as_json: bool) -> None:
    """Check the assumptions about Google, print each with its answer, and write the report."""
    from b2b_pipelines.sheets.connection import connect_sheets
    from b2b_pipelines.sheets.live_check import check

    path = report_file or Path(f"google-live-check-{datetime.now(UTC):%Y%m%d-%H%M%S}.json")
    with connect_sheets(here.settings, here.database.engine) as sheets:
        report = check(sheets, spreadsheet_id(spreadsheet), quota=quota)
    _write(path, report)
    if as_json:
        console.print_json({"live": report.as_json() | {"report": str(path)}})
        return
    for finding in report.findings:
        console.say(f"{finding.name}: {finding.line}")
    if report.leftover:
        console.say(f"The tab {tab_name(report.leftover)} could not be deleted: delete it in the spreadsheet.")
    console.say(f"Report: {path}")


def _write(path: Path, report: Report) -> None:
    try:
        path.write_text(json.dumps(report.as_json(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise InvalidInput(f"Cannot write the report to {path} ({error.strerror}). Use --report FILE.") from None
