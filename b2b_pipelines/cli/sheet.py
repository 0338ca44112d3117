"""`b2b sheet`: what a sync would do, a sync, and what earlier ones left behind."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from b2b_pipelines.cli import console
from b2b_pipelines.cli.console import AsJson, Surroundings, Verbose
from b2b_pipelines.errors import Refused
from b2b_pipelines.sheets.layout import HEADERS

if TYPE_CHECKING:
    from b2b_pipelines.sheets.models import SheetSnapshot
    from b2b_pipelines.sheets.restore import Restored
    from b2b_pipelines.sheets.service import SyncResult
    from b2b_pipelines.vendors.google_sheets import GoogleSheets

commands = console.app("A contract's codes in the customer's Google Sheet.")

ContractId = Annotated[str, typer.Argument(metavar="ID", help="The contract's id or slug.")]


Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


@commands.command("plan")
def plan(contract_id: ContractId, as_json: AsJson = False, verbose: Verbose = False) -> None:
    """Show what a sync would write now. Reads the sheet, writes nothing."""
    from b2b_pipelines.sheets import service

    with console.surroundings() as here, _signed_in(here) as sheets:
        result = service.plan(here.database, sheets, contract_id, ask=_asks(here))
    _show_result(result, as_json=as_json, would=True)


@commands.command("sync")
def sync(
    contract_id: ContractId,
    replace: Annotated[
        bool, typer.Option("--replace", help="Agree that what A-F of a new target hold is replaced.")
    ] = False,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Bring the sheet in line with the contract's codes. Conflicts are listed and do not stop the rest."""
    from b2b_pipelines.sheets import service
    from b2b_pipelines.sheets.service import LayoutIsLost

    with console.surroundings() as here, _signed_in(here) as sheets:
        try:
            result = service.sync(here.database, sheets, contract_id, replace=replace, ask=_asks(here))
        except LayoutIsLost as error:
            if not as_json:
                raise
            lost = error.result.as_json() | {"error": {"code": error.code, "message": error.message}}
            console.print_json(lost)
            raise typer.Exit(1) from None
    _show_result(result, as_json=as_json, would=False)


@commands.command("rebuild", short_help="Write our columns at A-F again, each code beside its notes.")
def rebuild(contract_id: ContractId, yes: Yes = False, as_json: AsJson = False, verbose: Verbose = False) -> None:
    """Write the header and our columns at A-F again, in place of whatever A-F hold. G and beyond stay.

    A code that stands anywhere in a row keeps that row, so that the customer's notes stay beside it. Shows what would be
    written and asks; with --json, or without a terminal, --yes is needed.
    """
    from b2b_pipelines.sheets import service

    _need_yes(yes=yes, as_json=as_json)
    with console.surroundings() as here, _signed_in(here) as sheets:
        if not yes:
            _show_result(service.plan(here.database, sheets, contract_id, rebuild=True), as_json=False, would=True)
            _ask("Write this?")
        result = service.sync(here.database, sheets, contract_id, rebuild=True)
    _show_result(result, as_json=as_json, would=False)


