"""`b2b_codes`: codes to hand out, how they are used, and whether they are as the rules want them."""

from __future__ import annotations

import csv
import sys
from enum import StrEnum
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, NoReturn

import typer

from b2b_pipelines.cli import console
from b2b_pipelines.cli.console import AsJson, Verbose
from b2b_pipelines.cli.listing import contract_ids
from b2b_pipelines.enrollment_codes import statements
from b2b_pipelines.values import csv_cell

if TYPE_CHECKING:
    from b2b_pipelines.enrollment_codes.reports import Records

commands = console.app("Enrollment codes: hand them out, see how they are used, check them.")

OfContract = Annotated[str | None, typer.Option("--contract", metavar="ID", help="Only this contract: its id or slug.")]

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
    "sheet_row": "Sheet row",
}


class Format(StrEnum):
    """How codes are printed."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


@commands.command("output")
def output(
    contract: OfContract = None,
    output_format: Annotated[Format, typer.Option("--format", help="How to print them.")] = Format.TABLE,
    filename: Annotated[Path | None, typer.Option("--filename", help="Write to this file instead of printing.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Every code, with who attached and enrolled with it.")] = False,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """The codes still to be handed out: unredeemed active ones, as many as seats are left."""
    chosen = Format.JSON if as_json else output_format
    with console.surroundings() as here, here.reading() as reading:
        statement = statements.ALL_CODES if every else statements.TO_HAND_OUT
        rows = reading.rows(statement, contracts=contract_ids(here, contract))
    if filename is None:
        _print(rows, chosen)
        return
    with console.writing(filename), console.private_file(filename) as file:
        _write(rows, Format.CSV if chosen is Format.TABLE else chosen, file)
    if as_json:
        console.print_json({"file": str(filename), "rows": len(rows)})
    else:
        console.say(f"Wrote {console.counted(len(rows), 'code')} to {filename}.")


@commands.command("stats")
def stats(contract: OfContract = None, as_json: AsJson = False, verbose: Verbose = False) -> None:
    """Per contract: seats, attached learners, runs, codes, redemptions."""
    with console.surroundings() as here, here.reading() as reading:
        rows = reading.rows(statements.STATS, contracts=contract_ids(here, contract))
    if not as_json:
        rows = [row | {"seats": row["seats"] or "unlimited"} for row in rows]
    columns = {
        "contract": "Contract",
        "seats": "Seats",
        "attached": "Attached",
        "runs": "Runs",
        "codes": "Codes",
        "redeemed_for_attachment": "Redeemed: attach",
        "redeemed_for_enrollment": "Redeemed: enroll",
    }
    console.print_rows(rows, columns, as_json=as_json)


@commands.command("usage")
def usage(contract: OfContract = None, as_json: AsJson = False, verbose: Verbose = False) -> None:
    """Each redemption: who used which code, for what and when."""
    with console.surroundings() as here, here.reading() as reading:
        rows = reading.rows(statements.USAGE, contracts=contract_ids(here, contract))
    columns = {
        "contract": "Contract",
        "code": "Code",
        "product": "Product",
        "kind": "For",
        "email": "Learner",
        "redeemed_at": "When",
    }
    console.print_rows(rows, columns, as_json=as_json)


@commands.command("validate")
def validate(
    contract: OfContract = None,
    fix: Annotated[bool, typer.Option("--fix", help="Bring the codes in line.")] = False,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Say where codes differ from what their contracts want. Exit status 1 if any does and is not fixed.

    Runs that end before their contract are a note.
    """
    from sqlalchemy import select

    from b2b_pipelines.contracts import store
    from b2b_pipelines.contracts.early_runs import early_note, runs_ending_early
    from b2b_pipelines.contracts.models import Contract
    from b2b_pipelines.enrollment_codes import service

    with console.surroundings() as here, here.session() as session:
        chosen = (
            session.scalars(select(Contract).order_by(Contract.id)).all()
            if contract is None
            else [store.contract(session, contract)]
        )
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
        console.say("Every code is as its contract wants it.")
    for note in notes if not as_json else ():
        console.say(f"Note: {note['note']}")
    raise typer.Exit(1 if rows and not fix else 0)


def run() -> NoReturn:
    console.run(commands, "b2b_codes")


def _print(rows: Records, chosen: Format) -> None:
    if chosen is Format.CSV:
        _write(rows, chosen, sys.stdout)
    else:
        console.print_rows(rows, COLUMNS, as_json=chosen is Format.JSON)


def _write(rows: Records, chosen: Format, file: IO[str]) -> None:
    if chosen is Format.JSON:
        file.write(console.json_text(rows))
        return
    writer = csv.DictWriter(file, fieldnames=list(COLUMNS), lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: csv_cell(value) for key, value in row.items()} for row in rows)
