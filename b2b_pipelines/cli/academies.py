"""`b2b academies`: what is published, and what was left out."""

from typing import Any

from b2b_pipelines.academies import service
from b2b_pipelines.cli import console
from b2b_pipelines.cli.console import AsJson, Verbose

commands = console.app("Academies: the published list, and what was left out of it.")


@commands.command("list")
def list_academies(as_json: AsJson = False, verbose: Verbose = False) -> None:
    """List the academies that the public endpoint shows."""
    with console.surroundings() as here, here.session() as session:
        rows = [
            {
                "uuid": product.uuid,
                "slug": product.slug,
                "name": product.name,
                "product_key": product.product_key,
                "stripe_product_id": product.stripe_product_id,
                "price": f"{product.price['unit_amount_decimal']} {product.price['currency']}"
                if product.price
                else None,
                "price_state": product.price_state,
                "stale": product.stale,
                "catalog_query_id": product.catalog_query_id,
                "display_order": product.display_order,
            }
            for product in service.shown_products(session)
        ]
    columns = {"slug": "Slug", "name": "Name", "price": "Price", "price_state": "Price state", "stale": "Stale"}
    console.print_rows(rows, columns, as_json=as_json)


@commands.command("refused")
def refused(as_json: AsJson = False, verbose: Verbose = False) -> None:
    """What the last publication left out: items that cannot be published, and settings that fit no academy."""
    with console.surroundings() as here, here.session() as session:
        items, unmatched = service.left_out(session)
    if as_json:
        console.print_json({"refused": items, "unmatched": unmatched})
        return
    if not items and not unmatched:
        console.say("Nothing was left out.")
    for rows, columns, title in (
        (items, {"uuid": "Academy", "name": "Name", "reason": "Reason"}, "Refused"),
        (unmatched, {"setting": "Setting", "entry": "Entry"}, "Settings that fit no academy"),
    ):
        if rows:
            shown: list[dict[str, Any]] = list(rows)
            console.print_rows(shown, columns, as_json=False, title=title)


@commands.command("history")
def history(as_json: AsJson = False, verbose: Verbose = False) -> None:
    """The newest hundred changes of the published list."""
    with console.surroundings() as here, here.session() as session:
        rows = [
            {
                "changed_at": line.changed_at,
                "uuid": line.uuid,
                "kind": line.kind,
                "changes": line.changes,
                "run_id": line.run_id,
                "fields": ", ".join(sorted(line.changes)) if line.kind == "changed" else "",
            }
            for line in service.history(session)
        ]
    columns = {"changed_at": "When", "uuid": "Academy", "kind": "What", "fields": "Fields"}
    console.print_rows(rows, columns, as_json=as_json)
