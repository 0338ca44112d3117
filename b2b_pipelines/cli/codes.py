"""`b2b codes`: print codes to hand out, show how codes are used, find one, check them all."""

from __future__ import annotations

import csv
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from b2b_pipelines.cli import console, files
from b2b_pipelines.cli.console import AsCsv, AsJson, Verbose
from b2b_pipelines.cli.listing import contract_ids
from b2b_pipelines.cli.options import OfContract
from b2b_pipelines.csv_cells import csv_cell
from b2b_pipelines.enrollment_codes import statements
from b2b_pipelines.errors import NotFound
from b2b_pipelines.plural import counted
from b2b_pipelines.reports import found_codes
from b2b_pipelines.reports.found_codes import CodeSearch

if TYPE_CHECKING:
    from b2b_pipelines.db.rows import Row

commands = console.app("Enrollment codes: print them, find one, see how they are used, check them.")

MOST_FOUND = 1_000
FOUND = (
    "code",
    "contract",
    "product",
    "redemption_type",
    "active",
    "valid",
    "reason",
    "message",
    "attached_by",
    "attached_at",
    "enrolled_by",
    "attached",
    "enrolled",
    "sheet_target",
    "sheet_row",
)
"""Keys of a code that `find` shows."""

COLUMNS = {
    "contract": "Contract",
    "code": "Code",
    "product": "Product",
    "redemption_type": "Type",
    "amount": "Amount",
    "active": "Active",
    "attached_by": "Attached by",
    "enrolled_by": "Enrolled by",
    "attached": "Attached",
    "enrolled": "Enrolled",
    "sheet_row": "Row",
}


class Format(StrEnum):
    """How codes are printed."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


@commands.command(
    "output", epilog="Example: b2b codes output --contract leadership-2026 --format csv --filename codes.csv"
)
def output(
    contract: OfContract = None,
    output_format: Annotated[Format, typer.Option("--format", help="Output format.")] = Format.TABLE,
    filename: Annotated[
        Path | None, typer.Option("--filename", metavar="FILE", help="Write to FILE instead of stdout.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Every code, with who redeemed it.")] = False,
    as_csv: AsCsv = False,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Print the codes to hand out: active and not redeemed, at most one per free seat."""
    chosen = Format.JSON if as_json else Format.CSV if as_csv else output_format
    with console.surroundings() as here, here.reading() as reading:
        statement = statements.ALL_CODES if every else statements.TO_HAND_OUT
        rows = reading.rows(statement, contracts=contract_ids(reading, contract))
    if filename is None:
        _print(rows, chosen)
        return
    with files.writing(filename):
        replaced = files.replacing(filename)
    with files.writing(filename), files.private_file(filename) as file:
        _write(rows, Format.CSV if chosen is Format.TABLE else chosen, file)
    if as_json:
        console.print_json({"file": str(filename), "rows": len(rows)})
    else:
        console.say(f"Wrote {counted(len(rows), 'code')} to {filename}.{replaced}")


@commands.command("stats", epilog="Example: b2b codes stats --csv")
def stats(
    contract: OfContract = None, as_csv: AsCsv = False, as_json: AsJson = False, verbose: Verbose = False
) -> None:
    """Count seats, learners, runs, codes and redemptions of each contract."""
    with console.surroundings() as here, here.reading() as reading:
        rows = reading.rows(statements.STATS, contracts=contract_ids(reading, contract))
    if not as_json and not as_csv:
        rows = [row | {"seats": row["seats"] or "no limit"} for row in rows]
    columns = {
        "contract": "Contract",
        "seats": "Seats",
        "attached": "Attached",
        "runs": "Runs",
        "codes": "Codes",
        "redeemed_for_attachment": "Redeemed: attach",
        "redeemed_for_enrollment": "Redeemed: enroll",
    }
    console.print_rows(rows, columns, as_json=as_json, as_csv=as_csv)


@commands.command("usage", epilog="Example: b2b codes usage --contract leadership-2026 --csv")
def usage(
    contract: OfContract = None, as_csv: AsCsv = False, as_json: AsJson = False, verbose: Verbose = False
) -> None:
    """List the redemptions: who redeemed which code, for what and when."""
    with console.surroundings() as here, here.reading() as reading:
        rows = reading.rows(statements.USAGE, contracts=contract_ids(reading, contract))
    columns = {
        "contract": "Contract",
        "code": "Code",
        "email": "Learner",
        "kind": "For",
        "redeemed_at": "When",
        "product": "Product",
    }
    console.print_rows(rows, columns, as_json=as_json, as_csv=as_csv)


