"""`b2b intents`: checkout intents, for the people who provision purchases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from b2b_pipelines.cli import console
from b2b_pipelines.cli.console import AsCsv, AsJson, Verbose
from b2b_pipelines.cli.options import ShowEmails
from b2b_pipelines.intents.rules import ERRORED, IntentState
from b2b_pipelines.reports import listings

if TYPE_CHECKING:
    from b2b_pipelines.intents.models import CheckoutIntent

commands = console.app("Checkout intents: learners' purchases of a plan or an academy, paid or not.")

Intent = Annotated[UUID, typer.Argument(metavar="UUID", help="The intent's UUID.")]


@commands.command("list", epilog="Example: b2b intents list --state paid")
def list_intents(
    state: Annotated[
        IntentState | None,
        typer.Option("--state", metavar="STATE", help=f"Only intents in this state: {', '.join(IntentState)}."),
    ] = None,
    learner: Annotated[
        str | None, typer.Option("--learner", metavar="EMAIL", help="Only intents of this learner.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="Maximum number of intents.")] = 100,
    show_emails: ShowEmails = False,
    as_csv: AsCsv = False,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """List intents, newest first."""
    with console.surroundings() as here, here.reading() as reading:
        found = reading.rows(listings.INTENTS, learner=learner, state=state, limit=limit)
    hidden = ("total",) if show_emails else ("total", "learner")
    count = found[0]["total"] if found else 0
    rows = console.without(found, *hidden)
    columns = {
        "uuid": "Intent",
        "state": "State",
        "stripe_product_id": "Product",
        "enterprise_slug": "Enterprise",
        "quantity": "Quantity",
        "expires_at": "Reserved until",
        "pending_since": "Pending since",
        "paid": "Paid",
        "returned": "Money back",
        "last_error": "Last error",
    }
    if show_emails:
        columns["learner"] = "Learner"
    if not as_json and not as_csv:
        rows = [row | {"paid": _paid(row["payment"]), "returned": _returned(row["money_back"])} for row in rows]
        seldom = ("pending_since", "returned", "last_error")
        columns = {key: head for key, head in columns.items() if key not in seldom or any(row[key] for row in rows)}
    if as_csv:
        columns = {key: head for key, head in columns.items() if key not in ("paid", "returned")}
    console.print_rows(rows, columns, as_json=as_json, as_csv=as_csv)
    if not as_json and count > len(rows):
        console.warn(f"{count - len(rows)} more. Use --limit, --state or --learner.")


@commands.command("fulfill", epilog="Example: b2b intents fulfill UUID")
def fulfill(intent: Intent, as_json: AsJson = False, verbose: Verbose = False) -> None:
    """Mark a paid intent as fulfilled. Running it again changes nothing."""
    from b2b_pipelines.intents import service

    with console.surroundings() as here, here.session() as session:
        _say(service.fulfill(session, intent, datetime.now(UTC)), as_json=as_json)


@commands.command(
    "error", epilog="Example: b2b intents error UUID --state errored_provisioning --reason 'no license left'"
)
def error(
    intent: Intent,
    state: Annotated[str, typer.Option("--state", help=f"One of {', '.join(sorted(ERRORED))}.")],
    reason: Annotated[str, typer.Option("--reason", help="The reason, for the person who resolves it.")],
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Mark a paid intent as failed."""
    from b2b_pipelines.intents import service

    if not reason.strip():
        console.wrong_usage("--reason is empty")
    with console.surroundings() as here, here.session() as session:
        _say(service.fail(session, intent, state, reason.strip(), datetime.now(UTC)), as_json=as_json)


def _say(intent: CheckoutIntent, *, as_json: bool) -> None:
    if as_json:
        console.print_json(_row(intent))
    else:
        console.say(f"{intent.uuid} is {intent.state}.")


def _paid(payment: Mapping[str, Any] | None) -> str:
    """`9900 usd`, with an exclamation mark where the session differs from the intent; empty before a payment."""
    if payment is None:
        return ""
    mark = " !" if payment.get("differences") else ""
    return f"{payment.get('amount_total', '?')} {payment.get('currency', '')}{mark}"


def _returned(money_back: Sequence[Mapping[str, Any]]) -> str:
    return ", ".join(f"{entry['type']} {entry['amount']} {entry['currency']}" for entry in money_back)


def _row(intent: CheckoutIntent) -> dict[str, Any]:
    return {
        "uuid": intent.uuid,
        "state": str(intent.state),
        "stripe_product_id": intent.stripe_product_id,
        "enterprise_name": intent.enterprise_name,
        "enterprise_slug": intent.enterprise_slug,
        "quantity": intent.quantity,
        "country": intent.country,
        "terms_metadata": intent.terms_metadata,
        "stripe_checkout_session_id": intent.stripe_checkout_session_id,
        "expires_at": intent.expires_at,
        "pending_since": intent.pending_since,
        "payment": intent.payment,
        "money_back": intent.money_back,
        "state_changed_at": intent.state_changed_at,
        "created_at": intent.created_at,
        "last_error": intent.last_error,
    }
