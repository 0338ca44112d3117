"""`b2b sheet`: preview a sync, sync, show earlier snapshots and restore them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from b2b_pipelines.cells import column_letters, tab_name
from b2b_pipelines.cli import console
from b2b_pipelines.cli.console import AsCsv, AsJson, Surroundings, Verbose
from b2b_pipelines.cli.listing import contract_id_of, contract_of
from b2b_pipelines.cli.options import ContractId, Yes
from b2b_pipelines.cli.who import actor
from b2b_pipelines.errors import Refused
from b2b_pipelines.plural import counted
from b2b_pipelines.reports import listings
from b2b_pipelines.sheets.kept import KEPT_BEFORE, no_snapshot, texts_kept
from b2b_pipelines.sheets.layout import HEADERS

if TYPE_CHECKING:
    from b2b_pipelines.sheets.restore import Restored
    from b2b_pipelines.sheets.service import SyncResult
    from b2b_pipelines.vendors.google_sheets import GoogleSheets

commands = console.app("A contract's codes in the customer's Google Sheet.")


DryRun = Annotated[bool, typer.Option("--dry-run", help="Show the rows to be written. Write nothing.")]


@commands.command("plan", epilog="Example: b2b sheet plan leadership-2026")
def plan(contract_id: ContractId, as_json: AsJson = False, verbose: Verbose = False) -> None:
    """Show the rows that a sync would write now. Nothing is written."""
    from b2b_pipelines.sheets import service

    with console.surroundings() as here, _signed_in(here) as sheets:
        result = service.plan(here.database, sheets, contract_id, ask=_asks(here))
    _show_result(result, as_json=as_json, would=True)


@commands.command("sync", epilog="Example: b2b sheet sync leadership-2026")
def sync(
    contract_id: ContractId,
    replace: Annotated[
        bool, typer.Option("--replace", help="Allow that the contents of A-F of a new target are replaced.")
    ] = False,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Write the contract's codes to its sheet. Conflicts are listed and do not stop the rest."""
    from b2b_pipelines.sheets.service import LayoutIsLost

    with console.surroundings() as here, _signed_in(here) as sheets:
        try:
            result = _sync(here, sheets, contract_id, replace=replace, ask=_asks(here))
        except LayoutIsLost as error:
            if not as_json:
                raise
            lost = error.result.as_json() | {"error": {"code": error.code, "message": error.message}}
            console.print_json(lost)
            raise typer.Exit(1) from None
    _show_result(result, as_json=as_json, would=False)


