"""`b2b sheet`: what a sync would do, a sync, and what earlier ones left behind."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Annotated, Any

import typer

from b2b_pipelines.cli import console
from b2b_pipelines.cli.console import AsJson, Surroundings, Verbose
from b2b_pipelines.contracts import store as contract_store
from b2b_pipelines.sheets import service, store
from b2b_pipelines.sheets.connection import connect_sheets
from b2b_pipelines.sheets.layout import HEADERS
from b2b_pipelines.sheets.models import SheetSnapshot
from b2b_pipelines.sheets.results import layout_lost_words
from b2b_pipelines.sheets.service import LayoutIsLost, SyncResult
from b2b_pipelines.vendors.google_sheets import GoogleSheets, column_letters

commands = console.app("A contract's codes in the customer's Google Sheet.")

ContractId = Annotated[str, typer.Argument(metavar="ID", help="The contract's id or slug.")]


@commands.command("plan")
def plan(contract_id: ContractId, as_json: AsJson = False, verbose: Verbose = False) -> None:
    """Show what a sync would write now. Reads the sheet, writes nothing."""
    with console.surroundings() as here, _signed_in(here) as sheets:
        result = service.plan(here.database, sheets, contract_id)
    _show_result(result, as_json=as_json, would=True)


@commands.command("sync")
def sync(contract_id: ContractId, as_json: AsJson = False, verbose: Verbose = False) -> None:
    """Bring the sheet in line with the contract's codes. Conflicts are listed and do not stop the rest."""
    _sync(contract_id, as_json=as_json, rebuild=False)


@commands.command("rebuild", short_help="Write the tab anew, in place of whatever A-F hold.")
def rebuild(contract_id: ContractId, as_json: AsJson = False, verbose: Verbose = False) -> None:
    """Write the tab anew: header in row 1, codes below it, in place of whatever A-F hold. G and beyond stay."""
    _sync(contract_id, as_json=as_json, rebuild=True)


@commands.command("history")
def history(contract_id: ContractId, as_json: AsJson = False, verbose: Verbose = False) -> None:
    """The snapshots of a contract's sheet, newest first."""
    with console.surroundings() as here, here.session() as session:
        contract = contract_store.contract(session, contract_id)
        rows = [_listed(snapshot) for snapshot in store.snapshots(session, contract.id)]
    columns = {
        "id": "Id",
        "taken_at": "Taken",
        "verified_at": "Verified",
        "tab": "Tab",
        "rows": "Rows",
        "updated": "Updated",
        "appended": "Appended",
        "conflicts": "Conflicts",
        "run_id": "Run",
    }
    console.print_rows(rows, columns, as_json=as_json)


@commands.command("show")
def show(
    contract_id: ContractId,
    number: Annotated[
        int | None, typer.Option("--snapshot", metavar="N", help="This snapshot instead of the last.")
    ] = None,
    before: Annotated[
        bool, typer.Option("--before", help="What A-F held before we replaced it (kept for 30 days).")
    ] = False,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """What our columns held after a sync, row by row."""
    if before and number is not None:
        console.wrong_usage("--snapshot and --before exclude each other")
    with console.surroundings() as here, here.session() as session:
        snapshot = service.find_snapshot(session, contract_id, number, before=before)
        rows = _cells_before(snapshot) if snapshot.kind == "before" else _cells(snapshot)
        listed = _listed(snapshot)
        kept = [_kept(older) for older in store.before(session, snapshot.contract_id)] if before else []
    if as_json:
        console.print_json(
            listed | {"cells": rows, "conflict_list": snapshot.conflicts} | ({"kept": kept} if before else {})
        )
        return
    columns = {key: key if key != "row" else "Row" for key in rows[0]} if rows else {"row": "Row"}
    console.print_rows(
        rows, columns, as_json=False, title=f"Snapshot {snapshot.id} of {snapshot.taken_at:%Y-%m-%d %H:%M} UTC"
    )
    for older in kept[1:]:
        console.say(
            f"Also kept: {older['rows']} rows of {older['tab']!r}, {older['taken_at']:%Y-%m-%d %H:%M} UTC:"
            f" `b2b sheet show {contract_id} --snapshot {older['id']}`"
        )


@contextmanager
def _signed_in(here: Surroundings) -> Iterator[GoogleSheets]:
    with closing(connect_sheets(here.settings, here.database.engine)) as sheets:
        yield sheets


def _sync(contract_id: str, *, as_json: bool, rebuild: bool) -> None:
    with console.surroundings() as here, _signed_in(here) as sheets:
        try:
            result = service.sync(here.database, sheets, contract_id, rebuild=rebuild)
        except LayoutIsLost as error:
            if not as_json:
                raise
            lost = error.result.as_json() | {"error": {"code": error.code, "message": error.message}}
            console.print_json(lost)
            raise typer.Exit(1) from None
    _show_result(result, as_json=as_json, would=False)


def _show_result(result: SyncResult, *, as_json: bool, would: bool) -> None:
    if as_json:
        console.print_json(result.as_json())
        return
    if any(conflict.kind == "layout_lost" for conflict in result.conflicts):
        console.say(f"{result.contract}: nothing can be written: {layout_lost_words(result)}.")
    elif result.changed:
        done = f"{console.counted(result.updated, 'row')} updated, {result.appended} appended, {result.unchanged} unchanged"
        console.say(f"{result.contract}: {'would be ' if would else ''}{done}.")
    else:
        right = f"{console.counted(result.unchanged, 'row')} {'is' if result.unchanged == 1 else 'are'} right"
        console.say(f"{result.contract}: nothing to do, {right}.")
    reads, writes = console.counted(result.requests.reads, "read"), console.counted(result.requests.writes, "write")
    console.say(f"{result.target.url} (tab {result.target.tab!r}), {reads}, {writes}")
    if result.conflicts:
        rows = [conflict._asdict() for conflict in result.conflicts]
        console.print_rows(rows, {"row": "Row", "kind": "Conflict", "code": "Code"}, as_json=False)


def _listed(snapshot: SheetSnapshot) -> dict[str, Any]:
    return {
        "id": snapshot.id,
        "taken_at": snapshot.taken_at,
        "verified_at": snapshot.verified_at,
        "tab": snapshot.title,
        "rows": snapshot.row_count,
        "updated": snapshot.updated,
        "appended": snapshot.appended,
        "unchanged": snapshot.unchanged,
        "conflicts": len(snapshot.conflicts),
        "reads": snapshot.reads,
        "writes": snapshot.writes,
        "run_id": snapshot.run_id,
    }


def _kept(snapshot: SheetSnapshot) -> dict[str, Any]:
    return {"id": snapshot.id, "taken_at": snapshot.taken_at, "tab": snapshot.title, "rows": snapshot.row_count}


def _cells(snapshot: SheetSnapshot) -> list[dict[str, Any]]:
    return [{"row": row, **dict(zip(HEADERS, cells, strict=True))} for row, _, cells in snapshot.rows]


def _cells_before(snapshot: SheetSnapshot) -> list[dict[str, Any]]:
    letters = [column_letters(number) for number in range(1, len(HEADERS) + 1)]
    return [
        {"row": row, **dict.fromkeys(letters, "")} | dict(zip(letters, cells, strict=False))
        for row, cells in enumerate(snapshot.rows, start=1)
    ]