@commands.command("restore", short_help="Put back what a snapshot held.")
def restore(
    contract_id: ContractId,
    number: Annotated[
        int | None, typer.Option("--snapshot", metavar="N", help="Put our columns back as that snapshot had them.")
    ] = None,
    before: Annotated[
        bool, typer.Option("--before", help="Put back what A-F held before they were replaced (kept for 30 days).")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be written, and write nothing.")] = False,
    yes: Yes = False,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Put back what a snapshot held, in our six columns only. What stands there now is kept as a snapshot first.

    After --before nothing is written to the tab until the contract is given a sheet again, or `b2b sheet sync ID
    --replace`. Shows what would be written and asks; with --json, or without a terminal, --yes is needed.
    """
    from b2b_pipelines.sheets import service

    if before == (number is not None):
        console.wrong_usage("choose one: --before or --snapshot N")
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
            if not yes:
                _ask("Put this back?")
            done = service.restore(here.database, sheets, contract_id, snapshot)
            _show_restored(done, as_json=as_json, would=False)


@commands.command("history")
def history(contract_id: ContractId, as_json: AsJson = False, verbose: Verbose = False) -> None:
    """The snapshots of a contract's sheet, newest first."""
    from b2b_pipelines.contracts import store as contract_store
    from b2b_pipelines.sheets import store

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
    from b2b_pipelines.sheets import service, store

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
    from b2b_pipelines.sheets.connection import connect_sheets

    with closing(connect_sheets(here.settings, here.database.engine)) as sheets:
        yield sheets


def _asks(here: Surroundings) -> bool:
    return here.settings.sheet_replace == "ask"


def _need_yes(*, yes: bool, as_json: bool) -> None:
    if not yes and (as_json or not sys.stdin.isatty()):
        console.wrong_usage("--yes is needed with --json or without a terminal, because nothing can be asked")


def _ask(question: str) -> None:
    if not typer.confirm(question, err=True):
        raise Refused("nothing was written")


def _show_restored(done: Restored, *, as_json: bool, would: bool) -> None:
    if as_json:
        console.print_json(done.as_json())
        return
    what = "what A-F held" if done.snapshot.kind == "before" else f"snapshot {done.snapshot.id}"
    cells, rows = console.counted(done.cells, "cell"), console.counted(done.rows, "row")
    verb = "would be written" if would else "written"
    console.say(
        f"{done.result.contract}: {what} of {done.snapshot.taken_at:%Y-%m-%d %H:%M} UTC: {cells} in {rows} {verb}."
    )
    console.say(f"{done.result.target.url} (tab {done.result.target.tab!r})")
    if done.snapshot.kind == "before" and not would:
        console.say(
            f"Nothing more is written to this tab: `b2b sheet sync {done.result.contract} --replace` takes it again."
        )


def _show_result(result: SyncResult, *, as_json: bool, would: bool) -> None:
    from b2b_pipelines.sheets.results import layout_lost_words, row_ranges

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
    if result.replaced:
        rows = console.counted(result.replaced, "row")
        cells = ", ".join(repr(cell) for cell in result.replaced_cells)
        console.say(
            f"{'Would replace' if would else 'Replaced'} {rows} in A-F, beginning with {cells}"
            f" (`b2b sheet restore {result.contract} --before` puts them back)."
        )
    if result.needs_consent:
        console.say(f"A sync waits for consent: name the tab, or `b2b sheet sync {result.contract} --replace`.")
    if result.lands_far_below:
        console.say(f"New codes {'would stand' if would else 'stand'} in {row_ranges(result.rows_added)}.")
    reads, writes = console.counted(result.requests.reads, "read"), console.counted(result.requests.writes, "write")
    console.say(f"{result.target.url} (tab {result.target.tab!r}), {reads}, {writes}")
    if result.conflicts:
        rows_in_conflict = [conflict._asdict() for conflict in result.conflicts]
        console.print_rows(rows_in_conflict, {"row": "Row", "kind": "Conflict", "code": "Code"}, as_json=False)


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
        "cause": snapshot.cause,
    }


def _kept(snapshot: SheetSnapshot) -> dict[str, Any]:
    return {"id": snapshot.id, "taken_at": snapshot.taken_at, "tab": snapshot.title, "rows": snapshot.row_count}


def _cells(snapshot: SheetSnapshot) -> list[dict[str, Any]]:
    return [{"row": row, **dict(zip(HEADERS, cells, strict=True))} for row, _, cells in snapshot.rows]


def _cells_before(snapshot: SheetSnapshot) -> list[dict[str, Any]]:
    from b2b_pipelines.sheets.snapshots import texts_kept
    from b2b_pipelines.vendors.google_sheets import column_letters

    letters = [column_letters(number) for number in range(1, len(HEADERS) + 1)]
    return [
        {"row": row, **dict.fromkeys(letters, "")} | dict(zip(letters, cells, strict=False))
        for row, cells in enumerate(texts_kept(snapshot), start=1)
    ]