@commands.command(
    "rebuild",
    short_help="Rewrite the code columns at A-F.",
    epilog="Examples: b2b sheet rebuild leadership-2026 --dry-run, b2b sheet rebuild leadership-2026",
)
def rebuild(
    contract_id: ContractId,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Rewrite the header and the code columns at A-F. The contents of A-F are replaced, columns from G on stay.

    A code keeps its row, beside the customer's notes. The command shows the rows to be written and asks. With --json, or
    without a terminal, --yes is needed.
    """
    from b2b_pipelines.sheets import service

    if not dry_run:
        _need_yes(yes=yes, as_json=as_json)
    with console.surroundings() as here, _signed_in(here) as sheets:
        if dry_run or not yes:
            _show_result(service.plan(here.database, sheets, contract_id, rebuild=True), as_json=as_json, would=True)
        if not dry_run:
            _ask("Write these rows?", yes=yes)
            _show_result(_sync(here, sheets, contract_id, rebuild=True), as_json=as_json, would=False)


@commands.command(
    "restore", short_help="Restore a snapshot.", epilog="Example: b2b sheet restore leadership-2026 --before --dry-run"
)
def restore(
    contract_id: ContractId,
    number: Annotated[
        int | None, typer.Option("--snapshot", metavar="N", help="Restore the code columns of this snapshot.")
    ] = None,
    before: Annotated[
        bool, typer.Option("--before", help="Restore the contents of A-F before they were replaced (kept for 30 days).")
    ] = False,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Restore a snapshot, in the six code columns only. The present contents are kept as a snapshot first.

    After --before nothing more is written to the tab, until the contract is given a sheet again or
    `b2b sheet sync ID --replace` is run. The command asks for confirmation. With --json, or without a terminal, --yes is
    needed.
    """
    from b2b_pipelines.delivery.attempts import restore_by_hand
    from b2b_pipelines.sheets import service

    if before == (number is not None):
        console.wrong_usage("use either --before or --snapshot N")
    if not dry_run:
        _need_yes(yes=yes, as_json=as_json)
    with console.surroundings() as here, _signed_in(here) as sheets:
        with here.session() as session:
            snapshot = service.find_snapshot(session, contract_id, number, before=before)
            session.expunge(snapshot)
        if dry_run or not yes:
            _show_restored(
                service.restore(here.database, sheets, contract_id, snapshot, dry_run=True), as_json=as_json, would=True
            )
        if not dry_run:
            _ask("Restore these rows?", yes=yes)
            done = restore_by_hand(here.database, sheets, contract_id, snapshot, actor())
            _show_restored(done, as_json=as_json, would=False)


@commands.command("history", epilog="Example: b2b sheet history leadership-2026")
def history(contract_id: ContractId, as_csv: AsCsv = False, as_json: AsJson = False, verbose: Verbose = False) -> None:
    """List the snapshots of a contract's sheet, newest first."""
    with console.surroundings() as here, here.reading() as reading:
        rows = reading.rows(listings.SNAPSHOTS, contract=contract_id_of(reading, contract_id))
    columns = {
        "id": "ID",
        "taken_at": "Taken",
        "verified_at": "Verified",
        "tab": "Tab",
        "rows": "Rows",
        "updated": "Updated",
        "appended": "Appended",
        "conflicts": "Conflicts",
        "run_id": "Run",
    }
    console.print_rows(rows, columns, as_json=as_json, as_csv=as_csv)


@commands.command("show", epilog="Example: b2b sheet show leadership-2026 --csv")
def show(
    contract_id: ContractId,
    number: Annotated[
        int | None, typer.Option("--snapshot", metavar="N", help="This snapshot instead of the latest.")
    ] = None,
    before: Annotated[
        bool, typer.Option("--before", help="The contents of A-F before they were replaced (kept for 30 days).")
    ] = False,
    as_csv: AsCsv = False,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Show the code columns after a sync, row by row."""
    if before and number is not None:
        console.wrong_usage("use either --snapshot or --before")
    with console.surroundings() as here, here.reading() as reading:
        contract, slug = contract_of(reading, contract_id)
        found = reading.rows(listings.SNAPSHOT, contract=contract, number=number, before=before, kept_for=KEPT_BEFORE)
        if not found:
            raise no_snapshot(slug, number, before=before)
        kept = reading.rows(listings.KEPT, contract=contract, kept_for=KEPT_BEFORE) if before else []
    [snapshot] = found
    rows = _cells(snapshot["kind"], snapshot["contents"])
    if as_json:
        listed = {key: value for key, value in snapshot.items() if key not in ("kind", "contents")}
        conflicts = {"conflicts": len(snapshot["conflicts"]), "conflict_list": snapshot["conflicts"]}
        console.print_json(listed | {"cells": rows} | conflicts | ({"kept": kept} if before else {}))
        return
    columns = {key: key if key != "row" else "Row" for key in rows[0]} if rows else {"row": "Row"}
    title = f"Snapshot {snapshot['id']} of {snapshot['taken_at']:%Y-%m-%d %H:%M} UTC"
    console.print_rows(rows, columns, as_json=False, as_csv=as_csv, title=title)
    for older in () if as_csv else kept[1:]:
        console.say(
            f"Also kept: {counted(older['rows'], 'row')} of {tab_name(older['tab'])},"
            f" {older['taken_at']:%Y-%m-%d %H:%M} UTC: `b2b sheet show {contract_id} --snapshot {older['id']}`"
        )


def _signed_in(here: Surroundings) -> GoogleSheets:
    from b2b_pipelines.sheets.connection import connect_sheets

    return connect_sheets(here.settings, here.database.engine)


def _sync(here: Surroundings, sheets: GoogleSheets, contract_id: str, **order: bool) -> SyncResult:
    from b2b_pipelines.delivery.attempts import sync_by_hand

    alert = here.settings.alert_webhook_url is not None
    return sync_by_hand(here.database, sheets, contract_id, actor(), alert=alert, **order)


def _asks(here: Surroundings) -> bool:
    return here.settings.sheet_replace == "ask"


def _need_yes(*, yes: bool, as_json: bool) -> None:
    if not yes and (as_json or not sys.stdin.isatty()):
        console.wrong_usage("--yes is needed with --json or without a terminal")


def _ask(question: str, *, yes: bool) -> None:
    if not yes and not typer.confirm(question, err=True):
        raise Refused("Nothing was written, because you answered no.")


def _show_restored(done: Restored, *, as_json: bool, would: bool) -> None:
    if as_json:
        console.print_json(done.as_json())
        return
    what = "the contents of A-F" if done.snapshot.kind == "before" else f"snapshot {done.snapshot.id}"
    cells, rows = counted(done.cells, "cell"), counted(done.rows, "row")
    verb = "Would restore" if would else "Restored"
    console.say(
        f"{done.result.contract}: {verb} {what} of {done.snapshot.taken_at:%Y-%m-%d %H:%M} UTC: {cells} in {rows}."
    )
    console.say(f"{done.result.target.url} (tab {tab_name(done.result.target.tab)})")
    if done.pauses and not would:
        console.say(f"Syncs of this tab are paused. `b2b sheet sync {done.result.contract} --replace` resumes them.")


def _show_result(result: SyncResult, *, as_json: bool, would: bool) -> None:
    from b2b_pipelines.sheets.explained import MEANING
    from b2b_pipelines.sheets.results import layout_lost_words, row_ranges

    if as_json:
        console.print_json(result.as_json())
        return
    if any(conflict.kind == "layout_lost" for conflict in result.conflicts):
        console.say(f"{result.contract}: Nothing can be written: {layout_lost_words(result)}.")
    elif result.changed:
        console.say(f"{result.contract}: {_changes(result, would=would)}.")
    else:
        console.say(f"{result.contract}: Up to date: {counted(result.unchanged, 'row')}.")
    if result.replaced:
        rows = counted(result.replaced, "row")
        cells = ", ".join(tab_name(cell) for cell in result.replaced_cells)
        console.say(
            f"{'Would replace' if would else 'Replaced'} {rows} in A-F, starting with {cells}"
            f" (`b2b sheet restore {result.contract} --before` restores them)."
        )
    if result.needs_consent:
        console.say(f"A sync waits for approval, which `b2b sheet sync {result.contract} --replace` gives.")
    if result.lands_far_below:
        console.say(f"New codes {'would be' if would else 'are'} in {row_ranges(result.rows_added)}.")
    reads, writes = counted(result.requests.reads, "read"), counted(result.requests.writes, "write")
    console.say(f"{result.target.url} (tab {tab_name(result.target.tab)}), {reads}, {writes}")
    if result.conflicts:
        number = counted(len(result.conflicts), "conflict")
        console.say(f"{number} {'needs' if len(result.conflicts) == 1 else 'need'} attention:")
        rows_in_conflict = [conflict._asdict() for conflict in result.conflicts]
        console.print_rows(rows_in_conflict, {"row": "Row", "kind": "Conflict", "code": "Code"}, as_json=False)
        for kind in dict.fromkeys(conflict.kind for conflict in result.conflicts if conflict.kind != "layout_lost"):
            console.say(f"{kind}: {' '.join(MEANING[kind])}")


def _changes(result: SyncResult, *, would: bool) -> str:
    """Return `Would add 25 rows (0 changed, 0 unchanged)`."""
    added = counted(result.appended, "row")
    return f"{'Would add' if would else 'Added'} {added} ({result.updated} changed, {result.unchanged} unchanged)"


def _cells(kind: str, contents: Sequence[Any]) -> list[dict[str, Any]]:
    """Return the cells of a snapshot, row by row, by heading or by column letter."""
    if kind != "before":
        return [{"row": row, **dict(zip(HEADERS, cells, strict=True))} for row, _, cells in contents]
    letters = [column_letters(number) for number in range(1, len(HEADERS) + 1)]
    return [
        {"row": row, **dict.fromkeys(letters, "")} | dict(zip(letters, cells, strict=False))
        for row, cells in enumerate(texts_kept(contents), start=1)
    ]