@commands.command("find", epilog="Examples: b2b codes find CODE, b2b codes find kim@example.com")
def find(
    wanted: Annotated[str, typer.Argument(metavar="CODE-or-EMAIL", help="A code, or the address of a learner.")],
    as_csv: AsCsv = False,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Find a code, or the codes that a learner redeemed: contract, sheet row, learner, and whether it is valid.

    Exit status 1 when nothing is found.
    """
    search = CodeSearch(learner=wanted) if "@" in wanted else CodeSearch(code=wanted)
    with console.surroundings() as here, here.reading() as reading:
        matching = reading.rows(f"{found_codes.MATCHING} LIMIT :limit", **search.parameters, limit=MOST_FOUND)
        found = reading.rows(found_codes.FOUND, ids=[row["id"] for row in matching])
    if not found:
        what = (
            "The learner has not redeemed a code." if "@" in wanted else "The code does not exist. Check the spelling."
        )
        raise NotFound(what)
    now = datetime.now(UTC)
    rows = [{key: row[key] for key in FOUND} for row in (found_codes.judged(row, now) for row in found)]
    if as_json or as_csv:
        console.print_rows(rows, dict.fromkeys(FOUND, ""), as_json=as_json, as_csv=as_csv)
        return
    for row in rows:
        _show_found(row)


def _show_found(row: Mapping[str, Any]) -> None:
    place = f"row {row['sheet_row']}" if row["sheet_row"] else "not in the sheet"
    used = f"attached {row['attached_by']}" if row["attached_by"] else "attached no learner"
    enrolled = f", enrolled {row['enrolled_by']}" if row["enrolled_by"] else ""
    console.say(f"{row['code']}")
    console.say(f"  Contract: {row['contract']}, {place}")
    console.say(f"  Course run: {row['product']}")
    console.say(f"  Type: {row['redemption_type']}")
    console.say(f"  Used: {used}{enrolled}")
    console.say(f"  {'Valid' if row['valid'] else 'Not valid'}: {row['message']}")


@commands.command("validate", epilog="Example: b2b codes validate --fix")
def validate(
    contract: OfContract = None,
    fix: Annotated[bool, typer.Option("--fix", help="Create, revoke or reprice codes until all match.")] = False,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Check that codes match their contracts. Exit status 1 for a difference that is not fixed.

    Course runs that end before their contract are reported as a note.
    """
    from b2b_pipelines.contracts import store
    from b2b_pipelines.contracts.early_runs import early_note, runs_ending_early
    from b2b_pipelines.enrollment_codes import service

    with console.surroundings() as here, here.session() as session:
        chosen = store.every_contract(session) if contract is None else [store.contract(session, contract)]
        found = service.outstanding(session, chosen)
        early = runs_ending_early(session, chosen)
        if fix:
            for slug in found:
                service.ensure_codes(session, slug)
    rows = [
        {"contract": slug, "product": order.product_id, "differs": str(order), "fixed": fix}
        for slug, orders in found.items()
        for order in orders
    ]
    notes = [{"contract": slug, "runs": runs, "note": early_note(slug, runs)} for slug, runs in early.items()]
    if as_json:
        console.print_json([*rows, *notes])
    elif rows:
        columns = {"contract": "Contract", "product": "Product", "differs": "Differs", "fixed": "Fixed"}
        console.print_rows(rows, columns, as_json=as_json)
    else:
        console.say("All codes match their contracts.")
    for note in notes if not as_json else ():
        console.say(f"Note: {note['note']}")
    raise typer.Exit(1 if rows and not fix else 0)


def run() -> NoReturn:
    console.run(commands, "b2b_codes")


def _print(rows: Sequence[Row], chosen: Format) -> None:
    if chosen is Format.CSV:
        _write(rows, chosen, sys.stdout)
    else:
        console.print_rows(rows, COLUMNS, as_json=chosen is Format.JSON)


def _write(rows: Sequence[Row], chosen: Format, file: IO[str]) -> None:
    if chosen is Format.JSON:
        file.write(console.json_text(rows))
        return
    writer = csv.DictWriter(file, fieldnames=list(COLUMNS), lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: csv_cell(value) for key, value in row.items()} for row in rows)
