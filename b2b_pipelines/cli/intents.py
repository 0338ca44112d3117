"""`b2b intents`: learners' attempts to buy, as the provisioning side sees them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from b2b_pipelines.cli import console
from b2b_pipelines.cli.console import AsJson, Verbose
from b2b_pipelines.intents.rules import ERRORED, IntentState

if TYPE_CHECKING:
    from b2b_pipelines.intents.models import CheckoutIntent

commands = console.app("Checkout intents: learners' attempts to buy a plan or an academy.")

Intent = Annotated[UUID, typer.Argument(metavar="UUID", help="The intent.")]


@commands.command("list")
def list_intents(
    state: Annotated[IntentState | None, typer.Option("--state", help="Only those in this state.")] = None,
    learner: Annotated[str | None, typer.Option("--learner", help="Only those of this e-mail address.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many, the newest first.")] = 100,
    show_emails: Annotated[bool, typer.Option("--show-emails", help="Show the learners' e-mail addresses.")] = False,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """List intents, the newest first."""
    from b2b_pipelines.intents import store

    with console.surroundings() as here, here.session() as session:
        count, found = store.page(session, learner=learner, state=state, limit=limit)
        rows = [_row(intent, show_emails=show_emails) for intent in found]
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
    if not as_json:
        rows = [row | {"paid": _paid(row["payment"]), "returned": _returned(row["money_back"])} for row in rows]
        seldom = ("pending_since", "returned", "last_error")
        columns = {key: head for key, head in columns.items() if key not in seldom or any(row[key] for row in rows)}
    console.print_rows(rows, columns, as_json=as_json)
    if not as_json and count > len(rows):
        console.warn(f"{count - len(rows)} more: use --limit, --state or --learner")


@commands.command("fulfill")
def fulfill(intent: Intent, as_json: AsJson = False, verbose: Verbose = False) -> None:
    """Note that what was bought is there. Running it again changes nothing."""
    from b2b_pipelines.intents import service

    with console.surroundings() as here, here.session() as session:
        _say(service.fulfill(session, intent, datetime.now(UTC)), as_json=as_json)


@commands.command("error")
def error(
    intent: Intent,
    state: Annotated[str, typer.Option("--state", help=f"One of {', '.join(sorted(ERRORED))}.")],
    reason: Annotated[str, typer.Option("--reason", help="What went wrong, for whoever settles it.")],
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Note that a paid intent went wrong."""
    from b2b_pipelines.intents import service

    if not reason.strip():
        console.wrong_usage("--reason must say something")
    with console.surroundings() as here, here.session() as session:
        _say(service.fail(session, intent, state, reason.strip(), datetime.now(UTC)), as_json=as_json)


def _say(intent: CheckoutIntent, *, as_json: bool) -> None:
    if as_json:
        console.print_json(_row(intent, show_emails=False))
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


def _row(intent: CheckoutIntent, *, show_emails: bool) -> dict[str, Any]:
    row: dict[str, Any] = {
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
    return row | ({"learner": intent.learner.email} if show_emails else {})
