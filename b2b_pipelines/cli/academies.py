"""`b2b academies`: the published academies, and the refused ones."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from b2b_pipelines.academies.notes import notes_on
from b2b_pipelines.cli import console, files
from b2b_pipelines.cli.console import AsCsv, AsJson, Verbose
from b2b_pipelines.plural import counted
from b2b_pipelines.reports import listings

commands = console.app("Academies: the published list, the refused ones, overrides and history.")


@commands.command("list", epilog="Example: b2b academies list --csv")
def list_academies(as_csv: AsCsv = False, as_json: AsJson = False, verbose: Verbose = False) -> None:
    """List the academies that the public endpoint shows."""
    with console.surroundings() as here, here.reading() as reading:
        rows = console.without(reading.rows(listings.ACADEMIES), "lookup_key")
    columns = {"slug": "Slug", "name": "Name", "price": "Price", "price_state": "Price state", "stale": "Stale"}
    console.print_rows(rows, columns, as_json=as_json, as_csv=as_csv)


@commands.command("refused", epilog="Example: b2b academies refused")
def refused(as_json: AsJson = False, verbose: Verbose = False) -> None:
    """List the academies that were not published, with reasons, and settings that match no academy."""
    with console.surroundings() as here, here.reading() as reading:
        found = reading.rows(listings.LEFT_OUT)
        shown = reading.rows(listings.ACADEMIES)
    items, unmatched = (found[0]["refused"], found[0]["unmatched"]) if found else ([], [])
    notes = notes_on([row["lookup_key"] for row in shown])
    if as_json:
        console.print_json({"refused": items, "unmatched": unmatched, "notes": notes})
        return
    if not items and not unmatched and not notes:
        console.say("Nothing was refused, and every setting matches an academy.")
    for note in notes:
        console.say(f"{note}.")
    for rows, columns, title in (
        (items, {"uuid": "Academy", "name": "Name", "reason": "Reason"}, "Refused"),
        (unmatched, {"setting": "Setting", "entry": "Entry"}, "Settings that match no academy"),
    ):
        if rows:
            console.print_rows(rows, columns, as_json=False, title=title)


@commands.command("refresh", epilog="Example: b2b academies refresh")
def refresh(as_json: AsJson = False, verbose: Verbose = False) -> None:
    """Read catalog and prices, and publish the list, as the assets of the academies do."""
    from b2b_pipelines.academies import service
    from b2b_pipelines.academies.selection import read_selection
    from b2b_pipelines.vendors import connections

    now = datetime.now(UTC)
    with (
        console.surroundings() as here,
        connections.enterprise_catalog(here.settings) as catalog,
        connections.stripe(here.settings) as stripe,
    ):
        selection = read_selection(here.settings)
        read = service.refresh_catalog(here.database, catalog, selection, now)
        service.refresh_prices(here.database, stripe, selection, now)
        with here.session() as session:
            published = service.publish(session, selection, now)
    shown = published.shown
    notes = [*read.notes, *service.notes_on(shown)]
    counts = {kind: published.count(kind) for kind in ("published", "changed", "deactivated", "reactivated")}
    refused = len(published.reading.refused)
    if as_json:
        console.print_json({"academies": len(shown), **counts, "refused": refused, "notes": notes})
        return
    changes = ", ".join(f"{number} {kind}" for kind, number in counts.items() if number) or "nothing changed"
    console.say(f"Academies on the list: {len(shown)} ({changes}).")
    if refused:
        console.say(f"{refused} refused. `b2b academies refused` lists the reasons.")
    for note in notes:
        console.say(f"{note}.")


@commands.command("overrides", epilog="Example: b2b academies overrides --template > academies.yaml")
def overrides(
    template: Annotated[
        bool, typer.Option("--template", help="Write a file to fill in, with the UUID and name of each academy.")
    ] = False,
    output: Annotated[
        Path | None, typer.Option("--output", metavar="FILE", dir_okay=False, help="Write to FILE instead of stdout.")
    ] = None,
    as_csv: AsCsv = False,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """List the overrides in B2B_ACADEMY_OVERRIDES. With --template: write a file to fill in, with the present overrides."""
    from b2b_pipelines.academies.selection import read_selection

    if output is not None and not template:
        console.wrong_usage("--output needs --template")
    with console.surroundings() as here:
        selection = read_selection(here.settings)
        if not template:
            rows = [{"academy": key, **values} for key, values in selection.overrides.items()]
            shown = rows if as_json else [_as_line(row) for row in rows]
            console.print_rows(shown, {"academy": "Academy", "fields": "Overrides"}, as_json=as_json, as_csv=as_csv)
            return
        from b2b_pipelines.academies import service
        from b2b_pipelines.academies.overrides_file import as_json_file, as_yaml_file, template_entries

        with here.session() as session:
            entries = template_entries(service.current_reading(session, selection).academies, selection)
    document = as_json_file(entries) if as_json else as_yaml_file(entries)
    if output is None:
        sys.stdout.write(document)
        return
    with files.writing(output):
        output.write_text(document, encoding="utf-8")
    number = counted(len(entries), "academy", "academies")
    console.warn(f"Wrote {number} to {output}. Fill it in and name it in B2B_ACADEMY_OVERRIDES.")


def _as_line(row: Mapping[str, Any]) -> dict[str, str]:
    fields = (f"{name}: {value}" for name, value in row.items() if name != "academy")
    return {"academy": row["academy"], "fields": "; ".join(fields)}


@commands.command("history", epilog="Example: b2b academies history --csv")
def history(as_csv: AsCsv = False, as_json: AsJson = False, verbose: Verbose = False) -> None:
    """List the latest hundred changes of the published academies."""
    with console.surroundings() as here, here.reading() as reading:
        found = reading.rows(listings.ACADEMY_CHANGES)
    rows = [row | {"fields": ", ".join(sorted(row["changes"])) if row["kind"] == "changed" else ""} for row in found]
    columns = {"changed_at": "When", "uuid": "Academy", "kind": "Change", "fields": "Fields"}
    console.print_rows(rows, columns, as_json=as_json, as_csv=as_csv)
